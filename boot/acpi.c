/* ACPI 6.5: 5.2.5 (RSDP), 5.2.6 (header), 5.2.7 and 5.2.8 (RSDT, XSDT), 5.2.12 (MADT). */
#include "boot/acpi.h"

#include "lib/text.h"

#define RSDP_BYTES_V1  20
#define RSDP_BYTES_V2  36
#define RSDP_REVISION  15
#define RSDP_RSDT      16
#define RSDP_XSDT      24
#define HEADER_LENGTH  4
#define HEADER_BYTES   36
#define TABLE_MOST     (16u << 20) /* longer than any real table: a damaged length */
#define MADT_RECORDS   44
#define RECORD_APIC    0
#define RECORD_X2APIC  9
#define RECORD_ENABLED 1u

static uint32_t read_32(const uint8_t *at)
{
    uint32_t value;
    memcpy(&value, at, sizeof(value));
    return value;
}

static uint64_t read_64(const uint8_t *at)
{
    uint64_t value;
    memcpy(&value, at, sizeof(value));
    return value;
}

static bool sums_to_zero(const uint8_t *data, size_t bytes)
{
    uint8_t sum = 0;
    for (size_t i = 0; i < bytes; i++) {
        sum = (uint8_t)(sum + data[i]);
    }
    return sum == 0;
}

static bool is_table(const uint8_t *table, const char *signature)
{
    if (table == NULL || memcmp(table, signature, 4) != 0) {
        return false;
    }
    uint32_t length = read_32(table + HEADER_LENGTH);
    return length >= HEADER_BYTES && length <= TABLE_MOST && sums_to_zero(table, length);
}

static const uint8_t *at_address(uint64_t address)
{
    return (const uint8_t *)(uintptr_t)address;
}

const void *acpi_root(const void *root_pointer, bool prefers_rsdt)
{
    const uint8_t *pointer = root_pointer;
    if (pointer == NULL || memcmp(pointer, "RSD PTR ", 8) != 0 || !sums_to_zero(pointer, RSDP_BYTES_V1)) {
        return NULL;
    }
    const uint8_t *rsdt = at_address(read_32(pointer + RSDP_RSDT));
    rsdt = is_table(rsdt, "RSDT") ? rsdt : NULL;
    if (pointer[RSDP_REVISION] >= 2 && sums_to_zero(pointer, RSDP_BYTES_V2)) {
        const uint8_t *xsdt = at_address(read_64(pointer + RSDP_XSDT));
        if (is_table(xsdt, "XSDT") && (rsdt == NULL || !prefers_rsdt)) {
            return xsdt;
        }
    }
    return rsdt;
}

const void *acpi_find(const void *root, const char *signature)
{
    const uint8_t *table = root;
    if (table == NULL) {
        return NULL;
    }
    size_t entry_bytes = table[0] == 'X' ? 8 : 4;
    size_t length = read_32(table + HEADER_LENGTH);
    for (size_t at = HEADER_BYTES; at + entry_bytes <= length; at += entry_bytes) {
        uint64_t address = entry_bytes == 8 ? read_64(table + at) : read_32(table + at);
        if (is_table(at_address(address), signature)) {
            return at_address(address);
        }
    }
    return NULL;
}

/* Whether a record is an enabled processor, and its id. Some firmware fills unused records with id 255. */
static bool record_processor(const uint8_t *record, size_t bytes, uint32_t *apic_id)
{
    if (record[0] == RECORD_APIC && bytes >= 8) {
        *apic_id = record[3];
        return (read_32(record + 4) & RECORD_ENABLED) != 0 && *apic_id != 0xff;
    }
    if (record[0] == RECORD_X2APIC && bytes >= 16) {
        *apic_id = read_32(record + 4);
        return (read_32(record + 8) & RECORD_ENABLED) != 0 && *apic_id != 0xffffffff;
    }
    return false;
}

static bool is_listed(const uint32_t *apic_ids, size_t count, uint32_t apic_id)
{
    for (size_t i = 0; i < count; i++) {
        if (apic_ids[i] == apic_id) {
            return true;
        }
    }
    return false;
}

size_t acpi_processors(const void *madt, uint32_t *apic_ids, size_t limit)
{
    const uint8_t *table = madt;
    size_t length = madt != NULL ? read_32(table + HEADER_LENGTH) : 0;
    size_t count = 0;
    for (size_t at = MADT_RECORDS; at + 2 <= length;) {
        size_t bytes = table[at + 1];
        uint32_t apic_id;
        if (bytes < 2 || bytes > length - at) {
            break;
        }
        if (record_processor(table + at, bytes, &apic_id) &&
            !is_listed(apic_ids, count < limit ? count : limit, apic_id)) {
            if (count < limit) {
                apic_ids[count] = apic_id;
            }
            count++;
        }
        at += bytes;
    }
    return count;
}
