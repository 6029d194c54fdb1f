/* Kernel code on a Linux host; see kernel_host.h. */
#include "tests/host/kernel_host.h"

#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/debug/panic.h"
#include "kernel/mm/heap.h"
#include "kernel/mm/account.h"

struct cpu *cpus[CPU_MAX];
unsigned cpus_online;
long host_heap_pieces;
unsigned host_heap_failures;
unsigned long host_preemption_points;
void (*host_meanwhile)(void);
void (*host_pause)(void);
bool host_others_busy;
unsigned host_killed_at;

static struct cpu areas[HOST_CPUS];
static struct thread threads[HOST_CPUS];
static _Thread_local struct cpu *here;

void host_start(unsigned cpu_count)
{
    cpus_online = cpu_count;
    memset(areas, 0, sizeof areas);
    memset(threads, 0, sizeof threads);
    for (unsigned i = 0; i < cpu_count; i++) {
        cpus[i] = &areas[i];
        areas[i].number = i;
        areas[i].current = &threads[i];
    }
    host_enter(0);
    for (unsigned i = 0; i < cpu_count; i++) {
        account_cpu_online(cpus[i]);
    }
}

void host_enter(unsigned number)
{
    here = cpus[number];
}

void host_leave_kernel(void)
{
    uint32_t pending = __atomic_exchange_n(&here->pending, 0, __ATOMIC_SEQ_CST);
    if ((pending & PENDING_DYING) != 0) {
        objects_bury();
    }
}

struct cpu *arch_this_cpu(void)
{
    return here;
}

uint64_t arch_locks_held(void)
{
    return here->locks_held;
}

void arch_set_locks_held(uint64_t held)
{
    here->locks_held = held;
}

void arch_cpu_kick(struct cpu *cpu)
{
    (void)cpu; /* it looks at what is pending before long */
}

void arch_spin_wait(void)
{
    sched_yield(); /* there may be more CPUs here than the host has */
    if (host_meanwhile != NULL) {
        host_meanwhile();
    }
}

enum error thread_preemption_point(void)
{
    if (here->locks_held != 0 || here->hazards[0] != NULL) {
        panic("a preemption point with a lock or a hazard slot in use");
    }
    __atomic_fetch_add(&host_preemption_points, 1, __ATOMIC_RELAXED);
    sched_yield();
    if (host_meanwhile != NULL && !host_others_busy) {
        host_meanwhile();
    }
    if (host_pause != NULL) {
        host_pause();
    }
    if (host_killed_at > 1) {
        host_killed_at--;
    } else if (host_killed_at == 1) {
        return ERR_CANCELLED;
    }
    return ERR_NONE;
}

void panic(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    abort();
}

void *heap_alloc(size_t bytes)
{
    if (host_heap_failures > 0) {
        host_heap_failures--;
        return NULL;
    }
    void *memory = aligned_alloc(64, (bytes + 63) & ~(size_t)63);
    if (memory != NULL) {
        memset(memory, 0xa5, bytes);
        __atomic_fetch_add(&host_heap_pieces, 1, __ATOMIC_RELAXED);
    }
    return memory;
}

void *heap_alloc_zeroed(size_t bytes)
{
    void *memory = heap_alloc(bytes);
    return memory != NULL ? memset(memory, 0, bytes) : NULL;
}

void heap_free(void *memory, size_t bytes)
{
    (void)bytes;
    if (memory != NULL) {
        __atomic_fetch_sub(&host_heap_pieces, 1, __ATOMIC_RELAXED);
        free(memory);
    }
}

void *slab_alloc(struct slab_cache *cache)
{
    return heap_alloc(cache->bytes);
}

void *slab_alloc_zeroed(struct slab_cache *cache)
{
    return heap_alloc_zeroed(cache->bytes);
}

void slab_free(struct slab_cache *cache, void *object)
{
    heap_free(object, cache->bytes);
}
