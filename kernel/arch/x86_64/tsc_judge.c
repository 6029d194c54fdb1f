/*
 * What comparisons of two counters say; see tsc_sync.h.
 */
#include "kernel/arch/x86_64/tsc_sync.h"

enum tsc_verdict tsc_judge(const struct tsc_sample *samples, unsigned count, int64_t *ahead)
{
    int64_t least = INT64_MIN, most = INT64_MAX;
    for (unsigned i = 0; i < count; i++) {
        int64_t low = (int64_t)(samples[i].answer - samples[i].after);
        int64_t high = (int64_t)(samples[i].answer - samples[i].before);
        least = low > least ? low : least;
        most = high < most ? high : most;
    }
    if (least > most) {
        return TSC_DRIFTS;
    }
    *ahead = least + (most - least) / 2;
    return least <= 0 && most >= 0 ? TSC_TOGETHER : TSC_APART;
}
