/*
 * What the boot environment asks for: autorun=NAME ARGS runs bin/NAME before the first prompt; with
 * autoexit=1 the machine then switches off, with the status of the program.
 */
#ifndef QUIRE_ROOT_AUTORUN_H
#define QUIRE_ROOT_AUTORUN_H

void autorun(void);

#endif
