/*
 * The init bundle: a read-only view of a ustar or cpio newc (070701, 070702) archive that lies in memory. The
 * archive is foreign input: every field is checked, nothing outside `size` bytes is read, and whatever lies
 * behind the archive's own end mark (loaders round the size up to pages) is ignored.
 *
 * Nothing here allocates, locks or writes; members point into the archive and live as long as it does.
 */
#ifndef QUIRE_LIB_BUNDLE_H
#define QUIRE_LIB_BUNDLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/error.h"

enum bundle_format { BUNDLE_USTAR, BUNDLE_CPIO };

struct bundle {
    const uint8_t *data;
    size_t size;
    enum bundle_format format;
};

enum bundle_kind { BUNDLE_FILE, BUNDLE_DIRECTORY, BUNDLE_OTHER };

/*
 * The name is not NUL-terminated, has no leading "./" and, for a directory, no trailing "/". A ustar archive
 * may split a long name: then it is prefix, "/", name, and prefix_length is not 0. Use bundle_member_name to
 * have it in one piece. Only files have data.
 */
struct bundle_member {
    const char *prefix;
    size_t prefix_length;
    const char *name;
    size_t name_length;
    const uint8_t *data;
    size_t size;
    enum bundle_kind kind;
};

/* ERR_BAD_FORMAT when the data does not begin like an archive of a known format. */
MUST_CHECK enum error bundle_open(struct bundle *bundle, const void *data, size_t size);

/*
 * Step through the members; *cursor begins at 0 and is moved only on success. ERR_NOT_FOUND at the end mark;
 * ERR_TRUNCATED when the data ends before it; ERR_BAD_FORMAT or ERR_BAD_CHECKSUM for a damaged member, behind
 * which nothing can be found.
 */
MUST_CHECK enum error bundle_next(const struct bundle *bundle, size_t *cursor, struct bundle_member *member);

/*
 * The first member with that name; a leading "./" of either side does not count. Otherwise the error that
 * ended the search: ERR_NOT_FOUND, or one of bundle_next when the archive is damaged.
 */
MUST_CHECK enum error bundle_find(const struct bundle *bundle, const char *name, size_t name_length,
                                  struct bundle_member *member);

/* The longest whole name of a ustar member, with the NUL; one of a cpio member can be longer. */
#define BUNDLE_NAME_SIZE 257

/*
 * Copy the whole name into a buffer of `size` bytes, cut to fit and NUL-terminated when size > 0. Returns the
 * length of the whole name, so a result >= size means it was cut.
 */
size_t bundle_member_name(const struct bundle_member *member, char *buffer, size_t size);

#endif
