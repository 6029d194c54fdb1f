/*
 * Copies to and from user memory; see usercopy.h.
 */
#include "kernel/mm/usercopy.h"

#include "kernel/arch/arch.h"

/* By arithmetic too: a speculated path past the check must not reach kernel memory. */
static uint64_t bounded(uaddr_t address)
{
    return arch_bound_index(address.value, USER_HIGHEST);
}

enum error copy_from_user(void *to, uaddr_t from, uint64_t bytes)
{
    if (!user_range_valid(from, bytes)) {
        return ERR_BAD_ADDRESS;
    }
    return arch_copy_from_user(to, bounded(from), bytes) ? ERR_NONE : ERR_BAD_ADDRESS;
}

enum error copy_to_user(uaddr_t to, const void *from, uint64_t bytes)
{
    if (!user_range_valid(to, bytes)) {
        return ERR_BAD_ADDRESS;
    }
    return arch_copy_to_user(bounded(to), from, bytes) ? ERR_NONE : ERR_BAD_ADDRESS;
}
