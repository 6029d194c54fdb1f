/*
 * Tasks: an address space, a table of handles, and threads. A task ends when it says so, when its last thread
 * does, when it is killed, or by a fault that nobody handles. Its memory and handles go at once, by its last
 * thread; the object itself stays, with the reason, as long as something refers to it.
 */
#ifndef QUIRE_KERNEL_TASK_H
#define QUIRE_KERNEL_TASK_H

#include "abi/system.h"
#include "kernel/ipc/notification.h"
#include "kernel/mm/account.h"
#include "kernel/mm/aspace.h"
#include "kernel/obj/handle.h"
#include "kernel/sched/thread.h"

struct task {
    struct object object;

    /* Set once. */
    uint32_t number;
    char name[TASK_NAME];
    struct account *account; /* pays for all that the task is and makes; holds a reference */

    uint8_t ceiling; /* the highest priority that its threads may give; atomic */

    struct aspace space;
    struct handle_table handles;

    /* Guarded by the lock of the list of all tasks. */
    struct list all_node;

    struct spinlock lock;

    /* Guarded by lock. */
    struct list threads;
    uint32_t thread_count;
    bool ending; /* no new threads; the reason in `status` stands. Atomic to read */
    struct task_status status;
    struct notification *watcher; /* holds a reference */
    uint64_t watcher_bits;
    uint64_t ended_time; /* CPU time of threads that have ended */
};

OBJECT_WRAPPERS(task)

/* A fault of user code, as the architecture saw it. */
struct task_fault {
    uint32_t vector;
    uint64_t code, address, instruction, stack;
    const char *name;
    const char *reason; /* in words, or NULL */
    bool own_stack;     /* the handler is on its thread's stack, and may let others run */
};

static inline uint8_t task_ceiling(const struct task *task)
{
    return __atomic_load_n(&task->ceiling, __ATOMIC_RELAXED);
}

/* An empty task, not yet listed. The name is cut at TASK_NAME - 1 bytes. Takes a reference to the account.
 * ERR_DEAD when that has ended; ERR_LIMIT, ERR_NO_MEMORY. */
enum error task_make(struct account *account, const char *name, uint8_t ceiling,
                     struct task **out) MUST_CHECK;
/* The same with a copy of what is mapped in another task: aspace_clone. */
enum error task_clone(struct task *from, struct account *account, const char *name, uint8_t ceiling,
                      struct task **out) MUST_CHECK;
void task_destroy(struct object *object);

/* Give it its number and let everyone see it in the list of tasks. It ends at once if its account has ended.
 */
void task_publish(struct task *task);

/* Make a thread for the task, with PRIORITY_DEFAULT, or the ceiling if that is lower. On success the task is
 * locked, until task_start_commit. ERR_DEAD, ERR_LIMIT, ERR_NO_MEMORY. */
enum error task_start_prepare(struct task *task, uint64_t entry, uint64_t stack, uint64_t argument,
                              struct thread **out) MUST_CHECK;
/* Start it, taking over the reference that it was made with; returns its number. */
uint32_t task_start_commit(struct task *task, struct thread *thread);

/* Is the task to be ended by the caller? Then it is locked, until task_end_commit. ERR_DEAD when its end has
 * begun. */
enum error task_end_prepare(struct task *task) MUST_CHECK;
/* All threads are told. May be preempted. */
void task_end_commit(struct task *task, uint32_t end, uint32_t status);

/* End all tasks that the account or one below pays for, and let no new ones be there. May be preempted. */
void task_end_all(struct account *account, uint32_t status);

/* The calling thread's own task ends, if its end has not begun. */
void task_exit(uint32_t status);

/* The calling thread's task ends by a fault, which is also logged. */
void task_fault(struct task *task, const struct task_fault *fault);

/* From thread_exit: the calling thread leaves its task, and tears it down if it was the last one. */
void task_thread_ended(struct task *task, struct thread *thread);

void task_get_status(struct task *task, struct task_status *out);

/* Set bits in the notification at the end, or now if that is past. Takes a reference to the notification. */
void task_set_watcher(struct task *task, struct notification *notification, uint64_t bits);

/* Handles in the tables of all tasks. */
uint64_t task_count_handles(void);

/* Fill in the record of the task with this position in the list of all; false at the end. */
bool task_describe(uint64_t position, struct system_task *out);

#endif
