/* Page tables in words; see entry_words.h. */
#include "user/root/entry_words.h"

#include "lib/text.h"
#include "lib/units.h"

#define WRITE_THROUGH  ((uint64_t)1 << 3)
#define CACHE_DISABLE  ((uint64_t)1 << 4)
#define ATTRIBUTE      ((uint64_t)1 << 7) /* of a leaf of 4 KiB */
#define USER           ((uint64_t)1 << 2)
#define GLOBAL         ((uint64_t)1 << 8)
#define LARGE_PAT      ((uint64_t)1 << 12)
#define FRAME          ((uint64_t)0x000ffffffffff000)
#define COUNT_SHIFT    52
#define COUNT_MASK     0x3ffu
#define LEVEL_LEAF     1u
#define GROW_REACH     (16 * PAGE_SIZE) /* docs/memory.md */
#define CANONICAL_FOUR 47

void rights_letters(uint32_t access, char text[4])
{
    text[0] = (access & ACCESS_READ) != 0 ? 'r' : '-';
    text[1] = (access & ACCESS_WRITE) != 0 ? 'w' : '-';
    text[2] = (access & ACCESS_EXECUTE) != 0 ? 'x' : '-';
    text[3] = '\0';
}

const char *level_name(uint32_t level)
{
    static const char *const names[] = {"?", "PT", "PD", "PDPT", "PML4", "PML5"};
    return level < sizeof names / sizeof names[0] ? names[level] : names[0];
}

/* As the kernel sets up the PAT: the value at reset, but for entry 4. */
static const char *cache_words(const struct memory_step *step)
{
    static const char *const kinds[] = {"write-back",      "write-through", "uncached (MTRRs)", "uncached",
                                        "write-combining", "write-through", "uncached (MTRRs)", "uncached"};
    uint64_t attribute = step->level == LEVEL_LEAF ? ATTRIBUTE : LARGE_PAT;
    unsigned index = (step->entry & attribute) != 0 ? 4 : 0;
    index += (step->entry & CACHE_DISABLE) != 0 ? 2 : 0;
    index += (step->entry & WRITE_THROUGH) != 0 ? 1 : 0;
    return kinds[index];
}

static void size_words(uint64_t bytes, char *text, size_t room)
{
    if (bytes >= GIB) {
        text_format(text, room, "%lu GiB", bytes / GIB);
    } else if (bytes >= MIB) {
        text_format(text, room, "%lu MiB", bytes / MIB);
    } else {
        text_format(text, room, "%lu KiB", bytes / KIB);
    }
}

void entry_words(const struct memory_step *step, char *text, size_t bytes)
{
    char size[16];
    size_words(step->span, size, sizeof size);
    if (!step->present) {
        text_format(text, bytes, "not present; nothing in these %s", size);
        return;
    }
    const char *user = (step->entry & USER) != 0 ? "user" : "kernel only";
    const char *write = (step->access & ACCESS_WRITE) != 0 ? "writable" : "read-only";
    const char *execute = (step->access & ACCESS_EXECUTE) != 0 ? "executable" : "no-execute";
    const char *accessed = step->accessed ? "accessed" : "not accessed";
    if (!step->leaf) {
        text_format(text, bytes, "present, %s, %s, %s, %s; table, %lu in use", write, user, execute, accessed,
                    step->entry >> COUNT_SHIFT & COUNT_MASK);
        return;
    }
    text_format(text, bytes, "present, %s, %s, %s, %s, %s, %s%s; %s at 0x%lx", write, user, execute, accessed,
                step->dirty ? "dirty" : "clean", cache_words(step),
                (step->entry & GLOBAL) != 0 ? ", global" : "", size, step->entry & FRAME & ~(step->span - 1));
}

const char *address_words(uint64_t address, unsigned levels)
{
    unsigned top = CANONICAL_FOUR + (levels > 4 ? 9 : 0);
    uint64_t above = address >> top, ones = ~0ull >> top;
    if (above != 0 && above != ones) {
        return levels > 4 ? "it is not canonical: bits 63 to 56 differ; any access is a general "
                            "protection fault, which ends the task"
                          : "it is not canonical: bits 63 to 47 differ; any access is a general "
                            "protection fault, which ends the task";
    }
    if (above != 0) {
        return "it is in the kernel's half: any access of a program is a page fault, which ends the task";
    }
    if (address >= USER_HIGHEST) {
        return "it is above all that programs can have: any access is a page fault, which ends the task";
    }
    return NULL;
}

/* Is the access let through by the tables as they are? */
static bool goes_through(uint32_t access, const struct memory_step *steps, size_t count)
{
    uint32_t allowed = ACCESS_READ | ACCESS_WRITE | ACCESS_EXECUTE;
    for (size_t i = 0; i < count; i++) {
        allowed &= (steps[i].entry & USER) != 0 ? steps[i].access : 0;
    }
    return count > 0 && steps[count - 1].leaf && (allowed & access) != 0;
}

const char *access_words(uint64_t address, uint32_t access, const struct memory_step *steps, size_t count,
                         const struct memory_mapping *mapping)
{
    bool inside = mapping != NULL && mapping->start <= address;
    bool above = mapping != NULL && !inside && (mapping->mode & MAP_MODE_GROWS) != 0 &&
                 mapping->start - address <= GROW_REACH;
    if (goes_through(access, steps, count)) {
        return "goes through";
    }
    if (above) {
        return "page fault; the mapping above may grow down to it, else it ends the task";
    }
    if (!inside) {
        return "page fault, which ends the task: nothing is mapped there";
    }
    if (mapping->kind == MAPPED_NOTHING) {
        return "page fault, which ends the task: it is only reserved";
    }
    if ((mapping->mode & access) == 0) {
        return "page fault, which ends the task: the mapping does not allow it";
    }
    if (count == 0 || !steps[count - 1].present) {
        return "page fault, at which the kernel brings the page";
    }
    return access == ACCESS_WRITE
               ? "page fault, at which the kernel gives the right, and copies the page first if it is shared"
               : "page fault, at which the kernel gives the right";
}
