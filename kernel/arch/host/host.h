/*
 * The architecture "a Linux host": what the kernel's memory management asks of arch.h, so that it runs under
 * test as it is. This folder stands before the root of the tree on the include path and has headers of the
 * same names where they differ. A thread is the CPU whose number it has taken with frame_host_enter
 * (tests/host/frame_host.h); struct cpu is there for the ranks of locks. A panic says its line on the error
 * output and ends the process with PANIC_STATUS.
 */
#ifndef QUIRE_HOST_HOST_H
#define QUIRE_HOST_HOST_H

#include <stdint.h>

/* What the aperture shows; aligned to 2 MiB. Set by host_start. */
extern char *host_memory;

/*
 * Make RAM of so many frames, from frame 0 on, and start the frame allocator with all of it and for so many
 * CPUs. The calling thread is CPU 0. Ends the process when that fails.
 */
void host_start(uint64_t frames, unsigned count);

#endif
