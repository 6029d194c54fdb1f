/*
 * Frames with several holders, and held blocks that change shape, in the running kernel: with records made
 * when they are touched, the kernel's frames apart, and on some machines of the suite a filling of all that
 * is given back.
 */
#include "tests/guest/kernel/support.h"

#include "kernel/mm/frame_report.h"
#include "kernel/mm/frame_share.h"

#define ORDER 9

/* To pieces, some of which others hold, and together again. */
static const char *go_to_pieces(pfn_t first, enum frame_class class)
{
    pfn_t middle = pfn(first.value + 100);
    EXPECT(frame_share(first));
    EXPECT(frame_is_shared(first));
    EXPECT(frame_split(first, ORDER, 0) == ERR_BAD_FREE);
    EXPECT(!frame_drop(first));
    EXPECT(frame_account_of(middle) == 0);
    EXPECT(frame_assign(first, ORDER, class, 7) == ERR_NONE);
    EXPECT(frame_split(first, ORDER, 0) == ERR_NONE);
    EXPECT(frame_account_of(middle) == 7 && frame_class_of(middle) == class);
    EXPECT(frame_share(middle));
    EXPECT(frame_join(first, ORDER, 0) == ERR_BAD_FREE);
    EXPECT(!frame_drop(middle) && frame_drop(middle));
    EXPECT(frame_join(first, ORDER, 0) == ERR_NONE);
    EXPECT(frame_free(middle, 0) == ERR_BAD_FREE);
    EXPECT(frame_split(first, ORDER, 3) == ERR_NONE);
    for (uint64_t at = 0; at < 1u << ORDER; at += 8) {
        frame_release(pfn(first.value + at), 3);
    }
    return NULL;
}

SELFTEST(pieces, "frames: a held block goes to pieces, comes together and goes back part by part")
{
    static const enum frame_class classes[] = {FRAME_USER_ANONYMOUS, FRAME_KERNEL, FRAME_DEVICE};
    const char *what = NULL;
    pfn_t where;
    for (unsigned i = 0; what == NULL && i < sizeof(classes) / sizeof(*classes); i++) {
        pfn_t first;
        if (frame_alloc_for(ORDER, classes[i], 7, &first) == ERR_NONE) {
            what = go_to_pieces(first, classes[i]);
        }
    }
    if (what == NULL && frame_audit(&what, &where)) {
        return NULL;
    }
    return what;
}

#define FRAMES 64

static pfn_t frames[FRAMES];
static uint32_t lasts[FRAMES]; /* plain: only the last holder writes */

static const char *hold_and_let_go(unsigned number)
{
    for (unsigned k = 0; k < FRAMES; k++) {
        unsigned i = (k + number * 17) % FRAMES;
        EXPECT(frame_share(frames[i]));
        EXPECT(!frame_drop(frames[i]));
        if (frame_drop(frames[i])) {
            lasts[i]++;
            frame_release(frames[i], 0);
        }
    }
    return NULL;
}

SELFTEST(last_holder,
         "frames: when threads on every CPU let go of the same frames, each frame has one last holder")
{
    for (unsigned i = 0; i < FRAMES; i++) {
        lasts[i] = 0;
        EXPECT(frame_alloc_for(0, FRAME_USER_ANONYMOUS, 7, &frames[i]) == ERR_NONE);
        for (unsigned n = 1; n < 2 * arch_cpu_count(); n++) {
            EXPECT(frame_share(frames[i]));
        }
    }
    const char *wrong = test_on_all_cpus(2, hold_and_let_go);
    for (unsigned i = 0; wrong == NULL && i < FRAMES; i++) {
        EXPECT(lasts[i] == 1);
        EXPECT(!frame_is_shared(frames[i]));
    }
    return wrong;
}
