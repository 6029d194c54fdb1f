/*
 * Memory that an account pays for; see charged.h.
 */
#include "kernel/mm/charged.h"

#include "kernel/debug/panic.h"
#include "kernel/mm/heap.h"
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

enum error uncharged_frame(const struct account *account, enum frame_class class, pfn_t *out)
{
    return inject_fails() ? ERR_NO_MEMORY : frame_alloc_for(0, class, account->number, out);
}

void uncharged_frame_free(pfn_t frame)
{
    enum error error = frame_free(frame, 0);
    ASSERT(error == ERR_NONE);
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
    uncharged_frame_free(frame);
    account_refund(account, RESOURCE_FRAMES, 1);
}
