/* How a task ended, as one line for people. Makes no calls. */
#ifndef QUIRE_ROOT_REPORT_H
#define QUIRE_ROOT_REPORT_H

#include <stdbool.h>
#include <stddef.h>

#include "abi/system.h"

/* A clause such as "page fault reading 0x0 (not mapped) at instruction 0x401000"; cut to fit. */
void report_end(const struct task_status *status, char *text, size_t bytes);

/* Has its end to be reported where it was waited for? Not when it ended well, or has said itself why not. */
bool report_is_due(const struct task_status *status);

#endif
