/*
 * Tracing; see trace.h.
 */
#include "kernel/debug/trace.h"

#include "kernel/arch/arch.h"
#include "kernel/mm/heap.h"
#include "kernel/sched/cpu.h"
#include "syscall_numbers.h"

#define SEQUENCE_MASK 0xffffffffffffu

struct trace_event {
    uint64_t time, a, b;
    uint16_t kind, x;
    uint32_t pad;
};

struct trace_ring {
    uint64_t next; /* sequence number of the event that comes next; atomic, the CPU's own */
    struct trace_event events[TRACE_EVENTS];
};

bool trace_on;
uint64_t trace_call_limit = SYS_COUNT;

void trace_record(enum trace_kind kind, uint16_t x, uint64_t a, uint64_t b)
{
    struct trace_ring *ring = arch_this_cpu()->trace;
    if (ring == NULL) {
        return;
    }
    uint64_t next = ring->next;
    ring->events[next % TRACE_EVENTS] =
        (struct trace_event){.time = arch_clock(), .a = a, .b = b, .kind = (uint16_t)kind, .x = x};
    __atomic_store_n(&ring->next, next + 1, __ATOMIC_RELEASE);
}

static enum error ring_make(struct cpu *cpu)
{
    struct trace_ring *nobody = NULL, *ring = heap_alloc(sizeof(*ring));
    if (ring == NULL) {
        return ERR_NO_MEMORY;
    }
    ring->next = 0;
    if (!__atomic_compare_exchange_n(&cpu->trace, &nobody, ring, false, __ATOMIC_RELEASE, __ATOMIC_RELAXED)) {
        heap_free(ring, sizeof(*ring)); /* somebody else was at it, too */
    }
    return ERR_NONE;
}

enum error trace_prepare(void)
{
    for (unsigned i = 0; i < arch_cpu_count(); i++) {
        if (__atomic_load_n(&cpus[i]->trace, __ATOMIC_ACQUIRE) == NULL && ring_make(cpus[i]) != ERR_NONE) {
            return ERR_NO_MEMORY;
        }
    }
    return ERR_NONE;
}

void trace_start(void)
{
    __atomic_store_n(&trace_on, true, __ATOMIC_SEQ_CST);
    __atomic_store_n(&trace_call_limit, 0, __ATOMIC_RELAXED);
}

void trace_stop(void)
{
    __atomic_store_n(&trace_call_limit, SYS_COUNT, __ATOMIC_RELAXED);
    __atomic_store_n(&trace_on, false, __ATOMIC_SEQ_CST);
}

void trace_add_cpu(struct cpu *cpu)
{
    if (trace_on) {
        enum error error = ring_make(cpu);
        (void)error; /* then it is not traced */
    }
}

/* The event with this number of one CPU, or the oldest that is still there; false when there is none. */
static bool read_ring(struct trace_ring *ring, unsigned cpu, uint64_t sequence, struct system_trace *out)
{
    uint64_t next = __atomic_load_n(&ring->next, __ATOMIC_ACQUIRE);
    uint64_t oldest = next > TRACE_EVENTS ? next - TRACE_EVENTS : 0;
    sequence = sequence > oldest ? sequence : oldest;
    if (sequence >= next) {
        return false;
    }
    const struct trace_event *e = &ring->events[sequence % TRACE_EVENTS];
    *out = (struct system_trace){.time = e->time,
                                 .a = e->a,
                                 .b = e->b,
                                 .index = TRACE_INDEX(cpu, sequence),
                                 .kind = e->kind,
                                 .x = e->x};
    return true;
}

bool trace_read(uint64_t *index, struct system_trace *out)
{
    uint64_t sequence = *index & SEQUENCE_MASK;
    for (uint64_t cpu = *index >> 48; cpu < arch_cpu_count(); cpu++, sequence = 0) {
        struct trace_ring *ring = __atomic_load_n(&cpus[cpu]->trace, __ATOMIC_ACQUIRE);
        if (ring != NULL && read_ring(ring, (unsigned)cpu, sequence, out)) {
            *index = out->index;
            return true;
        }
    }
    return false;
}
