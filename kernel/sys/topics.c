/*
 * The topics of system_read; see topics.h.
 */
#include "kernel/sys/topics.h"

#include "kernel/arch/arch.h"
#include "kernel/arch/machine.h"
#include "kernel/debug/log.h"
#include "kernel/debug/trace.h"
#include "kernel/init/handover.h"
#include "kernel/mm/aspace.h"
#include "kernel/mm/frame.h"
#include "kernel/mm/heap.h"
#include "kernel/mm/node.h"
#include "kernel/mm/zeroed.h"
#include "kernel/obj/clock_page.h"
#include "kernel/obj/account_tree.h"
#include "kernel/obj/task.h"
#include "kernel/sched/lock_debug.h"
#include "kernel/sched/steps.h"
#include "lib/environment.h"
#include "lib/text.h"

static bool read_memory(uint64_t *index, union topic_record *out)
{
    if (*index != 0) {
        return false;
    }
    struct frame_counts counts;
    zeroed_count_frames(&counts);
    const uint64_t *c = counts.classes;
    out->memory = (struct system_memory){
        .total = counts.total * PAGE_SIZE,
        .free = counts.free * PAGE_SIZE,
        .page_tables = c[FRAME_PAGE_TABLE] * PAGE_SIZE,
        .kernel = (c[FRAME_KERNEL] + c[FRAME_STACK] + c[FRAME_METADATA]) * PAGE_SIZE,
        .user = (c[FRAME_USER_ANONYMOUS] + c[FRAME_USER_SHARED]) * PAGE_SIZE,
        .reserved = (c[FRAME_RESERVED] + c[FRAME_DEVICE] + c[FRAME_BAD]) * PAGE_SIZE,
    };
    _Static_assert(MEMORY_ORDERS == FRAME_ORDERS, "system.h");
    memcpy(out->memory.free_blocks, counts.free_blocks, sizeof(out->memory.free_blocks));
    return true;
}

static bool read_cpu(uint64_t *index, union topic_record *out)
{
    if (*index >= arch_cpu_count()) {
        return false;
    }
    struct cpu *cpu = cpus[*index];
    uint64_t now = arch_clock();
    spin_lock(&cpu->queue_lock);
    const struct thread *current = cpu->current;
    uint64_t idle = cpu->idle->run_time + (current == cpu->idle ? now - cpu->switched : 0);
    uint32_t runnable = cpu->queue.count + (current != cpu->idle);
    uint32_t task = current->task != NULL ? current->task->number : 0;
    spin_unlock(&cpu->queue_lock);
    out->cpu = (struct system_cpu){
        .number = cpu->number,
        .apic_id = cpu->apic_id,
        .flags = CPU_ONLINE | (cpu->boot ? CPU_BOOT : 0),
        .runnable = runnable,
        .idle_time = idle,
        .up_time = now - cpu->online_since,
        .interrupts = cpu->interrupts,
        .timer_ticks = cpu->timer_ticks,
        .switches = cpu->switches,
        .kicks = cpu->kicks,
        .steals = cpu->steals,
        .task = task,
    };
    return true;
}

static bool read_feature(uint64_t *index, union topic_record *out)
{
    return machine_feature(*index, &out->feature);
}

static bool read_lock(uint64_t *index, union topic_record *out)
{
    return lock_describe(*index, &out->lock);
}

static bool read_thread(uint64_t *index, union topic_record *out)
{
    return thread_describe(index, &out->thread);
}

static bool read_trace(uint64_t *index, union topic_record *out)
{
    return trace_read(index, &out->trace);
}

static bool read_log(uint64_t *index, union topic_record *out)
{
    if (!log_read(*index, &out->line)) {
        return false;
    }
    *index = out->line.number;
    return true;
}

static bool read_task(uint64_t *index, union topic_record *out)
{
    return task_describe(*index, &out->task);
}

static bool read_variable(uint64_t *index, union topic_record *out)
{
    size_t cursor = 0, key_length = 0, value_length = 0;
    const char *key = NULL, *value = NULL;
    for (uint64_t i = 0; i <= *index; i++) {
        if (!environment_next(handover.environment, HANDOVER_PAGE, &cursor, &key, &key_length, &value,
                              &value_length)) {
            return false;
        }
    }
    text_format(out->variable.key, sizeof(out->variable.key), "%.*s", (int)key_length, key);
    text_format(out->variable.value, sizeof(out->variable.value), "%.*s", (int)value_length, value);
    return true;
}

_Static_assert(FRAME_CLASS_COUNT == FRAME_CLASSES && FRAME_SPARE == 11 && FRAME_BAD == 10 &&
                   FRAME_USER_ANONYMOUS == 5,
               "system.h");
_Static_assert(FRAME_KERNEL == 2 && FRAME_PAGE_TABLE == 3 && FRAME_STACK == 4 && FRAME_RESERVED == 9,
               "system.h");

static bool read_frames(uint64_t *index, union topic_record *out)
{
    if (*index != 0) {
        return false;
    }
    struct frame_counts counts;
    zeroed_count_frames(&counts);
    struct zeroed_counts zeroed;
    zeroed_count(&zeroed);
    out->frames = (struct system_frames){
        .total = counts.total,
        .free = counts.free,
        .cached = counts.cached,
        .taken = counts.taken,
        .trips = counts.trips,
        .zeroed = zeroed.frames + zeroed.blocks * (2 * MIB / PAGE_SIZE),
        .zeroed_hits = zeroed.hits,
        .zeroed_misses = zeroed.misses,
        .zeroed_large_hits = zeroed.large_hits,
        .zeroed_large_misses = zeroed.large_misses,
    };
    memcpy(out->frames.classes, counts.classes, sizeof(out->frames.classes));
    memcpy(out->frames.free_blocks, counts.free_blocks, sizeof(out->frames.free_blocks));
    return true;
}

/* The piece with this number, or the next one with RAM in it. */
static bool read_frame_map(uint64_t *index, union topic_record *out)
{
    uint64_t order = FRAME_MAP_ORDER(*index), number = FRAME_MAP_NUMBER(*index), classes[FRAME_CLASSES];
    if (order > FRAME_MAP_HIGHEST_ORDER || number > FRAME_LIMIT >> order) {
        return false;
    }
    pages_t pages = {(uint64_t)1 << order};
    pfn_t at = pfn(number << order);
    do {
        if (!frame_find_ram(at, &at)) {
            return false;
        }
        number = at.value >> order;
        frame_survey(pfn(number << order), pages, classes);
        at = pfn((number + 1) << order);
    } while (classes[FRAME_ABSENT] == pages.value);
    out->frame_map = (struct system_frame_map){.address = number << (order + PAGE_SHIFT)};
    for (unsigned i = 0; i < FRAME_CLASSES; i++) {
        out->frame_map.frames[i] = (uint32_t)classes[i];
    }
    *index = FRAME_MAP_INDEX(order, number);
    return true;
}

static bool read_node(uint64_t *index, union topic_record *out)
{
    if (*index >= node_count()) {
        return false;
    }
    unsigned number = (unsigned)*index;
    uint64_t classes[FRAME_CLASSES];
    node_survey(number, classes);
    out->node = (struct system_node){.number = number, .free = classes[FRAME_FREE]};
    for (unsigned i = FRAME_FREE; i < FRAME_CLASSES; i++) {
        out->node.total += classes[i];
    }
    for (unsigned i = 0; i < arch_cpu_count(); i++) {
        out->node.cpus += cpus[i]->node == number;
    }
    return true;
}

static bool read_slab(uint64_t *index, union topic_record *out)
{
    return heap_describe(*index, &out->slab);
}

static bool read_boot(uint64_t *index, union topic_record *out)
{
    extern const char image_start[], image_end[];
    if (*index != 0) {
        return false;
    }
    out->boot = (struct system_boot){
        .clock_hz = machine_clock_hz(),
        .wall_time = clock_page_wall_time(),
        .first_user = thread_first_user(),
        .waited = machine_waited(),
        .cpus_expected =
            machine_processors() > handover.info.numcores ? machine_processors() : handover.info.numcores,
        .cpus_online = arch_cpu_count(),
        .kernel_bytes = (uint64_t)(image_end - image_start),
    };
    text_format(out->boot.clock_source, sizeof(out->boot.clock_source), "%s", machine_clock_source());
    text_format(out->boot.loader, sizeof(out->boot.loader), "%s", handover_loader());
    return true;
}

static bool read_account(uint64_t *index, union topic_record *out)
{
    return account_describe_nth(*index, &out->account);
}

static bool read_books(uint64_t *index, union topic_record *out)
{
    if (*index != 0) {
        return false;
    }
    out->books = (struct system_books){
        .handles = task_count_handles(), .threads = thread_count(), .going = objects_going()};
    _Static_assert(OBJECT_TYPES <= sizeof(out->books.objects) / sizeof(out->books.objects[0]), "system.h");
    for (unsigned type = 0; type < OBJECT_TYPES; type++) {
        out->books.objects[type] = object_count(type);
    }
    return true;
}

/* By the bits of the error code: SDM vol. 3A 4.7. */
static void count_faults(const struct cpu *cpu, struct system_spaces *out)
{
    for (unsigned code = 0; code < sizeof(cpu->faults.by_code) / sizeof(cpu->faults.by_code[0]); code++) {
        unsigned kind = (code & 16) != 0 ? 2 : (code & 2) != 0 ? 1 : 0;
        out->faults[kind + (code & 1) * 3] += __atomic_load_n(&cpu->faults.by_code[code], __ATOMIC_RELAXED);
    }
    out->refused += __atomic_load_n(&cpu->faults.refused, __ATOMIC_RELAXED);
    out->copied += __atomic_load_n(&cpu->faults.copied, __ATOMIC_RELAXED);
    out->nodes += __atomic_load_n(&cpu->faults.nodes, __ATOMIC_RELAXED);
}

static bool read_spaces(uint64_t *index, union topic_record *out)
{
    if (*index != 0) {
        return false;
    }
    struct tlb_figures tlb;
    struct large_figures large;
    tlb_count(&tlb);
    aspace_large_count(&large);
    out->spaces = (struct system_spaces){
        .shootdowns = tlb.requests,
        .interrupts = tlb.interrupts,
        .waits = tlb.waits,
        .quarantine = tlb.quarantined,
        .quarantine_most = tlb.quarantined_most,
        .large_asked = large.asked,
        .large_given = large.given,
        .large_promoted = large.promoted,
        .large_demoted = large.demoted,
        .huge_asked = large.huge_asked,
        .huge_given = large.huge_given,
    };
    for (unsigned i = 0; i < arch_cpu_count(); i++) {
        count_faults(cpus[i], &out->spaces);
    }
    return true;
}

static bool read_step(uint64_t *index, union topic_record *out)
{
    return step_describe(*index, &out->step);
}

const struct topic *topic_find(uint64_t number)
{
    static const struct topic topics[] = {
        {TOPIC_MEMORY, sizeof(struct system_memory), read_memory},
        {TOPIC_CPUS, sizeof(struct system_cpu), read_cpu},
        {TOPIC_FEATURES, sizeof(struct system_feature), read_feature},
        {TOPIC_LOG, sizeof(struct system_log_line), read_log},
        {TOPIC_TASKS, sizeof(struct system_task), read_task},
        {TOPIC_ENVIRONMENT, sizeof(struct system_variable), read_variable},
        {TOPIC_BOOT, sizeof(struct system_boot), read_boot},
        {TOPIC_FRAMES, sizeof(struct system_frames), read_frames},
        {TOPIC_ACCOUNTS, sizeof(struct account_info), read_account},
        {TOPIC_BOOKS, sizeof(struct system_books), read_books},
        {TOPIC_NODES, sizeof(struct system_node), read_node},
        {TOPIC_SLABS, sizeof(struct system_slab), read_slab},
        {TOPIC_THREADS, sizeof(struct system_thread), read_thread},
        {TOPIC_TRACE, sizeof(struct system_trace), read_trace},
        {TOPIC_LOCKS, sizeof(struct system_lock), read_lock},
        {TOPIC_FRAME_MAP, sizeof(struct system_frame_map), read_frame_map},
        {TOPIC_SPACES, sizeof(struct system_spaces), read_spaces},
        {TOPIC_STEPS, sizeof(struct system_step), read_step},
    };
    for (unsigned i = 0; i < sizeof(topics) / sizeof(topics[0]); i++) {
        if (topics[i].number == number) {
            return &topics[i];
        }
    }
    return NULL;
}
