/* Names and texts of the errors in abi/error.h. */
#ifndef QUIRE_LIBQ_ERRORS_H
#define QUIRE_LIBQ_ERRORS_H

#include "abi/error.h"

/* "ERR_NO_MEMORY", or "ERR_?" for a number that is none of the list. */
const char *error_name(enum error error);

/*
 * The clause that says what the error means. For ERR_LIMIT it says which account lacked how much when this
 * program was last refused for want of it; that text is good until the next call.
 */
const char *error_text(enum error error);

#endif
