/* The platform of the frame allocator on a Linux host. */
#ifndef QUIRE_TESTS_HOST_FRAME_HOST_H
#define QUIRE_TESTS_HOST_FRAME_HOST_H

/* The calling thread is CPU `number` from now on: each number for one thread at a time. */
void frame_host_enter(unsigned number);

#endif
