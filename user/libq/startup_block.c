/* The layout of a startup block: struct startup, argc + 1 pointers, then the strings; see startup_block.h. */
#include "user/libq/startup_block.h"

#include "lib/text.h"

size_t startup_block_bytes(size_t argc, const char *const *argv)
{
    size_t bytes = sizeof(struct startup) + (argc + 1) * sizeof(uint64_t);
    for (size_t i = 0; i < argc; i++) {
        bytes += strlen(argv[i]) + 1;
    }
    return bytes;
}

void startup_block_fill(void *to, uint64_t where, const struct startup *head, size_t argc,
                        const char *const *argv)
{
    uint8_t *base = to;
    struct startup *block = to;
    *block = *head;
    block->magic = STARTUP_MAGIC;
    block->argc = argc;
    block->argv = where + sizeof *block;

    uint64_t *pointers = (uint64_t *)(base + sizeof *block);
    size_t at = sizeof *block + (argc + 1) * sizeof *pointers;
    for (size_t i = 0; i < argc; i++) {
        size_t bytes = strlen(argv[i]) + 1;
        memcpy(base + at, argv[i], bytes);
        pointers[i] = where + at;
        at += bytes;
    }
    pointers[argc] = 0;
}
