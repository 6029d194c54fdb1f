/*
 * The first serial port. Writing is in arch.h.
 */
#ifndef QUIRE_X86_SERIAL_H
#define QUIRE_X86_SERIAL_H

/* Find it and set it up for output; no memory or interrupts needed. */
void serial_setup(void);

/* Let typed bytes interrupt this CPU from now on. */
void serial_listen(void);

#endif
