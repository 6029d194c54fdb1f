/*
 * Memory that an account pays for; see charged.h.
 */
#include "kernel/mm/charged.h"

#include "kernel/mm/frame_report.h"
#include "kernel/mm/heap.h"
#include "kernel/mm/zeroed.h"
#include "lib/text.h"

enum error charged_alloc(struct account *account, size_t bytes, void **out)
{
    enum error error = account_charge(account, RESOURCE_BYTES, bytes);
    if (error != ERR_NONE) {
        return error;
    }
    *out = inject_fails() ? NULL : heap_alloc(bytes);
    if (*out == NULL) {
        account_refund(account, RESOURCE_BYTES, bytes);
        return ERR_NO_MEMORY;
    }
    return ERR_NONE;
}

enum error charged_alloc_zeroed(struct account *account, size_t bytes, void **out)
{
    enum error error = charged_alloc(account, bytes, out);
    if (error == ERR_NONE) {
        memset(*out, 0, bytes);
    }
    return error;
}

void charged_free(struct account *account, void *memory, size_t bytes)
{
    if (memory != NULL) {
        heap_free(memory, bytes);
        account_refund(account, RESOURCE_BYTES, bytes);
    }
}

enum error charged_slab_alloc_zeroed(struct account *account, struct slab_cache *cache, void **out)
{
    enum error error = account_charge(account, RESOURCE_BYTES, cache->bytes);
    if (error != ERR_NONE) {
        return error;
    }
    *out = inject_fails() ? NULL : slab_alloc_zeroed(cache);
    if (*out == NULL) {
        account_refund(account, RESOURCE_BYTES, cache->bytes);
        return ERR_NO_MEMORY;
    }
    return ERR_NONE;
}

void charged_slab_free(struct account *account, struct slab_cache *cache, void *object)
{
    slab_free(cache, object);
    account_refund(account, RESOURCE_BYTES, cache->bytes);
}

enum error uncharged_block(const struct account *account, enum frame_class class, pfn_t *out)
{
    return inject_fails() ? ERR_NO_MEMORY : frame_alloc_for(9, class, account->number, out);
}

enum error charged_frame(struct account *account, enum frame_class class, pfn_t *out)
{
    enum error error = account_charge(account, RESOURCE_FRAMES, 1);
    if (error != ERR_NONE) {
        return error;
    }
    error = uncharged_frame(account, class, out);
    if (error != ERR_NONE) {
        account_refund(account, RESOURCE_FRAMES, 1);
    }
    return error;
}

void charged_frame_free(struct account *account, pfn_t frame)
{
    frame_release(frame, 0);
    account_refund(account, RESOURCE_FRAMES, 1);
}
