/*
 * Memory that somebody knows to be bad: badmem=ADDRESS,SIZE[;ADDRESS,SIZE...] in the environment.
 */
#ifndef QUIRE_KERNEL_BAD_MEMORY_H
#define QUIRE_KERNEL_BAD_MEMORY_H

/* Retire the frames that the environment names; the frame allocator works. What makes no sense is reported.
 */
void bad_memory_retire(void);

#endif
