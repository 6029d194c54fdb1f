/*
 * Stretches of a known number of instructions; see calibrate.h.
 *
 * Each is a function with the stretch and the same function without it, so that what the compiler puts around
 * the stretch goes out of the difference.
 */
#include "bench/guest/calibrate.h"

#define TRIES      100
#define REP_ROUNDS 500

/* A loop of `count` instructions, an even number of at least 4: two before it, and two for each of its turns.
 */
static bool loop(void *context)
{
    uint64_t turns = (*(const uint64_t *)context - 2) / 2;
    __asm__ volatile("nop\n\t"
                     "nop\n"
                     "1:\tdecq %0\n\t"
                     "jnz 1b"
                     : "+r"(turns)
                     :
                     : "cc");
    return true;
}

static bool no_loop(void *context)
{
    uint64_t turns = (*(const uint64_t *)context - 2) / 2;
    __asm__ volatile("" : "+r"(turns) : : "cc");
    return true;
}

static uint64_t from[REP_ROUNDS];
static uint64_t to[REP_ROUNDS];

static bool rep_stosq(void *context)
{
    uint64_t rounds = *(const uint64_t *)context;
    void *at = to;
    __asm__ volatile("rep stosq" : "+D"(at), "+c"(rounds) : "a"(0) : "memory");
    return true;
}

static bool no_rep_stosq(void *context)
{
    uint64_t rounds = *(const uint64_t *)context;
    void *at = to;
    __asm__ volatile("" : "+D"(at), "+c"(rounds) : "a"(0) : "memory");
    return true;
}

static bool rep_movsb(void *context)
{
    uint64_t rounds = *(const uint64_t *)context;
    void *target = to;
    const void *source = from;
    __asm__ volatile("rep movsb" : "+D"(target), "+S"(source), "+c"(rounds) : : "memory");
    return true;
}

static bool no_rep_movsb(void *context)
{
    uint64_t rounds = *(const uint64_t *)context;
    void *target = to;
    const void *source = from;
    __asm__ volatile("" : "+D"(target), "+S"(source), "+c"(rounds) : : "memory");
    return true;
}

static const struct known {
    const char *name;
    measure_step *with;
    measure_step *without;
    measure_step *beside; /* done before and behind it */
    uint64_t context;
    unsigned batch;
    uint64_t rep_rounds;
    uint64_t instructions; /* of one of the batch */
} known[CALIBRATIONS] = {
    [CALIBRATE_LOOP_1000] = {"loop-1000", loop, no_loop, NULL, 1000, 1, 0, 1000},
    [CALIBRATE_LOOP_20000] = {"loop-20000", loop, no_loop, NULL, 20000, 1, 0, 20000},
    [CALIBRATE_STEPS] = {"steps", loop, no_loop, loop, 1000, 1, 0, 1000},
    [CALIBRATE_BATCH] = {"batch", loop, no_loop, NULL, 1000, 500, 0, 2},
    [CALIBRATE_REP_STOSQ] = {"rep-stosq", rep_stosq, no_rep_stosq, NULL, REP_ROUNDS, 1, REP_ROUNDS, 1},
    [CALIBRATE_REP_MOVSB] = {"rep-movsb", rep_movsb, no_rep_movsb, NULL, REP_ROUNDS, 1, REP_ROUNDS, 1},
    [CALIBRATE_REP_NONE] = {"rep-none", rep_stosq, no_rep_stosq, NULL, 0, 1, 0, 1},
};

const char *calibration_name(enum calibration which)
{
    return known[which].name;
}

const char *calibration_run(enum calibration which, struct measured *out)
{
    const struct known *it = &known[which];
    uint64_t context = it->context;
    struct measured around;
    struct measure measure = {.operation = it->without,
                              .before = it->beside,
                              .after = it->beside,
                              .context = &context,
                              .tries = TRIES,
                              .batch = it->batch};
    bool counted = measure_run(&measure, &around) == NULL;
    measure.operation = it->with;
    measure.rep_rounds = it->rep_rounds;
    counted = counted && measure_run(&measure, out) == NULL;
    if (counted) {
        out->hundredths -= around.hundredths;
    }
    return counted && out->hundredths == it->instructions * 100
               ? NULL
               : "miscounted; this needs one CPU under -icount, as tools/bench.py starts it";
}
