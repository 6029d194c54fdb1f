/* lib/elf64: no file may make it read outside, and what it hands out lies in the file. */
#include <assert.h>
#include <stdint.h>

#include "lib/elf64.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct elf64 elf;
    struct elf64_segment segment;
    uint64_t value;
    if (elf64_open(&elf, data, size) != ERR_NONE) {
        return 0;
    }
    for (unsigned i = 0; i < elf.segments; i++) {
        if (elf64_segment(&elf, i, &segment) == ERR_NONE) {
            assert(segment.data >= data && segment.file_bytes <= size - (size_t)(segment.data - data));
            assert(segment.address + segment.memory_bytes >= segment.address);
        }
    }
    enum error error = elf64_symbol(&elf, "bootboot", &value);
    assert(error == ERR_NONE || error == ERR_NOT_FOUND || error == ERR_TRUNCATED || error == ERR_BAD_FORMAT);
    return 0;
}
