/*
 * Slab caches: objects of one size, cut from blocks of frames ("slabs"), with some free ones at hand for each
 * CPU ("magazines"). docs/heap.md has the picture and the reasons.
 *
 * A cache is defined where the type of its objects lives, and is ready without being set up:
 *
 *     static struct slab_cache threads = SLAB_CACHE_OF("thread", struct thread);
 *
 * Objects may be given back on any CPU. Out of memory is NULL, with nothing changed; giving back what is no
 * object of the cache is a panic that says what it is. All functions take LOCK_SLABS and LOCK_HEAP.
 */
#ifndef QUIRE_KERNEL_SLAB_H
#define QUIRE_KERNEL_SLAB_H

#include "abi/error.h"
#include "abi/system.h"
#include "kernel/lib/list.h"
#include "kernel/sched/spinlock.h"
#include "lib/units.h"

/* The largest object, and the largest alignment, that a cache can have. */
#define SLAB_BYTES_MOST     12288u
#define SLAB_ALIGNMENT_MOST 4096u

struct slab_magazine;

struct slab_cache {
    /* Set by who defines it, before the first allocation. */
    const char *name;
    uint32_t bytes;     /* of an object, as its users know it */
    uint32_t alignment; /* a power of two */

    /* Set once, at the first allocation. This line is read by all CPUs and not written again. */
    uint64_t mask;     /* takes an object's address to that of its slab */
    uint32_t hand;     /* where a CPU's table has this cache's hand; 0 when the cache has no magazines */
    uint32_t objects;  /* in a slab */
    uint32_t size;     /* from one object to the next: odd x 2^shift */
    uint32_t inverse;  /* of the odd part, modulo 2^32 */
    uint8_t shift;     /* the power of two in `size` */
    uint8_t order;     /* of a slab's block of frames */
    uint16_t capacity; /* objects in a magazine */
    uint32_t first;    /* where in a slab without colour the first object begins */
    uint32_t colours;  /* places where the first object may begin... */
    uint32_t step;     /* ...so far from each other */
    uint32_t ready;    /* atomic: all this is set */

    struct spinlock lock __attribute__((aligned(64)));

    /* Guarded by lock. */
    struct list partial; /* slabs with some objects taken */
    struct list full;    /* with all objects taken */
    struct list empty;   /* with none: `empties` of them */
    uint32_t empties;
    uint32_t colour;                       /* of the next slab */
    struct slab_magazine *full_magazines;  /* the depot: what CPUs exchange, `depot` full ones... */
    struct slab_magazine *empty_magazines; /* ...and empty ones */
    uint32_t depot;
    uint32_t quarantined;  /* in the debug mode: freed objects that are kept back... */
    void *oldest, *newest; /* ...in this order */
    uint64_t slabs;        /* atomic to read */
    uint64_t taken, given,
        waiting; /* objects taken and given back by CPUs without magazines; atomic to read */

    /* Guarded by LOCK_SLABS. */
    struct list node; /* in the list of all caches */
};

#define SLAB_CACHE(label, size, align)                                                                       \
    {                                                                                                        \
        .name = (label), .bytes = (size), .alignment = (align), .mask = ~(PAGE_SIZE - 1),                    \
        .lock = SPINLOCK("slab cache", LOCK_HEAP)                                                            \
    }
#define SLAB_CACHE_OF(label, type) SLAB_CACHE(label, sizeof(type), _Alignof(type))

/* An object, with whatever contents; or zeroed. */
void *slab_alloc(struct slab_cache *cache) MUST_CHECK;
void *slab_alloc_zeroed(struct slab_cache *cache) MUST_CHECK;

/* Give back an object of this cache; not NULL. */
void slab_free(struct slab_cache *cache, void *object);

/*
 * A cache made at run time. The name stays the caller's. ERR_NO_MEMORY; ERR_BAD_ARGUMENT when size or
 * alignment is nothing that a cache can have.
 */
enum error slab_cache_make(const char *name, size_t bytes, size_t alignment,
                           struct slab_cache **out) MUST_CHECK;

/* Take such a cache apart; all of its objects have been given back, else it is a panic. */
void slab_cache_destroy(struct slab_cache *cache);

/*
 * The numbers of the cache at this position among those that have been used; false at the end. While other
 * CPUs are at it each number is right at some moment; nobody is made to wait.
 */
bool slab_describe(uint64_t position, struct system_slab *out);

#endif
