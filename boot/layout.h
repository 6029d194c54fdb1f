/*
 * Where a kernel wants to be: its segments, the protocol's symbols and what follows from them, checked
 * against what the protocol allows. Pure.
 */
#ifndef QUIRE_BOOT_LAYOUT_H
#define QUIRE_BOOT_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/elf64.h"

#define LAYOUT_SEGMENTS 16
#define LAYOUT_TEXT     160

struct layout {
    uint64_t entry;
    uint64_t base; /* page of the lowest segment */
    uint64_t end;  /* behind the last page of the highest one, 0 if that is the last of all */
    uint64_t bootboot;
    uint64_t environment;
    uint64_t fb;
    uint64_t fb_room;    /* bytes that can be mapped at fb */
    uint64_t stack;      /* bytes of stack a core */
    uint64_t stack_room; /* bytes below address 2^64 that all stacks share, whole pages */
    unsigned segment_count;
    unsigned outside; /* loadable segments that are out of the protocol's range, and not loaded */
    struct elf64_segment segments[LAYOUT_SEGMENTS];
};

/*
 * Look at a kernel. With `is_static` its symbols are ignored and everything is where level 1 puts it. False
 * when the protocol does not allow it: the reason is then in `reason`.
 */
bool layout_read(struct layout *layout, const struct elf64 *elf, bool is_static, char reason[LAYOUT_TEXT]);

#endif
