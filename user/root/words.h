/* A command line, cut into words at blanks. Nothing here allocates. */
#ifndef QUIRE_ROOT_WORDS_H
#define QUIRE_ROOT_WORDS_H

#include <stddef.h>

#include "user/root/history.h"

/* A line of LINE_BYTES cannot hold more words. */
#define WORDS_MOST (LINE_BYTES / 2)

/* Cut the line in place: words[] point into it, each ends with NUL. Returns how many there are. */
size_t words_split(char *line, char *words[WORDS_MOST]);

#endif
