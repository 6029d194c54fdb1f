/*
 * Run queues: each CPU has its own, and decides alone who runs next. Round robin: a thread that has had its
 * slice goes to the end while others are ready. A CPU with nothing to do takes a thread from the longest
 * queue. Timers: each CPU keeps the threads that wait with a deadline, soonest first, and its timer is armed
 * for what comes first, a deadline or the end of a slice; with neither it is off.
 */
#ifndef QUIRE_KERNEL_QUEUE_H
#define QUIRE_KERNEL_QUEUE_H

#include "kernel/sched/thread.h"

/* Set up the queue of a CPU that does not run threads yet. */
void queue_init(struct cpu *cpu);

/* Lock the queue that a thread belongs to, which can change until it is locked. */
struct cpu *queue_lock_of(struct thread *thread);

/* Go to the end of the queue if others are ready. */
void queue_yield(void);

/* See thread_block. */
enum error queue_block(uint64_t deadline) MUST_CHECK;

/* Stop running for good, with this state; the thread is freed by whoever runs next. */
void queue_leave(enum thread_state state);

/* A killed thread must not sleep, and must look at itself on its way to user mode. */
void queue_notice_kill(struct thread *thread);

#endif
