/*
 * Optional features of the CPU: found once at boot on the boot processor, one line of the log each, and each
 * can be masked with nofeature=NAME[,NAME] in the environment, so that the path without it can be tested
 * anywhere. What the kernel requires (long mode, NX, SSE2, a local APIC) is checked and not listed.
 */
#ifndef QUIRE_X86_FEATURES_H
#define QUIRE_X86_FEATURES_H

#include <stdbool.h>
#include <stddef.h>

/* X(NAME, CPUID leaf, subleaf, register, bit, does the kernel use it, what it is): SDM vol. 2A, CPUID. */
#define FEATURES(X)                                                                                          \
    X(pdpe1gb, 0x80000001, 0, edx, 26, true, "1 GiB pages")                                                  \
    X(la57, 7, 0, ecx, 16, false, "five-level page tables")                                                  \
    X(pcid, 1, 0, ecx, 17, true, "process-context identifiers")                                              \
    X(invpcid, 7, 0, ebx, 10, true, "INVPCID")                                                               \
    X(smep, 7, 0, ebx, 7, true, "no execution of user pages by the kernel")                                  \
    X(smap, 7, 0, ebx, 20, true, "no access to user pages by the kernel")                                    \
    X(umip, 7, 0, ecx, 2, true, "no descriptor tables shown to user mode")                                   \
    X(fsgsbase, 7, 0, ebx, 0, true, "FS and GS base instructions")                                           \
    X(xsave, 1, 0, ecx, 26, true, "extended register state")                                                 \
    X(xsaveopt, 0xd, 1, eax, 0, true, "XSAVEOPT")                                                            \
    X(xsavec, 0xd, 1, eax, 1, false, "XSAVEC")                                                               \
    X(avx, 1, 0, ecx, 28, true, "256-bit vector registers")                                                  \
    X(x2apic, 1, 0, ecx, 21, true, "local APIC through MSRs")                                                \
    X(tscdeadline, 1, 0, ecx, 24, true, "timer by time stamp deadline")                                      \
    X(tscadjust, 7, 0, ebx, 1, true, "time stamp counter that can be corrected")                             \
    X(invtsc, 0x80000007, 0, edx, 8, true, "time stamp counter of constant rate")                            \
    X(pku, 7, 0, ecx, 3, false, "protection keys")                                                           \
    X(rdrand, 1, 0, ecx, 30, true, "random numbers")                                                         \
    X(rdseed, 7, 0, ebx, 18, false, "random seeds")                                                          \
    X(erms, 7, 0, ebx, 9, false, "fast REP MOVSB and STOSB")

#define FEATURE_ENUM(name, ...) FEATURE_##name,
enum feature { FEATURES(FEATURE_ENUM) FEATURE_COUNT };
#undef FEATURE_ENUM

struct cpu_feature {
    const char *name;
    const char *about;
    bool present; /* the CPU has it */
    bool wanted;  /* the kernel has a use for it */
    bool masked;  /* nofeature= */
};

/* Set once at boot. */
extern struct cpu_feature features[FEATURE_COUNT];

/* Present, wanted and not masked. */
bool feature_used(enum feature feature);

/* Find them all. The list of names to mask may be NULL; unknown names in it are reported in the log. */
void features_find(const char *masked, size_t masked_length);
void features_log(void);

/* Why this CPU cannot run the kernel, or NULL. */
const char *features_missing(void);

#endif
