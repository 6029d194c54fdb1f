/* The architecture "a Linux host"; see host.h. */
#include <stdarg.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kernel/arch/arch.h"
#include "kernel/arch/host/host.h"
#include "kernel/debug/panic.h"
#include "kernel/mm/frame.h"
#include "kernel/mm/frame_platform.h"
#include "kernel/mm/heap.h"
#include "kernel/sched/cpu.h"
#include "lib/text.h"
#include "tests/host/frame_host.h"

#define ALIGNMENT (2 * MIB)

char *host_memory;
static struct cpu host_cpus[CPU_MAX];
unsigned cpus_online;
struct cpu *cpus[CPU_MAX];

struct cpu *arch_this_cpu(void)
{
    return &host_cpus[frame_platform_cpu()];
}

uint64_t arch_locks_held(void)
{
    return arch_this_cpu()->locks_held;
}

void arch_set_locks_held(uint64_t held)
{
    arch_this_cpu()->locks_held = held;
}

void arch_spin_wait(void)
{
    sched_yield();
}

void panic(const char *format, ...)
{
    char text[256];
    va_list arguments;
    va_start(arguments, format);
    text_format_list(text, sizeof(text), format, arguments);
    va_end(arguments);
    fprintf(stderr, "PANIC: %s\n", text);
    _exit(PANIC_STATUS);
}

static void *memory_of(uint64_t bytes)
{
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED) {
        panic("the host has no %lu bytes of memory", bytes);
    }
    return at;
}

void host_start(uint64_t frames, unsigned count)
{
    struct memory_range ram = {pfn(0), {frames}};
    uint64_t start = (uint64_t)(uintptr_t)memory_of(frames * PAGE_SIZE + ALIGNMENT);
    host_memory = (char *)(uintptr_t)align_up(start, ALIGNMENT);
    cpus_online = count;
    for (unsigned i = 0; i < count; i++) {
        host_cpus[i].number = i;
        cpus[i] = &host_cpus[i];
        heap_admit(&host_cpus[i]);
    }
    frame_host_enter(0);
    if (frame_init(&ram, 1, memory_of(frame_metadata_bytes(&ram, 1)), count) != ERR_NONE) {
        panic("the frame allocator does not start with %lu frames", frames);
    }
}
