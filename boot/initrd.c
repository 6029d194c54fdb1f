/* The bundle: BOOTBOOT/INITRD, or BOOTBOOT/X86_64 on a disk that serves several architectures. */
#include "boot/firmware.h"
#include "boot/handover.h"
#include "boot/volume.h"
#include "lib/error_text.h"
#include "lib/gunzip.h"
#include "lib/units.h"

static bool read_file(struct handover *handover)
{
    static const struct {
        const CHAR16 *path;
        const char *name;
    } files[] = {{L"\\BOOTBOOT\\INITRD", "BOOTBOOT/INITRD"}, {L"\\BOOTBOOT\\X86_64", "BOOTBOOT/X86_64"}};
    enum volume_result result = VOLUME_ABSENT;
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]) && result == VOLUME_ABSENT; i++) {
        handover->bundle_file = files[i].name;
        result = volume_read(files[i].path, files[i].name, 4 * GIB, MEMORY_LIVE, &handover->bundle_data,
                             &handover->bundle_size);
    }
    if (result == VOLUME_ABSENT) {
        return fail(files[0].name, "there is no such file, nor a %s", files[1].name);
    }
    if (result == VOLUME_READ && handover->bundle_size == 0) {
        return fail(handover->bundle_file, "the file is empty");
    }
    return result == VOLUME_READ;
}

/* Replace the compressed bundle by what it expands to; the size is known for sure before memory is taken. */
static bool expand(struct handover *handover, struct gunzip_work *work)
{
    uint64_t bytes;
    uint64_t limit = memory_largest();
    enum error error = gunzip_measure(handover->bundle_data, handover->bundle_size, limit, work, &bytes);
    if (error == ERR_TOO_LARGE) {
        return fail(handover->bundle_file, "it expands to more than the %llu MiB of free memory below 4 GiB",
                    limit / MIB);
    }
    if (error != ERR_NONE) {
        return fail(handover->bundle_file, "cannot expand it: %s", error_text(error));
    }
    uint8_t *expanded = bytes > 0 ? memory_take(bytes, MEMORY_LIVE) : NULL;
    if (expanded == NULL) {
        return bytes == 0
                   ? fail(handover->bundle_file, "it expands to nothing")
                   : fail(handover->bundle_file, "there is no memory to expand it to %llu bytes", bytes);
    }
    error = gunzip(handover->bundle_data, handover->bundle_size, work, expanded, bytes);
    if (error != ERR_NONE) {
        return fail(handover->bundle_file, "it changed while it was expanded: %s", error_text(error));
    }
    memory_give(handover->bundle_data, handover->bundle_size);
    handover->bundle_data = expanded;
    handover->bundle_size = bytes;
    return true;
}

static bool expand_if_compressed(struct handover *handover)
{
    if (!gunzip_recognises(handover->bundle_data, handover->bundle_size)) {
        return true;
    }
    struct gunzip_work *work = memory_take(sizeof(*work), MEMORY_SCRATCH);
    if (work == NULL) {
        return fail(handover->bundle_file, "there is no memory to expand it with");
    }
    bool is_expanded = expand(handover, work);
    memory_give(work, sizeof(*work));
    return is_expanded;
}

bool bundle_read(struct handover *handover)
{
    if (!read_file(handover) || !expand_if_compressed(handover)) {
        return false;
    }
    if (bundle_open(&handover->bundle, handover->bundle_data, handover->bundle_size) != ERR_NONE) {
        return fail(handover->bundle_file, "it is neither a ustar nor a cpio newc archive");
    }
    return true;
}
