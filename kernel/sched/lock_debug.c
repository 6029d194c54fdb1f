/*
 * Checks and figures of locks; see lock_debug.h.
 */
#include "kernel/sched/lock_debug.h"

#include "kernel/arch/arch.h"
#include "kernel/debug/log.h"
#include "kernel/debug/panic.h"
#include "kernel/debug/symbols.h"
#include "kernel/sched/cpu.h"
#include "kernel/sched/spinlock.h"
#include "lib/text.h"

/* The clock is read once in so many turns. */
#define SPINS_A_LOOK 1024

static bool enabled; /* set once at boot */

static const char *const class_names[LOCK_RANKS] = {
    [LOCK_THREAD_LIST] = "list of threads",
    [LOCK_TASK_LIST] = "list of tasks",
    [LOCK_ACCOUNT_LIST] = "list of accounts",
    [LOCK_TASK] = "task",
    [LOCK_HANDLE_TREE] = "handle tree",
    [LOCK_ASPACE] = "address space",
    [LOCK_MEMORY] = "memory object",
    [LOCK_TABLES] = "page tables",
    [LOCK_NOTIFICATION] = "waiting",
    [LOCK_CONSOLE_INPUT] = "console input",
    [LOCK_LEND] = "lending",
    [LOCK_RUN_QUEUE] = "run queue",
    [LOCK_STACKS] = "kernel stacks",
    [LOCK_KERNEL_MAP] = "kernel map",
    [LOCK_SLABS] = "slabs",
    [LOCK_HEAP] = "heap",
    [LOCK_ACCOUNTS] = "accounts",
    [LOCK_ZEROED] = "zeroed frames",
    [LOCK_LOG] = "log",
    [LOCK_SCREEN] = "screen",
};

void lock_debug_enable(void)
{
    enabled = true;
    lock_debug_begin(arch_this_cpu());
}

void lock_debug_begin(struct cpu *cpu)
{
    if (enabled) {
        cpu->locks_held |= LOCKS_DEBUGGED;
    }
}

void lock_note_taking(uint32_t rank, const char *name)
{
    if (spin_ranks_held() >> rank != 0) {
        panic("lock '%s' of rank %u taken while locks of the ranks %lx are held", name, rank,
              spin_ranks_held());
    }
    if (enabled && arch_interrupts_on()) {
        panic("lock '%s' taken with interrupts on", name);
    }
    arch_set_locks_held(arch_locks_held() | (uint64_t)1 << rank);
}

void lock_note_taken(struct lock_holder *holder, const void *site)
{
    if (enabled) {
        __atomic_store_n(&holder->cpu, arch_this_cpu()->number + 1, __ATOMIC_RELAXED);
        __atomic_store_n(&holder->site, (uint32_t)(uintptr_t)site, __ATOMIC_RELAXED);
        holder->taken = arch_clock();
    }
}

void lock_note_holder_gone(uint32_t rank, struct lock_holder *holder)
{
    if (enabled) {
        struct lock_figures *figures = &arch_this_cpu()->lock_figures[rank];
        uint64_t held = arch_clock() - holder->taken;
        figures->taken++;
        if (held > figures->longest && holder->taken != 0) {
            figures->longest = held;
            figures->site = holder->site;
        }
        __atomic_store_n(&holder->cpu, 0, __ATOMIC_RELAXED);
    }
}

void lock_note_dropped(uint32_t rank)
{
    arch_set_locks_held(arch_locks_held() & ~((uint64_t)1 << rank));
}

static void describe_site(uint32_t site, char *text, size_t bytes)
{
    uint64_t offset = 0, address = (uint64_t)(int64_t)(int32_t)site;
    const char *name = symbol_find(address, &offset);
    text_format(text, bytes, "%s+0x%lx", name != NULL ? name : "?", name != NULL ? offset : address);
}

/* The log's lock may be the one that is waited for. */
static void tell_stall(const char *name, uint64_t waited, const struct lock_holder *holder)
{
    char place[64];
    uint32_t cpu = __atomic_load_n(&holder->cpu, __ATOMIC_RELAXED);
    describe_site(__atomic_load_n(&holder->site, __ATOMIC_RELAXED), place, sizeof(place));
    if (cpu != 0) {
        log_past_locks("\ncpu %u waits %lu ms for lock '%s': cpu %u took it at %s", arch_this_cpu()->number,
                       waited / 1000000, name, cpu - 1, place);
    } else {
        log_past_locks("\ncpu %u waits %lu ms for lock '%s'", arch_this_cpu()->number, waited / 1000000,
                       name);
    }
}

void lock_spin(struct lock_wait *wait, const char *name, const struct lock_holder *holder)
{
    arch_spin_wait();
    if (++wait->spins % SPINS_A_LOOK != 0) {
        return;
    }
    uint64_t now = arch_clock();
    wait->since = wait->since != 0 ? wait->since : now;
    if (now - wait->since > (uint64_t)LOCK_STALL_NS << (wait->told < 20 ? wait->told : 20) &&
        !panic_in_progress()) {
        wait->told++;
        tell_stall(name, now - wait->since, holder);
    }
}

bool lock_describe(uint64_t index, struct system_lock *out)
{
    if (index >= LOCK_RANKS) {
        return false;
    }
    uint32_t site = 0;
    *out = (struct system_lock){.rank = (uint32_t)index, .measured = enabled};
    for (unsigned i = 0; i < arch_cpu_count(); i++) {
        const struct lock_figures *f = &cpus[i]->lock_figures[index];
        out->taken += f->taken;
        if (f->longest > out->longest) {
            out->longest = f->longest;
            site = f->site;
        }
    }
    text_format(out->name, sizeof(out->name), "%s", class_names[index]);
    if (site != 0) {
        describe_site(site, out->site, sizeof(out->site));
    }
    return true;
}
