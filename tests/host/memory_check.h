/* Are the tree and the books of a memory object as they should be? */
#ifndef QUIRE_TESTS_HOST_MEMORY_CHECK_H
#define QUIRE_TESTS_HOST_MEMORY_CHECK_H

#include "kernel/mm/memory.h"

/* No frame is recorded for an account with a higher number. */
extern uint32_t memory_check_account;

/* Fails the test if something is not. When nothing is under way. */
void memory_check(const struct memory *memory);

#endif
