/*
 * What a CPU has taken from accounts in advance, so that the next charges touch nothing that other CPUs use.
 * See account.h.
 */
#ifndef QUIRE_KERNEL_SLACK_H
#define QUIRE_KERNEL_SLACK_H

#include <stdint.h>

#include "abi/account.h"
#include "kernel/sched/spinlock.h"

struct account;

/* Accounts of which a CPU has slack at once; one with another account's number modulo this takes its place.
 */
#define SLACK_ENTRIES 4

struct slack_entry {
    struct account *account; /* NULL: none, and the amounts are 0 */
    uint64_t amounts[RESOURCES];
    uint64_t pad;
};

struct slack {
    struct leaf_lock lock;
    struct slack_entry entries[SLACK_ENTRIES];
} __attribute__((aligned(64)));

#endif
