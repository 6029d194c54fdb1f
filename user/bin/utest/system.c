/* What the kernel says of the machine and of itself. */
#include "user/libq/system.h"

#include "lib/text.h"
#include "lib/units.h"
#include "syscalls.h"
#include "user/bin/utest/test.h"
#include "user/libq/clock.h"
#include "user/libq/program.h"

#define RECORDS 4

static char buffer[65536] __attribute__((aligned(16)));

static bool the_memory_figures_fit_together(void)
{
    struct system_memory memory;
    uint64_t in_blocks = 0;
    CHECK_OK(system_record(TOPIC_MEMORY, 0, &memory, sizeof memory));
    CHECK(memory.total > 0 && memory.free > 0);
    CHECK(memory.free + memory.user + memory.kernel + memory.page_tables <= memory.total);
    for (unsigned order = 0; order < MEMORY_ORDERS; order++) {
        in_blocks += memory.free_blocks[order] * (PAGE_SIZE << order);
    }
    CHECK(in_blocks > 0 && in_blocks <= memory.free);
    return true;
}

static bool the_memory_figures_follow_what_is_taken(void)
{
    struct system_memory before;
    struct system_memory after;
    uint32_t memory;
    CHECK_OK(system_record(TOPIC_MEMORY, 0, &before, sizeof before));
    CHECK_OK(sys_memory_create(0, MIB, 0, &memory));
    CHECK_OK(sys_memory_commit(memory, 0, MIB));
    CHECK_OK(system_record(TOPIC_MEMORY, 0, &after, sizeof after));
    CHECK_EQUAL(after.user - before.user, MIB);
    CHECK(before.free - after.free >= MIB);
    CHECK_OK(sys_handle_close(memory));
    CHECK_OK(system_record(TOPIC_MEMORY, 0, &after, sizeof after));
    CHECK_EQUAL(after.user, before.user);
    return true;
}

static bool the_cpus_are_numbered_and_one_is_the_first(void)
{
    struct system_cpu cpu;
    struct system_boot boot;
    uint64_t online = 0;
    uint64_t boots = 0;
    uint64_t count = 0;
    CHECK_OK(system_record(TOPIC_BOOT, 0, &boot, sizeof boot));
    for (; system_record(TOPIC_CPUS, count, &cpu, sizeof cpu) == ERR_NONE; count++) {
        CHECK_EQUAL(cpu.number, count);
        CHECK(cpu.idle_time <= cpu.up_time);
        CHECK(cpu.timer_ticks <= cpu.interrupts);
        online += (cpu.flags & CPU_ONLINE) != 0;
        boots += (cpu.flags & CPU_BOOT) != 0;
    }
    CHECK_EQUAL(online, boot.cpus_online);
    CHECK_EQUAL(boots, 1);
    CHECK(boot.cpus_online <= boot.cpus_expected);
    return true;
}

static bool a_feature_that_is_used_is_present(void)
{
    struct system_feature feature;
    uint64_t count = 0;
    for (; system_record(TOPIC_FEATURES, count, &feature, sizeof feature) == ERR_NONE; count++) {
        CHECK(feature.present || !feature.used);
        CHECK(feature.name[0] != '\0' && feature.about[0] != '\0');
    }
    CHECK(count > 0);
    return true;
}

static bool ends_with(const char *text, const char *end)
{
    size_t bytes = strlen(text);
    return bytes >= strlen(end) && text_equal(text + bytes - strlen(end), end);
}

static bool a_line_put_into_the_log_is_found_there(void)
{
    static const char text[] = "utest looks for this line";
    struct system_log_line line;
    uint64_t at = 0;
    unsigned found = 0;
    uint64_t before = clock_now();
    CHECK_OK(sys_log_write(startup->system, 0, text, sizeof text - 1));
    while (system_record(TOPIC_LOG, at, &line, sizeof line) == ERR_NONE) {
        CHECK(line.number >= at);
        found += ends_with(line.text, text) && line.time >= before && line.level == 0;
        at = line.number + 1;
    }
    CHECK_EQUAL(found, 1);
    return true;
}

static bool the_caller_is_in_the_list_of_tasks(void)
{
    struct task_status status = {0};
    struct system_task task;
    unsigned found = 0;
    uint32_t last = 0;
    CHECK_OK(sys_task_status(startup->self, &status, sizeof status));
    for (uint64_t i = 0; system_record(TOPIC_TASKS, i, &task, sizeof task) == ERR_NONE; i++) {
        CHECK(i == 0 || task.number > last);
        last = task.number;
        found += task.number == status.number && text_equal(task.name, "utest") &&
                 task.state == TASK_RUNNING && task.threads == 1;
    }
    CHECK_EQUAL(found, 1);
    return true;
}

static bool the_boot_record_makes_sense(void)
{
    struct system_boot boot;
    CHECK_OK(system_record(TOPIC_BOOT, 0, &boot, sizeof boot));
    CHECK(boot.clock_hz >= 1000000);
    CHECK(boot.kernel_bytes > 0);
    CHECK(boot.clock_source[0] != '\0');
    return true;
}

static bool variables_have_keys(void)
{
    struct system_variable variable;
    for (uint64_t i = 0; system_record(TOPIC_ENVIRONMENT, i, &variable, sizeof variable) == ERR_NONE; i++) {
        CHECK(variable.key[0] != '\0');
    }
    return true;
}

static bool many_records_come_in_one_call(void)
{
    struct system_feature one;
    uint64_t bytes;
    CHECK_OK(sys_system_read(startup->system, TOPIC_FEATURES, 0, buffer, RECORDS * sizeof one + 1, &bytes));
    CHECK_EQUAL(bytes, RECORDS * sizeof one);
    for (uint64_t i = 0; i < RECORDS; i++) {
        CHECK_OK(system_record(TOPIC_FEATURES, i, &one, sizeof one));
        CHECK_EQUAL(memcmp(&one, buffer + i * sizeof one, sizeof one), 0);
    }
    return true;
}

static bool find_slab(const char *name, struct system_slab *slab)
{
    for (uint64_t i = 0; system_record(TOPIC_SLABS, i, slab, sizeof *slab) == ERR_NONE; i++) {
        if (text_equal(slab->name, name)) {
            return true;
        }
    }
    return false;
}

static bool what_the_heap_has_follows_what_is_made(void)
{
    struct system_slab before;
    struct system_slab slab;
    uint32_t notification;
    CHECK(find_slab("notification", &before));
    CHECK_OK(sys_notification_create(0, &notification));
    CHECK(find_slab("notification", &slab));
    CHECK_EQUAL(slab.in_use, before.in_use + 1);
    CHECK_EQUAL(slab.used, slab.in_use * slab.bytes);
    CHECK(slab.used <= slab.frames * PAGE_SIZE);
    CHECK_OK(sys_handle_close(notification));
    CHECK_OK(sys_system_control(startup->system, ACTION_DRAIN, 0));
    CHECK_OK(sys_system_control(startup->system, ACTION_AUDIT, 0));
    CHECK(find_slab("notification", &slab));
    CHECK_EQUAL(slab.in_use, before.in_use);
    return true;
}

static bool an_unknown_topic_is_refused(void)
{
    uint64_t bytes;
    CHECK_ERROR(sys_system_read(startup->system, 0, 0, buffer, sizeof buffer, &bytes), ERR_NOT_FOUND);
    CHECK_ERROR(sys_system_read(startup->system, 99, 0, buffer, sizeof buffer, &bytes), ERR_NOT_FOUND);
    CHECK_ERROR(sys_system_read(startup->system, ~0ull, 0, buffer, sizeof buffer, &bytes), ERR_NOT_FOUND);
    return true;
}

static bool behind_the_last_record_there_is_nothing(void)
{
    for (uint64_t topic = TOPIC_MEMORY; topic <= TOPIC_TRACE; topic++) {
        uint64_t bytes = 1;
        CHECK_OK(sys_system_read(startup->system, topic, ~0ull, buffer, sizeof buffer, &bytes));
        CHECK_EQUAL(bytes, 0);
        CHECK_OK(sys_system_read(startup->system, topic, 1ull << 32, buffer, sizeof buffer, &bytes));
        CHECK_EQUAL(bytes, 0);
    }
    return true;
}

static bool a_buffer_for_less_than_one_record_is_refused(void)
{
    for (uint64_t topic = TOPIC_MEMORY; topic <= TOPIC_SLABS; topic++) {
        uint64_t bytes;
        CHECK_ERROR(sys_system_read(startup->system, topic, 0, buffer, 4, &bytes), ERR_BAD_ARGUMENT);
        CHECK_ERROR(sys_system_read(startup->system, topic, 0, buffer, 0, &bytes), ERR_BAD_ARGUMENT);
    }
    return true;
}

static const struct test tests[] = {
    TEST(the_memory_figures_fit_together),
    TEST(the_memory_figures_follow_what_is_taken),
    TEST(the_cpus_are_numbered_and_one_is_the_first),
    TEST(a_feature_that_is_used_is_present),
    TEST(a_line_put_into_the_log_is_found_there),
    TEST(the_caller_is_in_the_list_of_tasks),
    TEST(the_boot_record_makes_sense),
    TEST(variables_have_keys),
    TEST(what_the_heap_has_follows_what_is_made),
    TEST(many_records_come_in_one_call),
    TEST(an_unknown_topic_is_refused),
    TEST(behind_the_last_record_there_is_nothing),
    TEST(a_buffer_for_less_than_one_record_is_refused),
};
const struct area area_system = AREA("system", tests);
