/*
 * The command that shows physical memory: totals by class, free blocks, and a map in which each sign stands
 * for 2 MiB, or as many times twice that as it takes to fit, showing what most of their frames that are not
 * free are used for.
 */
#include "lib/text.h"
#include "lib/units.h"
#include "syscalls.h"
#include "user/libq/errors.h"
#include "user/libq/print.h"
#include "user/libq/program.h"
#include "user/libq/system.h"
#include "user/root/commands.h"

#define ROW         64
#define ROWS_MOST   24
#define RECORDS     256
#define FREE_CLASS  1
#define SPARE_CLASS 11

static const char *const names[FRAME_CLASS_COUNT] = {
#define CLASS_NAME(number, text) [number] = (text),
    FRAME_CLASS_LIST(CLASS_NAME)
#undef CLASS_NAME
};

static const char signs[FRAME_CLASS_COUNT + 1] = " .KPSUWDMRXk";
static const char *const colours[FRAME_CLASS_COUNT] = {"0",  "90", "93", "95", "33", "92",
                                                       "96", "94", "35", "37", "91", "33"};

static struct system_frame_map pieces[RECORDS];

/* Signs of a map under way: one cell is a piece of 2^order frames. */
struct map {
    unsigned order;
    uint64_t first; /* number of the first piece of the row */
    bool open;      /* a row has begun */
    uint32_t cell[ROW][FRAME_CLASS_COUNT];
};

/* Free blocks as they are, how many there would be if all were cut to one size, and how many free memory
 * could make. */
static void print_blocks(const uint64_t blocks[MEMORY_ORDERS])
{
    uint64_t cut[MEMORY_ORDERS], larger = 0, frames = 0;
    for (unsigned order = MEMORY_ORDERS; order-- > 0;) {
        cut[order] = larger = 2 * larger + blocks[order];
        frames += blocks[order] << order;
    }
    print("  free blocks           alone   of this size could be   if all were together\n");
    for (unsigned order = 0; order < MEMORY_ORDERS && frames >> order > 0; order++) {
        uint64_t size = PAGE_SIZE << order;
        bool large = size >= MIB;
        print("  %11lu %s %12lu %23lu %22lu\n", large ? size / MIB : size / KIB, large ? "MiB" : "KiB",
              blocks[order], cut[order], frames >> order);
    }
}

static void print_totals(const struct system_frames *frames)
{
    for (unsigned i = 1; i < FRAME_CLASS_COUNT; i++) {
        if (frames->classes[i] > 0) {
            print("  \033[%sm%c\033[0m %-11s %9lu frames %9lu KiB\n", colours[i], signs[i], names[i],
                  frames->classes[i], frames->classes[i] * PAGE_SIZE / KIB);
        }
    }
    print("  of the free ones, %lu are at hand in the caches of CPUs; %lu were taken there, in %lu trips for "
          "more\n",
          frames->cached, frames->taken, frames->trips);
    print("  %lu are zero already; %lu of %lu requests found one, of those for 2 MiB %lu of %lu\n",
          frames->zeroed, frames->zeroed_hits, frames->zeroed_hits + frames->zeroed_misses,
          frames->zeroed_large_hits, frames->zeroed_large_hits + frames->zeroed_large_misses);
    print_blocks(frames->free_blocks);
}

/* What a cell shows: the class that most of its used frames have; what is free when none is used. */
static unsigned cell_class(const uint32_t *frames)
{
    unsigned best = 0;
    for (unsigned i = FREE_CLASS + 1; i < SPARE_CLASS; i++) {
        if (frames[i] > 0 && (best == 0 || frames[i] > frames[best])) {
            best = i;
        }
    }
    if (best == 0) {
        best = frames[SPARE_CLASS] > 0 ? SPARE_CLASS : frames[FREE_CLASS] > 0 ? FREE_CLASS : 0;
    }
    return best;
}

static void row_end(struct map *map)
{
    if (!map->open) {
        return;
    }
    print("  %12lx ", map->first << map->order << PAGE_SHIFT);
    for (unsigned i = 0; i < ROW; i++) {
        unsigned class = cell_class(map->cell[i]);
        print("\033[%sm%c", colours[class], signs[class]);
    }
    print("\033[0m\n");
    map->open = false;
}

static void map_add(struct map *map, const struct system_frame_map *piece)
{
    uint64_t number = piece->address >> PAGE_SHIFT >> map->order;
    if (map->open && number >= map->first + ROW) {
        row_end(map);
    }
    if (!map->open) {
        memset(map->cell, 0, sizeof map->cell);
        map->first = number / ROW * ROW;
        map->open = true;
    }
    memcpy(map->cell[number - map->first], piece->frames, sizeof piece->frames);
}

/* The order at which the whole map has ROWS_MOST rows or a few more, but at least 2 MiB a sign. */
static unsigned map_order(uint64_t total_frames)
{
    unsigned order = 9;
    while (total_frames >> order > (uint64_t)ROW * ROWS_MOST && order < FRAME_MAP_HIGHEST_ORDER) {
        order++;
    }
    return order;
}

static enum error print_map(unsigned order)
{
    static struct map map;
    uint64_t bytes, number = 0;
    map.order = order;
    print("map, %lu KiB a sign:\n", (PAGE_SIZE << order) / KIB);
    for (;;) {
        enum error error = sys_system_read(startup->system, TOPIC_FRAME_MAP,
                                           FRAME_MAP_INDEX(map.order, number), pieces, sizeof pieces, &bytes);
        if (error != ERR_NONE || bytes == 0) {
            row_end(&map);
            return error;
        }
        for (uint64_t i = 0; i < bytes / sizeof pieces[0]; i++) {
            map_add(&map, &pieces[i]);
            number = (pieces[i].address >> PAGE_SHIFT >> map.order) + 1;
        }
    }
}

/* Where the machine has several nodes, what each has. */
static void print_nodes(void)
{
    struct system_node node;
    bool several = system_record(TOPIC_NODES, 1, &node, sizeof node) == ERR_NONE;
    for (uint64_t i = 0; several && system_record(TOPIC_NODES, i, &node, sizeof node) == ERR_NONE; i++) {
        print("  node %u, near to %u CPUs: %lu frames, %lu of them free\n", node.number, node.cpus,
              node.total, node.free);
    }
}

static enum error print_all(void)
{
    struct system_frames frames;
    enum error error = system_record(TOPIC_FRAMES, 0, &frames, sizeof frames);
    if (error == ERR_NONE) {
        print("page frames: %lu, %lu of them free\n", frames.total, frames.free);
        print_totals(&frames);
        print_nodes();
        error = print_map(map_order(frames.total));
    }
    return error;
}

static void audit(void)
{
    enum error error = sys_system_control(startup->system, ACTION_AUDIT, 0);
    print("frames: %s\n", error == ERR_NONE ? "maps, counts, caches and records agree" : error_text(error));
}

/* The map alone, as fine as one wants it. */
static enum error map_alone(const char *word)
{
    uint64_t order;
    if (!text_to_number(word, strlen(word), &order) || order > FRAME_MAP_HIGHEST_ORDER) {
        print("frames: '%s' is no order, which is a number from 0 (4 KiB a sign) to %u\n", word,
              FRAME_MAP_HIGHEST_ORDER);
        return ERR_NONE;
    }
    return print_map((unsigned)order);
}

void command_frames(size_t count, char **words)
{
    enum error error = ERR_NONE;
    if (count == 1) {
        error = print_all();
    } else if (count == 3 && text_equal(words[1], "map")) {
        error = map_alone(words[2]);
    } else if (count == 2 && text_equal(words[1], "audit")) {
        audit();
    } else {
        print("frames: '%s' is not known like that; there are `frames audit` and `frames map ORDER`\n",
              words[1]);
    }
    if (error != ERR_NONE) {
        print("frames: the kernel does not tell: %s\n", error_text(error));
    }
}
