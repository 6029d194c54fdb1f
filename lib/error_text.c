#include "lib/error_text.h"

const char *error_text(enum error error)
{
    switch (error) {
#define ERROR_TEXT_CASE(name, number, text)                                                                  \
    case name:                                                                                               \
        return text;
        QUIRE_ERRORS(ERROR_TEXT_CASE)
#undef ERROR_TEXT_CASE
    }
    return "an unknown error";
}
