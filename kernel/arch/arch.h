/*
 * What the kernel asks of an architecture. One folder beside this file gives all of it; nothing outside that
 * folder names a register, an MSR or a page-table bit.
 *
 * The kernel runs with interrupts off. They are on only in user mode, in arch_idle and in
 * arch_interrupt_window.
 */
#ifndef QUIRE_KERNEL_ARCH_H
#define QUIRE_KERNEL_ARCH_H

#include <stdbool.h>
#include <stdint.h>

#include "abi/error.h"
#include "arch_clock.h" /* of the architecture, as the next one */
#include "arch_cpu.h"   /* arch_this_cpu, arch_bound_index */
#include "lib/units.h"

struct cpu;
struct thread;

/* --- processors --- */

/* Number of CPUs that came up. Grows while they do. */
extern unsigned cpus_online; /* atomic */
static inline unsigned arch_cpu_count(void)
{
    return __atomic_load_n(&cpus_online, __ATOMIC_ACQUIRE);
}

/* Spin politely; also answers what others ask of this CPU (mm/tlb.h). */
void arch_spin_wait(void);

/* Sleep until an interrupt came and was handled. Interrupts are on inside and off again on return. */
void arch_idle(void);

/* Let waiting interrupts in, for a preemption point. */
void arch_interrupt_window(void);

/* Are interrupts on for this CPU? For checks. */
bool arch_interrupts_on(void);

/* Make another CPU look at its run queue. */
void arch_cpu_kick(struct cpu *cpu);

/* Stop all other CPUs for good, for a panic. Returns when they have stopped or do not answer. */
void arch_stop_others(void);

/* Halt this CPU for good. */
_Noreturn void arch_halt(void);

/* A number that is hard to guess, as far as the machine knows of one; never the same twice in a row. */
uint64_t arch_random_seed(void);

/* The first physical address that the machine cannot have. */
uint64_t arch_physical_end(void);

/* --- time --- */

/* arch_clock.h gives arch_clock(): monotonic nanoseconds since the kernel was entered. */

/* Ask for one timer interrupt on this CPU at this time (at once if it has passed); ~0 asks for none. */
void arch_timer_set(uint64_t deadline);

/* --- threads --- */

/* Prepare the stack so that the first switch to the thread calls start(argument) with interrupts off. */
void arch_thread_prepare(struct thread *thread, void (*start)(void *), void *argument);

/* arch_switch.h, of the architecture, gives the switch itself, inline: arch_thread_switch(cpu, from, to). */

/* Give the thread room for user registers; ERR_LIMIT, ERR_NO_MEMORY. */
enum error arch_thread_user_init(struct thread *thread) MUST_CHECK;
void arch_thread_user_free(struct thread *thread);

/* Set the base of FS, or GS, that the calling thread sees in user mode. The base is a user address. */
void arch_thread_set_base(bool gs, uint64_t base);

/* Leave the kernel for the first time, with all registers clean but the argument in the first one. */
_Noreturn void arch_enter_user(uint64_t entry, uint64_t stack, uint64_t argument);

/* --- address translation --- */

#define MAP_READ     1u
#define MAP_WRITE    2u
#define MAP_EXECUTE  4u
#define MAP_USER     8u
#define MAP_UNCACHED 16u
#define MAP_COMBINE  32u /* write-combining, for framebuffers */
#define MAP_LARGE    64u /* large leaves may be used where aligned */

/* Translate user addresses of this CPU by this root from now on, and forget those of the one before. */
void arch_space_load(paddr_t root);

/* Make this frame the root table of a user space: empty below, the kernel's own above. tables.h has the rest.
 */
void arch_space_create(paddr_t root);

/* The kernel's root, for threads without a user space. */
paddr_t arch_kernel_root(void);

/* Zeroed frames for tables, taken before they are needed: a chain through the first word of each. */
struct table_stock {
    paddr_t first;
    uint64_t count;
};

/*
 * Map bytes (whole pages) of the kernel half at virtual to physical. On failure (ERR_NO_MEMORY for a table,
 * ERR_EXISTS when something is there) what was mapped by this call is unmapped again; tables remain for later
 * use.
 */
enum error arch_map(paddr_t root, uint64_t virtual, paddr_t physical, uint64_t bytes,
                    unsigned flags) MUST_CHECK;

/* Unmap whole pages that were mapped by arch_map or arch_leaf_set. The caller flushes. The tables stay. */
void arch_unmap(paddr_t root, uint64_t virtual, uint64_t bytes);

/*
 * One entry of a page table, for who changes the same few entries again and again. Neighbours of the same
 * size in the same table are neighbours in memory.
 */
struct arch_leaf {
    uint64_t bits; /* the architecture's own */
};

/*
 * The entry for this address of leaves with this size (4 KiB or 2 MiB), with the tables above it made as
 * needed. ERR_NO_MEMORY; ERR_EXISTS when a larger leaf covers the address.
 */
enum error arch_leaf_find(paddr_t root, uint64_t virtual, uint64_t leaf_size,
                          struct arch_leaf **out) MUST_CHECK;

/* Point an entry that is empty somewhere: it takes effect at once, on all CPUs. */
void arch_leaf_set(struct arch_leaf *leaf, paddr_t physical, uint64_t leaf_size, unsigned flags);

/* The same for neighbours of 4 KiB in one table, each to its frame. */
void arch_leaves_set(struct arch_leaf *leaves, unsigned count, const pfn_t *frames, unsigned flags);

/* Empty it. Other CPUs may go on using what it said until they flush; this one forgets it with the second. */
void arch_leaf_clear(struct arch_leaf *leaf);
void arch_leaf_clear_here(struct arch_leaf *leaf, uint64_t virtual);
void arch_leaves_clear_here(struct arch_leaf *leaves, unsigned count, uint64_t virtual);

/* Copy a frame to another one through two such neighbours, which are empty before and after, at this address.
 */
void arch_leaves_copy(struct arch_leaf *leaves, uint64_t virtual, pfn_t to, pfn_t from);

/* arch_zero_open for the last so many words of the 512 frames from `first` on, through a large leaf, which is
 * empty before and after, for this address. */
uint64_t arch_leaf_zero_open(struct arch_leaf *leaf, uint64_t virtual, pfn_t first, uint64_t left) MUST_CHECK;

/* What a virtual address maps to. */
struct arch_translation {
    bool present;
    paddr_t physical;   /* of the address itself */
    uint64_t leaf_size; /* bytes */
    unsigned flags;     /* MAP_READ ... */
};
struct arch_translation arch_translate(paddr_t root, uint64_t virtual);

/* --- user memory --- */

/* Copy between kernel memory and user addresses that were checked for range; false when one is not mapped. */
bool arch_copy_from_user(void *to, uint64_t from, uint64_t bytes) MUST_CHECK;
bool arch_copy_to_user(uint64_t to, const void *from, uint64_t bytes) MUST_CHECK;

/* --- memory --- */

/* Fill whole pages with zeros; copy one. */
void arch_zero_pages(void *start, uint64_t pages);
/*
 * Fill words with zeros while interrupts are on, which are off before and after. Stops early when the thread
 * is to give way or to end (thread_must_give_way). Returns how many words are left, the last ones. The caller
 * holds no lock, and needs to be in the same place only until the return.
 */
uint64_t arch_zero_open(void *start, uint64_t words) MUST_CHECK;
/* arch_zero_pages without filling the caches with them: for memory that is not used at once. */
void arch_zero_pages_past_cache(void *start, uint64_t pages);
void arch_copy_page(void *to, const void *from);

/* --- devices of the platform --- */

void arch_serial_write(const char *text, uint64_t bytes);

/* Does the machine offer a way to switch it off? There is always one to restart it. */
bool arch_can_power_off(void);

/* End: power off, or restart. They come back only when the machine does not obey. */
void arch_power_off(void);
void arch_restart(void);

/* End an emulator that was started for a test with this status, if it has the exit device. */
void arch_emulator_exit(unsigned status);

#endif
