/* Each kind of fault ends the program that commits it, nothing else, and is reported as what it was. */
#include "abi/system.h"
#include "syscalls.h"
#include "user/bin/utest/children.h"
#include "user/bin/utest/test.h"

#define DIVIDE     0u
#define DEBUG      1u
#define BREAKPOINT 3u
#define INVALID    6u
#define STACK      12u
#define PROTECTION 13u
#define PAGE       14u
#define X87        16u

/* Bits of the error code of a page fault: Intel SDM vol. 3A, section 4.7. */
#define PRESENT     1u
#define WRITTEN     2u
#define USER        4u
#define FETCH       16u
#define ACCESS_BITS (PRESENT | WRITTEN | USER | FETCH)

static bool commit(const char *kind, uint32_t vector, struct task_status *status)
{
    CHECK_OK(child_complete("fault", kind, NULL, status));
    if (status->end != END_FAULT || status->vector != vector) {
        return test_fail(__FILE__, __LINE__, "%s: end %u, vector %u, expected a fault with vector %u", kind,
                         status->end, status->vector, vector);
    }
    return true;
}

/* Commit a fault that is no page fault. */
static bool traps(const char *kind, uint32_t vector)
{
    struct task_status status = {0};
    return commit(kind, vector, &status);
}

/* Commit a page fault; `mask` says which bits of the error code have to be as in `code`. */
static bool faults(const char *kind, uint64_t code, uint64_t mask, struct task_status *status)
{
    if (!commit(kind, PAGE, status)) {
        return false;
    }
    return (status->code & mask) == code ||
           test_fail(__FILE__, __LINE__, "%s: error code 0x%lx, expected 0x%lx", kind, status->code, code);
}

static bool using_address_0_is_a_page_fault_there(void)
{
    struct task_status status = {0};
    if (!faults("null", USER, ACCESS_BITS, &status)) {
        return false;
    }
    CHECK_EQUAL(status.address, 0);
    CHECK(status.instruction != 0 && status.stack != 0);
    if (!faults("null-write", USER | WRITTEN, ACCESS_BITS, &status)) {
        return false;
    }
    CHECK_EQUAL(status.address, 0);
    if (!faults("null-jump", USER | FETCH, ACCESS_BITS, &status)) {
        return false;
    }
    CHECK_EQUAL(status.address, 0);
    CHECK_EQUAL(status.instruction, 0);
    return true;
}

static bool code_and_constants_cannot_be_written(void)
{
    struct task_status status = {0};
    return faults("text", USER | WRITTEN | PRESENT, ACCESS_BITS, &status) &&
           faults("rodata", USER | WRITTEN | PRESENT, ACCESS_BITS, &status);
}

static bool data_and_stack_cannot_be_run(void)
{
    struct task_status status = {0};
    if (!faults("data", USER | FETCH | PRESENT, ACCESS_BITS, &status)) {
        return false;
    }
    CHECK_EQUAL(status.instruction, status.address);
    return faults("stack-jump", USER | FETCH | PRESENT, ACCESS_BITS, &status);
}

static bool a_stack_overflow_hits_the_gap_below(void)
{
    struct task_status status = {0};
    if (!faults("stack", USER | WRITTEN, ACCESS_BITS, &status)) {
        return false;
    }
    CHECK_EQUAL(status.address, PROCESS_STACK_TOP - PROCESS_STACK_BYTES - 8);
    return true;
}

static bool kernel_memory_cannot_be_read_written_or_run(void)
{
    struct task_status status = {0};
    const uint64_t mask = ACCESS_BITS & ~PRESENT;
    return faults("kernel", USER, mask, &status) && faults("kernel-write", USER | WRITTEN, mask, &status) &&
           faults("kernel-jump", USER | FETCH, mask, &status);
}

static bool non_canonical_addresses_are_trapped(void)
{
    return traps("noncanonical", PROTECTION) && traps("noncanon-jump", PROTECTION);
}

/* A CPU says stack fault (Intel SDM vol. 1, section 3.3.7.1), QEMU's emulation general protection. */
static bool a_non_canonical_stack_pointer_is_trapped(void)
{
    struct task_status status = {0};
    CHECK_OK(child_complete("fault", "noncanon-stack", NULL, &status));
    CHECK_EQUAL(status.end, END_FAULT);
    CHECK(status.vector == STACK || status.vector == PROTECTION);
    return true;
}

static bool privileged_instructions_are_trapped(void)
{
    return traps("privileged", PROTECTION) && traps("cli", PROTECTION) && traps("port", PROTECTION) &&
           traps("msr", PROTECTION) && traps("cr3", PROTECTION);
}

static bool software_interrupts_do_not_reach_the_kernel(void)
{
    return traps("int80", PROTECTION) && traps("int20", PROTECTION);
}

static bool breakpoint_and_single_step_end_the_program(void)
{
    return traps("int3", BREAKPOINT) && traps("step", DEBUG);
}

#define STEPPERS 4

/* On one CPU, so that the traps of one come while those of another are being handled. */
static bool several_programs_that_single_step_end_one_by_one(void)
{
    struct child children[STEPPERS];
    CHECK_OK(sys_thread_affinity(0));
    for (unsigned round = 0; round < 10; round++) {
        for (unsigned i = 0; i < STEPPERS; i++) {
            CHECK_OK(child_create(&children[i], "fault", "step", NULL));
        }
        for (unsigned i = 0; i < STEPPERS; i++) {
            CHECK_OK(child_run(&children[i]));
        }
        for (unsigned i = 0; i < STEPPERS; i++) {
            struct task_status status = {0};
            CHECK_OK(child_wait(&children[i], &status));
            CHECK_EQUAL(status.end, END_FAULT);
            CHECK_EQUAL(status.vector, DEBUG);
            child_discard(&children[i]);
        }
    }
    CHECK_OK(sys_thread_affinity(~0ull));
    return true;
}

static bool arithmetic_faults_end_the_program(void)
{
    return traps("divide", DIVIDE) && traps("x87", X87);
}

static bool undefined_and_misaligned_instructions_end_the_program(void)
{
    return traps("ud2", INVALID) && traps("unaligned", PROTECTION);
}

static const struct test tests[] = {
    TEST(using_address_0_is_a_page_fault_there),
    TEST(code_and_constants_cannot_be_written),
    TEST(data_and_stack_cannot_be_run),
    TEST(a_stack_overflow_hits_the_gap_below),
    TEST(kernel_memory_cannot_be_read_written_or_run),
    TEST(non_canonical_addresses_are_trapped),
    TEST(a_non_canonical_stack_pointer_is_trapped),
    TEST(privileged_instructions_are_trapped),
    TEST(software_interrupts_do_not_reach_the_kernel),
    TEST(breakpoint_and_single_step_end_the_program),
    TEST(several_programs_that_single_step_end_one_by_one),
    TEST(arithmetic_faults_end_the_program),
    TEST(undefined_and_misaligned_instructions_end_the_program),
};
const struct area area_faults = AREA("faults", tests);
