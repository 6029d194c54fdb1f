#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <sys/mman.h>

#include "tests/host/frame_model.h"

static void *metadata;
static uint64_t metadata_bytes;

void model_start(struct frame_model *model, uint64_t frames, const struct memory_range *ram, size_t count)
{
    *model = (struct frame_model){.frames = frames, .class = malloc(frames)};
    assert_non_null(model->class);
    memset(model->class, FRAME_ABSENT, frames);
    for (size_t i = 0; i < count; i++) {
        memset(model->class + ram[i].first.value, FRAME_FREE, ram[i].count.value);
        model->free += ram[i].count.value;
    }
}

void model_boot(struct frame_model *model, uint64_t frames, const struct memory_range *ram, size_t count,
                unsigned cpus)
{
    model_start(model, frames, ram, count);
    metadata_bytes = frame_metadata_bytes(ram, count);
    metadata = mmap(NULL, metadata_bytes + PAGE_SIZE, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    assert_true(metadata != MAP_FAILED);
    /* A guard page behind: the allocator must keep to the bytes that it asked for. */
    assert_int_equal(mprotect((char *)metadata + metadata_bytes, PAGE_SIZE, PROT_NONE), 0);
    assert_int_equal(frame_init(ram, count, metadata, cpus), ERR_NONE);
}

void model_end(struct frame_model *model)
{
    free(model->class);
    if (metadata)
        munmap(metadata, metadata_bytes + PAGE_SIZE);
    metadata = NULL;
}

static bool block_is_free(const struct frame_model *model, uint64_t first, unsigned order)
{
    uint64_t size = (uint64_t)1 << order;
    if (first + size > model->frames)
        return false;
    for (uint64_t i = 0; i < size; i++)
        if (model->class[first + i] != FRAME_FREE)
            return false;
    return true;
}

bool model_can_serve(const struct frame_model *model, unsigned order)
{
    for (uint64_t first = 0; first < model->frames; first += (uint64_t)1 << order)
        if (block_is_free(model, first, order))
            return true;
    return false;
}

void model_take(struct frame_model *model, struct held_block block)
{
    assert_true(is_aligned(block.first, (uint64_t)1 << block.order));
    assert_true(block_is_free(model, block.first, block.order));
    memset(model->class + block.first, block.class, (size_t)1 << block.order);
    model->free -= (uint64_t)1 << block.order;
}

void model_give(struct frame_model *model, struct held_block block)
{
    memset(model->class + block.first, FRAME_FREE, (size_t)1 << block.order);
    model->free += (uint64_t)1 << block.order;
}

void model_survey(uint64_t frames)
{
    for (uint64_t first = 0, count = 1; first < frames; first += count, count = count * 3 % 1021 + 1) {
        uint64_t classes[FRAME_CLASSES], surveyed[FRAME_CLASSES] = {0};
        count = count < frames - first ? count : frames - first;
        memset(classes, 0, sizeof classes);
        for (uint64_t i = first; i < first + count; i++)
            classes[frame_class_of(pfn(i))]++;
        frame_survey(pfn(first), (pages_t){count}, surveyed);
        for (unsigned class = 0; class < FRAME_CLASSES; class ++)
            if (surveyed[class] != classes[class])
                fail_msg("%lu of the %lu frames from 0x%lx are of class %u, not %lu", classes[class], count,
                         first, class, surveyed[class]);
    }
}

void model_compare(const struct frame_model *model)
{
    const char *what;
    pfn_t where;
    struct frame_counts counts;
    uint64_t classes[FRAME_CLASSES] = {0}, in_blocks = 0;
    if (!frame_audit(&what, &where))
        fail_msg("frame 0x%lx: %s", where.value, what);
    for (uint64_t i = 0; i < model->frames; i++) {
        enum frame_class class = frame_class_of(pfn(i));
        if (class != model->class[i])
            fail_msg("frame 0x%lx has class %d instead of %d", i, class, model->class[i]);
        classes[class]++;
    }
    frame_count(&counts);
    assert_int_equal(counts.free, model->free);
    assert_int_equal(frame_count_free().value, model->free);
    assert_int_equal(counts.total, model->frames - classes[FRAME_ABSENT]);
    for (unsigned i = FRAME_FREE; i < FRAME_CLASSES; i++)
        assert_int_equal(counts.classes[i], classes[i]);
    for (unsigned order = 0; order < FRAME_ORDERS; order++)
        in_blocks += counts.free_blocks[order] << order;
    assert_int_equal(in_blocks, counts.free);
    model_survey(model->frames);
}
