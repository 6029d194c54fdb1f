/*
 * Segment registers of user mode: selectors and bases belong to the thread. In long mode only the bases of FS
 * and GS mean anything (SDM vol. 3A 3.4.4), but selectors can be loaded and read, so they must not tell of
 * others.
 */
#ifndef QUIRE_X86_SEGMENTS_H
#define QUIRE_X86_SEGMENTS_H

struct thread;

/* While `from` gives this CPU to `to`: keep the segment registers of the one, and load those of the other. */
void segments_switch(struct thread *from, struct thread *to);

#endif
