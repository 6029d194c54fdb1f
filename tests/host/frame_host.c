/* The platform of the frame allocator on a Linux host: a thread is the CPU of its slot. */
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernel/mm/frame_platform.h"
#include "tests/host/frame_host.h"

_Thread_local unsigned frame_host_slot __attribute__((tls_model("local-exec")));

void frame_host_enter(unsigned number)
{
    frame_host_slot = number;
    syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0);
}

void frame_platform_barrier(void)
{
    syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
}
