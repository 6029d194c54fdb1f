/* Registers over a system call, and those that a thread begins with: nothing is lost, nothing shines through.
 */
#include "lib/text.h"
#include "syscalls.h"
#include "user/bin/utest/children.h"
#include "user/bin/utest/registers.h"
#include "user/bin/utest/test.h"
#include "user/libq/clock.h"
#include "user/libq/pages.h"
#include "user/libq/print.h"
#include "user/libq/program.h"

enum { RAX, RBX, RCX, RDX, RSI, RDI, RBP, RSP, R8, R9, R10, R11, R12, R13, R14, R15, RFLAGS, REGISTERS };

#define FLAGS_STATUS 0x8d5u /* carry, parity, adjust, zero, sign, overflow */
#define FLAGS_START  0x202u /* interrupts, and the bit that is always set */

#define FRESH_MXCSR 48
#define FRESH_DONE  49
#define FRESH_WORDS 50
#define MXCSR_START 0x1f80u

void registers_call(const uint64_t before[REGISTERS], uint64_t after[REGISTERS]);
void registers_fresh(void);
void registers_return(void); /* where registers_call goes on after its call */

/* Make the call with a different value in every register that carries none of its arguments. */
static void call_filled(uint64_t number, uint64_t first, uint64_t second, uint64_t before[REGISTERS],
                        uint64_t after[REGISTERS])
{
    for (unsigned i = 0; i < REGISTERS; i++) {
        before[i] = 0xabcdef0123450000ull + i;
    }
    before[RAX] = number;
    before[RDI] = first;
    before[RSI] = second;
    registers_call(before, after);
}

bool registers_clean(uint64_t number, uint64_t first, uint64_t second, enum error expected, bool result)
{
    static const unsigned kept[] = {RBX, RBP, R12, R13, R14, R15};
    static const unsigned cleared[] = {RSI, RDI, R8, R9, R10};
    uint64_t before[REGISTERS];
    uint64_t after[REGISTERS];
    call_filled(number, first, second, before, after);
    CHECK_EQUAL(after[RAX], expected);
    CHECK(result || after[RDX] == 0);
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++) {
        CHECK_EQUAL(after[kept[i]], before[kept[i]]);
    }
    for (size_t i = 0; i < sizeof cleared / sizeof cleared[0]; i++) {
        CHECK_EQUAL(after[cleared[i]], 0);
    }
    CHECK_EQUAL(after[RCX], (uint64_t)registers_return);
    CHECK_EQUAL(after[R11] & ~(uint64_t)FLAGS_STATUS, after[RFLAGS] & ~(uint64_t)FLAGS_STATUS);
    return true;
}

static bool a_call_clears_its_registers_and_keeps_the_others(void)
{
    return registers_clean(SYS_NULL, 1, 2, ERR_NONE, false) &&
           registers_clean(SYS_CLOCK_READ, 1, 2, ERR_NONE, true) &&
           registers_clean(SYS_THREAD_YIELD, 1, 2, ERR_NONE, false);
}

static bool a_call_that_waits_clears_its_registers_and_keeps_the_others(void)
{
    return registers_clean(SYS_THREAD_SLEEP, clock_after(5 * MILLISECOND), 2, ERR_NONE, false);
}

static bool a_refused_call_clears_its_registers_and_keeps_the_others(void)
{
    return registers_clean(SYS_HANDLE_CLOSE, 0, 2, ERR_BAD_HANDLE, false) &&
           registers_clean(SYS_COUNT, 1, 2, ERR_NO_CALL, false) &&
           registers_clean(~0ull, 1, 2, ERR_NO_CALL, false) &&
           registers_clean(SYS_TASK_KILL, startup->self, ~0ull, ERR_BAD_ARGUMENT, false);
}

static bool flags_come_back_as_they_were(void)
{
    static const uint64_t all[] = {0,
                                   FLAG_CARRY,
                                   FLAG_SIGN | FLAG_PARITY,
                                   FLAG_DIRECTION,
                                   FLAG_OVERFLOW,
                                   FLAG_NESTED,
                                   FLAG_ALIGNMENT,
                                   FLAG_ID};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        uint64_t flags = registers_flags(all[i]);
        CHECK((flags & all[i]) == all[i]);
        CHECK((flags & FLAG_INTERRUPT) != 0);
        CHECK((flags & FLAG_IOPL) == 0);
    }
    return true;
}

/* The kernel's own string instructions must not run backwards because the caller's do. */
static bool the_kernel_does_not_see_the_callers_direction(void)
{
    static const char text[] = "(direction) ";
    uint64_t error = SYS_CONSOLE_WRITE;
    uint64_t written = sizeof text - 1;
    uint64_t console = startup->console;
    const char *from = text;
    __asm__ volatile("std\n\t"
                     "syscall\n\t"
                     "cld"
                     : "+a"(error), "+d"(written), "+D"(console), "+S"(from)
                     :
                     : "rcx", "r8", "r9", "r10", "r11", "cc", "memory");
    print("\n");
    CHECK_EQUAL(error, ERR_NONE);
    CHECK_EQUAL(written, sizeof text - 1);
    return true;
}

static bool a_single_step_over_a_call_ends_only_the_one_who_does_it(void)
{
    struct task_status status = {0};
    CHECK_OK(child_complete("utest", "step", "", &status));
    CHECK_EQUAL(status.end, END_FAULT);
    CHECK_EQUAL(status.vector, 1);
    return true;
}

/* Above lies one page that is never mapped, and then the addresses that are not canonical. */
static bool a_call_at_the_end_of_user_space_returns_in_user_mode(void)
{
    struct task_status status = {0};
    CHECK_OK(child_complete("utest", "edge", "", &status));
    CHECK_EQUAL(status.end, END_FAULT);
    CHECK_EQUAL(status.vector, 14);
    CHECK_EQUAL(status.address, USER_HIGHEST);
    CHECK_EQUAL(status.instruction, USER_HIGHEST);
    return true;
}

static bool segment_registers_can_be_loaded_without_harm(void)
{
    struct task_status status = {0};
    CHECK_OK(child_complete("utest", "segments", "", &status));
    CHECK_EQUAL(status.end, END_EXIT);
    CHECK_EQUAL(status.status, 0);
    return true;
}

static bool a_new_thread_finds_clean_registers(void)
{
    void *stack;
    uint64_t number;
    static volatile uint64_t state[FRESH_WORDS];
    CHECK_OK(pages_take(4096, &stack));
    __asm__ volatile("pcmpeqd %%xmm5, %%xmm5\n\t"
                     "pcmpeqd %%xmm15, %%xmm15"
                     :
                     :
                     : "xmm5", "xmm15");
    CHECK_OK(sys_thread_start(startup->self, (uint64_t)registers_fresh, (uint64_t)stack + 4096,
                              (uint64_t)state, &number));
    for (uint64_t deadline = clock_after(5 * SECOND); state[FRESH_DONE] == 0 && clock_now() < deadline;) {
        sys_thread_yield();
    }
    CHECK_EQUAL(state[FRESH_DONE], 1);
    for (unsigned i = 0; i < FRESH_MXCSR; i++) {
        uint64_t expected = i == RCX ? (uint64_t)registers_fresh : i == R11 ? FLAGS_START : 0;
        CHECK_EQUAL(state[i], expected);
    }
    CHECK_EQUAL(state[FRESH_MXCSR], MXCSR_START);
    CHECK_OK(sys_thread_sleep(clock_after(MILLISECOND)));
    pages_give(stack);
    return true;
}

static const struct test tests[] = {
    TEST(a_call_clears_its_registers_and_keeps_the_others),
    TEST(a_call_that_waits_clears_its_registers_and_keeps_the_others),
    TEST(a_refused_call_clears_its_registers_and_keeps_the_others),
    TEST(flags_come_back_as_they_were),
    TEST(the_kernel_does_not_see_the_callers_direction),
    TEST(a_single_step_over_a_call_ends_only_the_one_who_does_it),
    TEST(a_call_at_the_end_of_user_space_returns_in_user_mode),
    TEST(segment_registers_can_be_loaded_without_harm),
    TEST(a_new_thread_finds_clean_registers),
};
const struct area area_registers = AREA("registers", tests);
