/*
 * The kernel's heap: memory by the byte. Small objects come from slab caches, one for each of a row of sizes;
 * larger ones are whole frames. Objects of one type that are many have a cache of their own (slab.h), which
 * belongs to the heap all the same: what is said here of all caches is said of it, too.
 *
 * Every allocation is freed with the size it was made with; that saves a header and is checked. Out of memory
 * is NULL, with nothing changed; giving back what is not held, or in another size, is a panic that says what
 * is known of it. All functions take LOCK_SLABS and LOCK_HEAP, and may be called on any CPU.
 */
#ifndef QUIRE_KERNEL_HEAP_H
#define QUIRE_KERNEL_HEAP_H

#include <stddef.h>
#include <stdint.h>

#include "abi/error.h"
#include "kernel/mm/slab.h"

struct cpu;

/*
 * Aligned to the largest power of two that divides the size, though no less than to 8 bytes and no more than
 * to 64; so to what any type needs that asks for no more than a cache line. Contents are undefined. Of what
 * is taken for 19 bytes or more at most a quarter is waste.
 */
void *heap_alloc(size_t bytes) MUST_CHECK;

/* The same, filled with zeros. */
void *heap_alloc_zeroed(size_t bytes) MUST_CHECK;

/* NULL is allowed. */
void heap_free(void *object, size_t bytes);

/*
 * The debug mode, for all of the heap: each object stands between red zones, which are checked when it is
 * given back; then it is filled with a pattern and kept back for a while, and the pattern is checked before
 * it is given out again. A panic names who took it and who gave it back. Chosen at boot, before the first
 * allocation.
 */
void heap_debug(void);

/* Let this CPU use the heap, before it does so for the first time. */
void heap_admit(struct cpu *cpu);

/*
 * Everything that is free goes back to the frames: what CPUs have at hand, and what caches keep. Other CPUs
 * that allocate or free wait meanwhile. Also done before an allocation fails. False when there was nothing.
 */
bool heap_drain(void);

/*
 * The same for frame_ask_before_refusing. BARRED when the request comes from inside the heap. A request gets
 * nothing when it asks for the third time: one CPU could go on for ever taking slabs apart that another one
 * makes.
 */
enum frame_gift heap_give_back(unsigned asked);

/*
 * Walk everything and prove slabs, magazines and counts consistent, and, in the debug mode, all red zones and
 * patterns whole. Other CPUs that allocate or free wait meanwhile. True when all is well.
 */
struct heap_fault {
    char cache[SLAB_NAME];
    const char *what;  /* which invariant does not hold */
    const void *where; /* the slab or object */
};
bool heap_audit(struct heap_fault *fault) MUST_CHECK;

/* Bytes in use by objects, magazines among them, and frames that the heap holds: for tests and figures. */
void heap_count(uint64_t *object_bytes, uint64_t *frames);

/*
 * The numbers of the cache at this position: first "large", for objects of whole frames; then "hands", for
 * the tables of the CPUs, which stay; then all caches that have been used. False at the end.
 */
bool heap_describe(uint64_t position, struct system_slab *out);

#endif
