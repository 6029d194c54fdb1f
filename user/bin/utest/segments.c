/* Segment registers belong to the thread: what one puts there no other one sees, and it is there after a
 * switch. */
#include "syscalls.h"
#include "user/bin/utest/children.h"
#include "user/bin/utest/test.h"
#include "user/libq/clock.h"
#include "user/libq/program.h"
#include "user/libq/thread.h"

#define TURNS   50
#define THREADS 3

/* A thread with words of its own at both bases, and a selector of its own in ES. */
struct member {
    struct thread thread;
    uint64_t fs_word, gs_word;
    uint16_t selector;
    bool fine;
};

static uint64_t fs_word(void)
{
    uint64_t word;
    __asm__ volatile("movq %%fs:0, %0" : "=r"(word));
    return word;
}

static uint64_t gs_word(void)
{
    uint64_t word;
    __asm__ volatile("movq %%gs:0, %0" : "=r"(word));
    return word;
}

static uint16_t es(void)
{
    uint16_t selector;
    __asm__ volatile("movw %%es, %0" : "=r"(selector));
    return selector;
}

/*
 * What can be in ES over an interrupt: the selectors of the stack and the code, and 0. Other null selectors
 * become 0 when an interrupt returns to user mode (SDM vol. 2A, IRET).
 */
static void selectors(uint16_t out[THREADS])
{
    __asm__ volatile("movw %%ss, %0; movw %%cs, %1" : "=r"(out[0]), "=r"(out[1]));
    out[2] = 0;
}

static void take_turns(void *argument)
{
    struct member *member = argument;
    bool fine = sys_thread_affinity(0) == ERR_NONE &&
                sys_thread_base(0, (uint64_t)&member->fs_word) == ERR_NONE &&
                sys_thread_base(1, (uint64_t)&member->gs_word) == ERR_NONE;
    __asm__ volatile("movw %0, %%es" : : "r"(member->selector));
    for (unsigned i = 0; fine && i < TURNS; i++) {
        fine = fs_word() == member->fs_word && gs_word() == member->gs_word && es() == member->selector &&
               sys_thread_yield() == ERR_NONE;
    }
    member->fine = fine;
}

static bool bases_and_selectors_are_the_threads_own(void)
{
    static struct member members[THREADS];
    uint16_t es_of[THREADS];
    selectors(es_of);
    for (unsigned i = 0; i < THREADS; i++) {
        members[i] = (struct member){.fs_word = 100 + i, .gs_word = 200 + i, .selector = es_of[i]};
        CHECK_OK(thread_create(&members[i].thread, take_turns, &members[i]));
    }
    for (unsigned i = 0; i < THREADS; i++) {
        CHECK_OK(thread_join(&members[i].thread, clock_after(10 * SECOND)));
        CHECK(members[i].fine);
    }
    return true;
}

static void look(void *argument)
{
    uint16_t *seen = argument;
    __asm__ volatile("movw %%ds, %0; movw %%es, %1; movw %%fs, %2; movw %%gs, %3"
                     : "=r"(seen[0]), "=r"(seen[1]), "=r"(seen[2]), "=r"(seen[3]));
}

static bool a_new_thread_finds_empty_segment_registers(void)
{
    struct thread thread;
    uint16_t seen[4] = {9, 9, 9, 9};
    CHECK_OK(thread_create(&thread, look, seen));
    CHECK_OK(thread_join(&thread, clock_after(10 * SECOND)));
    for (unsigned i = 0; i < 4; i++) {
        CHECK_EQUAL(seen[i], 0);
    }
    return true;
}

static bool a_base_in_the_kernels_half_is_refused(void)
{
    CHECK_EQUAL(sys_thread_base(0, USER_HIGHEST), ERR_BAD_ADDRESS);
    CHECK_EQUAL(sys_thread_base(1, 0x0000800000000000ull), ERR_BAD_ADDRESS);
    CHECK_EQUAL(sys_thread_base(1, ~0ull), ERR_BAD_ADDRESS);
    CHECK_EQUAL(sys_thread_base(2, 0x1000), ERR_BAD_ARGUMENT);
    return true;
}

static const struct test tests[] = {
    TEST(bases_and_selectors_are_the_threads_own),
    TEST(a_new_thread_finds_empty_segment_registers),
    TEST(a_base_in_the_kernels_half_is_refused),
};
const struct area area_segments = AREA("segments", tests);
