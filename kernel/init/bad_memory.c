/*
 * Bad memory named in the environment; see bad_memory.h.
 */
#include "kernel/init/bad_memory.h"

#include "kernel/debug/log.h"
#include "kernel/init/handover.h"
#include "kernel/mm/frame.h"
#include "lib/text.h"

static size_t length_until(const char *text, size_t length, char end)
{
    size_t at = 0;
    while (at < length && text[at] != end) {
        at++;
    }
    return at;
}

/* One ADDRESS,SIZE. */
static void retire_one(const char *text, size_t length)
{
    uint64_t address, bytes;
    size_t comma = length_until(text, length, ',');
    bool numbers = comma < length && text_to_number(text, comma, &address) &&
                   text_to_number(text + comma + 1, length - comma - 1, &bytes);
    if (!numbers || bytes == 0 || address + bytes < address) {
        log_warn("badmem: '%.*s' is not of the form ADDRESS,SIZE; ignored", (int)length, text);
        return;
    }
    uint64_t first = address >> PAGE_SHIFT;
    uint64_t last = (address + bytes - 1) >> PAGE_SHIFT;
    if (frame_retire(pfn(first), (pages_t){last - first + 1}) != ERR_NONE) {
        log_warn("badmem: not all of %lx to %lx is RAM that is given out; ignored", address, address + bytes);
        return;
    }
    log_info("badmem: %lu frames from %lx on are never given out", last - first + 1, first << PAGE_SHIFT);
}

void bad_memory_retire(void)
{
    const char *text;
    size_t length;
    if (!handover_option("badmem", &text, &length)) {
        return;
    }
    for (size_t at = 0; at < length;) {
        size_t part = length_until(text + at, length - at, ';');
        retire_one(text + at, part);
        at += part + 1;
    }
}
