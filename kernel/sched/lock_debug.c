/*
 * Checks and figures of locks; see lock_debug.h.
 */
#include "kernel/sched/lock_debug.h"

#include "kernel/arch/arch.h"
#include "kernel/debug/panic.h"
#include "kernel/debug/symbols.h"
#include "lib/text.h"

/* The clock is read once in so many turns. */
#define SPINS_A_LOOK 1024

uint32_t lock_checks;

static const char *const class_names[LOCK_RANKS] = {
    [LOCK_THREAD_LIST] = "list of threads",
    [LOCK_TASK_LIST] = "list of tasks",
    [LOCK_TASK] = "task",
    [LOCK_HANDLES] = "handle table",
    [LOCK_ASPACE] = "address space",
    [LOCK_NOTIFICATION] = "waiting",
    [LOCK_CONSOLE_INPUT] = "console input",
    [LOCK_LEND] = "lending",
    [LOCK_RUN_QUEUE] = "run queue",
    [LOCK_STACKS] = "kernel stacks",
    [LOCK_KERNEL_MAP] = "kernel map",
    [LOCK_HEAP] = "heap",
    [LOCK_ZEROED] = "zeroed frames",
    [LOCK_LOG] = "log",
    [LOCK_SCREEN] = "screen",
};

void lock_debug_enable(void)
{
    lock_checks = 1;
}

void lock_order_violation(uint32_t rank, const char *name)
{
    panic("lock '%s' of rank %u taken while locks of the ranks %lx are held", name, rank,
          arch_this_cpu()->locks_held);
}

void lock_check_interrupts(const char *name)
{
    if (arch_interrupts_on()) {
        panic("lock '%s' taken with interrupts on", name);
    }
}

void lock_debug_taken(uint64_t *when)
{
    *when = arch_clock();
}

void lock_debug_dropped(uint32_t rank, uint64_t when, const void *site)
{
    struct lock_figures *figures = &arch_this_cpu()->lock_figures[rank];
    uint64_t held = arch_clock() - when;
    figures->taken++;
    if (held > figures->longest && when != 0) {
        figures->longest = held;
        figures->site = site;
    }
}

static void describe_site(const void *site, char *text, size_t bytes)
{
    uint64_t offset = 0, address = (uint64_t)(uintptr_t)site;
    const char *name = symbol_find(address, &offset);
    text_format(text, bytes, "%s+0x%lx", name != NULL ? name : "?", name != NULL ? offset : address);
}

/* Past the log and its lock, which may be the one that is waited for. */
static void tell_stall(const char *name, uint64_t waited, const struct cpu *owner, const void *site)
{
    char text[200], place[64];
    describe_site(site, place, sizeof(place));
    size_t length =
        owner != NULL
            ? text_format(text, sizeof(text), "\ncpu %u waits %lu ms for lock '%s': cpu %u took it at %s\n",
                          arch_this_cpu()->number, waited / 1000000, name, owner->number, place)
            : text_format(text, sizeof(text), "\ncpu %u waits %lu ms for lock '%s'\n",
                          arch_this_cpu()->number, waited / 1000000, name);
    arch_serial_write(text, length < sizeof(text) ? length : sizeof(text) - 1);
}

void lock_spin(struct lock_wait *wait, const char *name, struct cpu *const *owner, const void *const *site)
{
    arch_spin_wait();
    if (++wait->spins % SPINS_A_LOOK != 0) {
        return;
    }
    uint64_t now = arch_clock();
    wait->since = wait->since != 0 ? wait->since : now;
    if (now - wait->since > LOCK_STALL_NS << wait->told && !panic_in_progress()) {
        wait->told++;
        tell_stall(name, now - wait->since, __atomic_load_n(owner, __ATOMIC_RELAXED),
                   __atomic_load_n(site, __ATOMIC_RELAXED));
    }
}

bool lock_describe(uint64_t index, struct system_lock *out)
{
    if (index >= LOCK_RANKS) {
        return false;
    }
    const void *site = NULL;
    *out = (struct system_lock){.rank = (uint32_t)index, .measured = lock_checks};
    for (unsigned i = 0; i < arch_cpu_count(); i++) {
        const struct lock_figures *f = &cpus[i]->lock_figures[index];
        out->taken += f->taken;
        if (f->longest > out->longest) {
            out->longest = f->longest;
            site = f->site;
        }
    }
    text_format(out->name, sizeof(out->name), "%s", class_names[index]);
    if (site != NULL) {
        describe_site(site, out->site, sizeof(out->site));
    }
    return true;
}
