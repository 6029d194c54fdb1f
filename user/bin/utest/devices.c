/* Memory of devices: which addresses can be had, how the CPU caches them, and that nobody pays for frames. */
#include "abi/account.h"
#include "user/bin/utest/space.h"
#include "user/bin/utest/test.h"
#include "user/libq/system.h"

/* The local APIC's registers, of which each CPU has its own (Intel SDM vol. 3A, section 11.4.1). */
#define APIC         0xfee00000ull
#define APIC_VERSION 0x30

/* Bits of a leaf (Intel SDM vol. 3A, table 4-20); with the kernel's PAT all of them 0 is write-back. */
#define LEAF_THROUGH 8ull
#define LEAF_DISABLE 16ull
#define LEAF_PAT     128ull

static bool leaf_bits(uint64_t address, uint64_t *bits)
{
    struct memory_step steps[5];
    uint64_t count = 0;
    CHECK_OK(sys_task_translate(startup->self, startup->system, address, steps, sizeof steps, &count));
    CHECK(count > 0 && steps[count - 1].present && steps[count - 1].leaf);
    CHECK_EQUAL(steps[count - 1].span, PAGE_SIZE);
    CHECK_EQUAL(steps[count - 1].entry & 0x000ffffffffff000ull, APIC);
    *bits = steps[count - 1].entry & (LEAF_THROUGH | LEAF_DISABLE | LEAF_PAT);
    return true;
}

static bool map_in_all_modes(void)
{
    uint64_t bits[3];
    for (unsigned cache = MEMORY_CACHE_BACK; cache <= MEMORY_CACHE_COMBINE; cache++) {
        uint32_t memory;
        CHECK_OK(sys_memory_device(startup->system, 0, APIC, PAGE_SIZE, cache, &memory));
        CHECK_OK(space_map(memory, 0, FIELD, PAGE_SIZE, READ_WRITE | MAP_MODE_POPULATE));
        CHECK(leaf_bits(FIELD, &bits[cache]));
        CHECK_OK(space_unmap(FIELD, 0));
        CHECK_OK(space_map(memory, 0, FIELD, PAGE_SIZE, READ));
        if (cache == MEMORY_CACHE_NONE) { /* by a fault; and only so it is right to touch it */
            CHECK(*(volatile uint32_t *)(FIELD + APIC_VERSION) != 0);
            CHECK(leaf_bits(FIELD, &bits[cache]));
        }
        CHECK_OK(space_unmap(FIELD, 0));
        CHECK_OK(sys_handle_close(memory));
    }
    CHECK_EQUAL(bits[MEMORY_CACHE_BACK], 0);
    CHECK(bits[MEMORY_CACHE_NONE] & LEAF_DISABLE);
    CHECK(bits[MEMORY_CACHE_COMBINE] != 0 && bits[MEMORY_CACHE_COMBINE] != bits[MEMORY_CACHE_NONE]);
    return true;
}

static bool device_memory_is_mapped_with_the_cache_mode_that_was_asked_for(void)
{
    return gives_all_back(map_in_all_modes, 10);
}

static bool device_memory_costs_no_frames(void)
{
    struct account_info before, after;
    uint32_t memory;
    CHECK_OK(sys_account_read(startup->account, &before, sizeof before));
    CHECK_OK(sys_memory_device(startup->system, 0, APIC, PAGE_SIZE, MEMORY_CACHE_NONE, &memory));
    CHECK_OK(sys_account_read(startup->account, &after, sizeof after));
    CHECK_EQUAL(after.resources[RESOURCE_FRAMES].used, before.resources[RESOURCE_FRAMES].used);
    CHECK_OK(sys_handle_close(memory));
    return true;
}

static bool ram_and_what_no_address_reaches_are_refused(void)
{
    static const struct {
        uint64_t physical, bytes, cache;
        enum error error;
    } bads[] = {
        {16 * MIB, PAGE_SIZE, MEMORY_CACHE_NONE, ERR_NO_RIGHT},
        {APIC - 4 * GIB, PAGE_SIZE, MEMORY_CACHE_NONE, ERR_BAD_ARGUMENT},
        {0, 4 * GIB, MEMORY_CACHE_BACK, ERR_NO_RIGHT},
        {APIC + 1, PAGE_SIZE, MEMORY_CACHE_NONE, ERR_BAD_ARGUMENT},
        {APIC, 100, MEMORY_CACHE_NONE, ERR_BAD_ARGUMENT},
        {APIC, 0, MEMORY_CACHE_NONE, ERR_BAD_ARGUMENT},
        {APIC, PAGE_SIZE, 3, ERR_BAD_ARGUMENT},
        {APIC, ~0ull << 12, MEMORY_CACHE_NONE, ERR_BAD_ARGUMENT},
        {0xffffffffff000ull, 2 * PAGE_SIZE, MEMORY_CACHE_NONE, ERR_BAD_ARGUMENT},
        {1ull << 52, PAGE_SIZE, MEMORY_CACHE_NONE, ERR_BAD_ARGUMENT},
    };
    uint32_t memory;
    for (unsigned i = 0; i < sizeof bads / sizeof bads[0]; i++) {
        CHECK_ERROR(
            sys_memory_device(startup->system, 0, bads[i].physical, bads[i].bytes, bads[i].cache, &memory),
            bads[i].error);
    }
    return true;
}

static bool device_memory_is_neither_given_back_nor_pinned_nor_resized(void)
{
    uint64_t frame;
    uint32_t memory;
    CHECK_OK(sys_memory_device(startup->system, 0, APIC, PAGE_SIZE, MEMORY_CACHE_NONE, &memory));
    CHECK_ERROR(sys_memory_decommit(memory, 0, PAGE_SIZE), ERR_UNSUPPORTED);
    CHECK_ERROR(sys_memory_resize(memory, 2 * PAGE_SIZE), ERR_UNSUPPORTED);
    CHECK_ERROR(sys_memory_pin(memory, startup->system, 0, &frame, sizeof frame), ERR_UNSUPPORTED);
    CHECK_OK(sys_memory_commit(memory, 0, PAGE_SIZE)); /* it is there */
    CHECK_EQUAL(page_state(memory, 0), MEMORY_PAGE_PRESENT);
    CHECK_OK(sys_handle_close(memory));
    return true;
}

static const struct test tests[] = {
    TEST(device_memory_is_mapped_with_the_cache_mode_that_was_asked_for),
    TEST(device_memory_costs_no_frames),
    TEST(ram_and_what_no_address_reaches_are_refused),
    TEST(device_memory_is_neither_given_back_nor_pinned_nor_resized),
};
const struct area area_devices = AREA("devices", tests);
