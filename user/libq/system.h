/* What the kernel knows, record by record (topics and records: abi/system.h). */
#ifndef QUIRE_LIBQ_SYSTEM_H
#define QUIRE_LIBQ_SYSTEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/error.h"
#include "abi/system.h"

/* The record with this index. ERR_NOT_FOUND when there is none. */
enum error system_record(uint64_t topic, uint64_t index, void *record, size_t bytes) MUST_CHECK;

/* The first record; false after a line that says why not, in the name of this command. */
bool system_record_or_say(const char *command, uint64_t topic, void *record, size_t bytes);

/* The value of a key of the boot environment, cut to fit; false when it is not set. */
bool system_variable(const char *key, char *value, size_t bytes);

#endif
