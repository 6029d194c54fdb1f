/*
 * What the frame allocator asks of the platform: two functions, given by the kernel's architecture layer, by
 * the host tests, or by whoever lifts the allocator out.
 */
#ifndef QUIRE_KERNEL_MM_FRAME_PLATFORM_H
#define QUIRE_KERNEL_MM_FRAME_PLATFORM_H

/*
 * static inline unsigned frame_platform_cpu(void);
 *
 * The number of the CPU (on a host: of the thread's slot) that the caller runs on, below the count given to
 * frame_init. The caller stays on it, and no other code enters the allocator there, until the call that asked
 * has returned: the kernel calls with preemption and interrupts off. Each allocation asks, so it is inline,
 * in a header that the platform puts on the include path.
 */
#include "frame_platform_cpu.h"

/*
 * Done again and again while waiting for somebody who may be waiting in frame_platform_barrier. Where a
 * barrier needs the other CPUs' help, as in a kernel, the same header defines this to give it.
 */
#ifndef FRAME_PLATFORM_WAIT
#define FRAME_PLATFORM_WAIT() __builtin_ia32_pause()
#endif

/*
 * Return once every other CPU that may be inside the allocator has passed a full memory barrier since the
 * call. Used only when memory runs low, to take what other CPUs have in their caches, and to look at
 * everything. The calling CPU must serve the same request from others while it waits. An inter-processor
 * interrupt in a kernel, membarrier(2) on Linux.
 */
void frame_platform_barrier(void);

#endif
