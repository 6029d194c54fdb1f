/* The command that shows what the kernel's heap has: its caches, one a line. */
#include "lib/text.h"
#include "lib/units.h"
#include "syscalls.h"
#include "user/libq/errors.h"
#include "user/libq/print.h"
#include "user/libq/program.h"
#include "user/libq/system.h"
#include "user/root/commands.h"

#define RECORDS 16

static struct system_slab slabs[RECORDS];

/* A part as a percentage of the whole. */
static uint64_t share(uint64_t part, uint64_t whole)
{
    return whole > 0 ? part * 100 / whole : 0;
}

static void print_row(const struct system_slab *slab)
{
    uint64_t bytes = slab->frames * PAGE_SIZE;
    char size[16] = "-";
    if (slab->bytes > 0) {
        text_format(size, sizeof size, "%lu", slab->bytes);
    }
    print("  %-20s %6s %8lu %6lu %7lu %5lu %%", slab->name, size, slab->in_use, slab->slabs, slab->frames,
          share(bytes > slab->used ? bytes - slab->used : 0, bytes));
    if (slab->hits + slab->misses > 0) {
        print(" %10lu %4lu %%", slab->hits + slab->misses, share(slab->hits, slab->hits + slab->misses));
    }
    print("\n");
}

static enum error print_all(void)
{
    struct system_slab total = {.name = "all"};
    uint64_t bytes = 0;
    print("  cache                  size   in use  slabs  frames   waste  take+give   hit\n");
    for (uint64_t index = 0;; index += bytes / sizeof slabs[0]) {
        enum error error = sys_system_read(startup->system, TOPIC_SLABS, index, slabs, sizeof slabs, &bytes);
        if (error != ERR_NONE) {
            return error;
        }
        for (uint64_t i = 0; i < bytes / sizeof slabs[0]; i++) {
            print_row(&slabs[i]);
            total.in_use += slabs[i].in_use;
            total.used += slabs[i].used;
            total.slabs += slabs[i].slabs;
            total.frames += slabs[i].frames;
        }
        if (bytes < sizeof slabs) {
            print_row(&total);
            return ERR_NONE;
        }
    }
}

static void act(uint64_t action, const char *done)
{
    enum error error = sys_system_control(startup->system, action, 0);
    print("slabs: %s\n", error == ERR_NONE ? done : error_text(error));
}

void command_slabs(size_t count, char **words)
{
    if (count == 1) {
        enum error error = print_all();
        if (error != ERR_NONE) {
            print("slabs: the kernel does not tell: %s\n", error_text(error));
        }
    } else if (text_equal(words[1], "audit")) {
        act(ACTION_AUDIT, "slabs, magazines and counts agree");
    } else if (text_equal(words[1], "drain")) {
        act(ACTION_DRAIN, "what was kept for later is free");
    } else {
        print("slabs: there is nothing to do that is called '%s'; try audit or drain\n", words[1]);
    }
}
