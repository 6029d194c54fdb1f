/*
 * The commands of the prompt. Each is one row of the table in commands.c: help is printed from it, and the
 * number of words is checked by it, so a command's function only looks at what its words mean.
 */
#ifndef QUIRE_ROOT_COMMANDS_H
#define QUIRE_ROOT_COMMANDS_H

#include <stddef.h>

/* words[0] is the command itself. */
typedef void command_function(size_t count, char **words);

/* Do what the line says; the line is cut up on the way. An empty line does nothing. */
void commands_execute(char *line);

/* commands_mem.c */
command_function command_mem;
/* commands_machine.c */
command_function command_features, command_uptime, command_log;
/* commands_cpus.c */
command_function command_cpus, command_ps, command_locks;
/* commands_top.c */
command_function command_top;
/* commands_trace.c */
command_function command_trace;
/* commands_frames.c */
command_function command_frames;
/* commands_accounts.c */
command_function command_accounts;
/* commands_vm.c */
command_function command_vm;
/* commands_pt.c */
command_function command_pt;
/* commands_slabs.c */
command_function command_slabs;
/* commands_files.c */
command_function command_ls, command_cat;
/* commands_programs.c */
command_function command_run, command_tasks, command_kill, command_fault;
/* commands_console.c */
command_function command_echo, command_clear;
/* commands_power.c */
command_function command_panic, command_reboot, command_poweroff;

#endif
