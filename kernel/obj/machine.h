/*
 * The two objects that stand for the machine as such: its console, and the system. There is one of each; the
 * root server gets the first handles.
 */
#ifndef QUIRE_KERNEL_MACHINE_H
#define QUIRE_KERNEL_MACHINE_H

#include "kernel/obj/object.h"

struct console {
    struct object object;
};

struct system {
    struct object object;
};

OBJECT_WRAPPERS(console)
OBJECT_WRAPPERS(system)

void machine_destroy(struct object *object);

extern struct console machine_console;
extern struct system machine_system;

#endif
