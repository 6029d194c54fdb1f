/* Commands that show the machine: features, uptime, log. */
#include "lib/text.h"
#include "lib/units.h"
#include "user/libq/clock.h"
#include "user/libq/print.h"
#include "user/libq/system.h"
#include "user/root/calendar.h"
#include "user/root/commands.h"
#include "user/root/input.h"

static const char *feature_state(const struct system_feature *feature)
{
    if (!feature->present) {
        return "missing";
    }
    return feature->used ? "used" : "not used";
}

void command_features(size_t count, char **words)
{
    (void)count;
    struct system_feature feature;
    if (!system_record_or_say(words[0], TOPIC_FEATURES, &feature, sizeof feature)) {
        return;
    }
    for (uint64_t i = 0; system_record(TOPIC_FEATURES, i, &feature, sizeof feature) == ERR_NONE; i++) {
        print("  %-16s %-9s %s\n", feature.name, feature_state(&feature), feature.about);
    }
}

void command_uptime(size_t count, char **words)
{
    (void)count;
    struct system_boot boot;
    if (!system_record_or_say(words[0], TOPIC_BOOT, &boot, sizeof boot)) {
        return;
    }
    uint64_t now = clock_now();
    uint64_t up = now / SECOND;
    print("up %lu:%02lu:%02lu.%03lu", up / 3600, up / 60 % 60, up % 60, now % SECOND / MILLISECOND);
    if (boot.wall_time != 0) {
        struct calendar date = calendar_from_seconds(boot.wall_time + up);
        print(", %lu-%02u-%02u %02u:%02u:%02u UTC", date.year, date.month, date.day, date.hour, date.minute,
              date.second);
    }
    print("\n");
}

/* The number behind that of the newest line. */
static uint64_t log_end(void)
{
    struct system_log_line line;
    uint64_t end = 0;
    while (system_record(TOPIC_LOG, end, &line, sizeof line) == ERR_NONE) {
        end = line.number + 1;
    }
    return end;
}

static void print_log_line(const struct system_log_line *line)
{
    static const char *const levels[] = {"debug", "info", "warning", "error"};
    const char *level = line->level < sizeof levels / sizeof levels[0] ? levels[line->level] : "?";
    print("[%5lu.%06lu] cpu%-2u %-7s %s\n", line->time / SECOND, line->time % SECOND / MICROSECOND, line->cpu,
          level, line->text);
}

void command_log(size_t count, char **words)
{
    uint64_t lines = ~0ull;
    if (count == 2 && !text_to_number(words[1], strlen(words[1]), &lines)) {
        print("log: '%s' is not a number of lines\n", words[1]);
        return;
    }
    struct system_log_line line;
    uint64_t end = log_end();
    uint64_t at = lines < end ? end - lines : 0;
    while (at < end && system_record(TOPIC_LOG, at, &line, sizeof line) == ERR_NONE && !input_interrupted()) {
        print_log_line(&line);
        at = line.number + 1;
    }
}
