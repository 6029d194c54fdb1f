/*
 * The end; see panic.h.
 */
#include "kernel/debug/panic.h"

#include "kernel/arch/arch.h"
#include "kernel/debug/console.h"
#include "kernel/debug/log.h"
#include "kernel/debug/panic_arch.h"
#include "kernel/debug/symbols.h"
#include "kernel/obj/task.h"
#include "lib/text.h"

#define FRAMES_MAX 32

static uint32_t panicking; /* atomic: number of the CPU that panics, plus 1 */
static bool test_mode;

void panic_set_test(bool test)
{
    test_mode = test;
}

bool panic_in_progress(void)
{
    return __atomic_load_n(&panicking, __ATOMIC_ACQUIRE) != 0;
}

void panic_print(const char *format, ...)
{
    char text[288]; /* the line of a panic, with its colour */
    va_list arguments;
    va_start(arguments, format);
    size_t length = text_format_line(text, sizeof(text), format, arguments);
    va_end(arguments);
    console_write(text, length);
}

static void print_location(unsigned index, uint64_t address, void (*print)(const char *format, ...))
{
    uint64_t offset;
    const char *name = symbol_find(address, &offset);
    if (name != NULL) {
        print("  #%-2u %016lx %s+0x%lx", index, address, name, offset);
    } else {
        print("  #%-2u %016lx", index, address);
    }
}

/* Frame pointers lead from frame to frame; each must lie higher, and be mapped. */
void backtrace_print(uint64_t instruction, uint64_t caller, uint64_t frame,
                     void (*print)(const char *format, ...))
{
    unsigned i = 0;
    print("backtrace:");
    print_location(i++, instruction, print);
    if (caller != 0) {
        print_location(i++, caller, print);
    }
    for (; i < FRAMES_MAX && frame != 0 && frame % 8 == 0; i++) {
        struct arch_translation low = arch_translate(arch_kernel_root(), frame);
        struct arch_translation high = arch_translate(arch_kernel_root(), frame + 8);
        if (!low.present || !high.present) {
            break;
        }
        const uint64_t *words = (const uint64_t *)(uintptr_t)frame;
        if (words[1] == 0) {
            break;
        }
        print_location(i, words[1], print);
        if (words[0] <= frame) {
            break;
        }
        frame = words[0];
    }
}

void panic_backtrace(uint64_t instruction, uint64_t caller, uint64_t frame)
{
    backtrace_print(instruction, caller, frame, panic_print);
}

/* One CPU panics; a second one stops, and a panic inside a panic halts at once. */
static void begin(void)
{
    struct cpu *cpu = arch_this_cpu();
    uint32_t nobody = 0;
    uint32_t self = cpu->number + 1;
    if (!__atomic_compare_exchange_n(&panicking, &nobody, self, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
        if (nobody == self && test_mode) {
            arch_emulator_exit(PANIC_STATUS);
        }
        arch_halt();
    }
    arch_stop_others();
    log_enter_panic();
}

static void print_where(void)
{
    struct cpu *cpu = arch_this_cpu();
    struct thread *thread = cpu->current;
    const char *task = thread != NULL && thread->task != NULL ? thread->task->name : "-";
    panic_print("cpu %u, thread '%s', task '%s', %lu ns after the start", cpu->number,
                thread != NULL ? thread->name : "boot", task, arch_clock());
}

_Noreturn static void finish(void)
{
    panic_print("the system is stopped.");
    if (test_mode) {
        arch_emulator_exit(PANIC_STATUS);
    }
    arch_halt();
}

void panic(const char *format, ...)
{
    begin();
    char text[256];
    va_list arguments;
    va_start(arguments, format);
    text_format_list(text, sizeof(text), format, arguments);
    va_end(arguments);
    panic_print("\n\033[91mKERNEL PANIC: %s\033[0m", text);
    print_where();
    panic_backtrace((uint64_t)(uintptr_t)__builtin_return_address(0), 0,
                    *(const uint64_t *)__builtin_frame_address(0));
    finish();
}

void panic_trap(const struct trap_frame *frame)
{
    begin();
    panic_arch_describe(frame);
    print_where();
    panic_arch_registers(frame);
    finish();
}
