/* Giving back, and telling; see frame_report.h. */
#include "kernel/mm/frame_report.h"

#include "abi/system.h"
#include "kernel/debug/panic.h"
#include "lib/text.h"

#define CLASS_NAME(number, name) [number] = (name),
static const char *const class_names[FRAME_CLASS_COUNT] = {FRAME_CLASS_LIST(CLASS_NAME)};
#undef CLASS_NAME

const char *frame_describe(pfn_t frame, char *text, size_t bytes)
{
    struct frame_owner owner;
    frame_owner_of(frame, &owner);
    bool held = owner.class != FRAME_ABSENT && owner.class != FRAME_FREE && owner.class != FRAME_BAD;
    if (held) {
        size_t length = text_format(text, bytes, "held as '%s': %lu frames from %lx on, account %u",
                                    class_names[owner.class], (uint64_t)1 << owner.order,
                                    pfn_to_paddr(owner.first).value, owner.account);
        if (owner.others != 0 && length < bytes) {
            text_format(text + length, bytes - length, ", %u more holders", owner.others);
        }
    } else {
        text_format(text, bytes, "%s", owner.class == FRAME_ABSENT ? "no RAM" : class_names[owner.class]);
    }
    return text;
}

void frame_release(pfn_t first, unsigned order)
{
    char text[128];
    if (frame_free(first, order) != ERR_NONE) {
        panic("frame %lx is given back as a block of order %u, but it is %s", pfn_to_paddr(first).value,
              order, frame_describe(first, text, sizeof(text)));
    }
}
