/*
 * What the tests of address spaces share: short forms of the calls on the own task, and the free frames of
 * the machine before and after.
 */
#ifndef QUIRE_UTEST_SPACE_H
#define QUIRE_UTEST_SPACE_H

#include <stdbool.h>
#include <stdint.h>

#include "abi/memory.h"
#include "abi/system.h"
#include "lib/units.h"
#include "syscalls.h"
#include "user/libq/program.h"

/* A place where nothing else is, aligned to any size of page. */
#define FIELD 0x0000300000000000ull

#define LARGE      (2 * MIB)
#define READ       ACCESS_READ
#define WRITE      ACCESS_WRITE
#define EXECUTE    ACCESS_EXECUTE
#define READ_WRITE (ACCESS_READ | ACCESS_WRITE)

static inline volatile uint64_t *word_at(uint64_t address)
{
    return (volatile uint64_t *)address;
}

static inline enum error space_map(uint32_t memory, uint64_t offset, uint64_t where, uint64_t bytes,
                                   uint64_t mode)
{
    uint64_t mapped;
    return sys_memory_map(startup->self, memory, offset, where, bytes, mode, &mapped);
}

static inline enum error space_unmap(uint64_t where, uint64_t bytes)
{
    return sys_memory_unmap(startup->self, where, bytes);
}

static inline enum error space_protect(uint64_t where, uint64_t bytes, uint64_t access)
{
    return sys_memory_protect(startup->self, where, bytes, access);
}

/* MEMORY_PAGE_* of one page of an object; ~0 when it cannot be told. */
uint32_t page_state(uint32_t memory, uint64_t offset);

/* Bytes of the leaf that shows an address of a task, with ACCESS_* in `access`; 0 when there is none. */
uint64_t leaf_of(uint32_t task, uint64_t address, uint32_t *access);

/* Does the kernel refuse to write to this address, as to one that is none? */
bool kernel_cannot_write(uint64_t address);

/*
 * A child, made ready by `prepare`, that uses the address in this mode of child.c ("write", "read", "run")
 * ends with a page fault there, whose error code is this but for the bit that says whether a page was there.
 * False after a test_fail.
 */
bool faults_there(bool (*prepare)(uint32_t task), const char *mode, uint64_t address, uint64_t code);

/* Does this give back every frame and leave the books as they were? Done some times before, so that what is
 * kept for later is there. False after a test_fail. */
bool gives_all_back(bool (*once)(void), unsigned times);

bool spaces_figures(struct system_spaces *out);

#endif
