/*
 * Memory that an account pays for: charged, then allocated, or neither.
 */
#ifndef QUIRE_KERNEL_CHARGED_H
#define QUIRE_KERNEL_CHARGED_H

#include "kernel/mm/account.h"
#include "kernel/mm/frame.h"
#include "kernel/mm/slab.h"
#include "kernel/mm/zeroed.h"

/* A piece of the heap, with whatever was in it, or zeroed. ERR_LIMIT, ERR_NO_MEMORY. */
enum error charged_alloc(struct account *account, size_t bytes, void **out) MUST_CHECK;
enum error charged_alloc_zeroed(struct account *account, size_t bytes, void **out) MUST_CHECK;

/* NULL is allowed. */
void charged_free(struct account *account, void *memory, size_t bytes);

/* A zeroed object of the cache; charged is what its users know as its size. ERR_LIMIT, ERR_NO_MEMORY. */
enum error charged_slab_alloc_zeroed(struct account *account, struct slab_cache *cache,
                                     void **out) MUST_CHECK;

/* Not NULL. */
void charged_slab_free(struct account *account, struct slab_cache *cache, void *object);

/* A frame. ERR_LIMIT, ERR_NO_MEMORY. */
enum error charged_frame(struct account *account, enum frame_class class, pfn_t *out) MUST_CHECK;
void charged_frame_free(struct account *account, pfn_t frame);

/* The same for a frame, or a zeroed one of a user's, whose charge is the caller's business; frame_release
 * gives it back.
 */
static inline MUST_CHECK enum error uncharged_frame(const struct account *account, enum frame_class class,
                                                    pfn_t *out)
{
    return inject_fails() ? ERR_NO_MEMORY : frame_alloc_for(0, class, account->number, out);
}
static inline MUST_CHECK enum error uncharged_zeroed_frame(const struct account *account,
                                                           enum frame_class class, pfn_t *out)
{
    return inject_fails() ? ERR_NO_MEMORY : zeroed_take(class, account->number, out);
}

/* A block of 2 MiB, in the same way. */
enum error uncharged_block(const struct account *account, enum frame_class class, pfn_t *out) MUST_CHECK;

#endif
