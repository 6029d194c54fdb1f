/*
 * Starting the root server: the one program that the kernel loads itself.
 */
#ifndef QUIRE_KERNEL_ROOT_START_H
#define QUIRE_KERNEL_ROOT_START_H

/*
 * Load sys/root from the bundle into a task of its own, with handles to itself, the console, the system and
 * the bundle, and start it. Panics with the reason when that cannot be done: without it there is nothing to
 * run.
 */
void root_start(void);

#endif
