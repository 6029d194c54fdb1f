/* boot/layout: a kernel that is accepted keeps to the protocol, and copying it stays inside its memory. */
#include <assert.h>
#include <stdint.h>

#include "boot/bootboot.h"
#include "boot/layout.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct layout *layout)
{
    uint64_t bytes = layout->end - layout->base;
    assert(layout->base >= BOOTBOOT_LOWEST && bytes > 0 && bytes <= BOOTBOOT_KERNEL_MOST);
    assert(layout->bootboot >= BOOTBOOT_LOWEST && layout->environment >= BOOTBOOT_LOWEST);
    assert(layout->fb >= BOOTBOOT_LOWEST && layout->fb_room >= BOOTBOOT_WINDOW);
    assert(layout->entry - layout->base < bytes);
    assert(layout->stack >= BOOTBOOT_STACK_LEAST && layout->stack <= layout->stack_room);
    assert(layout->end - 1 < 0 - layout->stack_room);
    for (unsigned i = 0; i < layout->segment_count; i++) {
        const struct elf64_segment *segment = &layout->segments[i];
        assert(segment->address >= layout->base && segment->file_bytes <= segment->memory_bytes);
        assert(segment->address - layout->base <= bytes);
        assert(segment->memory_bytes <= bytes - (segment->address - layout->base));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct elf64 elf;
    struct layout layout;
    char reason[LAYOUT_TEXT];
    if (elf64_open(&elf, data, size) != ERR_NONE) {
        return 0;
    }
    for (int is_static = 0; is_static <= 1; is_static++) {
        reason[0] = 0;
        if (layout_read(&layout, &elf, is_static, reason)) {
            check(&layout);
        } else {
            assert(reason[0] != 0);
        }
    }
    return 0;
}
