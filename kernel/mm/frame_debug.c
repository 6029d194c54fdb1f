/*
 * Filling and checking frames; see frame_debug.h. Each word of a filled frame says that it is one, who had
 * the frame, and which frame it is. Nothing else is kept: a frame of which most words are right was filled,
 * and then all must be.
 */
#include "kernel/mm/frame_debug.h"

#include "abi/system.h"
#include "kernel/arch/arch.h"
#include "kernel/debug/panic.h"
#include "kernel/mm/frame_report.h"
#include "kernel/mm/heap.h"
#include "kernel/mm/window.h"

#define WORDS      (PAGE_SIZE / sizeof(uint64_t))
#define MARK       0xf9ee000000000000u
#define MARK_BITS  0xffff000000000000u
#define CLASS_AT   44
#define ACCOUNT_AT 28
#define FRAME_BITS 0xfffffffu

static uint64_t filling(pfn_t frame, enum frame_class class, uint32_t account)
{
    return MARK | (uint64_t) class << CLASS_AT | (uint64_t)account << ACCOUNT_AT | (frame.value & FRAME_BITS);
}

static void given(pfn_t first, unsigned order, enum frame_class class, uint32_t account)
{
    for (uint64_t i = 0; i < (uint64_t)1 << order; i++) {
        pfn_t frame = pfn(first.value + i);
        uint64_t *words = window_open(WINDOW_DEBUG, frame);
        for (unsigned k = 0; k < WORDS; k++) {
            words[k] = filling(frame, class, account);
        }
        window_close(WINDOW_DEBUG);
    }
}

/* The word that most of the frame consists of, if it is a filling; 0 when there is none. Few can have
 * changed. */
static uint64_t filling_of(const uint64_t *words)
{
    for (unsigned k = 0; k + 2 < WORDS; k += WORDS / 4) {
        if ((words[k] & MARK_BITS) == MARK && (words[k] == words[k + 1] || words[k] == words[k + 2])) {
            return words[k];
        }
    }
    return 0;
}

static void check(pfn_t frame)
{
    static const char *const names[FRAME_CLASS_COUNT] = {
#define CLASS_NAME(number, text) [number] = (text),
        FRAME_CLASS_LIST(CLASS_NAME)
#undef CLASS_NAME
    };
    const uint64_t *words = window_open(WINDOW_DEBUG, frame);
    uint64_t filled = filling_of(words), changed = 0, k = 0;
    while (filled != 0 && k < WORDS && words[k] == filled) {
        k++;
    }
    changed = k < WORDS ? words[k] : 0;
    window_close(WINDOW_DEBUG);
    if (filled == 0 || k == WORDS) {
        return;
    }
    unsigned class = (unsigned)(filled >> CLASS_AT) & 15;
    panic("frame %lx was written to after it was given back as '%s' of account %u: %lx at offset %lx",
          frame.value << PAGE_SHIFT, class < FRAME_CLASS_COUNT ? names[class] : "?",
          (unsigned)(filled >> ACCOUNT_AT) & 0xffff, changed, k * sizeof(uint64_t));
}

static void taken(pfn_t first, pages_t count)
{
    for (uint64_t i = 0; i < count.value; i++) {
        check(pfn(first.value + i));
    }
}

static uint64_t audit_interval; /* set at boot */
static uint64_t audit_next;     /* atomic */

void frame_debug_audit(uint64_t nanoseconds)
{
    audit_interval = nanoseconds;
    audit_next = nanoseconds;
}

void frame_debug_idle(void)
{
    uint64_t due = __atomic_load_n(&audit_next, __ATOMIC_RELAXED), now = arch_clock();
    if (audit_interval == 0 || now < due ||
        !__atomic_compare_exchange_n(&audit_next, &due, now + audit_interval, false, __ATOMIC_RELAXED,
                                     __ATOMIC_RELAXED)) {
        return;
    }
    const char *what;
    pfn_t where;
    char text[128];
    if (!frame_audit(&what, &where)) {
        panic("frames: %s: %lx, %s", what, where.value << PAGE_SHIFT,
              frame_describe(where, text, sizeof(text)));
    }
    struct heap_fault fault;
    if (!heap_audit(&fault)) {
        panic("heap: '%s' at %p: %s", fault.cache, fault.where, fault.what);
    }
}

static const struct frame_inspector inspector = {given, taken};

void frame_debug_start(void)
{
    frame_inspect(&inspector);
}
