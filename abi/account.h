/*
 * Accounts as user space sees them: what they count, and what the kernel tells of one.
 */
#ifndef QUIRE_ABI_ACCOUNT_H
#define QUIRE_ABI_ACCOUNT_H

#include <stdint.h>

/*
 * What is counted: X(NAME, NUMBER, what it is called). Frames are 4 KiB each: memory of programs, page
 * tables, stacks. Bytes are those of the kernel's heap: objects, handles, records, buffers.
 */
#define QUIRE_RESOURCES(X) X(FRAMES, 0, "frames") X(BYTES, 1, "bytes")

#define QUIRE_RESOURCE_ENUM(name, number, text) RESOURCE_##name = (number),
enum resource { QUIRE_RESOURCES(QUIRE_RESOURCE_ENUM) RESOURCES };
#undef QUIRE_RESOURCE_ENUM

#define ACCOUNT_NAME 32

/* Nobody can name it any more; it stays until all that it paid for is given back. */
#define ACCOUNT_CLOSED 1u

struct account_resource {
    uint64_t limit; /* what it was lent */
    uint64_t lent;  /* of it, to accounts below */
    uint64_t used;
    uint64_t peak; /* the most that was used, or a little more: see docs/security.md */
};

struct account_info {
    uint32_t number; /* 0 is the kernel's own, which has no limit */
    uint32_t parent; /* number of the account that lent to it */
    uint32_t flags;
    uint32_t pad;
    struct account_resource resources[RESOURCES];
    char name[ACCOUNT_NAME];
};

/*
 * What a call returns in place of its result when it fails with ERR_LIMIT because an account has not enough:
 * which account, which resource, and how much is missing. 0 when another limit was reached.
 */
#define LACK_ACCOUNT_SHIFT  48
#define LACK_RESOURCE_SHIFT 47
#define LACK_AMOUNT         (((uint64_t)1 << LACK_RESOURCE_SHIFT) - 1)

static inline uint32_t lack_account(uint64_t lack)
{
    return (uint32_t)(lack >> LACK_ACCOUNT_SHIFT);
}

static inline enum resource lack_resource(uint64_t lack)
{
    return (enum resource)(lack >> LACK_RESOURCE_SHIFT & 1);
}

static inline uint64_t lack_amount(uint64_t lack)
{
    return lack & LACK_AMOUNT;
}

#endif
