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

#include "kernel/sched/lock_types.h"

#define RW_WRITER  0x80000000u /* a writer holds it */
#define RW_WAITING 0x40000000u /* a writer waits */

void rw_init(struct rwlock *lock, const char *name, enum lock_rank rank);

void rw_lock_read(struct rwlock *lock);
void rw_unlock_read(struct rwlock *lock);

void rw_lock_write(struct rwlock *lock);
void rw_unlock_write(struct rwlock *lock);

/* A writer becomes a reader, with nobody in between. */
void rw_downgrade(struct rwlock *lock);

/* Does this CPU hold a lock of this rank, and does this lock have a writer? For assertions. */
bool rw_holds_write(const struct rwlock *lock);

#endif
