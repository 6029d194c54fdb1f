/*
 * ustar: POSIX.1-2017, pax, "ustar Interchange Format". cpio newc: Linux, driver-api/early-userspace/
 * buffer-format. Each format gives one function that decodes the member at an offset and says where the next
 * one begins; all the rest is common.
 */
#include "lib/bundle.h"

#include "lib/text.h"
#include "lib/units.h"

#define USTAR_BLOCK         512
#define USTAR_NAME          0
#define USTAR_NAME_SIZE     100
#define USTAR_SIZE          124
#define USTAR_SIZE_SIZE     12
#define USTAR_SUM           148
#define USTAR_SUM_SIZE      8
#define USTAR_TYPE          156
#define USTAR_MAGIC         257
#define USTAR_PREFIX        345
#define USTAR_PREFIX_SIZE   155
#define CPIO_HEADER         110
#define CPIO_MODE           14
#define CPIO_FILE_SIZE      54
#define CPIO_NAME_SIZE      94
#define CPIO_SUM            102
#define CPIO_FIELD          8
#define CPIO_MODE_TYPE      0170000
#define CPIO_MODE_FILE      0100000
#define CPIO_MODE_DIRECTORY 0040000

static size_t bounded_length(const uint8_t *text, size_t limit)
{
    size_t length = 0;
    while (length < limit && text[length] != 0) {
        length++;
    }
    return length;
}

static void strip_dot(const char **name, size_t *length)
{
    if (*length > 2 && (*name)[0] == '.' && (*name)[1] == '/') {
        *name += 2;
        *length -= 2;
    }
}

/* Bring the name into the form that struct bundle_member promises. */
static void normalise(struct bundle_member *member)
{
    if (member->prefix_length > 0) {
        strip_dot(&member->prefix, &member->prefix_length);
    } else {
        strip_dot(&member->name, &member->name_length);
    }
    if (member->kind == BUNDLE_DIRECTORY && member->name_length > 1 &&
        member->name[member->name_length - 1] == '/') {
        member->name_length--;
    }
}

/* A number in octal, ended by a blank, a NUL or the end of the field; leading blanks are allowed. */
static bool ustar_number(const uint8_t *field, size_t size, uint64_t *number)
{
    size_t at = 0;
    while (at < size && field[at] == ' ') {
        at++;
    }
    size_t digits = 0;
    *number = 0;
    for (; at < size && field[at] >= '0' && field[at] <= '7'; at++, digits++) {
        *number = *number << 3 | (uint64_t)(field[at] - '0');
    }
    return digits > 0 && (at == size || field[at] == ' ' || field[at] == 0);
}

/* The sum of all bytes of the header, those of the sum itself counted as blanks. */
static bool ustar_sum_holds(const uint8_t *header)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < USTAR_BLOCK; i++) {
        sum += i >= USTAR_SUM && i < USTAR_SUM + USTAR_SUM_SIZE ? ' ' : header[i];
    }
    uint64_t expected;
    return ustar_number(header + USTAR_SUM, USTAR_SUM_SIZE, &expected) && sum == expected;
}

static bool ustar_is_end(const uint8_t *header)
{
    for (size_t i = 0; i < USTAR_BLOCK; i++) {
        if (header[i] != 0) {
            return false;
        }
    }
    return true;
}

static enum bundle_kind ustar_kind(uint8_t type)
{
    switch (type) {
    case 0:
    case '0':
    case '7':
        return BUNDLE_FILE;
    case '5':
        return BUNDLE_DIRECTORY;
    default:
        return BUNDLE_OTHER;
    }
}

/* GNU tar marks its own format by blanks behind "ustar", and keeps other things where the prefix would be. */
static void ustar_names(const uint8_t *header, struct bundle_member *member)
{
    bool has_prefix = header[USTAR_MAGIC + 5] == 0;
    member->prefix = (const char *)header + USTAR_PREFIX;
    member->prefix_length = has_prefix ? bounded_length(header + USTAR_PREFIX, USTAR_PREFIX_SIZE) : 0;
    member->name = (const char *)header + USTAR_NAME;
    member->name_length = bounded_length(header + USTAR_NAME, USTAR_NAME_SIZE);
}

static enum error ustar_decode(const struct bundle *bundle, size_t at, struct bundle_member *member,
                               size_t *next)
{
    size_t left = bundle->size - at;
    const uint8_t *header = bundle->data + at;
    if (left < USTAR_BLOCK) {
        return ERR_TRUNCATED;
    }
    if (ustar_is_end(header)) {
        return ERR_NOT_FOUND;
    }
    if (memcmp(header + USTAR_MAGIC, "ustar", 5) != 0) {
        return ERR_BAD_FORMAT;
    }
    if (!ustar_sum_holds(header)) {
        return ERR_BAD_CHECKSUM;
    }
    uint64_t bytes;
    uint8_t type = header[USTAR_TYPE];
    if (!ustar_number(header + USTAR_SIZE, USTAR_SIZE_SIZE, &bytes)) {
        return ERR_BAD_FORMAT;
    }
    if (type >= '1' && type <= '6') {
        bytes = 0; /* links, devices and directories have no blocks, whatever the field says */
    }
    left -= USTAR_BLOCK;
    if (bytes > left) {
        return ERR_TRUNCATED;
    }
    uint64_t padded = (bytes + USTAR_BLOCK - 1) / USTAR_BLOCK * USTAR_BLOCK;
    ustar_names(header, member);
    member->kind = ustar_kind(type);
    member->data = header + USTAR_BLOCK;
    member->size = member->kind == BUNDLE_FILE ? bytes : 0;
    *next = at + USTAR_BLOCK + (padded < left ? padded : left);
    return ERR_NONE;
}

static bool cpio_number(const uint8_t *field, uint64_t *number)
{
    *number = 0;
    for (size_t i = 0; i < CPIO_FIELD; i++) {
        uint8_t c = field[i];
        uint8_t lower = c | 0x20;
        if (c >= '0' && c <= '9') {
            *number = *number << 4 | (uint64_t)(c - '0');
        } else if (lower >= 'a' && lower <= 'f') {
            *number = *number << 4 | (uint64_t)(lower - 'a' + 10);
        } else {
            return false;
        }
    }
    return true;
}

static bool cpio_magic(const uint8_t *header)
{
    return memcmp(header, "07070", 5) == 0 && (header[5] == '1' || header[5] == '2');
}

/* Format 070702 has the 32-bit sum of a file's bytes. */
static bool cpio_sum_holds(const uint8_t *header, const struct bundle_member *member)
{
    uint64_t expected;
    uint32_t sum = 0;
    if (header[5] != '2' || member->kind != BUNDLE_FILE) {
        return true;
    }
    for (size_t i = 0; i < member->size; i++) {
        sum += member->data[i];
    }
    return cpio_number(header + CPIO_SUM, &expected) && sum == expected;
}

static enum bundle_kind cpio_kind(uint64_t mode)
{
    switch (mode & CPIO_MODE_TYPE) {
    case CPIO_MODE_FILE:
        return BUNDLE_FILE;
    case CPIO_MODE_DIRECTORY:
        return BUNDLE_DIRECTORY;
    default:
        return BUNDLE_OTHER;
    }
}

/* Name and data each end at a multiple of 4 counted from the archive's start. All sums stay below 2^35. */
static enum error cpio_decode(const struct bundle *bundle, size_t at, struct bundle_member *member,
                              size_t *next)
{
    uint64_t left = bundle->size - at;
    const uint8_t *header = bundle->data + at;
    uint64_t mode, bytes, name_bytes;
    if (left < CPIO_HEADER) {
        return ERR_TRUNCATED;
    }
    if (!cpio_magic(header) || !cpio_number(header + CPIO_MODE, &mode) ||
        !cpio_number(header + CPIO_FILE_SIZE, &bytes) || !cpio_number(header + CPIO_NAME_SIZE, &name_bytes) ||
        name_bytes == 0) {
        return ERR_BAD_FORMAT;
    }
    uint64_t data_at = align_up(CPIO_HEADER + name_bytes, 4);
    if (CPIO_HEADER + name_bytes > left || data_at > left || bytes > left - data_at) {
        return ERR_TRUNCATED;
    }
    if (header[CPIO_HEADER + name_bytes - 1] != 0) {
        return ERR_BAD_FORMAT;
    }
    uint64_t end = align_up(data_at + bytes, 4);
    member->prefix = (const char *)header;
    member->prefix_length = 0;
    member->name = (const char *)header + CPIO_HEADER;
    member->name_length = bounded_length(header + CPIO_HEADER, name_bytes);
    member->kind = cpio_kind(mode);
    member->data = header + data_at;
    member->size = member->kind == BUNDLE_FILE ? bytes : 0;
    if (text_matches(member->name, member->name_length, "TRAILER!!!")) {
        return ERR_NOT_FOUND;
    }
    *next = at + (end < left ? end : left);
    return cpio_sum_holds(header, member) ? ERR_NONE : ERR_BAD_CHECKSUM;
}

enum error bundle_open(struct bundle *bundle, const void *data, size_t size)
{
    bundle->data = data;
    bundle->size = size;
    if (size >= 6 && cpio_magic(data)) {
        bundle->format = BUNDLE_CPIO;
        return ERR_NONE;
    }
    if (size >= USTAR_BLOCK && memcmp(bundle->data + USTAR_MAGIC, "ustar", 5) == 0) {
        bundle->format = BUNDLE_USTAR;
        return ERR_NONE;
    }
    return ERR_BAD_FORMAT;
}

enum error bundle_next(const struct bundle *bundle, size_t *cursor, struct bundle_member *member)
{
    size_t next = 0;
    if (*cursor > bundle->size) {
        return ERR_BAD_ARGUMENT;
    }
    enum error error = bundle->format == BUNDLE_CPIO ? cpio_decode(bundle, *cursor, member, &next)
                                                     : ustar_decode(bundle, *cursor, member, &next);
    if (error != ERR_NONE) {
        return error;
    }
    normalise(member);
    *cursor = next;
    return ERR_NONE;
}

static bool is_named(const struct bundle_member *member, const char *name, size_t length)
{
    if (member->prefix_length > 0) {
        size_t split = member->prefix_length;
        if (length < split + 1 || memcmp(name, member->prefix, split) != 0 || name[split] != '/') {
            return false;
        }
        name += split + 1;
        length -= split + 1;
    }
    return length == member->name_length && memcmp(name, member->name, length) == 0;
}

enum error bundle_find(const struct bundle *bundle, const char *name, size_t name_length,
                       struct bundle_member *member)
{
    const char *stripped = name;
    size_t stripped_length = name_length, cursor = 0;
    enum error error;
    strip_dot(&stripped, &stripped_length);
    do {
        error = bundle_next(bundle, &cursor, member);
    } while (error == ERR_NONE && !is_named(member, name, name_length) &&
             !is_named(member, stripped, stripped_length));
    return error;
}

/* Copy as much as fits in front of the NUL, and count all of it. */
static size_t append(char *buffer, size_t size, size_t at, const char *text, size_t length)
{
    if (at < size) {
        size_t room = size - at - 1;
        memcpy(buffer + at, text, length < room ? length : room);
    }
    return at + length;
}

size_t bundle_member_name(const struct bundle_member *member, char *buffer, size_t size)
{
    size_t length = 0;
    if (member->prefix_length > 0) {
        length = append(buffer, size, length, member->prefix, member->prefix_length);
        length = append(buffer, size, length, "/", 1);
    }
    length = append(buffer, size, length, member->name, member->name_length);
    if (size > 0) {
        buffer[length < size ? length : size - 1] = 0;
    }
    return length;
}
