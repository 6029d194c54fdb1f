/* The command that shows what memory is used for, and what address spaces do. */
#include "abi/handle.h"
#include "lib/text.h"
#include "lib/units.h"
#include "user/libq/clock.h"
#include "user/libq/print.h"
#include "user/libq/system.h"
#include "user/root/commands.h"

static void print_class(const char *name, uint64_t bytes)
{
    print("  %-12s %10lu KiB %8lu.%lu MiB\n", name, bytes / KIB, bytes / MIB, bytes % MIB * 10 / MIB);
}

static void print_blocks(const struct system_memory *memory)
{
    print("free blocks:\n  order    block size     blocks\n");
    for (unsigned order = 0; order < MEMORY_ORDERS; order++) {
        print("  %5u %9lu KiB %10lu\n", order, (PAGE_SIZE << order) / KIB, memory->free_blocks[order]);
    }
}

static void print_spaces(const struct system_spaces *spaces, const struct system_books *books,
                         uint64_t page_tables)
{
    const uint64_t *faults = spaces->faults;
    print("address spaces: %lu page tables, %lu memory objects\n", page_tables,
          books->objects[OBJECT_MEMORY]);
    print("  page faults         reading    writing  executing\n");
    print("    nothing there  %10lu %10lu %10lu\n", faults[0], faults[1], faults[2]);
    print("    no right       %10lu %10lu %10lu\n", faults[3], faults[4], faults[5]);
    print("    %lu of them ended a task; %lu pages were copied for writing, with %lu nodes of 512\n",
          spaces->refused, spaces->copied, spaces->nodes);
    print("  large pages           asked      given   promoted    demoted\n");
    print("    2 MiB          %10lu %10lu %10lu %10lu\n", spaces->large_asked, spaces->large_given,
          spaces->large_promoted, spaces->large_demoted);
    print("    1 GiB          %10lu %10lu          -          -\n", spaces->huge_asked, spaces->huge_given);
    print("  shootdowns: %lu, with %lu interrupts, %lu waits; quarantine: %lu frames now, %lu at most\n",
          spaces->shootdowns, spaces->interrupts, spaces->waits, spaces->quarantine, spaces->quarantine_most);
}

static void print_steps(void)
{
    struct system_step step;
    print("at once, before others can run     at most   never more        in all    longest\n");
    for (uint64_t i = 0; system_record(TOPIC_STEPS, i, &step, sizeof step) == ERR_NONE; i++) {
        char longest[24] = "-";
        if (step.measured) {
            text_format(longest, sizeof longest, "%lu us", step.longest / MICROSECOND);
        }
        print("  %-28s %11lu %12lu %13lu %10s\n", step.name, step.most, step.bound, step.done, longest);
    }
}

void command_mem(size_t count, char **words)
{
    (void)count;
    struct system_memory memory;
    struct system_spaces spaces;
    struct system_books books;
    if (!system_record_or_say(words[0], TOPIC_MEMORY, &memory, sizeof memory) ||
        !system_record_or_say(words[0], TOPIC_SPACES, &spaces, sizeof spaces) ||
        !system_record_or_say(words[0], TOPIC_BOOKS, &books, sizeof books)) {
        return;
    }
    print("memory:\n");
    print_class("total", memory.total);
    print_class("free", memory.free);
    print_class("user", memory.user);
    print_class("kernel", memory.kernel);
    print_class("page tables", memory.page_tables);
    print_class("reserved", memory.reserved);
    print_blocks(&memory);
    print_spaces(&spaces, &books, memory.page_tables / PAGE_SIZE);
    print_steps();
}
