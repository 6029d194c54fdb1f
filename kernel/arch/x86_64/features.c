/*
 * Optional features of the CPU; see features.h.
 */
#include "kernel/arch/x86_64/features.h"

#include "kernel/arch/x86_64/registers.h"
#include "kernel/debug/log.h"
#include "lib/text.h"

#define FEATURE_ROW(label, leaf, subleaf, reg, bit, use, text) {.name = #label, .about = text, .wanted = use},
struct cpu_feature features[FEATURE_COUNT] = {FEATURES(FEATURE_ROW)};
#undef FEATURE_ROW

bool feature_used(enum feature feature)
{
    return features[feature].present && features[feature].wanted && !features[feature].masked;
}

/* One register bit of a leaf, false when the CPU does not have the leaf. */
static struct cpuid leaf_or_nothing(uint32_t leaf, uint32_t subleaf)
{
    if (cpuid(leaf & 0x80000000, 0).eax < leaf) {
        return (struct cpuid){0};
    }
    return cpuid(leaf, subleaf);
}

static void mask_one(const char *name, size_t length)
{
    for (unsigned i = 0; i < FEATURE_COUNT; i++) {
        if (text_matches(name, length, features[i].name)) {
            features[i].masked = true;
            return;
        }
    }
    log_warn("nofeature: there is no feature named '%.*s'", (int)length, name);
}

void features_find(const char *masked, size_t masked_length)
{
#define FEATURE_FIND(label, leaf, subleaf, reg, bit, use, text)                                              \
    features[FEATURE_##label].present = (leaf_or_nothing(leaf, subleaf).reg >> (bit)&1) != 0;
    FEATURES(FEATURE_FIND)
#undef FEATURE_FIND
    features[FEATURE_la57].wanted = (cr4_read() & CR4_LA57) != 0; /* the loader has switched it on, or not */
    size_t start = 0;
    for (size_t i = 0; masked != NULL && i <= masked_length; i++) {
        if (i == masked_length || masked[i] == ',') {
            if (i > start) {
                mask_one(masked + start, i - start);
            }
            start = i + 1;
        }
    }
}

void features_log(void)
{
    for (unsigned i = 0; i < FEATURE_COUNT; i++) {
        const struct cpu_feature *f = &features[i];
        const char *state = !f->present ? "missing"
                            : f->masked ? "masked"
                            : f->wanted ? "used"
                                        : "found, not used";
        log_info("cpu: %-11s %-15s %s", f->name, state, f->about);
    }
}

const char *features_missing(void)
{
    struct cpuid basic = cpuid(1, 0);
    if ((basic.edx & (1u << 26)) == 0) {
        return "SSE2";
    }
    if ((basic.edx & (1u << 9)) == 0) {
        return "a local APIC";
    }
    if ((leaf_or_nothing(0x80000001, 0).edx & (1u << 20)) == 0) {
        return "no-execute pages";
    }
    return NULL;
}
