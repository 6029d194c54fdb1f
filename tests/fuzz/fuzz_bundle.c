/* lib/bundle: no archive may make it read outside, or go round for ever. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "lib/bundle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bundle bundle;
    struct bundle_member member, found;
    size_t cursor = 0;
    char name[1024];
    if (bundle_open(&bundle, data, size) != ERR_NONE) {
        return 0;
    }
    for (size_t before = 0; bundle_next(&bundle, &cursor, &member) == ERR_NONE; before = cursor) {
        assert(cursor > before && cursor <= size);
        assert(member.data >= data && member.size <= size - (size_t)(member.data - data));
        size_t length = bundle_member_name(&member, name, sizeof(name));
        if (length < sizeof(name)) {
            assert(bundle_find(&bundle, name, length, &found) == ERR_NONE);
            assert(found.data <= member.data);
        }
    }
    return 0;
}
