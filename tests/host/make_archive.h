/* Archives for tests, made byte by byte from what the formats say. */
#ifndef QUIRE_TESTS_MAKE_ARCHIVE_H
#define QUIRE_TESTS_MAKE_ARCHIVE_H

#include <stddef.h>
#include <stdint.h>

struct archive {
    uint8_t data[65536];
    size_t size;
};

/* Type is the ustar letter; prefix may be "". */
void archive_add_ustar(struct archive *archive, const char *prefix, const char *name, char type,
                       const char *content);
void archive_end_ustar(struct archive *archive);
/* Set the checksum of the header at this offset anew. */
void archive_sum_ustar(struct archive *archive, size_t at);

/* Format is '1' or '2'; mode is octal as in a file system. */
void archive_add_cpio(struct archive *archive, char format, const char *name, unsigned mode,
                      const char *content);
void archive_end_cpio(struct archive *archive, char format);

#endif
