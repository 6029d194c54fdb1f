/*
 * Memory objects: an array of pages with a source. Here the pages are committed when the object is made,
 * zeroed, or they are a range of physical memory that belongs to somebody else. Shared by reference.
 */
#ifndef QUIRE_KERNEL_MEMORY_H
#define QUIRE_KERNEL_MEMORY_H

#include "abi/error.h"
#include "kernel/obj/object.h"
#include "lib/units.h"

struct memory {
    struct object object;

    /* Set once. */
    pages_t pages;
    bool owned;     /* the frames are given back with the object */
    pfn_t first;    /* when not owned: the first of the frames, which lie in a row */
    pfn_t **leaves; /* when owned: tables of MEMORY_LEAF frames each */
};

OBJECT_WRAPPERS(memory)

#define MEMORY_LEAF (PAGE_SIZE / sizeof(pfn_t))

/*
 * Make an object of zeroed pages, charged to the account. ERR_LIMIT, ERR_NO_MEMORY; ERR_CANCELLED when the
 * calling thread is killed meanwhile. Holds no lock: lets interrupts in and others run every few pages.
 */
enum error memory_make(struct account *account, pages_t pages, struct memory **out) MUST_CHECK;

/* An object over frames that stay somebody else's for good. */
enum error memory_make_physical(struct account *account, pfn_t first, pages_t pages,
                                struct memory **out) MUST_CHECK;

void memory_destroy(struct object *object);

/* The frame of a page of the object; page < pages. */
pfn_t memory_frame(const struct memory *memory, uint64_t page);

#endif
