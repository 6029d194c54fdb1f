/*
 * Text for people; see console.h.
 */
#include "kernel/debug/console.h"

#include "kernel/arch/arch.h"
#include "kernel/debug/terminal.h"
#include "kernel/sched/spinlock.h"

static struct spinlock console_lock = SPINLOCK("console", LOCK_SCREEN);
static bool in_panic;

void console_enter_panic(void)
{
    in_panic = true;
}

void console_write(const char *text, uint64_t bytes)
{
    if (!in_panic) {
        spin_lock(&console_lock);
    }
    arch_serial_write(text, bytes);
    terminal_write(text, bytes);
    if (!in_panic) {
        spin_unlock(&console_lock);
    }
}
