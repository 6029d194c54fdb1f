/*
 * Small things that C cannot say; the contracts are in arch.h.
 */
#include "kernel/arch/arch.h"
#include "kernel/arch/x86_64/cpu.h"
#include "kernel/arch/x86_64/features.h"
#include "kernel/arch/x86_64/page_entry.h"
#include "kernel/arch/x86_64/offsets.h"
#include "kernel/arch/x86_64/registers.h"
#include "arch_switch.h"
#include "kernel/sched/thread.h"
#include "lib/text.h"

extern bool user_copy_plain(uint64_t to, uint64_t from, uint64_t bytes);
extern bool user_copy_smap(uint64_t to, uint64_t from, uint64_t bytes);
extern const char thread_first_steps[];
extern uint64_t leaf_zero_open(struct arch_leaf *leaf, uint64_t bits, uint64_t where, uint64_t words);

/* STI takes effect after the next instruction, so no interrupt slips in between it and HLT (SDM vol. 2B). */
void arch_idle(void)
{
    __asm__ volatile("sti; hlt; cli" : : : "memory");
}

void arch_interrupt_window(void)
{
    __asm__ volatile("sti; nop; cli" : : : "memory");
}

bool arch_interrupts_on(void)
{
    uint64_t flags;
    __asm__ volatile("pushfq; popq %0" : "=r"(flags));
    return (flags & RFLAGS_IF) != 0;
}

void arch_halt(void)
{
    for (;;) {
        __asm__ volatile("cli; hlt" : : : "memory");
    }
}

/* RDRAND may have nothing for a moment (SDM vol. 1 7.3.17); the time stamp then has to do. */
uint64_t arch_random_seed(void)
{
    uint64_t number = 0;
    bool there = false;
    for (unsigned i = 0; feature_used(FEATURE_rdrand) && !there && i < 10; i++) {
        __asm__ volatile("rdrand %0" : "=r"(number), "=@ccc"(there));
    }
    return number ^ tsc_read();
}

/* SDM vol. 2A, CPUID leaf 80000008: the number of bits. */
uint64_t arch_physical_end(void)
{
    return (uint64_t)1 << (cpuid(0x80000008, 0).eax & 0xff);
}

void arch_zero_pages(void *start, uint64_t pages)
{
    uint64_t words = pages * (PAGE_SIZE / 8);
    __asm__ volatile("rep stosq" : "+D"(start), "+c"(words) : "a"(0) : "memory");
}

/* MOVNTI writes around the caches, in no order with other stores until SFENCE (SDM vol. 1 10.4.6.2). */
void arch_zero_pages_past_cache(void *start, uint64_t pages)
{
    uint64_t *end = (uint64_t *)start + pages * (PAGE_SIZE / 8);
    for (uint64_t *at = start; at < end; at += 8) {
        __asm__ volatile("movnti %1, (%0); movnti %1, 8(%0); movnti %1, 16(%0); movnti %1, 24(%0)\n\t"
                         "movnti %1, 32(%0); movnti %1, 40(%0); movnti %1, 48(%0); movnti %1, 56(%0)"
                         :
                         : "r"(at), "r"((uint64_t)0)
                         : "memory");
    }
    __asm__ volatile("sfence" : : : "memory");
}

void arch_copy_page(void *to, const void *from)
{
    uint64_t words = PAGE_SIZE / 8;
    __asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(words) : : "memory");
}

void arch_leaves_copy(struct arch_leaf *leaves, uint64_t virtual, pfn_t to, pfn_t from)
{
    uint64_t bits = leaf_bits_small[MAP_READ | MAP_WRITE];
    __atomic_store_n(&leaves[0].bits, from.value << PAGE_SHIFT | bits, __ATOMIC_RELEASE);
    __atomic_store_n(&leaves[1].bits, to.value << PAGE_SHIFT | bits, __ATOMIC_RELEASE);
    arch_copy_page((void *)(uintptr_t)(virtual + PAGE_SIZE), (const void *)(uintptr_t) virtual);
    __atomic_store_n(&leaves[0].bits, 0, __ATOMIC_RELEASE);
    __atomic_store_n(&leaves[1].bits, 0, __ATOMIC_RELEASE);
    page_forget(virtual);
    page_forget(virtual + PAGE_SIZE);
}

uint64_t arch_leaf_zero_open(struct arch_leaf *leaf, uint64_t virtual, pfn_t first, uint64_t left)
{
    uint64_t bits = leaf_bits(MAP_READ | MAP_WRITE, 2), done = TABLES_LARGE - left * sizeof(uint64_t);
    return leaf_zero_open(leaf, first.value << PAGE_SHIFT | bits, virtual + done, left);
}

bool arch_copy_from_user(void *to, uint64_t from, uint64_t bytes)
{
    return feature_used(FEATURE_smap) ? user_copy_smap((uint64_t)(uintptr_t)to, from, bytes)
                                      : user_copy_plain((uint64_t)(uintptr_t)to, from, bytes);
}

bool arch_copy_to_user(uint64_t to, const void *from, uint64_t bytes)
{
    return feature_used(FEATURE_smap) ? user_copy_smap(to, (uint64_t)(uintptr_t)from, bytes)
                                      : user_copy_plain(to, (uint64_t)(uintptr_t)from, bytes);
}

void user_registers_switch(struct thread *from, struct thread *to)
{
    struct arch_thread now = segments_read();
    if (from->vectors != NULL) {
        vectors_save(from->vectors);
        from->arch = now;
    }
    if (to->vectors != NULL) {
        vectors_load(to->vectors);
        if (segments_differ(&now, &to->arch)) {
            segments_load(&now, &to->arch);
        }
    }
}

/* What arch_thread_switch and thread_first_steps find: where to begin, then start and its argument. */
void arch_thread_prepare(struct thread *thread, void (*start)(void *), void *argument)
{
    uint64_t *frame = (uint64_t *)(uintptr_t)thread->stack_top - 4;
    frame[0] = (uint64_t)(uintptr_t)thread_first_steps;
    frame[1] = (uint64_t)(uintptr_t)start;
    frame[2] = (uint64_t)(uintptr_t)argument;
    frame[3] = 0;
    thread->stack_pointer = (uint64_t)(uintptr_t)frame;
}
