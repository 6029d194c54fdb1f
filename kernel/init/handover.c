/*
 * Taking over from the loader; see handover.h.
 */
#include "kernel/init/handover.h"

#include "lib/calendar.h"
#include "lib/environment.h"
#include "lib/text.h"

#define HEADER_SIZE 128

struct handover handover;

const char *handover_take(const struct bootboot *info, const char *environment)
{
    memcpy(&handover.info, info, sizeof(handover.info));
    memcpy(handover.environment, environment, sizeof(handover.environment));
    const struct bootboot *b = &handover.info;
    if (!text_matches((const char *)b->magic, 4, "BOOT")) {
        return "the information structure does not begin with BOOT";
    }
    if (b->size <= HEADER_SIZE || b->size > HANDOVER_PAGE) {
        return "the information structure has an impossible size";
    }
    if ((b->protocol & 0x80) != 0) {
        return "the information structure is big endian";
    }
    handover.map_entries = (b->size - HEADER_SIZE) / sizeof(struct memory_map_entry);
    return NULL;
}

const char *handover_loader(void)
{
    static char text[32];
    static const char *const kinds[] = {"bios", "uefi", "raspberry pi", "coreboot"};
    unsigned kind = handover.info.protocol >> 2 & 31;
    text_format(text, sizeof(text), "%s, level %u", kind < 4 ? kinds[kind] : "unknown",
                handover.info.protocol & 3u);
    return text;
}

bool handover_option(const char *key, const char **value, size_t *length)
{
    return environment_get(handover.environment, sizeof(handover.environment), key, value, length);
}

bool handover_option_is(const char *key, const char *value)
{
    const char *found;
    size_t length;
    return handover_option(key, &found, &length) && text_matches(found, length, value);
}

static unsigned from_bcd(uint8_t byte)
{
    return (byte >> 4) * 10u + (byte & 15u);
}

uint64_t handover_time(void)
{
    const uint8_t *d = handover.info.datetime;
    struct moment moment = {
        .year = from_bcd(d[0]) * 100 + from_bcd(d[1]),
        .month = from_bcd(d[2]),
        .day = from_bcd(d[3]),
        .hour = from_bcd(d[4]),
        .minute = from_bcd(d[5]),
        .second = from_bcd(d[6]),
    };
    return calendar_seconds(&moment);
}
