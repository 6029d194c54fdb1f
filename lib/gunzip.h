/*
 * gzip (RFC 1952) in memory, inflated by zlib; in the loader that is the library which Debian builds for the
 * same object format, on the host the native one. The file is foreign input: header, stream, CRC and length
 * are checked, and the length that the file claims is never used to reserve memory: gunzip_measure goes
 * through the whole stream and says how much it holds, then gunzip fills memory of that size.
 *
 * A file may be several members in a row; what follows the last one is ignored. Nothing here allocates
 * (zlib gets its memory from the caller's struct gunzip_work) or locks.
 */
#ifndef QUIRE_LIB_GUNZIP_H
#define QUIRE_LIB_GUNZIP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/error.h"

#define GUNZIP_ARENA 49152 /* zlib's state (about 10 KiB) and its window of 32 KiB */
#define GUNZIP_SINK  32768

/* Working memory; its contents are of no use between two calls. */
struct gunzip_work {
    _Alignas(16) uint8_t arena[GUNZIP_ARENA];
    uint8_t sink[GUNZIP_SINK];
    size_t used;
};

/* Does the data begin with the mark of gzip and its one compression method? */
bool gunzip_recognises(const void *data, size_t size);

/*
 * The number of bytes that the file expands to, at most `limit`. The whole file has then been checked.
 * ERR_BAD_FORMAT for a damaged header or stream, ERR_TRUNCATED, ERR_BAD_CHECKSUM for a CRC or length that
 * does not match, ERR_TOO_LARGE when it expands to more than the limit or the file itself is 2 GiB or more.
 */
MUST_CHECK enum error gunzip_measure(const void *data, size_t size, uint64_t limit, struct gunzip_work *work,
                                     uint64_t *bytes);

/* Expand the file into memory of exactly the measured size; the errors are the same. */
MUST_CHECK enum error gunzip(const void *data, size_t size, struct gunzip_work *work, void *to,
                             uint64_t bytes);

#endif
