/*
 * The machine's own objects; see machine.h. They begin with a reference that nobody gives back.
 */
#include "kernel/obj/machine.h"

#include <stddef.h>

#include "kernel/debug/panic.h"
#include "kernel/mm/account.h"

void machine_destroy(struct object *object)
{
    panic("object %p of the machine itself has been given back", (void *)object);
}

#define MACHINE_OBJECT(kind)                                                                                 \
    {                                                                                                        \
        .object = {                                                                                          \
            .references = 1,                                                                                 \
            .type = (kind),                                                                                  \
            .account = &kernel_account,                                                                      \
            .tree = SPINLOCK("handle tree", LOCK_HANDLE_TREE)                                                \
        }                                                                                                    \
    }

struct console machine_console = MACHINE_OBJECT(OBJECT_CONSOLE);
struct system machine_system = MACHINE_OBJECT(OBJECT_SYSTEM);
