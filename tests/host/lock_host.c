/* What the kernel's locks need of a machine, on a Linux host. */
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include "kernel/arch/arch.h"
#include "kernel/debug/log.h"
#include "kernel/debug/panic.h"
#include "kernel/debug/symbols.h"
#include "tests/host/lock_host.h"

uint64_t lock_host_clock;

uint64_t arch_clock(void)
{
    if (lock_host_clock != 0) {
        return lock_host_clock;
    }
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

bool arch_interrupts_on(void)
{
    return false;
}

void log_past_locks(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
}

bool panic_in_progress(void)
{
    return false;
}

const char *symbol_find(uint64_t address, uint64_t *offset)
{
    (void)address;
    *offset = 0;
    return NULL;
}
