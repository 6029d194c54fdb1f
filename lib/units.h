/*
 * Value types with units, so that a physical address, a frame number and a user address cannot be mixed up,
 * and the page constants. Conversion happens only through the functions here; the door from a frame to a
 * pointer is the aperture (kernel/mm/aperture.h) and nowhere else.
 */
#ifndef QUIRE_LIB_UNITS_H
#define QUIRE_LIB_UNITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAGE_SHIFT 12
#define PAGE_SIZE  ((uint64_t)1 << PAGE_SHIFT)
#define KIB        ((uint64_t)1 << 10)
#define MIB        ((uint64_t)1 << 20)
#define GIB        ((uint64_t)1 << 30)
#define TIB        ((uint64_t)1 << 40)

/* A physical address in bytes. */
typedef struct {
    uint64_t value;
} paddr_t;

/* A page frame number: a physical address divided by 4096. */
typedef struct {
    uint64_t value;
} pfn_t;

/* An address in some user address space, in bytes; never dereferenced, only given to kernel/mm/usercopy. */
typedef struct {
    uint64_t value;
} uaddr_t;

/* A number of 4 KiB pages. */
typedef struct {
    uint64_t value;
} pages_t;

static inline paddr_t paddr(uint64_t bytes)
{
    return (paddr_t){bytes};
}

static inline pfn_t pfn(uint64_t number)
{
    return (pfn_t){number};
}

static inline uaddr_t uaddr(uint64_t bytes)
{
    return (uaddr_t){bytes};
}

static inline paddr_t pfn_to_paddr(pfn_t frame)
{
    return (paddr_t){frame.value << PAGE_SHIFT};
}

/* The frame that holds this address. */
static inline pfn_t paddr_to_pfn(paddr_t address)
{
    return (pfn_t){address.value >> PAGE_SHIFT};
}

static inline uint64_t align_down(uint64_t value, uint64_t power_of_two)
{
    return value & ~(power_of_two - 1);
}

/* Wraps to 0 when the result would not fit; callers that take foreign input check for that. */
static inline uint64_t align_up(uint64_t value, uint64_t power_of_two)
{
    return (value + power_of_two - 1) & ~(power_of_two - 1);
}

static inline bool is_aligned(uint64_t value, uint64_t power_of_two)
{
    return (value & (power_of_two - 1)) == 0;
}

static inline pages_t pages_for_bytes(uint64_t bytes)
{
    return (pages_t){(bytes >> PAGE_SHIFT) + ((bytes & (PAGE_SIZE - 1)) != 0)};
}

#endif
