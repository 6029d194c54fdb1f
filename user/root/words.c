/* Words of a line; see words.h. */
#include "user/root/words.h"

#include <stdbool.h>

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t';
}

size_t words_split(char *line, char *words[WORDS_MOST])
{
    size_t count = 0;
    char *at = line;
    while (*at != '\0' && count < WORDS_MOST) {
        if (is_blank(*at)) {
            *at++ = '\0';
            continue;
        }
        words[count++] = at;
        while (*at != '\0' && !is_blank(*at)) {
            at++;
        }
    }
    return count;
}
