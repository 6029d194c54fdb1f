/* RAM and what else memory objects need, on a Linux host; see memory_host.h. */
#include "tests/host/memory_host.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "kernel/arch/arch.h"
#include "kernel/debug/panic.h"
#include "kernel/mm/contents.h"
#include "kernel/mm/frame_report.h"
#include "kernel/mm/frame_share.h"
#include "kernel/mm/memory_tree.h"
#include "kernel/mm/zeroed.h"
#include "kernel/obj/account_tree.h"
#include "tests/host/frame_host.h"

extern char *host_memory;
char *host_memory; /* what the aperture shows */

uint64_t memory_host_reach;
uint32_t memory_host_shares_most = FRAME_SHARES_MOST;
bool memory_host_thin;
uint64_t memory_host_blocks_cleared;
void (*memory_host_while_clearing)(void);
bool memory_host_waits_in_vain;
void (*memory_host_released)(pfn_t first, uint64_t count);

static uint32_t *shares; /* atomic; by frame, a moment behind or before what the allocator counts */
static uint64_t ram_frames;

static void *memory_of(uint64_t bytes)
{
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED) {
        panic("the host has no memory");
    }
    return at;
}

void memory_host_start(uint64_t frames_total, unsigned count)
{
    const struct memory_range ram = {pfn(1),
                                     {frames_total - 1}}; /* frame 0 is never given, as in the kernel */
    host_start(count);
    frame_host_enter(0);
    if (host_memory == NULL) {
        uint64_t reach = memory_host_reach > frames_total ? memory_host_reach : frames_total;
        host_memory = memory_of(reach * PAGE_SIZE);
        shares = memory_of(frames_total * sizeof(*shares));
    }
    ram_frames = frames_total;
    if (frame_init(&ram, 1, memory_of(frame_metadata_bytes(&ram, 1)), count) != ERR_NONE) {
        panic("the frame allocator does not start");
    }
}

void memory_host_enter(unsigned number)
{
    host_enter(number);
    frame_host_enter(number);
}

void *memory_host_frame(pfn_t frame)
{
    return host_memory + frame.value * PAGE_SIZE;
}

/* --- the architecture and the scheduler -------------------------------------------------------------------
 */

void arch_zero_pages(void *start, uint64_t pages)
{
    memset(start, 0, pages * PAGE_SIZE);
}

void contents_copy(pfn_t to, pfn_t from)
{
    memcpy(memory_host_frame(to), memory_host_frame(from), PAGE_SIZE);
}

static void clear_block(pfn_t first, unsigned order)
{
    if (!memory_host_thin) {
        memset(memory_host_frame(first), 0, PAGE_SIZE << order);
    } else if (madvise(memory_host_frame(first), PAGE_SIZE << order, MADV_DONTNEED) != 0) {
        panic("the host does not take memory back");
    }
}

enum error contents_zero_block(pfn_t first, unsigned order)
{
    clear_block(first, order);
    return ERR_NONE;
}

/* Others run while the thread waits; that it is woken for nothing is no harm. */
enum error wait_on(struct wait_queue *queue, struct spinlock *lock, const char *what, uint64_t deadline,
                   uint64_t slack)
{
    (void)queue, (void)what, (void)slack;
    spin_unlock(lock);
    if (deadline != DEADLINE_NEVER && arch_clock() >= deadline) {
        return ERR_TIMED_OUT;
    }
    if (memory_host_waits_in_vain) {
        return ERR_CANCELLED;
    }
    sched_yield();
    if (host_meanwhile != NULL) {
        host_meanwhile();
    }
    return ERR_NONE;
}

void wait_wake_all(struct wait_queue *queue, enum error reason)
{
    (void)queue, (void)reason; /* they look by themselves */
}

/* --- frames -----------------------------------------------------------------------------------------------
 */

void frame_release(pfn_t first, unsigned order)
{
    uint64_t count = (uint64_t)1 << order;
    if (frame_is_shared(first)) {
        panic("frame %lx is given back, and has other holders", (unsigned long)first.value);
    }
    if (memory_host_released != NULL) {
        memory_host_released(first, count);
    }
    enum frame_class class = frame_class_of(first);
    if (class == FRAME_USER_ANONYMOUS && !(memory_host_thin && order >= BLOCK_ORDER)) {
        memset(memory_host_frame(first), 0xdb, count * PAGE_SIZE);
    }
    if (frame_free(first, order) != ERR_NONE) {
        panic("block %lx of order %u is given back, which nobody has", (unsigned long)first.value, order);
    }
}

enum error zeroed_take(enum frame_class class, uint32_t account, pfn_t *out)
{
    enum error error = frame_alloc_for(0, class, account, out);
    if (error == ERR_NONE) {
        memset(memory_host_frame(*out), 0, PAGE_SIZE);
    }
    return error;
}

enum error zeroed_take_block(uint32_t account, pfn_t *out)
{
    enum error error = frame_alloc_user_block(account, out);
    if (error == ERR_NONE) {
        clear_block(*out, BLOCK_ORDER);
        __atomic_fetch_add(&memory_host_blocks_cleared, 1, __ATOMIC_RELAXED);
        void (*others)(void) = memory_host_while_clearing;
        if (others != NULL) {
            memory_host_while_clearing = NULL;
            others();
        }
    }
    return error;
}

/* --- objects ----------------------------------------------------------------------------------------------
 */

static struct slab_cache memories = SLAB_CACHE_OF("memory object", struct memory);
static struct slab_cache accounts = SLAB_CACHE_OF("account", struct account);

const struct object_kind object_kinds[OBJECT_TYPES] = {
    [OBJECT_MEMORY] = {&memories, memory_destroy},
    [OBJECT_ACCOUNT] = {&accounts, account_destroy},
};

/* --- holders ----------------------------------------------------------------------------------------------
 */

/* The allocator's own, which the linker puts behind these (--wrap). */
bool __real_frame_share(pfn_t first);
size_t __real_frame_share_row(const uint64_t *words, size_t count, uint64_t number, uint64_t present);
bool __real_frame_drop(pfn_t first);
bool __wrap_frame_share(pfn_t first);
size_t __wrap_frame_share_row(const uint64_t *words, size_t count, uint64_t number, uint64_t present);
bool __wrap_frame_drop(pfn_t first);

static bool note_share(uint64_t frame)
{
    bool room = __atomic_fetch_add(&shares[frame], 1, __ATOMIC_RELAXED) < memory_host_shares_most;
    if (!room) {
        __atomic_fetch_sub(&shares[frame], 1, __ATOMIC_RELAXED);
    }
    return room;
}

bool __wrap_frame_share(pfn_t first)
{
    return note_share(first.value) && __real_frame_share(first);
}

size_t __wrap_frame_share_row(const uint64_t *words, size_t count, uint64_t number, uint64_t present)
{
    size_t noted = 0;
    while (noted < count && ((words[noted] & present) == 0 || note_share(words[noted] & number))) {
        noted++;
    }
    size_t done = __real_frame_share_row(words, noted, number, present);
    if (done != noted) {
        panic("a frame cannot be shared more, at %u holders at most", memory_host_shares_most);
    }
    return done;
}

bool __wrap_frame_drop(pfn_t first)
{
    bool last = __real_frame_drop(first);
    if (!last) {
        __atomic_fetch_sub(&shares[first.value], 1, __ATOMIC_RELAXED);
    }
    return last;
}

uint64_t memory_host_shares(void)
{
    uint64_t sum = 0;
    for (uint64_t i = 0; i < ram_frames; i++) {
        sum += shares[i];
    }
    return sum;
}
