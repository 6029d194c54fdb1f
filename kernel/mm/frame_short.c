/*
 * Requests that are about to be refused: what others keep is asked for, and what anybody has given back
 * meanwhile is looked at, so that a refusal is the truth.
 */
#include "kernel/mm/frame_state.h"

bool frame_is_short(void)
{
    return __atomic_load_n(&frames.short_of, __ATOMIC_RELAXED) != 0;
}

void frame_ask_before_refusing(enum frame_gift (*give_back)(unsigned asked))
{
    frames.give_back = give_back;
}

static uint32_t gifts_so_far(void)
{
    return __atomic_load_n(&frames.gifts, __ATOMIC_ACQUIRE);
}

void frame_shortage_begin(struct frame_shortage *shortage)
{
    __atomic_fetch_add(&frames.short_of, 1, __ATOMIC_RELAXED);
    *shortage = (struct frame_shortage){.gifts = gifts_so_far()};
}

void frame_shortage_end(void)
{
    __atomic_fetch_sub(&frames.short_of, 1, __ATOMIC_RELAXED);
}

/* What somebody else is giving back may be what this request needs, and be told of only when all of it is
 * back. */
static void wait_for_others(const struct frame_shortage *shortage)
{
    while (__atomic_load_n(&frames.giving, __ATOMIC_ACQUIRE) && gifts_so_far() == shortage->gifts)
        FRAME_PLATFORM_WAIT();
}

bool frame_shortage_again(struct frame_shortage *shortage)
{
    if (!frames.give_back)
        return false;
    __atomic_fetch_add(&frames.giving, 1, __ATOMIC_ACQ_REL);
    enum frame_gift gift = frames.give_back(shortage->asked++);
    if (gift == FRAME_GIFT_MADE)
        __atomic_fetch_add(&frames.gifts, 1, __ATOMIC_ACQ_REL);
    __atomic_fetch_sub(&frames.giving, 1, __ATOMIC_ACQ_REL);
    if (gift != FRAME_GIFT_BARRED)
        wait_for_others(shortage);
    uint32_t before = shortage->gifts;
    shortage->gifts = gifts_so_far();
    return shortage->gifts != before;
}
