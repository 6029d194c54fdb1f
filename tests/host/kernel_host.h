/*
 * What kernel code needs around it on a Linux host: objects, handles and accounts run here as they are in the
 * kernel, with a thread of the test in place of each CPU, and the C library's heap in place of the kernel's.
 */
#ifndef QUIRE_TESTS_HOST_KERNEL_HOST_H
#define QUIRE_TESTS_HOST_KERNEL_HOST_H

#include "kernel/obj/object.h"
#include "kernel/sched/thread.h"

#define HOST_CPUS 8

/* There are `count` CPUs from now on; the calling thread is number 0. */
void host_start(unsigned count);

/* The calling thread is CPU `number` from now on: each number for one thread at a time. */
void host_enter(unsigned number);

/* What the way out of the kernel does: destroy what is to be destroyed. */
void host_leave_kernel(void);

/* Pieces of the heap that are in use. */
extern long host_heap_pieces; /* atomic */

/* The heap fails this many allocations from now on, and then goes on. */
extern unsigned host_heap_failures;

/* Called wherever a CPU spins, and at preemption points: what other CPUs or interrupts do meanwhile. */
extern void (*host_meanwhile)(void);

/* That is not so at preemption points: others have no time then. */
extern bool host_others_busy;

/* Called at preemption points, too: what other threads do meanwhile. */
extern void (*host_pause)(void);

/* From the n-th preemption point on the threads are killed: ERR_CANCELLED at each; 0: never. */
extern unsigned host_killed_at;

/* How often the kernel would have let others run. */
extern unsigned long host_preemption_points; /* atomic */

/* An object for tests, of type OBJECT_NOTIFICATION. */
#define HOST_OBJECT_ALIVE 0x600d600d

struct host_object {
    struct object object;
    uint32_t alive; /* HOST_OBJECT_ALIVE, until it is destroyed */
    uint32_t number;
};

/* Objects of tests that were destroyed. */
extern unsigned long host_objects_destroyed; /* atomic */

#endif
