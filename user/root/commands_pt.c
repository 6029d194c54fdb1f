/* The command that follows an address through the page tables of a task. */
#include "lib/text.h"
#include "syscalls.h"
#include "user/libq/errors.h"
#include "user/libq/print.h"
#include "user/libq/program.h"
#include "user/root/commands.h"
#include "user/root/entry_words.h"
#include "user/root/tasks.h"

#define LEVELS_MOST 5

static void print_steps(const struct memory_step *steps, uint64_t count)
{
    char words[160];
    print(" level table at      no. entry             which says\n");
    for (uint64_t i = 0; i < count; i++) {
        entry_words(&steps[i], words, sizeof words);
        print(" %-5s %012lx  %3u %016lx  %s\n", level_name(steps[i].level), steps[i].table, steps[i].index,
              steps[i].entry, words);
    }
}

static void print_outcome(uint32_t task, uint64_t address, const struct memory_step *steps, uint64_t count)
{
    struct memory_mapping mapping;
    uint64_t bytes = 0;
    enum error error = sys_task_mappings(task, address, &mapping, sizeof mapping, &bytes);
    if (error != ERR_NONE) {
        print("pt: the kernel does not tell what is mapped: %s\n", error_text(error));
        return;
    }
    const struct memory_mapping *found = bytes > 0 ? &mapping : NULL;
    const struct memory_step *last = &steps[count - 1];
    if (last->leaf) {
        uint64_t frame = last->entry & 0x000ffffffffff000ull & ~(last->span - 1);
        print("  0x%lx is at 0x%lx in memory\n", address, frame | (address & (last->span - 1)));
    }
    print("  reading:   %s\n", access_words(address, ACCESS_READ, steps, count, found));
    print("  writing:   %s\n", access_words(address, ACCESS_WRITE, steps, count, found));
    print("  executing: %s\n", access_words(address, ACCESS_EXECUTE, steps, count, found));
}

void command_pt(size_t count, char **words)
{
    struct memory_step steps[LEVELS_MOST];
    const char *word = words[count - 1], *wrong;
    uint32_t task;
    uint64_t address, found = 0;
    if (!text_to_number(word, strlen(word), &address)) {
        print("pt: '%s' is not an address; one is decimal, or hexadecimal after 0x\n", word);
        return;
    }
    if (!task_choose(words[0], count > 2 ? words[1] : NULL, &task)) {
        return;
    }
    /* The root of any address tells how many levels there are. */
    enum error error = sys_task_translate(task, startup->system, 0, steps, sizeof steps, &found);
    if (error == ERR_NONE && (wrong = address_words(address, steps[0].level)) != NULL) {
        print("pt: 0x%lx: %s\n", address, wrong);
        return;
    }
    if (error == ERR_NONE) {
        error = sys_task_translate(task, startup->system, address, steps, sizeof steps, &found);
    }
    if (error != ERR_NONE) {
        print("pt: the kernel does not tell: %s\n", error_text(error));
        return;
    }
    print_steps(steps, found);
    print_outcome(task, address, steps, found);
}
