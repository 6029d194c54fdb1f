/* Commands on what the CPUs do: locks. */
#include "user/libq/clock.h"
#include "user/libq/print.h"
#include "user/libq/system.h"
#include "user/root/commands.h"

void command_locks(size_t count, char **words)
{
    (void)count;
    (void)words;
    struct system_lock lock;
    print("  rank  class             taken  longest held  there\n");
    for (uint64_t i = 0; system_record(TOPIC_LOCKS, i, &lock, sizeof lock) == ERR_NONE; i++) {
        if (!lock.measured) {
            print("  %4u  %-14s       -             -\n", lock.rank, lock.name);
        } else {
            print("  %4u  %-14s %8lu %10lu us  %s\n", lock.rank, lock.name, lock.taken,
                  lock.longest / MICROSECOND, lock.site);
        }
    }
}
