/*
 * The part of the hand-over that the protocol leaves to the loader. boot/policy.c has Quire's choice;
 * tests/boot/rough has others, to see that a kernel relies on the protocol only.
 */
#ifndef QUIRE_BOOT_POLICY_H
#define QUIRE_BOOT_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct handover;

struct policy {
    bool is_static;          /* level 1: fixed addresses, 1 KiB stacks, the kernel's symbols ignored */
    bool prefers_rsdt;       /* hand over the RSDT even where there is an XSDT */
    bool is_headless;        /* leave the framebuffer alone and report none */
    bool are_pages_constant; /* map the bootboot and environment pages read-only */
    bool is_kernel_constant; /* map the kernel read-only */
    uint64_t identity_bytes; /* identity map from 0 on; 0: all RAM, and at least 16 GiB */
    uint32_t cr0;            /* on every core */
    void (*finish)(struct handover *handover); /* last changes, after the cores have answered; or NULL */
};

/* Choose by the environment's text, of at most `size` bytes. */
void policy_choose(struct policy *policy, const char *text, size_t size);

#endif
