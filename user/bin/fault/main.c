/*
 * fault KIND: does something that the CPU forbids, each kind something else, so that one can see that it ends
 * this program and nothing else. Without an argument it lists the kinds.
 */
#include "lib/text.h"
#include "user/bin/fault/kinds.h"
#include "user/libq/print.h"
#include "user/libq/program.h"

static int list(void)
{
    for (size_t i = 0; i < fault_kind_count; i++) {
        print("  %-14s %s\n", fault_kinds[i].name, fault_kinds[i].about);
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 1) {
        print("kinds of faults:\n");
        return list();
    }
    for (size_t i = 0; argc == 2 && i < fault_kind_count; i++) {
        if (text_equal(fault_kinds[i].name, argv[1])) {
            fault_kinds[i].commit();
            print("fault %s: nothing stopped it\n", argv[1]);
            return 1;
        }
    }
    program_fail("'%s' is no kind of fault; without an argument it lists them", argv[argc - 1]);
}
