/* How a task ended; see report.h. Vectors and error codes: Intel SDM vol. 3A, table 6-1 and section 4.7. */
#include "user/root/report.h"

#include "lib/text.h"
#include "user/libq/status.h"

#define VECTOR_PAGE_FAULT 14u
#define VECTORS           32u

#define PAGE_PRESENT     (1u << 0)
#define PAGE_WRITE       (1u << 1)
#define PAGE_RESERVED    (1u << 3)
#define PAGE_INSTRUCTION (1u << 4)
#define PAGE_KEY         (1u << 5)

static const char *const vector_names[VECTORS] = {
    [0] = "divide error",
    [1] = "debug exception",
    [3] = "breakpoint",
    [4] = "overflow",
    [5] = "bound range exceeded",
    [6] = "invalid instruction",
    [7] = "no floating point unit",
    [10] = "invalid task state",
    [11] = "segment not present",
    [12] = "stack fault",
    [13] = "general protection fault",
    [14] = "page fault",
    [16] = "x87 floating point exception",
    [17] = "misaligned access",
    [19] = "SSE floating point exception",
    [21] = "control protection exception",
};

static const char *page_access(uint64_t code)
{
    if (code & PAGE_INSTRUCTION) {
        return "executing";
    }
    return code & PAGE_WRITE ? "writing" : "reading";
}

static const char *page_reason(uint64_t code)
{
    if (code & PAGE_RESERVED) {
        return "page table damaged";
    }
    if (code & PAGE_KEY) {
        return "protection key";
    }
    return code & PAGE_PRESENT ? "not allowed there" : "not mapped";
}

static void report_fault(const struct task_status *status, char *text, size_t bytes)
{
    const char *name = status->vector < VECTORS ? vector_names[status->vector] : NULL;
    if (status->vector == VECTOR_PAGE_FAULT) {
        text_format(text, bytes, "page fault %s 0x%lx (%s) at instruction 0x%lx", page_access(status->code),
                    status->address, page_reason(status->code), status->instruction);
    } else if (name == NULL) {
        text_format(text, bytes, "exception %u (code 0x%lx) at instruction 0x%lx", status->vector,
                    status->code, status->instruction);
    } else if (status->code != 0) {
        text_format(text, bytes, "%s (code 0x%lx) at instruction 0x%lx", name, status->code,
                    status->instruction);
    } else {
        text_format(text, bytes, "%s at instruction 0x%lx", name, status->instruction);
    }
}

static void report_exit(uint32_t status, char *text, size_t bytes)
{
    if (status == 0) {
        text_format(text, bytes, "done");
    } else {
        text_format(text, bytes, "ended with status %u", status);
    }
}

void report_end(const struct task_status *status, char *text, size_t bytes)
{
    switch (status->end) {
    case END_EXIT:
        report_exit(status->status, text, bytes);
        break;
    case END_KILLED:
        text_format(text, bytes, "killed");
        break;
    case END_FAULT:
        report_fault(status, text, bytes);
        break;
    default:
        text_format(text, bytes, "ended for the unknown reason %u", status->end);
        break;
    }
}

bool report_is_due(const struct task_status *status)
{
    return status->end != END_EXIT || (status->status != 0 && status->status != STATUS_SAID);
}
