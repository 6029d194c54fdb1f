/* The text of an error, from the list in abi/error.h. Never NULL. */
#ifndef QUIRE_LIB_ERROR_TEXT_H
#define QUIRE_LIB_ERROR_TEXT_H

#include "abi/error.h"

const char *error_text(enum error error);

#endif
