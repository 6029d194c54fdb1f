/*
 * Starting cores by INIT and start-up interrupts; see start.h.
 */
#include "kernel/arch/x86_64/start.h"

#include "kernel/arch/arch.h"
#include "kernel/arch/x86_64/apic.h"
#include "kernel/arch/x86_64/offsets.h"
#include "kernel/arch/x86_64/page_entry.h"
#include "kernel/arch/x86_64/registers.h"
#include "kernel/mm/aperture.h"
#include "kernel/mm/frame.h"
#include "kernel/mm/window.h"
#include "kernel/sched/cpu.h"
#include "lib/text.h"

/* SDM vol. 3A 8.4.4.1: 10 ms after INIT, 200 us between the two start-up interrupts. */
#define AFTER_INIT_NS 10000000u
#define BETWEEN_NS    200000u
#define PATIENCE_NS   100000000u
#define LOW_END       pfn(MIB / PAGE_SIZE)

/* Entries of page tables, SDM vol. 3A table 4-15 and on: present, writable; a leaf of 2 MiB. */
#define ENTRY_TABLE 0x3u
#define ENTRY_LARGE 0x83u
#define HALF        256u

/* What is prepared for the core that is being started. Known to trampoline.S by offset. */
struct start_mailbox {
    uint64_t root;
    uint64_t stack;
    uint64_t cpu;
    uint32_t state; /* atomic: MAILBOX_* */
};

_Static_assert(offsetof(struct start_mailbox, root) == MAILBOX_ROOT, "offsets.h");
_Static_assert(offsetof(struct start_mailbox, stack) == MAILBOX_STACK, "offsets.h");
_Static_assert(offsetof(struct start_mailbox, cpu) == MAILBOX_CPU, "offsets.h");
_Static_assert(offsetof(struct start_mailbox, state) == MAILBOX_STATE, "offsets.h");

struct start_mailbox start_mailbox;

extern const uint8_t trampoline_start[], trampoline_end[], trampoline_gdt[];
extern const uint8_t trampoline_base_gdt[], trampoline_base_far[], trampoline_root[], trampoline_cr4[];
extern const uint8_t trampoline_long[];

static pfn_t prepared; /* code, then a page table of each level down to that of 2 MiB leaves: at most four */
static bool left_behind;

static unsigned prepared_order(void)
{
    return table_levels == 5 ? 3 : 2;
}

/* Add the address of the page to the word at this place in the copy. */
static void relocate(uint8_t *copy, const uint8_t *place, uint32_t value)
{
    memcpy(copy + (place - trampoline_start), &value, sizeof(value));
}

static void code_fill(uint32_t base)
{
    uint8_t *copy = window_open(WINDOW_TO, prepared);
    memcpy(copy, trampoline_start, (size_t)(trampoline_end - trampoline_start));
    relocate(copy, trampoline_base_gdt, base + (uint32_t)(trampoline_gdt - trampoline_start));
    relocate(copy, trampoline_base_far, base + (uint32_t)(trampoline_long - trampoline_start));
    relocate(copy, trampoline_root, base + PAGE_SIZE);
    relocate(copy, trampoline_cr4, CR4_PAE | (table_levels == 5 ? CR4_LA57 : 0));
    window_close(WINDOW_TO);
}

/* The page table in the page with this number, with this entry first. The topmost one has the kernel's half.
 */
static void table_fill(unsigned page, uint64_t entry)
{
    uint64_t *table = window_open(WINDOW_TO, pfn(prepared.value + page));
    memset(table, 0, PAGE_SIZE);
    table[0] = entry;
    if (page == 1) {
        const uint64_t *kernel = aperture_at(arch_kernel_root());
        memcpy(table + HALF, kernel + HALF, HALF * sizeof(*table));
    }
    window_close(WINDOW_TO);
}

/* The kernel cannot have frames there: those of the firmware are beside them, and the aperture shows 2 MiB or
 * nothing. So they are taken as those of a device, and filled through a window. */
enum error start_prepare(void)
{
    enum error error = frame_alloc_within(prepared_order(), FRAME_DEVICE, pfn(1), LOW_END, &prepared);
    if (error != ERR_NONE) {
        return error;
    }
    uint32_t base = (uint32_t)pfn_to_paddr(prepared).value;
    code_fill(base);
    unsigned last = table_levels - 1;
    for (unsigned page = 1; page < last; page++) {
        table_fill(page, (base + (page + 1) * PAGE_SIZE) | ENTRY_TABLE);
    }
    table_fill(last, ENTRY_LARGE); /* the lowest 2 MiB, where they are */
    return ERR_NONE;
}

static void pause_for(uint64_t nanoseconds)
{
    uint64_t start = arch_clock();
    while (arch_clock() - start < nanoseconds) {
        cpu_pause();
    }
}

static bool claimed(uint64_t nanoseconds)
{
    uint64_t start = arch_clock();
    while (__atomic_load_n(&start_mailbox.state, __ATOMIC_ACQUIRE) != MAILBOX_CLAIMED) {
        if (arch_clock() - start > nanoseconds) {
            return false;
        }
        cpu_pause();
    }
    return true;
}

bool start_core(uint32_t id, struct cpu *cpu)
{
    start_mailbox.root = arch_kernel_root().value;
    start_mailbox.stack = cpu->kernel_stack;
    start_mailbox.cpu = (uint64_t)(uintptr_t)cpu;
    __atomic_store_n(&start_mailbox.state, MAILBOX_OPEN + id, __ATOMIC_RELEASE);
    apic_send_init(id);
    pause_for(AFTER_INIT_NS);
    apic_send_startup(id, (uint8_t)prepared.value);
    if (!claimed(BETWEEN_NS)) {
        apic_send_startup(id, (uint8_t)prepared.value);
    }
    uint32_t open = MAILBOX_OPEN + id;
    if (!claimed(PATIENCE_NS) && __atomic_compare_exchange_n(&start_mailbox.state, &open, MAILBOX_CLOSED,
                                                             false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
        left_behind = true;
        return false;
    }
    return true;
}

void start_finish(bool all_up)
{
    if (!left_behind && all_up) {
        enum error error = frame_free(prepared, prepared_order());
        (void)error; /* it was taken above */
    }
}
