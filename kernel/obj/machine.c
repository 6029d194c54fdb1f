/*
 * The machine's own objects; see machine.h. They begin with a reference that nobody gives back.
 */
#include "kernel/obj/machine.h"

#include <stddef.h>

#include "kernel/debug/panic.h"

static void machine_destroy(struct object *object)
{
    panic("object %p of the machine itself has been given back", (void *)object);
}

struct console machine_console = {{OBJECT_CONSOLE, 1, machine_destroy, NULL}};
struct system machine_system = {{OBJECT_SYSTEM, 1, machine_destroy, NULL}};
