/*
 * Starting a program: from an executable in memory to a running task. The new program gets exactly the
 * handles that its request names, and one to itself.
 *
 * Two steps, so that the caller can add to the task before its first instruction: process_create builds it,
 * process_start lets it run. Where either fails, everything taken for it is given back.
 */
#ifndef QUIRE_LIBQ_PROCESS_H
#define QUIRE_LIBQ_PROCESS_H

#include <stddef.h>
#include <stdint.h>

#include "abi/error.h"

/* Where a program finds its stack and its startup block. Below the stack nothing is ever mapped. */
#define PROCESS_STACK_BYTES 65536ull
#define PROCESS_STACK_TOP   0x00007ffffff00000ull
#define PROCESS_STARTUP     0x00007ffffff10000ull

/* A handle to pass on with at most these rights; handle 0 passes nothing. */
struct grant {
    uint32_t handle;
    uint32_t rights;
};

struct process_request {
    const char *name;  /* for people; cut to what the kernel keeps */
    const void *image; /* an ELF64 executable */
    size_t image_bytes;
    size_t argc;
    const char *const *argv;
    struct grant account; /* pays for the program, which gets a handle to it; 0: this program's own pays */
    struct grant console;
    struct grant system;
    struct grant bundle;
    uint64_t bundle_bytes;
};

struct process {
    uint32_t task; /* handle, owned by the caller after process_create */
    uint64_t entry;
    const char *doing; /* after a failure: what could not be done, "creating its task" */
};

enum error process_create(const struct process_request *request, struct process *process) MUST_CHECK;

/* On failure the task is killed and its handle closed. */
enum error process_start(struct process *process) MUST_CHECK;

/* End a process that was created but is not wanted, or that runs, and close its handle. */
void process_discard(struct process *process);

#endif
