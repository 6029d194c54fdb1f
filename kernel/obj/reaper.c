/*
 * The reaper; see reaper.h.
 */
#include "kernel/obj/reaper.h"

#include "kernel/debug/panic.h"
#include "kernel/obj/object.h"
#include "kernel/sched/thread.h"

static struct spinlock lock = SPINLOCK("reaper", LOCK_NOTIFICATION);

/* Guarded by lock. */
static struct wait_queue asleep = {{&asleep.waiters, &asleep.waiters}};
static struct object *dead;

void reaper_leave(void)
{
    struct object *object;
    spin_lock(&lock);
    while ((object = object_next_dying()) != NULL) {
        object->next_dying = dead;
        dead = object;
    }
    (void)wait_wake_one(&asleep, ERR_NONE);
    spin_unlock(&lock);
}

static void reap(void *unused)
{
    (void)unused;
    for (;;) {
        objects_bury(); /* also what it dropped itself, so that nothing of its own is left */
        spin_lock(&lock);
        if (dead == NULL) {
            enum error error = wait_on(&asleep, &lock, "the dead", DEADLINE_NEVER, 0);
            ASSERT(error == ERR_NONE); /* nobody kills it */
            continue;
        }
        ASSERT(thread_current()->dying == NULL);
        thread_current()->dying = dead;
        dead = NULL;
        spin_unlock(&lock);
    }
}

enum error reaper_start(void)
{
    struct thread *thread;
    enum error error = thread_create("reaper", reap, NULL, CPU_ANY, &thread);
    if (error == ERR_NONE) {
        thread_start(thread);
    }
    return error;
}
