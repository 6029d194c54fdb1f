/*
 * Comparing time stamp counters, and correcting them; see tsc_sync.h.
 */
#include "kernel/arch/x86_64/tsc_sync.h"

#include "kernel/arch/x86_64/clock.h"
#include "kernel/arch/x86_64/features.h"
#include "kernel/arch/x86_64/registers.h"
#include "kernel/debug/log.h"

#define QUESTIONS 8u
#define PASSES    2u

/* How long one side waits for the other, in counts: well below a second. */
#define PATIENCE 500000000u

/* Words that both sides look at; atomic. */
static struct {
    const struct cpu *came;  /* the last that has come to answer */
    const struct cpu *asked; /* who shall answer; NULL when nobody is asked */
    uint32_t question;       /* number of the question, from 1 on */
    uint32_t answer;         /* number of the last question that was answered */
    uint32_t verdict;        /* as many as passes are over; what follows is set before */
    bool again;              /* another pass follows */
    uint64_t stamp;          /* the answer itself */
    int64_t correction;      /* what the one asked adds to its counter, before the next pass */
} meeting;

static bool wait_for(const uint32_t *word, uint32_t value)
{
    uint64_t start = tsc_read();
    while (__atomic_load_n(word, __ATOMIC_ACQUIRE) != value) {
        if (tsc_read() - start > PATIENCE) {
            return false;
        }
        cpu_pause();
    }
    return true;
}

/* RDTSC may run ahead of earlier loads, and later ones ahead of it: LFENCE (SDM vol. 2B, RDTSC). */
static uint64_t ordered_stamp(void)
{
    __asm__ volatile("lfence" : : : "memory");
    uint64_t stamp = tsc_read();
    __asm__ volatile("lfence" : : : "memory");
    return stamp;
}

static bool ask_all(struct tsc_sample *samples, uint32_t first)
{
    for (unsigned i = 0; i < QUESTIONS; i++) {
        samples[i].before = ordered_stamp();
        __atomic_store_n(&meeting.question, first + i, __ATOMIC_RELEASE);
        if (!wait_for(&meeting.answer, first + i)) {
            return false;
        }
        samples[i].after = ordered_stamp();
        samples[i].answer = meeting.stamp;
    }
    return true;
}

static enum tsc_verdict pass_once(uint32_t pass)
{
    struct tsc_sample samples[QUESTIONS];
    int64_t ahead = 0;
    meeting.again = false;
    if (!ask_all(samples, pass * QUESTIONS + 1)) {
        return TSC_UNKNOWN;
    }
    enum tsc_verdict verdict = tsc_judge(samples, QUESTIONS, &ahead);
    meeting.again = verdict == TSC_APART && feature_used(FEATURE_tscadjust) && pass + 1 < PASSES;
    meeting.correction = -ahead;
    if (verdict != TSC_TOGETHER) {
        log_warn("clock: the time stamp counter of a core is %ld counts ahead%s", (long)ahead,
                 meeting.again ? "; corrected" : "");
    }
    if (verdict != TSC_TOGETHER && !meeting.again) {
        clock_distrust_tsc("the time stamp counters of the CPUs differ");
    }
    __atomic_store_n(&meeting.verdict, pass + 1, __ATOMIC_RELEASE);
    return verdict;
}

enum tsc_verdict tsc_sync_ask(const struct cpu *cpu)
{
    enum tsc_verdict verdict;
    uint32_t pass = 0;
    __atomic_store_n(&meeting.question, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&meeting.answer, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&meeting.verdict, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&meeting.asked, cpu, __ATOMIC_RELEASE);
    do {
        verdict = pass_once(pass++);
    } while (meeting.again);
    __atomic_store_n(&meeting.asked, NULL, __ATOMIC_RELEASE);
    return verdict;
}

bool tsc_sync_has_come(const struct cpu *cpu)
{
    return __atomic_load_n(&meeting.came, __ATOMIC_ACQUIRE) == cpu;
}

void tsc_sync_answer(const struct cpu *cpu)
{
    __atomic_store_n(&meeting.came, cpu, __ATOMIC_RELEASE);
    uint64_t start = tsc_read();
    while (__atomic_load_n(&meeting.asked, __ATOMIC_ACQUIRE) != cpu) {
        if (tsc_read() - start > PATIENCE / 8) {
            return; /* it is late, and nobody asks any more */
        }
        cpu_pause();
    }
    for (uint32_t pass = 0;; pass++) {
        for (uint32_t i = pass * QUESTIONS + 1; i <= (pass + 1) * QUESTIONS; i++) {
            /* Another core may be asked by now. */
            if (!wait_for(&meeting.question, i) || __atomic_load_n(&meeting.asked, __ATOMIC_ACQUIRE) != cpu) {
                return;
            }
            meeting.stamp = ordered_stamp();
            __atomic_store_n(&meeting.answer, i, __ATOMIC_RELEASE);
        }
        if (!wait_for(&meeting.verdict, pass + 1) || !meeting.again) {
            return;
        }
        msr_write(MSR_TSC_ADJUST, msr_read(MSR_TSC_ADJUST) + (uint64_t)meeting.correction);
    }
}
