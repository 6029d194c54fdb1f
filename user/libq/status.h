/* What the exit status of a program means, beside 0: all is well. Any other number is the program's own. */
#ifndef QUIRE_LIBQ_STATUS_H
#define QUIRE_LIBQ_STATUS_H

/* It could not do what it was asked for, and has said so in a line of its own. */
#define STATUS_SAID 2u

#endif
