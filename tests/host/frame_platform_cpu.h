/* The frame allocator's platform on a Linux host: a thread is the CPU of its slot. */
#ifndef QUIRE_TESTS_HOST_FRAME_PLATFORM_CPU_H
#define QUIRE_TESTS_HOST_FRAME_PLATFORM_CPU_H

extern _Thread_local unsigned frame_host_slot __attribute__((tls_model("local-exec")));

static inline unsigned frame_platform_cpu(void)
{
    return frame_host_slot;
}

#endif
