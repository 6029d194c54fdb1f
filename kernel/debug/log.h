/*
 * The kernel's log: a ring of lines with time, level and CPU. Each line also goes to the console at once, if
 * its level is shown. May be called from anywhere but an NMI, also with locks held. A line longer than
 * LOG_TEXT is cut.
 */
#ifndef QUIRE_KERNEL_LOG_H
#define QUIRE_KERNEL_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "abi/system.h"

#define LOG_LINES 256

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_debug(...) log_line(LOG_DEBUG, __VA_ARGS__)
#define log_info(...)  log_line(LOG_INFO, __VA_ARGS__)
#define log_warn(...)  log_line(LOG_WARN, __VA_ARGS__)
#define log_error(...) log_line(LOG_ERROR, __VA_ARGS__)

/* Show lines of this level and above on the console; the ring keeps all. */
void log_show(enum log_level level);

/*
 * The oldest line that is still there and has at least this number. False when there is none.
 */
bool log_read(uint64_t number, struct system_log_line *out);

/* A line to the serial port alone, past all locks and not kept: whoever holds one may be what it is about. */
void log_past_locks(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* From here on locks are not taken: the CPUs that hold them have been stopped. For a panic. */
void log_enter_panic(void);

#endif
