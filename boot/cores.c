/*
 * The other cores. Before boot services end, all they need is made ready: the start page, a slot and a stack
 * for each. They are started only afterwards, since firmware takes them into its own hands once more when
 * boot services end.
 *
 * INIT, start-up, start-up: Intel SDM volume 3, 8.4.4; the interrupt command register: 10.6.1 and 10.12.9.
 */
#include "boot/acpi.h"
#include "boot/cpu.h"
#include "boot/firmware.h"
#include "boot/handover.h"
#include "lib/text.h"
#include "lib/units.h"

#define START_PAGE_LIMIT 0xa0000ull /* conventional memory; a start-up vector names a page below 1 MiB */

#define MSR_APIC_BASE     0x1bu
#define APIC_BASE_ENABLED (1u << 11)
#define APIC_BASE_X2      (1u << 10)
#define APIC_BASE_ADDRESS 0x000ffffffffff000ull
#define MSR_X2APIC_ICR    0x830u
#define APIC_ICR_LOW      0x300
#define APIC_ICR_HIGH     0x310
#define ICR_PENDING       (1u << 12)
#define ICR_INIT          0x4500u
#define ICR_START_UP      0x4600u
#define XAPIC_ID_END      255u /* 255 is everybody */

#define LEAF_APIC         1u
#define LEAF_FEATURES     7u
#define FEATURES_C_LA57   (1u << 16)
#define LEAF_TOPOLOGY     0xbu
#define LEAF_EXTENDED     0x80000001u
#define EXTENDED_D_NX     (1u << 20)
#define CALIBRATE_US      5000
#define AFTER_INIT_MS     10
#define BETWEEN_STARTS_MS 1
#define SILENCE_MS        500 /* no core has answered for that long: no more will; and for each core */
#define SILENCE_CORE_MS   20  /* that much more: an emulator may run them all on a few */
#define ICR_ROUNDS        1000000

#define ENTRY_WRITABLE 3u /* of a page table: present, writable */

#define GDT_CODE32  0x00cf9b000000ffffull
#define GDT_DATA    0x00cf93000000ffffull
#define GDT_CODE64  0x00af9b000000ffffull
#define MXCSR_RESET 0x1f80u

/* The id by which start.S will look for its slot. */
static uint32_t own_apic_id(void)
{
    if (cpuid(0, 0).a >= LEAF_TOPOLOGY) {
        struct cpuid topology = cpuid(LEAF_TOPOLOGY, 0);
        if (topology.b != 0) {
            return topology.d;
        }
    }
    return cpuid(LEAF_APIC, 0).b >> 24;
}

static bool is_x2apic(void)
{
    return (read_msr(MSR_APIC_BASE) & APIC_BASE_X2) != 0;
}

/* Drop the cores that the local APIC cannot address in the mode that the firmware left it in. */
static void drop_unreachable(struct handover *handover)
{
    size_t kept = 0;
    for (size_t i = 0; i < handover->core_count; i++) {
        if (is_x2apic() || handover->apic_ids[i] < XAPIC_ID_END) {
            handover->apic_ids[kept++] = handover->apic_ids[i];
        }
    }
    if (kept < handover->core_count) {
        note("MADT", "%u cores have an APIC id above 254, which the firmware's APIC mode cannot reach",
             (unsigned)(handover->core_count - kept));
    }
    handover->core_count = kept;
}

static void list_only_boot_core(struct handover *handover)
{
    handover->apic_ids[0] = own_apic_id();
    handover->core_count = 1;
    handover->boot_core = 0;
}

/* Find this core in the list; one core alone remains when it is not there. */
static void find_boot_core(struct handover *handover)
{
    uint32_t own = own_apic_id();
    for (size_t i = 0; i < handover->core_count; i++) {
        if (handover->apic_ids[i] == own) {
            handover->boot_core = i;
            return;
        }
    }
    list_only_boot_core(handover);
}

static void list_cores(struct handover *handover)
{
    const void *root = (const void *)(uintptr_t)handover->bootboot->acpi_ptr;
    size_t count = acpi_processors(acpi_find(root, "APIC"), handover->apic_ids, CORES_MOST);
    size_t stacks = handover->layout.stack_room / handover->layout.stack;
    bool has_apic = (read_msr(MSR_APIC_BASE) & APIC_BASE_ENABLED) != 0;
    handover->core_count = count < CORES_MOST ? count : CORES_MOST;
    drop_unreachable(handover);
    if (handover->core_count > stacks) {
        note(handover->kernel_name, "it leaves room for %u stacks of %u bytes; the other cores stay off",
             (unsigned)stacks, (unsigned)handover->layout.stack);
        handover->core_count = stacks;
    }
    find_boot_core(handover);
    if (!handover->may_start_cores || handover->settings.is_single_core || !has_apic) {
        list_only_boot_core(handover);
    }
}

static void calibrate(struct handover *handover)
{
    uint64_t begin = read_tsc();
    services->Stall(CALIBRATE_US);
    handover->ticks_a_ms = (read_tsc() - begin) / (CALIBRATE_US / 1000);
}

static uint32_t low_address(const void *pointer)
{
    return (uint32_t)(uintptr_t)pointer;
}

static void fill_start_page(struct start_page *page)
{
    memcpy(page->code, start_code, (size_t)(start_code_end - start_code));
    page->gdt[1] = GDT_CODE32;
    page->gdt[2] = GDT_DATA;
    page->gdt[3] = GDT_CODE64;
    page->gdtr = (struct table_register){sizeof(page->gdt) - 1, (uintptr_t)page->gdt};
    page->far32.offset = low_address(page->code + (start_protected - start_code));
    page->far32.selector = SELECTOR_CODE32;
    page->far64.offset = low_address(page->code + (start_long - start_code));
    page->far64.selector = SELECTOR_CODE64;
    page->mxcsr = MXCSR_RESET;
}

static void fill_slots(struct handover *handover)
{
    uint32_t efer = EFER_LME | (handover->has_no_execute ? EFER_NXE : 0);
    for (size_t i = 0; i < handover->core_count; i++) {
        handover->slots[i].apic_id = handover->apic_ids[i];
        handover->slots[i].efer = efer;
    }
    handover->slots[handover->boot_core].opens = 1;
}

/* Without a page below 1 MiB no other core can start, but this one can run from a page anywhere. */
static struct start_page *take_start_page(struct handover *handover)
{
    struct start_page *page = memory_take_below(START_PAGE_LIMIT, PAGE_SIZE, MEMORY_LIVE);
    handover->may_start_cores = page != NULL;
    return page != NULL ? page : memory_take(PAGE_SIZE, MEMORY_LIVE);
}

bool cores_prepare(struct handover *handover)
{
    handover->has_no_execute = (cpuid(LEAF_EXTENDED, 0).d & EXTENDED_D_NX) != 0;
    handover->start = take_start_page(handover);
    list_cores(handover);
    handover->slots = memory_take(handover->core_count * sizeof(*handover->slots), MEMORY_LIVE);
    handover->stack_bytes = align_up(handover->core_count * handover->layout.stack, PAGE_SIZE);
    handover->stacks = memory_take(handover->stack_bytes, MEMORY_LIVE);
    if (handover->start == NULL || handover->slots == NULL || handover->stacks == NULL) {
        return fail(handover->kernel_name, "there is no memory for the stacks of %u cores",
                    (unsigned)handover->core_count);
    }
    fill_start_page(handover->start);
    fill_slots(handover);
    calibrate(handover);
    return true;
}

static void wait_ms(const struct handover *handover, uint64_t ms)
{
    uint64_t begin = read_tsc();
    while (read_tsc() - begin < ms * handover->ticks_a_ms) {
        relax();
    }
}

static volatile uint32_t *apic_register(uint32_t offset)
{
    return (volatile uint32_t *)(uintptr_t)((read_msr(MSR_APIC_BASE) & APIC_BASE_ADDRESS) + offset);
}

static void send(uint32_t apic_id, uint32_t command)
{
    if (is_x2apic()) {
        __asm__ volatile("mfence; lfence" : : : "memory"); /* the write is not serialising: SDM 10.12.3 */
        write_msr(MSR_X2APIC_ICR, (uint64_t)apic_id << 32 | command);
        return;
    }
    *apic_register(APIC_ICR_HIGH) = apic_id << 24;
    *apic_register(APIC_ICR_LOW) = command;
    for (int i = 0; i < ICR_ROUNDS && (*apic_register(APIC_ICR_LOW) & ICR_PENDING) != 0; i++) {
        relax();
    }
}

static bool has_answered(const struct start_slot *slot)
{
    return __atomic_load_n(&slot->state, __ATOMIC_ACQUIRE) == SLOT_ANSWERED;
}

/* To every other core that has not answered yet. */
static void send_to_silent(struct handover *handover, uint32_t command)
{
    for (size_t i = 0; i < handover->core_count; i++) {
        if (i != handover->boot_core && !has_answered(&handover->slots[i])) {
            send(handover->slots[i].apic_id, command);
        }
    }
}

static size_t answers(const struct handover *handover)
{
    size_t count = 0;
    for (size_t i = 0; i < handover->core_count; i++) {
        count += has_answered(&handover->slots[i]);
    }
    return count;
}

/* Until all others are there, or for as long as some still come. */
static void await_answers(const struct handover *handover)
{
    size_t seen = 0;
    uint64_t patience = (SILENCE_MS + SILENCE_CORE_MS * handover->core_count) * handover->ticks_a_ms;
    uint64_t begin = read_tsc();
    while (seen < handover->core_count - 1 && read_tsc() - begin < patience) {
        size_t now = answers(handover);
        if (now > seen) {
            seen = now;
            begin = read_tsc();
        }
        relax();
    }
}

/* Those that have not come by now may not enter any more. The others get the indices from 0 on, in order. */
static void admit(struct handover *handover)
{
    uint64_t index = 0;
    for (size_t i = 0; i < handover->core_count; i++) {
        struct start_slot *slot = &handover->slots[i];
        uint32_t silent = SLOT_LISTED;
        bool is_late = i != handover->boot_core &&
                       __atomic_compare_exchange_n(&slot->state, &silent, SLOT_REFUSED, false,
                                                   __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
        if (!is_late) {
            slot->index = index;
            slot->stack = 0 - index * handover->layout.stack;
            index++;
        }
    }
    handover->bootboot->numcores = (uint16_t)index;
    handover->bootboot->bspid = (uint16_t)handover->slots[handover->boot_core].apic_id;
}

/* With five levels the tables of four hang below one more, which has the lowest and the highest addresses. */
static bool five_levels(struct handover *handover)
{
    handover->fifth_level[0] = low_address(handover->paging.root) | ENTRY_WRITABLE;
    handover->fifth_level[511] = handover->fifth_level[0];
    return handover->settings.has_five_levels && cpuid(0, 0).a >= LEAF_FEATURES &&
           (cpuid(LEAF_FEATURES, 0).c & FEATURES_C_LA57) != 0;
}

void cores_start(struct handover *handover)
{
    struct start_page *page = handover->start;
    bool five = five_levels(handover);
    page->cr0 = handover->policy.cr0;
    page->cr3 = low_address(five ? handover->fifth_level : handover->paging.root);
    page->cr4 = CR4_HANDOVER | (five ? CR4_LA57 : 0);
    page->slots = low_address(handover->slots);
    page->slot_count = (uint32_t)handover->core_count;
    page->entry = handover->layout.entry;
    if (handover->core_count > 1) {
        uint32_t start_up = ICR_START_UP | low_address(page) >> PAGE_SHIFT;
        send_to_silent(handover, ICR_INIT);
        wait_ms(handover, AFTER_INIT_MS);
        send_to_silent(handover, start_up);
        wait_ms(handover, BETWEEN_STARTS_MS);
        send_to_silent(handover, start_up);
        await_answers(handover);
    }
    admit(handover);
}
