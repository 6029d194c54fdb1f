/*
 * Accounts for tests of memory, and the books at the end: no account has anything, and no frame, holder or
 * piece of the heap is missing. On memory_host.h.
 */
#ifndef QUIRE_TESTS_HOST_MEMORY_BOOKS_H
#define QUIRE_TESTS_HOST_MEMORY_BOOKS_H

#include "kernel/mm/account.h"

/* An account that has so much to lend. After memory_host_start; what is free now has to be free at the end.
 */
void books_open(uint64_t frames, uint64_t bytes);

/* An account that may use so much of it. The books close it. */
struct account *books_account(const char *name, uint64_t frames, uint64_t bytes);

/* It may use so much from now on. */
void books_limit(struct account *account, uint64_t frames, uint64_t bytes);

uint64_t books_used(struct account *account, enum resource resource);
uint64_t books_frames_free(void);

/* All is as it was. The caller has let go of what he had, and each CPU has left the kernel. */
void books_close(void);

#endif
