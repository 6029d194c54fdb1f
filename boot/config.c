/* The environment: BOOTBOOT/CONFIG, else the bundle's sys/config, else nothing; always a zero-filled page. */
#include "boot/firmware.h"
#include "boot/handover.h"
#include "boot/volume.h"
#include "lib/environment.h"
#include "lib/text.h"

#define CONFIG_MOST (ENVIRONMENT_SIZE - 1) /* the NUL needs a byte */
#define CONFIG_NAME "BOOTBOOT/CONFIG"
#define MEMBER_NAME "sys/config"

static bool accept(struct handover *handover, const char *name, const uint8_t *text, uint64_t size)
{
    size_t length;
    handover->config_file = name;
    if (size > CONFIG_MOST) {
        return fail(name, "it has %llu bytes, more than the %d that it may have", size, CONFIG_MOST);
    }
    if (!settings_text((const char *)text, size, &length)) {
        return fail(name, "byte %llu of it is no UTF-8 text", (unsigned long long)length);
    }
    memcpy(handover->environment, text, length);
    return true;
}

static bool read_file(struct handover *handover, enum volume_result *result)
{
    uint8_t *text = NULL;
    uint64_t size;
    *result = volume_read(L"\\BOOTBOOT\\CONFIG", CONFIG_NAME, CONFIG_MOST, MEMORY_SCRATCH, &text, &size);
    return *result == VOLUME_READ ? accept(handover, CONFIG_NAME, text, size) : *result == VOLUME_ABSENT;
}

static bool read_member(struct handover *handover)
{
    struct bundle_member member;
    handover->config_file = MEMBER_NAME;
    if (bundle_find(&handover->bundle, MEMBER_NAME, strlen(MEMBER_NAME), &member) != ERR_NONE ||
        member.kind != BUNDLE_FILE) {
        return true;
    }
    return accept(handover, MEMBER_NAME, member.data, member.size);
}

bool environment_read(struct handover *handover)
{
    enum volume_result result;
    handover->environment = memory_take(ENVIRONMENT_SIZE, MEMORY_LIVE);
    if (handover->environment == NULL) {
        return fail(CONFIG_NAME, "there is no memory for the environment");
    }
    if (!read_file(handover, &result) || (result == VOLUME_ABSENT && !read_member(handover))) {
        return false;
    }
    settings_read(&handover->settings, handover->environment, ENVIRONMENT_SIZE);
    if (handover->settings.screen_is_wrong) {
        note(handover->config_file, "screen= is not WIDTHxHEIGHT of at least %dx%d, and is ignored",
             SCREEN_WIDTH_LEAST, SCREEN_HEIGHT_LEAST);
    }
    policy_choose(&handover->policy, handover->environment, ENVIRONMENT_SIZE);
    return true;
}
