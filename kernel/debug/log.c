/*
 * The kernel's log; see log.h.
 */
#include "kernel/debug/log.h"

#include "kernel/arch/arch.h"
#include "kernel/debug/console.h"
#include "kernel/sched/spinlock.h"
#include "kernel/sched/cpu.h"
#include "lib/text.h"

static struct spinlock log_lock = SPINLOCK("log", LOCK_LOG);

/* Guarded by log_lock. */
static struct system_log_line ring[LOG_LINES];
static uint64_t next_line;

static enum log_level shown_level = LOG_INFO;
static bool in_panic;

void log_show(enum log_level level)
{
    shown_level = level;
}

void log_past_locks(const char *format, ...)
{
    char text[200];
    va_list arguments;
    va_start(arguments, format);
    size_t length = text_format_line(text, sizeof(text), format, arguments);
    va_end(arguments);
    arch_serial_write(text, length);
}

void log_enter_panic(void)
{
    in_panic = true;
    console_enter_panic();
}

static void show(const struct system_log_line *line)
{
    static const char *const colours[] = {"\033[90m", "", "\033[93m", "\033[91m"};
    char text[LOG_TEXT + 40];
    const char *colour = colours[line->level];
    size_t length =
        text_format(text, sizeof(text), "\033[90m[%4lu.%06lu]\033[0m %s%s%s\n", line->time / 1000000000,
                    line->time / 1000 % 1000000, colour, line->text, *colour != 0 ? "\033[0m" : "");
    console_write(text, length < sizeof(text) ? length : sizeof(text) - 1);
}

void log_line(enum log_level level, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    struct system_log_line line = {.time = arch_clock(), .level = level, .cpu = arch_this_cpu()->number};
    text_format_list(line.text, sizeof(line.text), format, arguments);
    va_end(arguments);
    if (!in_panic) {
        spin_lock(&log_lock);
    }
    line.number = next_line++;
    ring[line.number % LOG_LINES] = line;
    if (level >= shown_level) {
        show(&line);
    }
    if (!in_panic) {
        spin_unlock(&log_lock);
    }
}

bool log_read(uint64_t number, struct system_log_line *out)
{
    spin_lock(&log_lock);
    uint64_t oldest = next_line > LOG_LINES ? next_line - LOG_LINES : 0;
    uint64_t wanted = number > oldest ? number : oldest;
    bool found = wanted < next_line;
    if (found) {
        *out = ring[wanted % LOG_LINES];
    }
    spin_unlock(&log_lock);
    return found;
}
