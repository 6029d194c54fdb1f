/*
 * The calls of abi/syscalls.tbl, as the generated decoders call them. Each has one or both of two halves:
 *
 *   prepare_NAME   checks, charges and allocates all that the call may need, or fails and leaves everything
 * as it was. It may end with a lock held, where what it has found out must stay true; the commit lets go.
 *   commit_NAME    does it. It cannot fail: tools/check-commit.py shows that it allocates and charges nothing
 * and calls nothing that can fail. A call that waits says in `outcome` how the wait ended.
 *
 * Values are in range, handles are resolved and have the rights. An object that is given as an argument stays
 * for the time of the call; whoever keeps it longer takes a reference, for which the table has to say `held`.
 */
#ifndef QUIRE_KERNEL_CALLS_H
#define QUIRE_KERNEL_CALLS_H

#include "kernel/sys/context.h"

/* Not inlined, so that it can be found in the linked kernel. */
#define COMMIT __attribute__((noinline))

#include "syscall_calls.h"

#endif
