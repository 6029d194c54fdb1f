/*
 * Pagers: where the pages of an object come from that is no plain memory. When a page is touched that is not
 * there, the pager is asked once, however many threads wait for it, and these sleep until it supplies the
 * page, or says that it cannot, or takes too long.
 *
 * From fetch on the pager has a reference to the object for each page it was asked for, until it says supply,
 * refuse or abandon of it; these take the reference back. A pager may supply pages that it was not asked for,
 * while it has some reference to the object.
 */
#ifndef QUIRE_KERNEL_MEMORY_PAGER_H
#define QUIRE_KERNEL_MEMORY_PAGER_H

#include "kernel/mm/memory.h"

struct memory_pager {
    const struct memory_pager_kind *kind;
    uint64_t patience; /* how long a thread waits for a page, in ns */
};

struct memory_pager_kind {
    /*
     * Asked for a page, which memory_supply or memory_refuse answers, now or later. Holds no lock. An error
     * is as good as memory_refuse, which it must not call then.
     */
    enum error (*fetch)(struct memory_pager *pager, struct memory *memory, uint64_t page);

    /* The object has gone. */
    void (*release)(struct memory_pager *pager);
};

/* An object of the pager's pages; released when it goes. Flags as for memory_make. ERR_LIMIT, ERR_NO_MEMORY.
 */
enum error memory_make_paged(struct account *account, pages_t pages, unsigned flags,
                             struct memory_pager *pager, struct memory **out) MUST_CHECK;

/*
 * Here is the page: a frame of a user's, held singly, which is the object's from now on. Where that fails it
 * stays the pager's: ERR_EXISTS, the page is there; ERR_BAD_ARGUMENT, the object is smaller by now;
 * ERR_LIMIT, ERR_NO_MEMORY, which those who wait are told.
 */
enum error memory_supply(struct memory *memory, uint64_t page, pfn_t frame) MUST_CHECK;

/* There is none: those who wait are told this error. Whoever touches it later makes the pager be asked again.
 */
void memory_refuse(struct memory *memory, uint64_t page, enum error error);

/* The pager is dead: ERR_DEAD for all who wait and who touch what is not there. */
void memory_abandon(struct memory *memory);

/* After memory_fault has said ERR_NOT_READY: wait until the page is there. ERR_TIMED_OUT, ERR_CANCELLED,
 * ERR_DEAD, ERR_BAD_ARGUMENT, and what the pager says. Holds no lock. */
enum error pager_ask(struct memory *memory, uint64_t page) MUST_CHECK;

#endif
