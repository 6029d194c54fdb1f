/*
 * Handles as user space sees them: a 32-bit value that names an object in the table of one task.
 * 0 names nothing. The low 16 bits are an index, the high 16 a generation, so a stale value is refused.
 */
#ifndef QUIRE_ABI_HANDLE_H
#define QUIRE_ABI_HANDLE_H

#include <stdint.h>

/* What a handle may be used for: X(NAME, BIT, what it allows). The one list of rights. */
#define QUIRE_RIGHTS(X)                                                                                      \
    X(READ, 0, "read the object's content or state")                                                         \
    X(WRITE, 1, "write to it")                                                                               \
    X(EXECUTE, 2, "map memory executable")                                                                   \
    X(MAP, 3, "map memory")                                                                                  \
    X(DUPLICATE, 4, "copy the handle in one's own table")                                                    \
    X(MANAGE, 5, "change or end the object, or act in its place")                                            \
    X(SIGNAL, 6, "set bits in a notification")                                                               \
    X(WAIT, 7, "wait for bits of a notification")                                                            \
    X(TRANSFER, 8, "copy the handle into another task's table")                                              \
    X(CHARGE, 9, "have things charged to an account")                                                        \
    X(CODE, 10, "make memory of a task writable and executable at once")

#define QUIRE_RIGHT_ENUM(name, bit, about) RIGHT_##name = 1 << (bit),
enum { QUIRE_RIGHTS(QUIRE_RIGHT_ENUM) };
#undef QUIRE_RIGHT_ENUM

#define QUIRE_RIGHT_SUM(name, bit, about) | 1u << (bit)
#define RIGHT_ALL                         (0u QUIRE_RIGHTS(QUIRE_RIGHT_SUM))

/* Rights are a mask of this many bits; the upper ones are for later. */
#define RIGHT_BITS 24

/* What a handle can name: X(NAME, NUMBER, name). 0 is no type. */
#define QUIRE_OBJECT_TYPES(X)                                                                                \
    X(TASK, 1, task)                                                                                         \
    X(MEMORY, 2, memory)                                                                                     \
    X(NOTIFICATION, 3, notification)                                                                         \
    X(CONSOLE, 4, console)                                                                                   \
    X(SYSTEM, 5, system)                                                                                     \
    X(ACCOUNT, 6, account)                                                                                   \
    X(THREAD, 7, thread)

#define QUIRE_OBJECT_ENUM(name, number, text) OBJECT_##name = (number),
enum object_type { OBJECT_NONE, QUIRE_OBJECT_TYPES(QUIRE_OBJECT_ENUM) OBJECT_TYPES };
#undef QUIRE_OBJECT_ENUM

/* Handles in one table, at most; and how often in a row a handle can be a copy of a copy. */
#define HANDLES_MOST       65535u
#define HANDLE_COPIES_MOST 128u

/* What handle_query tells. */
struct handle_info {
    uint32_t type;   /* OBJECT_* */
    uint32_t rights; /* RIGHT_* */
    uint64_t object; /* a number of its own for each object: two handles with the same name the same object */
};

#define ACCESS_READ    1u
#define ACCESS_WRITE   2u
#define ACCESS_EXECUTE 4u

/* The first 64 KiB are never mapped; user space ends below the last page under the canonical hole. */
#define USER_LOWEST  0x0000000000010000ull
#define USER_HIGHEST 0x00007ffffffff000ull

#endif
