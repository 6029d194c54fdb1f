/* Names and texts of errors; see errors.h. */
#include "user/libq/errors.h"

#include <stddef.h>

#include "abi/account.h"
#include "lib/text.h"
#include "syscalls.h"

struct error_words {
    const char *name;
    const char *text;
};

#define ERROR_ROW(name, number, text) [number] = {#name, text},
static const struct error_words error_words[] = {QUIRE_ERRORS(ERROR_ROW)};

static const struct error_words *error_find(enum error error)
{
    static const struct error_words unknown = {"ERR_?", "an error that this program does not know"};
    size_t number = (size_t)error;
    if (number >= sizeof error_words / sizeof error_words[0] || error_words[number].name == NULL) {
        return &unknown;
    }
    return &error_words[number];
}

const char *error_name(enum error error)
{
    return error_find(error)->name;
}

uint64_t syscall_lack;

const char *error_text(enum error error)
{
    static const char *const resources[RESOURCES] = {
#define RESOURCE_ROW(name, number, text) [number] = (text),
        QUIRE_RESOURCES(RESOURCE_ROW)};
    static char lack[64];
    if (error == ERR_LIMIT && syscall_lack != 0) {
        text_format(lack, sizeof lack, "account %u lacks %lu %s", lack_account(syscall_lack),
                    lack_amount(syscall_lack), resources[lack_resource(syscall_lack)]);
        return lack;
    }
    return error_find(error)->text;
}
