/* What the tests of address spaces share; see space.h. */
#include "user/bin/utest/space.h"

#include "user/bin/utest/books.h"
#include "user/bin/utest/children.h"
#include "user/bin/utest/test.h"
#include "user/libq/clock.h"
#include "user/libq/system.h"

#define WARM_UP 4

/* Of FRAME_CLASS_LIST. */
#define KERNEL     2
#define PAGE_TABLE 3
#define USER       5
#define SHARED     6
#define SETTLE     (10 * SECOND)

uint32_t page_state(uint32_t memory, uint64_t offset)
{
    uint8_t state = 0;
    uint64_t count = 0;
    enum error error = sys_memory_query(memory, offset, &state, 1, &count);
    return error == ERR_NONE && count == 1 ? state : ~0u;
}

uint64_t leaf_of(uint32_t task, uint64_t address, uint32_t *access)
{
    struct memory_step steps[5];
    uint64_t count = 0;
    if (sys_task_translate(task, startup->system, address, steps, sizeof steps, &count) != ERR_NONE) {
        return 0;
    }
    *access = ACCESS_READ | ACCESS_WRITE | ACCESS_EXECUTE;
    for (uint64_t i = 0; i < count; i++) {
        *access &= steps[i].access;
    }
    return count > 0 && steps[count - 1].present && steps[count - 1].leaf ? steps[count - 1].span : 0;
}

bool kernel_cannot_write(uint64_t address)
{
    CHECK_ERROR(sys_task_status(startup->self, (struct task_status *)address, sizeof(struct task_status)),
                ERR_BAD_ADDRESS);
    return true;
}

bool faults_there(bool (*prepare)(uint32_t task), const char *mode, uint64_t address, uint64_t code)
{
    struct child child;
    struct task_status status = {0};
    CHECK_OK(child_create(&child, "utest", mode, ""));
    if (!prepare(child.process.task)) {
        return false;
    }
    child.shared->word = address;
    CHECK_OK(child_run(&child));
    CHECK_OK(child_wait(&child, &status));
    child_discard(&child);
    CHECK_EQUAL(status.end, END_FAULT);
    CHECK_EQUAL(status.vector, 14);
    CHECK_EQUAL(status.address, address);
    CHECK_EQUAL(status.code & ~1u, code);
    return true;
}

bool spaces_figures(struct system_spaces *out)
{
    CHECK_OK(system_record(TOPIC_SPACES, 0, out, sizeof *out));
    return true;
}

/* Frames that the slabs of the kernel's heap take. */
static uint64_t slab_frames(void)
{
    struct system_slab slab;
    uint64_t frames = 0;
    for (uint64_t index = 0; system_record(TOPIC_SLABS, index, &slab, sizeof slab) == ERR_NONE; index++) {
        frames += slab.frames;
    }
    return frames;
}

/*
 * Frames that neither programs nor their page tables nor the kernel have, and those of slabs: in which slab
 * an object lies follows from which others went before it, so that as many objects can take a frame more.
 * What is in the slabs is in the books, which are looked at to the byte. Stacks are kept for the next
 * threads.
 */
static uint64_t free_frames(void)
{
    struct system_frames frames;
    if (sys_system_control(startup->system, ACTION_DRAIN, 0) != ERR_NONE ||
        system_record(TOPIC_FRAMES, 0, &frames, sizeof frames) != ERR_NONE) {
        return 0;
    }
    uint64_t held =
        frames.classes[KERNEL] + frames.classes[PAGE_TABLE] + frames.classes[USER] + frames.classes[SHARED];
    return frames.total - held + slab_frames();
}

/* Until as much is free as before: quarantine and the last of ended tasks take a moment. */
static bool frames_settle(uint64_t before)
{
    uint64_t deadline = clock_after(SETTLE);
    while (free_frames() != before && clock_now() < deadline) {
        CHECK_OK(clock_sleep(MILLISECOND));
    }
    CHECK_EQUAL(free_frames(), before);
    return true;
}

bool gives_all_back(bool (*once)(void), unsigned times)
{
    struct books before;
    for (unsigned i = 0; i < WARM_UP; i++) {
        if (!once()) {
            return false;
        }
    }
    if (!books_at_rest(&before)) {
        return false;
    }
    CHECK_OK(clock_sleep(20 * MILLISECOND));
    uint64_t frames = free_frames();
    for (unsigned i = 0; i < times; i++) {
        if (!once()) {
            return false;
        }
    }
    return books_settle(&before, "address space") && frames_settle(frames);
}
