/* Files on the volume that the loader was started from. */
#ifndef QUIRE_BOOT_VOLUME_H
#define QUIRE_BOOT_VOLUME_H

#include <stdbool.h>
#include <stdint.h>

#include "boot/firmware.h"

enum volume_result { VOLUME_READ, VOLUME_ABSENT, VOLUME_FAILED };

/*
 * Read a whole file of at most `limit` bytes into pages of this type; the rest of the last page is zero. An
 * empty file has no pages. VOLUME_FAILED has been reported under `name`.
 */
enum volume_result volume_read(const CHAR16 *path, const char *name, uint64_t limit, EFI_MEMORY_TYPE type,
                               uint8_t **data, uint64_t *size);

#endif
