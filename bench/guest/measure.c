/* Counting instructions; see measure.h. */
#include "bench/guest/measure.h"

#include "lib/text.h"

#define COST_TRIES 100

/* Fenced on both sides, so that on a real CPU nothing is done before or after its time. */
static uint64_t counter(void)
{
    uint32_t low;
    uint32_t high;
    __asm__ volatile("lfence\n\t"
                     "rdtsc\n\t"
                     "lfence"
                     : "=a"(low), "=d"(high)
                     :
                     : "memory");
    return (uint64_t)high << 32 | low;
}

static bool nothing(void *context)
{
    (void)context;
    return true;
}

/* On its own, so that what stands around the call is the same for every operation, `nothing` included. */
static __attribute__((noinline)) bool count(measure_step *operation, void *context, uint64_t *ticks)
{
    uint64_t start = counter();
    bool done = operation(context);
    uint64_t end = counter();
    *ticks = end - start;
    return done;
}

static bool step(measure_step *step, void *context)
{
    return step == NULL || step(context);
}

/* In ticks. */
static const char *smallest(const struct measure *measure, uint64_t *least)
{
    *least = ~(uint64_t)0;
    for (unsigned i = 0; i < measure->tries; i++) {
        uint64_t ticks;
        if (!step(measure->before, measure->context)) {
            return "what comes before the operation failed";
        }
        if (!count(measure->operation, measure->context, &ticks)) {
            return "the operation failed";
        }
        if (!step(measure->after, measure->context)) {
            return "what comes after the operation failed";
        }
        *least = ticks < *least ? ticks : *least;
    }
    return measure->tries > 0 ? NULL : "it was not tried";
}

const char *measure_run(const struct measure *measure, struct measured *out)
{
    static const struct measure counting = {.operation = nothing, .tries = COST_TRIES};
    uint64_t cost;
    uint64_t whole;
    unsigned batch = measure->batch > 0 ? measure->batch : 1;
    const char *wrong = smallest(&counting, &cost);
    if (wrong == NULL) {
        wrong = smallest(measure, &whole);
    }
    if (wrong != NULL) {
        return wrong;
    }
    uint64_t apart = cost + measure->rep_rounds * batch * MEASURE_TICKS;
    if (whole < apart) {
        return measure->rep_rounds > 0 ? "it has fewer rounds of rep than said"
                                       : "it costs less than nothing";
    }
    *out = (struct measured){.hundredths = ((whole - apart) * 100 / MEASURE_TICKS + batch / 2) / batch,
                             .rep_rounds = measure->rep_rounds,
                             .averaged = batch > 1};
    return NULL;
}

void measure_format(char text[MEASURE_ROW_BYTES], const char *row, const struct measured *measured)
{
    char value[32];
    char rounds[48] = "";
    uint64_t whole = measured->hundredths / 100;
    if (measured->averaged) {
        text_format(value, sizeof(value), "%lu.%02lu", whole, measured->hundredths % 100);
    } else {
        text_format(value, sizeof(value), "%lu", whole);
    }
    if (measured->rep_rounds > 0) {
        text_format(rounds, sizeof(rounds), ", %lu rounds of rep apart", measured->rep_rounds);
    }
    text_format(text, MEASURE_ROW_BYTES, "%-36s %12s instructions%s", row, value, rounds);
}
