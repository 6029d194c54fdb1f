/*
 * What is told of steps; see steps.h.
 */
#include "kernel/sched/steps.h"

#include "lib/text.h"

void step_work(enum step_kind kind, uint64_t units)
{
    struct steps *steps = &arch_this_cpu()->steps;
    struct step *step = &steps->kinds[kind];
    step->units = (step->stretch == steps->stretch ? step->units : 0) + units;
    step->stretch = steps->stretch;
    step->done += units;
    step->most = step->units > step->most ? step->units : step->most;
}

/* The time of the stretch that ends counts for each kind of which something was done. */
static void take_time(struct steps *steps)
{
    uint64_t time = arch_clock() - steps->began;
    for (unsigned i = 0; i < STEP_KINDS; i++) {
        struct step *step = &steps->kinds[i];
        if (step->stretch == steps->stretch && time > step->longest) {
            step->longest = time;
        }
    }
}

void step_time(bool begin)
{
    struct steps *steps = &arch_this_cpu()->steps;
    if (begin) {
        steps->began = arch_clock();
    } else if (steps->began != 0) {
        take_time(steps);
        steps->began = 0;
    }
}

bool step_describe(uint64_t index, struct system_step *out)
{
#define STEP_TEXT(name, text, most) [STEP_##name] = {text, most},
    static const struct {
        const char *name;
        uint64_t bound;
    } kinds[STEP_KINDS] = {QUIRE_STEPS(STEP_TEXT)};
#undef STEP_TEXT
    if (index >= STEP_KINDS) {
        return false;
    }
    *out = (struct system_step){.bound = kinds[index].bound, .measured = steps_are_timed()};
    text_format(out->name, sizeof(out->name), "%s", kinds[index].name);
    for (unsigned i = 0; i < arch_cpu_count(); i++) {
        const struct step *step = &cpus[i]->steps.kinds[index];
        uint64_t most = __atomic_load_n(&step->most, __ATOMIC_RELAXED);
        uint64_t longest = __atomic_load_n(&step->longest, __ATOMIC_RELAXED);
        out->done += __atomic_load_n(&step->done, __ATOMIC_RELAXED);
        out->most = most > out->most ? most : out->most;
        out->longest = longest > out->longest ? longest : out->longest;
    }
    return true;
}
