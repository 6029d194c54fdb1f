/* zlib inflates the raw stream; the frame around it, RFC 1952 section 2.3, is read here. */
#include "lib/gunzip.h"

#include "lib/text.h"

#define Z_SOLO /* zlib.h without the C library's headers */
#include <zlib.h>

#define HEADER_BYTES  10
#define TRAILER_BYTES 8
#define FLAG_CRC      0x02u
#define FLAG_EXTRA    0x04u
#define FLAG_NAME     0x08u
#define FLAG_COMMENT  0x10u
#define FLAG_RESERVED 0xe0u
#define STEP          ((uint64_t)1 << 30) /* zlib counts in 32 bits */

/* Where the expanded bytes go: to `to`, or nowhere when that is NULL. */
struct target {
    uint8_t *to;
    uint64_t limit;
    uint64_t bytes;
};

/* zlib's allocator: pieces of the arena, which is reset as a whole. */
static voidpf arena_take(voidpf opaque, uInt items, uInt item_bytes)
{
    struct gunzip_work *work = opaque;
    uint64_t bytes = ((uint64_t)items * item_bytes + 15) & ~(uint64_t)15;
    if (bytes > GUNZIP_ARENA - work->used) {
        return NULL;
    }
    void *piece = work->arena + work->used;
    work->used += bytes;
    return piece;
}

static void arena_give(voidpf opaque, voidpf piece)
{
    (void)opaque;
    (void)piece;
}

static uint32_t little_endian_32(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

bool gunzip_recognises(const void *data, size_t size)
{
    return size >= 3 && memcmp(data, "\x1f\x8b\x08", 3) == 0;
}

/* Move over a NUL-terminated text of the header. */
static enum error skip_text(const uint8_t *data, size_t size, size_t *at)
{
    while (*at < size && data[*at] != 0) {
        (*at)++;
    }
    if (*at == size) {
        return ERR_TRUNCATED;
    }
    (*at)++;
    return ERR_NONE;
}

/* Move *at from the start of a member to that of its stream. */
static enum error skip_header(const uint8_t *data, size_t size, size_t *at)
{
    enum error error = ERR_NONE;
    if (!gunzip_recognises(data + *at, size - *at)) {
        return ERR_BAD_FORMAT;
    }
    if (size - *at < HEADER_BYTES) {
        return ERR_TRUNCATED;
    }
    size_t begin = *at;
    uint8_t flags = data[begin + 3];
    if ((flags & FLAG_RESERVED) != 0) {
        return ERR_BAD_FORMAT;
    }
    *at += HEADER_BYTES;
    if ((flags & FLAG_EXTRA) != 0) {
        if (size - *at < 2) {
            return ERR_TRUNCATED;
        }
        size_t extra = 2 + ((size_t)data[*at] | (size_t)data[*at + 1] << 8);
        if (size - *at < extra) {
            return ERR_TRUNCATED;
        }
        *at += extra;
    }
    if ((flags & FLAG_NAME) != 0) {
        error = skip_text(data, size, at);
    }
    if (error == ERR_NONE && (flags & FLAG_COMMENT) != 0) {
        error = skip_text(data, size, at);
    }
    if (error != ERR_NONE || (flags & FLAG_CRC) == 0) {
        return error;
    }
    if (size - *at < 2) {
        return ERR_TRUNCATED;
    }
    uint32_t sum = (uint32_t)data[*at] | (uint32_t)data[*at + 1] << 8;
    uint32_t crc = (uint32_t)crc32(0, data + begin, (uInt)(*at - begin)) & 0xffff;
    *at += 2;
    return sum == crc ? ERR_NONE : ERR_BAD_CHECKSUM;
}

/* Point zlib at room for output. Beyond the limit it gets one byte, to tell a full target from a finished
 * one. */
static uint64_t give_room(z_stream *stream, struct gunzip_work *work, const struct target *target)
{
    uint64_t left = target->limit - target->bytes;
    uint64_t room = target->to == NULL ? GUNZIP_SINK : STEP;
    bool is_full = left == 0;
    room = is_full ? 1 : left < room ? left : room;
    stream->next_out = target->to == NULL || is_full ? work->sink : target->to + target->bytes;
    stream->avail_out = (uInt)room;
    return room;
}

/* Inflate to the end of one stream, and take the CRC of what comes out. */
static enum error inflate_all(z_stream *stream, struct gunzip_work *work, struct target *target,
                              uint32_t *crc)
{
    int result = Z_OK;
    while (result != Z_STREAM_END) {
        uint64_t room = give_room(stream, work, target);
        const uint8_t *out = stream->next_out;
        result = inflate(stream, Z_NO_FLUSH);
        uint64_t made = room - stream->avail_out;
        if (made > target->limit - target->bytes) {
            return ERR_TOO_LARGE;
        }
        *crc = (uint32_t)crc32(*crc, out, (uInt)made);
        target->bytes += made;
        if (result == Z_MEM_ERROR) {
            return ERR_NO_MEMORY;
        }
        if (result == Z_BUF_ERROR || (result == Z_OK && stream->avail_in == 0 && stream->avail_out > 0)) {
            return ERR_TRUNCATED;
        }
        if (result != Z_OK && result != Z_STREAM_END) {
            return ERR_BAD_FORMAT;
        }
    }
    return ERR_NONE;
}

/* Expand the member at *at and move *at behind it. */
static enum error expand_member(const uint8_t *data, size_t size, size_t *at, struct gunzip_work *work,
                                struct target *target)
{
    uint64_t begin = target->bytes;
    uint32_t crc = 0;
    enum error error = skip_header(data, size, at);
    if (error != ERR_NONE) {
        return error;
    }
    z_stream stream = {.zalloc = arena_take, .zfree = arena_give, .opaque = work};
    work->used = 0;
    if (inflateInit2(&stream, -MAX_WBITS) != Z_OK) {
        return ERR_NO_MEMORY;
    }
    stream.next_in = (z_const Bytef *)data + *at;
    stream.avail_in = (uInt)(size - *at);
    error = inflate_all(&stream, work, target, &crc);
    if (error != ERR_NONE) {
        return error;
    }
    *at = size - stream.avail_in;
    if (stream.avail_in < TRAILER_BYTES) {
        return ERR_TRUNCATED;
    }
    uint32_t length = (uint32_t)(target->bytes - begin);
    if (little_endian_32(data + *at) != crc || little_endian_32(data + *at + 4) != length) {
        return ERR_BAD_CHECKSUM;
    }
    *at += TRAILER_BYTES;
    return ERR_NONE;
}

static enum error expand(const uint8_t *data, size_t size, struct gunzip_work *work, struct target *target)
{
    size_t at = 0;
    enum error error;
    if (size >= 2 * STEP) {
        return ERR_TOO_LARGE;
    }
    do {
        error = expand_member(data, size, &at, work, target);
    } while (error == ERR_NONE && gunzip_recognises(data + at, size - at));
    return error;
}

enum error gunzip_measure(const void *data, size_t size, uint64_t limit, struct gunzip_work *work,
                          uint64_t *bytes)
{
    struct target target = {.limit = limit};
    enum error error = expand(data, size, work, &target);
    *bytes = target.bytes;
    return error;
}

enum error gunzip(const void *data, size_t size, struct gunzip_work *work, void *to, uint64_t bytes)
{
    struct target target = {.to = to, .limit = bytes};
    enum error error = expand(data, size, work, &target);
    return error == ERR_NONE && target.bytes != bytes ? ERR_BAD_FORMAT : error;
}
