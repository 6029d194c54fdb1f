/*
 * Counting holders; see frame_share.h. A count says how many there are beside one, so that 0, which all
 * records begin with, is the frame that nobody shares.
 */
#include "kernel/mm/frame_share.h"

#include "kernel/mm/frame_state.h"

static inline bool share(uint64_t frame)
{
    uint16_t *shares = &frames.shares[frame_index_mapped(frame)];
    uint16_t count = __atomic_load_n(shares, __ATOMIC_RELAXED);
    do {
        if (count == FRAME_SHARES_MOST)
            return false;
    } while (!__atomic_compare_exchange_n(shares, &count, (uint16_t)(count + 1), true, __ATOMIC_RELAXED,
                                          __ATOMIC_RELAXED));
    return true;
}

bool frame_share(pfn_t first)
{
    return share(first.value);
}

size_t frame_share_row(const uint64_t *words, size_t count, uint64_t number, uint64_t present)
{
    size_t done = 0;
    while (done < count && ((words[done] & present) == 0 || share(words[done] & number)))
        done++;
    return done;
}

/* The record names no account any more. Its being noted stays, and says nothing then. */
static void disown(uint64_t index)
{
    if (record_account(frame_record(index), frame_note(index)) == 0)
        return;
    struct frame_cpu *cpu = frame_records_enter(false);
    __atomic_fetch_and(&frames.note[index], ~NOTE_ACCOUNT_MASK, __ATOMIC_RELAXED);
    frame_records_leave(cpu);
}

/*
 * There was another holder a moment ago. The account goes before the count does: after that the last holder
 * can have recorded what he likes.
 */
static SLOW bool drop_shared(uint64_t index)
{
    disown(index);
    uint16_t count = frame_shares(index);
    while (count != 0)
        if (__atomic_compare_exchange_n(&frames.shares[index], &count, (uint16_t)(count - 1), true,
                                        __ATOMIC_RELEASE, __ATOMIC_ACQUIRE))
            return false;
    return true;
}

bool frame_drop(pfn_t first)
{
    uint64_t index = frame_index_mapped(first.value);
    return !RARELY(frame_shares(index) != 0) || drop_shared(index);
}

bool frame_is_shared(pfn_t first)
{
    return frame_shares(frame_index_mapped(first.value)) != 0;
}
