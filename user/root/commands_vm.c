/* The command that shows what is mapped in a task, one mapping a line. */
#include "abi/memory.h"
#include "lib/text.h"
#include "lib/units.h"
#include "syscalls.h"
#include "user/libq/errors.h"
#include "user/libq/print.h"
#include "user/root/commands.h"
#include "user/root/entry_words.h"
#include "user/root/input.h"
#include "user/root/tasks.h"

#define RECORDS 32

struct totals {
    uint64_t mappings, mapped, reserved, resident, large, huge;
};

/* What the mapping asks for beside rights, in words. */
static void policy_words(uint32_t mode, char *text, size_t bytes)
{
    static const struct {
        uint32_t bit;
        const char *word;
    } words[] = {{MAP_MODE_SMALL, "small"}, {MAP_MODE_LARGE, "large"},   {MAP_MODE_HUGE, "huge"},
                 {MAP_MODE_GROWS, "grows"}, {MAP_MODE_SHARED, "shared"}, {MAP_MODE_PRIVATE, "private"}};
    size_t at = 0;
    text[0] = '\0';
    for (size_t i = 0; i < sizeof words / sizeof words[0] && at < bytes; i++) {
        if ((mode & words[i].bit) != 0) {
            at += text_format(text + at, bytes - at, "%s%s", at > 0 ? "," : "", words[i].word);
        }
    }
    if (at == 0) {
        text_format(text, bytes, "-");
    }
}

static void print_mapping(const struct memory_mapping *m)
{
    static const char *const kinds[] = {
#define KIND_NAME(name, number, text) [number] = (text),
        QUIRE_MAPPED(KIND_NAME)
#undef KIND_NAME
    };
    char now[4], may[4], policy[48], object[16] = "-";
    rights_letters(m->mode, now);
    rights_letters(m->mode >> MAP_MAY_SHIFT, may);
    policy_words(m->mode, policy, sizeof policy);
    if (m->kind != MAPPED_NOTHING) {
        text_format(object, sizeof object, "%lu", m->object);
    }
    print("  %012lx-%012lx %s %s  %-9s %6s %10lx %10lu %8lu %8lu %6u  %s\n", m->start, m->start + m->bytes,
          now, may, m->kind < sizeof kinds / sizeof kinds[0] ? kinds[m->kind] : "?", object, m->offset,
          m->resident / KIB, m->large / KIB, m->huge / KIB, m->views, policy);
}

static void add(struct totals *totals, const struct memory_mapping *m)
{
    totals->mappings++;
    totals->mapped += m->bytes;
    totals->reserved += m->kind == MAPPED_NOTHING ? m->bytes : 0;
    totals->resident += m->resident;
    totals->large += m->large;
    totals->huge += m->huge;
}

static enum error print_all(uint32_t task, struct totals *totals)
{
    static struct memory_mapping records[RECORDS];
    uint64_t from = 0, bytes = 0;
    do {
        enum error error = sys_task_mappings(task, from, records, sizeof records, &bytes);
        if (error != ERR_NONE) {
            return error;
        }
        for (uint64_t i = 0; i < bytes / sizeof records[0]; i++) {
            print_mapping(&records[i]);
            add(totals, &records[i]);
            from = records[i].start + records[i].bytes;
        }
    } while (bytes > 0 && !input_interrupted());
    return ERR_NONE;
}

void command_vm(size_t count, char **words)
{
    uint32_t task;
    struct totals totals = {0};
    if (!task_choose(words[0], count > 1 ? words[1] : NULL, &task)) {
        return;
    }
    print("  from         to           now may  shows     object     offset   resident    2 MiB    1 GiB  "
          "views  "
          "policy\n");
    enum error error = print_all(task, &totals);
    if (error != ERR_NONE) {
        print("vm: the kernel does not tell: %s\n", error_text(error));
        return;
    }
    print("  %lu mappings of %lu KiB, %lu KiB of them reserved; resident %lu KiB, in pages of 2 MiB %lu KiB, "
          "of 1 "
          "GiB %lu KiB\n",
          totals.mappings, totals.mapped / KIB, totals.reserved / KIB, totals.resident / KIB,
          totals.large / KIB, totals.huge / KIB);
}
