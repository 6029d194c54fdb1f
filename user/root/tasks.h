/* Which task a command is about. */
#ifndef QUIRE_ROOT_TASKS_H
#define QUIRE_ROOT_TASKS_H

#include <stdbool.h>
#include <stdint.h>

/*
 * The task with the number that `word` says; with NULL this one. It is one that was started here, or this
 * one: the kernel gives nobody a handle to a task for its number. False after a line that says what is wrong,
 * in the name of this command.
 */
bool task_choose(const char *command, const char *word, uint32_t *task);

#endif
