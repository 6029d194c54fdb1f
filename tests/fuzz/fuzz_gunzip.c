/*
 * lib/gunzip: whatever the file, nothing outside of it is read, the limit holds, and what is measured is what
 * comes out; where zlib's own reader of the format accepts a single member, so does this, with the same
 * bytes.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "lib/gunzip.h"

#define LIMIT (1 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct gunzip_work work;

/* The first member by zlib alone: its length, or -1. */
static long expand_by_zlib(const uint8_t *data, size_t size, uint8_t *to, size_t *used)
{
    z_stream stream = {.next_in = (Bytef *)(uintptr_t)data, .avail_in = (uInt)size};
    inflateInit2(&stream, 15 + 16);
    stream.next_out = to;
    stream.avail_out = LIMIT;
    int result = inflate(&stream, Z_FINISH);
    *used = size - stream.avail_in;
    long length = result == Z_STREAM_END ? (long)stream.total_out : -1;
    inflateEnd(&stream);
    return length;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t reference[LIMIT];
    uint64_t bytes;
    size_t used;
    enum error error = gunzip_measure(data, size, LIMIT, &work, &bytes);
    assert(bytes <= LIMIT);
    long length = expand_by_zlib(data, size, reference, &used);
    bool is_single = length >= 0 && !gunzip_recognises(data + used, size - used);
    assert(!is_single || (error == ERR_NONE && bytes == (uint64_t)length));
    assert(length >= 0 || error != ERR_NONE);
    if (error == ERR_NONE) {
        uint8_t *plain = malloc(bytes > 0 ? bytes : 1);
        assert(gunzip(data, size, &work, plain, bytes) == ERR_NONE);
        assert(!is_single || memcmp(plain, reference, bytes) == 0);
        free(plain);
    }
    return 0;
}
