/*
 * The one place that copies between the kernel and user memory. Every call checks the range; an address that
 * is not mapped, or not with that right, is ERR_BAD_ADDRESS, whatever happens to the mapping meanwhile.
 */
#ifndef QUIRE_KERNEL_USERCOPY_H
#define QUIRE_KERNEL_USERCOPY_H

#include <stdbool.h>

#include "abi/error.h"
#include "abi/handle.h"
#include "lib/units.h"

/* Does the range lie in the user half, without wrapping? Empty ranges do anywhere. */
static inline bool user_range_valid(uaddr_t address, uint64_t bytes)
{
    return bytes == 0 || (address.value >= USER_LOWEST && address.value < USER_HIGHEST &&
                          bytes <= USER_HIGHEST - address.value);
}

enum error copy_from_user(void *to, uaddr_t from, uint64_t bytes) MUST_CHECK;
enum error copy_to_user(uaddr_t to, const void *from, uint64_t bytes) MUST_CHECK;

#endif
