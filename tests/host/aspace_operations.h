/*
 * What can be done to spaces and objects: each does it in the kernel and in the model (aspace_model.h), and
 * compares. Any of them may have allocations fail, which must change nothing: then it is done again.
 */
#ifndef QUIRE_TESTS_HOST_ASPACE_OPERATIONS_H
#define QUIRE_TESTS_HOST_ASPACE_OPERATIONS_H

#include "tests/host/aspace_model.h"
#include "tests/host/random.h"

/* How allocations fail. */
enum failures {
    FAIL_NEVER,
    FAIL_EACH,  /* each of an operation's in turn, until it has none left that could */
    FAIL_ONCE,  /* the one that inject_arm was told, some time; then all is checked */
    FAIL_SHORT, /* as memory or the limit has it: the operation may come to nothing */
};
extern enum failures failures;
/* With FAIL_ONCE: it has happened. */
extern bool failed_once;

/* Nobody else comes in the midst of an operation. */
extern bool undisturbed;

/* By op_touch, and by others in the midst of operations, since the start. */
extern uint64_t accesses_done, accesses_refused, accesses_meanwhile, accesses_veiled;

extern struct random dice;
static inline uint64_t below(uint64_t limit)
{
    return random_below(&dice, limit);
}

/* RAM of so many frames, CPUs, accounts and a pager; all spaces closed. */
struct conditions {
    uint64_t seed, frames;
    unsigned cpus;
    bool tags, huge;
    unsigned levels; /* of page tables: 4 or 5 */
    uint32_t shares_most;
    uint64_t limit; /* of frames, for each account */
};
void operations_begin(const struct conditions *conditions);
/* Close and destroy all, and see that everything is there again. */
void operations_end(void);

/* After one or more of the following. */
void operations_over(void);

/* --- objects; they give the number, or 0 --- */

unsigned op_make(unsigned flags, uint64_t pages);
unsigned op_make_physical(uint64_t first, uint64_t pages, unsigned cache);
unsigned op_make_paged(unsigned flags, uint64_t pages);
unsigned op_copy(unsigned object);
/* The test's own reference goes, or, if it has none, comes. */
void op_release(unsigned object);
void op_hold(unsigned object);
void op_resize(unsigned object, uint64_t pages);
void op_commit(unsigned object, uint64_t first, uint64_t count);
void op_decommit(unsigned object, uint64_t first, uint64_t count, bool cancel);
void op_pin(unsigned object, uint64_t first, uint64_t count);
void op_unpin(unsigned object, uint64_t first, uint64_t count);
void op_promote(unsigned object, uint64_t page, bool copy);
void op_query(unsigned object, uint64_t first, uint64_t count);
/* The pager supplies a page, whether it was asked or not; or says that there is none. */
void op_supply(unsigned object, uint64_t page);
void op_refuse(unsigned object, uint64_t page);
void op_abandon(unsigned object);

/* --- spaces --- */

void op_open(struct model_space *space);
void op_close(struct model_space *space);
void op_fork(struct model_space *from, struct model_space *to);
void op_load(struct model_space *space);
/* In a strip, or with NULL where the kernel finds a place. Object 0: a reservation. Returns the strip, NULL
 * when it came to nothing. */
struct model_strip *op_map(struct model_space *space, struct model_strip *strip, uint64_t low, uint64_t pages,
                           unsigned object, uint64_t page, uint32_t mode);
/* With 0 pages what begins there. */
void op_unmap(struct model_space *space, struct model_strip *strip, uint64_t low, uint64_t pages);
void op_protect(struct model_space *space, struct model_strip *strip, uint64_t low, uint64_t pages,
                uint32_t access);
/* By this CPU, which has the space loaded. */
void op_touch(struct model_strip *strip, uint64_t page, uint32_t access);
void op_describe(struct model_space *space, const struct model_strip *strip, uint64_t page);

#endif
