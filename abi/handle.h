/*
 * Handles as user space sees them: a 32-bit value that names an object in the table of one task.
 * 0 names nothing. The low 16 bits are an index, the high 16 a generation, so a stale value is refused.
 */
#ifndef QUIRE_ABI_HANDLE_H
#define QUIRE_ABI_HANDLE_H

#define RIGHT_READ      (1u << 0)
#define RIGHT_WRITE     (1u << 1)
#define RIGHT_EXECUTE   (1u << 2)
#define RIGHT_MAP       (1u << 3)
#define RIGHT_DUPLICATE (1u << 4)
#define RIGHT_MANAGE    (1u << 5)
#define RIGHT_SIGNAL    (1u << 6)
#define RIGHT_WAIT      (1u << 7)
#define RIGHT_ALL       0xffu

#define ACCESS_READ    1u
#define ACCESS_WRITE   2u
#define ACCESS_EXECUTE 4u

/* The first 64 KiB are never mapped; user space ends below the last page under the canonical hole. */
#define USER_LOWEST  0x0000000000010000ull
#define USER_HIGHEST 0x00007ffffffff000ull

#endif
