/*
 * Other tasks for tests: this same program in one of its child modes (child.c), or bin/fault. Every child can
 * have one page of memory shared with its parent.
 */
#ifndef QUIRE_UTEST_CHILDREN_H
#define QUIRE_UTEST_CHILDREN_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "abi/system.h"
#include "user/libq/process.h"

/* Where a child finds the shared page. */
#define SHARED_AT 0x0000100000000000ull

struct shared {
    uint32_t notification; /* handle in the child's table, where a mode needs one */
    uint32_t other;        /* another handle in the child's table */
    uint64_t word;         /* what the mode says */
    _Atomic uint64_t answer;
};

struct child {
    struct process process;
    uint32_t ended;        /* notification: bit 0 when the task has ended */
    struct shared *shared; /* its page as it is seen here */
};

/* Map the bundle; once, before anything else here. */
enum error children_open(void) MUST_CHECK;

/* Create `program` with these arguments and a shared page; it does not run yet. */
enum error child_create(struct child *child, const char *program, const char *mode,
                        const char *argument) MUST_CHECK;

/* The same in an account, a handle with the rights to charge and to transfer; the child gets the right to
 * charge. */
enum error child_create_in(struct child *child, uint32_t account, const char *program, const char *mode,
                           const char *argument) MUST_CHECK;

enum error child_run(struct child *child) MUST_CHECK;

/* Wait for its end, a minute at most, and take its status. */
enum error child_wait(struct child *child, struct task_status *status) MUST_CHECK;

/* Kill it if it lives, and give everything back. */
void child_discard(struct child *child);

/* All of it: create, run, wait, discard. */
enum error child_complete(const char *program, const char *mode, const char *argument,
                          struct task_status *status) MUST_CHECK;

/* What a child does in its mode; the exit status. */
int child_main(const char *mode, const char *argument);

/* The mode that enters the kernel in all ways; for a kernel that lets programs step (tests/guest/entry.py).
 */
int entry_run(void);

#endif
