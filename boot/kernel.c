/* The kernel: a member of the bundle, copied to where its pages will be mapped from. */
#include "boot/firmware.h"
#include "boot/handover.h"
#include "lib/error_text.h"
#include "lib/text.h"
#include "lib/units.h"

static bool find_member(struct handover *handover, struct bundle_member *member)
{
    const struct settings *settings = &handover->settings;
    text_format(handover->kernel_name, NAME_TEXT, "%.*s", (int)settings->kernel_length, settings->kernel);
    enum error error = bundle_find(&handover->bundle, settings->kernel, settings->kernel_length, member);
    if (error == ERR_NOT_FOUND) {
        return fail(handover->kernel_name, "the bundle %s has no such member", handover->bundle_file);
    }
    if (error != ERR_NONE) {
        return fail(handover->bundle_file, "it is damaged, and %s was not found before the damage: %s",
                    handover->kernel_name, error_text(error));
    }
    return member->kind == BUNDLE_FILE ? true : fail(handover->kernel_name, "it is not a regular file");
}

static bool open_member(struct handover *handover, const struct bundle_member *member, struct elf64 *elf)
{
    enum error error = elf64_open(elf, member->data, member->size);
    if (error == ERR_BAD_FORMAT) {
        return fail(handover->kernel_name, "it is not an ELF file");
    }
    if (error == ERR_UNSUPPORTED) {
        return fail(handover->kernel_name, "it is an ELF file, but not an ELF64 executable for amd64");
    }
    return error == ERR_NONE ? true : fail(handover->kernel_name, "cannot use it: %s", error_text(error));
}

bool kernel_load(struct handover *handover)
{
    struct bundle_member member;
    struct elf64 elf;
    char reason[LAYOUT_TEXT];
    struct layout *layout = &handover->layout;
    if (!find_member(handover, &member) || !open_member(handover, &member, &elf)) {
        return false;
    }
    if (!layout_read(layout, &elf, handover->policy.is_static, reason)) {
        return fail(handover->kernel_name, "%s", reason);
    }
    if (layout->outside > 0) {
        note(handover->kernel_name, "%u of its segments are outside the top GiB, and not loaded",
             layout->outside);
    }
    handover->kernel = memory_take(layout->end - layout->base, MEMORY_LIVE);
    if (handover->kernel == NULL) {
        return fail(handover->kernel_name, "there is no memory for its %llu KiB",
                    (layout->end - layout->base) / KIB);
    }
    for (unsigned i = 0; i < layout->segment_count; i++) {
        const struct elf64_segment *segment = &layout->segments[i];
        memcpy(handover->kernel + (segment->address - layout->base), segment->data, segment->file_bytes);
    }
    return true;
}
