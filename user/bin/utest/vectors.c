/* Vector and floating point state: it belongs to a thread, over system calls and over preemption. */
#include <cpuid.h>
#include <stdatomic.h>

#include "lib/text.h"
#include "syscalls.h"
#include "user/bin/utest/test.h"
#include "user/libq/clock.h"
#include "user/libq/thread.h"

#define REGISTERS   16
#define WIDTH       32
#define RIVALS      3
#define TURNS       200000u
#define RUN_TIME    (300 * MILLISECOND)
#define CPUID_XSAVE (1u << 27)
#define CPUID_AVX   (1u << 28)
#define XCR0_AVX    6u

typedef uint8_t vectors[REGISTERS][WIDTH];

void vectors_hold(const vectors in, vectors out, uint64_t turns);
void vectors_hold_wide(const vectors in, vectors out, uint64_t turns);

struct rival {
    struct thread thread;
    void (*hold)(const vectors in, vectors out, uint64_t turns);
    size_t width;
    uint64_t seed;
    uint64_t deadline;
    uint64_t lost; /* rounds after which a register held something else */
    uint64_t rounds;
};

static void fill(vectors in, uint64_t seed)
{
    uint8_t *bytes = &in[0][0];
    for (size_t i = 0; i < sizeof(vectors); i++) {
        seed = seed * 6364136223846793005ull + 1442695040888963407ull;
        bytes[i] = (uint8_t)(seed >> 56);
    }
}

static bool same(const vectors in, const vectors out, size_t width)
{
    for (unsigned i = 0; i < REGISTERS; i++) {
        if (memcmp(in[i], out[i], width) != 0) {
            return false;
        }
    }
    return true;
}

static void compete(void *argument)
{
    struct rival *rival = argument;
    vectors in;
    vectors out;
    sys_thread_affinity(0);
    do { /* at least once, however late it comes to run */
        fill(in, rival->seed + rival->rounds * RIVALS);
        rival->hold(in, out, TURNS);
        rival->lost += !same(in, out, rival->width);
        rival->rounds++;
    } while (clock_now() < rival->deadline);
}

static bool rivals_keep_their_vectors(void (*hold)(const vectors in, vectors out, uint64_t turns),
                                      size_t width)
{
    static struct rival rivals[RIVALS];
    uint64_t deadline = clock_after(RUN_TIME);
    for (unsigned i = 0; i < RIVALS; i++) {
        rivals[i] = (struct rival){.hold = hold, .width = width, .seed = i, .deadline = deadline};
        CHECK_OK(thread_create(&rivals[i].thread, compete, &rivals[i]));
    }
    for (unsigned i = 0; i < RIVALS; i++) {
        CHECK_OK(thread_join(&rivals[i].thread, clock_after(20 * SECOND)));
    }
    for (unsigned i = 0; i < RIVALS; i++) {
        CHECK(rivals[i].rounds > 0);
        CHECK_EQUAL(rivals[i].lost, 0);
    }
    return true;
}

static bool has_avx(void)
{
    unsigned a;
    unsigned b;
    unsigned c;
    unsigned d;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & CPUID_XSAVE) || !(c & CPUID_AVX)) {
        return false;
    }
    __asm__ volatile("xgetbv" : "=a"(a), "=d"(d) : "c"(0));
    return (a & XCR0_AVX) == XCR0_AVX;
}

static bool threads_on_one_cpu_keep_their_xmm_registers(void)
{
    return rivals_keep_their_vectors(vectors_hold, 16);
}

static bool threads_on_one_cpu_keep_their_ymm_registers(void)
{
    if (!has_avx()) {
        return test_skip("this CPU has no AVX, or the kernel does not switch it on");
    }
    return rivals_keep_their_vectors(vectors_hold_wide, 32);
}

/* Has other control words, and lets others run, until it is killed. */
static void have_other_control_words(void *argument)
{
    const uint32_t mxcsr = 0x1f80u | 1u << 13;
    const uint16_t control = 0x027f;
    __asm__ volatile("ldmxcsr %0\n\t"
                     "fldcw %1"
                     :
                     : "m"(mxcsr), "m"(control));
    while (!atomic_load((_Atomic bool *)argument)) {
        sys_thread_yield();
    }
}

static bool control_words_stay_over_calls_and_waits(void)
{
    static _Atomic bool stop;
    struct thread other;
    const uint8_t first_cpu[32] = {1};
    stop = false;
    CHECK_OK(sys_thread_affinity(0));
    CHECK_OK(thread_prepare(&other, have_other_control_words, &stop));
    CHECK_OK(sys_thread_cpus(other.handle, first_cpu, sizeof first_cpu));
    CHECK_OK(sys_thread_resume(other.handle));
    const uint32_t mxcsr = 0x1f80u | 3u << 13;
    const uint16_t control = 0x0c7f;
    uint32_t mxcsr_after;
    uint16_t control_after;
    __asm__ volatile("ldmxcsr %0\n\t"
                     "fldcw %1"
                     :
                     : "m"(mxcsr), "m"(control));
    CHECK_OK(sys_null());
    CHECK_OK(sys_thread_sleep(clock_after(5 * MILLISECOND)));
    CHECK_OK(sys_thread_yield());
    const uint32_t mxcsr_start = 0x1f80u;
    __asm__ volatile("stmxcsr %0\n\t"
                     "fnstcw %1\n\t"
                     "ldmxcsr %2\n\t"
                     "fninit"
                     : "=m"(mxcsr_after), "=m"(control_after)
                     : "m"(mxcsr_start));
    stop = true;
    CHECK_OK(thread_join(&other, clock_after(20 * SECOND)));
    CHECK_OK(sys_thread_affinity(~0ull));
    CHECK_EQUAL(mxcsr_after, mxcsr);
    CHECK_EQUAL(control_after, control);
    return true;
}

static bool a_call_keeps_the_xmm_registers(void)
{
    uint64_t in[2] = {0x1122334455667788ull, 0x99aabbccddeeff00ull};
    uint64_t out[2];
    uint64_t number = SYS_THREAD_YIELD;
    __asm__ volatile("movups %2, %%xmm7\n\t"
                     "syscall\n\t"
                     "movups %%xmm7, %1"
                     : "+a"(number), "=m"(out)
                     : "m"(in)
                     : "rcx", "rdx", "rdi", "rsi", "r8", "r9", "r10", "r11", "xmm7", "memory");
    CHECK_EQUAL(number, ERR_NONE);
    CHECK_EQUAL(out[0], in[0]);
    CHECK_EQUAL(out[1], in[1]);
    return true;
}

static const struct test tests[] = {
    TEST(a_call_keeps_the_xmm_registers),
    TEST(control_words_stay_over_calls_and_waits),
    TEST(threads_on_one_cpu_keep_their_xmm_registers),
    TEST(threads_on_one_cpu_keep_their_ymm_registers),
};
const struct area area_vectors = AREA("vectors", tests);
