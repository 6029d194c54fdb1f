/*
 * Reader-writer spin locks; see rwlock.h.
 */
#include "kernel/sched/rwlock.h"

#include "kernel/arch/arch.h"
#include "kernel/sched/cpu.h"
#include "kernel/sched/lock_debug.h"

#define READERS (RW_WAITING - 1)

void rw_init(struct rwlock *lock, const char *name, enum lock_rank rank)
{
    *lock = (struct rwlock)RWLOCK(name, rank);
}

void rw_lock_read(struct rwlock *lock)
{
    lock_note_taking(lock->rank, lock->name);
    struct lock_wait wait = {0};
    for (;;) {
        uint32_t state = __atomic_load_n(&lock->state, __ATOMIC_RELAXED);
        if ((state & (RW_WRITER | RW_WAITING)) == 0 &&
            __atomic_compare_exchange_n(&lock->state, &state, state + 1, false, __ATOMIC_ACQUIRE,
                                        __ATOMIC_RELAXED)) {
            return;
        }
        lock_spin(&wait, lock->name, &lock->holder);
    }
}

void rw_unlock_read(struct rwlock *lock)
{
    lock_note_dropped(lock->rank);
    __atomic_fetch_sub(&lock->state, 1, __ATOMIC_RELEASE);
}

void rw_lock_write(struct rwlock *lock)
{
    lock_note_taking(lock->rank, lock->name);
    struct lock_wait wait = {0};
    for (;;) {
        uint32_t state = __atomic_load_n(&lock->state, __ATOMIC_RELAXED);
        bool free = (state & (RW_WRITER | READERS)) == 0;
        if (free && __atomic_compare_exchange_n(&lock->state, &state, RW_WRITER, false, __ATOMIC_ACQUIRE,
                                                __ATOMIC_RELAXED)) {
            break;
        }
        if (!free && (state & RW_WAITING) == 0) {
            __atomic_fetch_or(&lock->state, RW_WAITING, __ATOMIC_RELAXED);
        }
        lock_spin(&wait, lock->name, &lock->holder);
    }
    lock_note_taken(&lock->holder, __builtin_return_address(0));
}

void rw_unlock_write(struct rwlock *lock)
{
    lock_note_holder_gone(lock->rank, &lock->holder);
    lock_note_dropped(lock->rank);
    /* Writers that came meanwhile have set RW_WAITING, which stays for them. */
    __atomic_fetch_and(&lock->state, ~RW_WRITER, __ATOMIC_RELEASE);
}

void rw_downgrade(struct rwlock *lock)
{
    lock_note_holder_gone(lock->rank, &lock->holder);
    __atomic_fetch_sub(&lock->state, RW_WRITER - 1, __ATOMIC_RELEASE);
}

bool rw_holds_write(const struct rwlock *lock)
{
    return (arch_locks_held() >> lock->rank & 1) != 0 &&
           (__atomic_load_n(&lock->state, __ATOMIC_RELAXED) & RW_WRITER) != 0;
}
