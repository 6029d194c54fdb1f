/*
 * Starting a core that the loader left alone: SDM vol. 3A 8.4.4, INIT, then start-up interrupts that name a
 * page below 1 MiB. There trampoline.S takes the core from real to long mode and to start_arrived in the
 * image, where it claims what was prepared for it.
 */
#ifndef QUIRE_X86_START_H
#define QUIRE_X86_START_H

#include <stdbool.h>
#include <stdint.h>

#include "abi/error.h"

struct cpu;

/* Find low memory and prepare the way up. ERR_NO_MEMORY. */
enum error start_prepare(void) MUST_CHECK;

/*
 * Start the core with this APIC id, which gets this struct cpu. False when it did not come to claim it in
 * time; it cannot any more then.
 */
bool start_core(uint32_t id, struct cpu *cpu);

/* No more are started. The way up stays when a core did not answer, or is not up yet: it may be on it. */
void start_finish(bool all_up);

#endif
