/* The kinds of faults: what each is called, and the function that commits it. */
#ifndef QUIRE_FAULT_KINDS_H
#define QUIRE_FAULT_KINDS_H

#include <stddef.h>

struct fault_kind {
    const char *name;
    const char *about;
    void (*commit)(void); /* does not return where the kernel does its work */
};

extern const struct fault_kind fault_kinds[];
extern const size_t fault_kind_count;

#endif
