#include "tests/host/make_archive.h"

#include <stdio.h>
#include <string.h>

static void append(struct archive *archive, const void *data, size_t size, size_t alignment)
{
    memcpy(archive->data + archive->size, data, size);
    archive->size += size;
    while (archive->size % alignment != 0) {
        archive->data[archive->size++] = 0;
    }
}

/* Into a field that is full of NULs, and need not end with one. */
static void put_text(char *field, const char *text)
{
    while (*text != 0) {
        *field++ = *text++;
    }
}

void archive_sum_ustar(struct archive *archive, size_t at)
{
    unsigned sum = 0;
    uint8_t *header = archive->data + at;
    memset(header + 148, ' ', 8);
    for (size_t i = 0; i < 512; i++) {
        sum += header[i];
    }
    snprintf((char *)header + 148, 8, "%06o", sum);
}

void archive_add_ustar(struct archive *archive, const char *prefix, const char *name, char type,
                       const char *content)
{
    static const char magic[8] = {'u', 's', 't', 'a', 'r', 0, '0', '0'};
    char header[512] = {0};
    size_t at = archive->size;
    put_text(header, name);
    snprintf(header + 100, 8, "%07o", 0644);
    snprintf(header + 124, 12, "%011o", (unsigned)strlen(content));
    header[156] = type;
    memcpy(header + 257, magic, sizeof(magic));
    put_text(header + 345, prefix);
    append(archive, header, sizeof(header), 1);
    archive_sum_ustar(archive, at);
    append(archive, content, strlen(content), 512);
}

void archive_end_ustar(struct archive *archive)
{
    static const uint8_t zeroes[1024];
    append(archive, zeroes, sizeof(zeroes), 1);
}

void archive_add_cpio(struct archive *archive, char format, const char *name, unsigned mode,
                      const char *content)
{
    char header[111];
    unsigned sum = 0;
    for (const char *at = content; *at != 0; at++) {
        sum += (uint8_t)*at;
    }
    snprintf(header, sizeof(header), "07070%c%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08x", format,
             7u, mode, 0u, 0u, 1u, 0u, (unsigned)strlen(content), 0u, 0u, 0u, 0u, (unsigned)strlen(name) + 1,
             format == '2' ? sum : 0);
    append(archive, header, 110, 1);
    append(archive, name, strlen(name) + 1, 4);
    append(archive, content, strlen(content), 4);
}

void archive_end_cpio(struct archive *archive, char format)
{
    archive_add_cpio(archive, format, "TRAILER!!!", 0, "");
}
