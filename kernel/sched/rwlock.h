/*
 * Reader-writer spin locks: many readers, or one writer. They have a name and a rank as spin locks do, and
 * all that is said there holds: taken in rising rank only, by readers too, so a reader does not take a lock
 * twice; interrupts are off; TLB flush requests are served while a CPU spins.
 *
 * A writer that waits keeps new readers out, so readers that follow each other closely cannot keep it waiting
 * for ever. Among writers, whoever comes first has it.
 */
#ifndef QUIRE_KERNEL_RWLOCK_H
#define QUIRE_KERNEL_RWLOCK_H

#include <stdbool.h>

#include "kernel/sched/spinlock.h"

#define RW_WRITER  0x80000000u /* a writer holds it */
#define RW_WAITING 0x40000000u /* a writer waits */

void rw_init(struct rwlock *lock, const char *name, enum lock_rank rank);

void rw_lock_read(struct rwlock *lock);
void rw_unlock_read(struct rwlock *lock);

void rw_lock_write(struct rwlock *lock);
void rw_unlock_write(struct rwlock *lock);

/*
 * For a lock whose rank is known where it is taken, and that seldom has a writer. A reader counts itself
 * before it looks; where there is a writer it takes that back, and waits.
 */
static inline void rw_lock_read_ranked(struct rwlock *lock, uint32_t rank)
{
    uint64_t held = arch_locks_held();
    if (__builtin_expect(held >> rank != 0, 0)) {
        rw_lock_read(lock); /* finds what is wrong, or that lock=debug is on */
        return;
    }
    if (__builtin_expect(
            (__atomic_fetch_add(&lock->state, 1, __ATOMIC_ACQUIRE) & (RW_WRITER | RW_WAITING)) != 0, 0)) {
        __atomic_fetch_sub(&lock->state, 1, __ATOMIC_RELAXED);
        rw_lock_read(lock);
        return;
    }
    arch_set_locks_held(held | (uint64_t)1 << rank);
}

/* As spin_let_go. */
static inline void rw_let_go_read(struct rwlock *lock)
{
    __atomic_fetch_sub(&lock->state, 1, __ATOMIC_RELEASE);
}

static inline void rw_unlock_read_ranked(struct rwlock *lock, uint32_t rank)
{
    uint64_t held = arch_locks_held() & ~((uint64_t)1 << rank);
    if (__builtin_expect((int64_t)held < 0, 0)) {
        rw_unlock_read(lock);
        return;
    }
    arch_set_locks_held(held);
    rw_let_go_read(lock);
}

static inline void rw_lock_write_ranked(struct rwlock *lock, uint32_t rank)
{
    uint64_t held = arch_locks_held();
    uint32_t nobody = 0;
    if (__builtin_expect(held >> rank != 0, 0) ||
        __builtin_expect(!__atomic_compare_exchange_n(&lock->state, &nobody, RW_WRITER, false,
                                                      __ATOMIC_ACQUIRE, __ATOMIC_RELAXED),
                         0)) {
        rw_lock_write(lock);
        return;
    }
    arch_set_locks_held(held | (uint64_t)1 << rank);
}

static inline void rw_unlock_write_ranked(struct rwlock *lock, uint32_t rank)
{
    uint64_t held = arch_locks_held() & ~((uint64_t)1 << rank);
    if (__builtin_expect((int64_t)held < 0, 0)) {
        rw_unlock_write(lock);
        return;
    }
    arch_set_locks_held(held);
    __atomic_fetch_and(&lock->state, ~RW_WRITER, __ATOMIC_RELEASE);
}

/* A writer becomes a reader, with nobody in between. */
void rw_downgrade(struct rwlock *lock);

/* Does this CPU hold a lock of this rank, and does this lock have a writer? For assertions. */
bool rw_holds_write(const struct rwlock *lock);

#endif
