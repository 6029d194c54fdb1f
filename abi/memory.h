/*
 * What memory objects and address spaces tell and take: the modes of a mapping, and records about them.
 */
#ifndef QUIRE_ABI_MEMORY_H
#define QUIRE_ABI_MEMORY_H

#include <stdint.h>

#include "abi/handle.h"

/* The mode of a mapping. The lowest bits are what may be done there: ACCESS_*. */
#define MAP_MODE_ACCESS   7u
#define MAP_MODE_POPULATE 8u /* pages of the object that are there go into the tables at once */
#define MAP_MODE_GROWS                                                                                       \
    16u /* a touch of the page below the mapping makes it one longer there, as long as there is room */
#define MAP_MODE_SMALL   32u  /* never large pages */
#define MAP_MODE_LARGE   64u  /* large pages also where that takes copying (promotion by copying) */
#define MAP_MODE_HUGE    128u /* 1 GiB pages too */
#define MAP_MODE_SHARED  256u /* a clone of the space sees the same object; else a copy */
#define MAP_MODE_PRIVATE 512u /* a clone of the space does not get it */
#define MAP_MODE_ALL     8191u

/* What memory_protect may give later, beside what may be done from the start: the handle needs these rights
 * too. */
#define MAP_MAY_SHIFT        10
#define MAP_MODE_MAY(access) ((uint32_t)(access) << MAP_MAY_SHIFT)

/* memory_create. */
#define MEMORY_CREATE_SPARSE 1u /* pages are charged when they are touched, not at once */

/* memory_device: how the CPU caches it. */
#define MEMORY_CACHE_BACK    0u /* as RAM */
#define MEMORY_CACHE_NONE    1u /* for registers of devices */
#define MEMORY_CACHE_COMBINE 2u /* write-combining, for framebuffers */

/* memory_query: a byte for each page. */
#define MEMORY_PAGE_PRESENT 1u
#define MEMORY_PAGE_LARGE   2u
#define MEMORY_PAGE_SHARED  4u /* with another object, copy-on-write */
#define MEMORY_PAGE_PINNED  8u

/* One mapping of a task. */
struct memory_mapping {
    uint64_t start, bytes;
    uint64_t offset;   /* in the object, bytes */
    uint64_t object;   /* its number, as handle_query tells; 0: a reservation */
    uint64_t resident; /* bytes in the tables */
    uint64_t large;    /* of them, in pages of 2 MiB... */
    uint64_t huge;     /* ...and of 1 GiB */
    uint32_t mode;     /* MAP_MODE_* */
    uint32_t views;    /* how many mappings there are of the object, this one too */
    uint32_t kind;     /* MAPPED_* */
    uint32_t pad;
};

/* What a mapping shows: X(NAME, NUMBER, in words). */
#define QUIRE_MAPPED(X)                                                                                      \
    X(NOTHING, 0, "reserved")                                                                                \
    X(ANONYMOUS, 1, "anonymous")                                                                             \
    X(DEVICE, 2, "device")                                                                                   \
    X(PAGED, 3, "paged")

#define QUIRE_MAPPED_ENUM(name, number, text) MAPPED_##name = (number),
enum { QUIRE_MAPPED(QUIRE_MAPPED_ENUM) };
#undef QUIRE_MAPPED_ENUM

/* One step of the way of an address through the page tables. */
struct memory_step {
    uint64_t table; /* physical */
    uint64_t entry;
    uint64_t span; /* bytes */
    uint32_t index;
    uint32_t level;
    uint32_t access; /* ACCESS_* as far as this entry says */
    uint8_t present, leaf, accessed, dirty;
};

#endif
