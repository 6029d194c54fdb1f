/* Mapping the init bundle; see bundle_map.h. */
#include "user/libq/bundle_map.h"

#include "abi/memory.h"
#include "lib/units.h"
#include "syscalls.h"
#include "user/libq/program.h"

enum error bundle_map(struct bundle *bundle)
{
    uint64_t where;
    enum error error =
        sys_memory_map(startup->self, startup->bundle, 0, 0, align_up(startup->bundle_size, PAGE_SIZE),
                       ACCESS_READ | MAP_MODE_POPULATE, &where);
    return error == ERR_NONE ? bundle_open(bundle, (const void *)where, startup->bundle_size) : error;
}
