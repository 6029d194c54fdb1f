/* Commands on the init bundle: ls, cat. */
#include "lib/text.h"
#include "user/libq/errors.h"
#include "user/libq/print.h"
#include "user/root/commands.h"
#include "user/root/input.h"
#include "user/root/programs.h"

#define CAT_BYTES 4096

/* A folder in the bundle: its path without a "/" at the end, and the length of that. */
struct folder {
    const char *path;
    size_t length;
};

static struct folder folder_of(const char *path)
{
    size_t length = strlen(path);
    while (length > 0 && path[length - 1] == '/') {
        length--;
    }
    return (struct folder){path, length};
}

/* What of the member's name lies in the folder; NULL when none of it does. */
static const char *inside(const struct folder *folder, const char *name)
{
    if (folder->length == 0) {
        return name;
    }
    if (strlen(name) <= folder->length || memcmp(name, folder->path, folder->length) != 0 ||
        name[folder->length] != '/') {
        return NULL;
    }
    return name + folder->length + 1;
}

/* The bytes of the first part of a path. */
static size_t first_part(const char *path)
{
    size_t length = 0;
    while (path[length] != '\0' && path[length] != '/') {
        length++;
    }
    return length;
}

/* Did an earlier member than the one that ends at the cursor show the same first part? */
static bool shown_before(const struct folder *folder, size_t end, const char *part, size_t length)
{
    struct bundle_member member;
    char name[BUNDLE_NAME_SIZE];
    size_t cursor = 0;
    while (bundle_next(&bundle, &cursor, &member) == ERR_NONE && cursor < end) {
        bundle_member_name(&member, name, sizeof name);
        const char *rest = inside(folder, name);
        if (rest != NULL && first_part(rest) == length && memcmp(rest, part, length) == 0) {
            return true;
        }
    }
    return false;
}

/* One line for the member, unless it is not in the folder or its subfolder stands there already. */
static bool list_member(const struct folder *folder, size_t end, const struct bundle_member *member)
{
    char name[BUNDLE_NAME_SIZE];
    bundle_member_name(member, name, sizeof name);
    const char *rest = inside(folder, name);
    if (rest == NULL || rest[0] == '\0') {
        return false;
    }
    size_t length = first_part(rest);
    if (member->kind == BUNDLE_DIRECTORY || rest[length] == '/') {
        if (!shown_before(folder, end, rest, length)) {
            print("          -  %.*s/\n", (int)length, rest);
        }
    } else {
        print("%11lu  %s\n", (uint64_t)member->size, rest);
    }
    return true;
}

void command_ls(size_t count, char **words)
{
    struct folder folder = folder_of(count == 2 ? words[1] : "");
    struct bundle_member member;
    size_t cursor = 0;
    size_t listed = 0;
    enum error error;
    while ((error = bundle_next(&bundle, &cursor, &member)) == ERR_NONE) {
        listed += list_member(&folder, cursor, &member);
    }
    if (error != ERR_NOT_FOUND) {
        print("ls: the bundle is damaged behind this: %s\n", error_text(error));
    } else if (listed == 0 && count == 2) {
        print("ls: '%s' is no folder of the bundle, or empty\n", words[1]);
    }
}

/* Bytes that may go to a terminal stay; all others become \xNN, and a backslash \\. */
static size_t escape(char *to, unsigned char byte)
{
    if ((byte >= ' ' && byte < 0x7f && byte != '\\') || byte == '\n' || byte == '\t') {
        to[0] = (char)byte;
        return 1;
    }
    if (byte == '\\') {
        to[0] = to[1] = '\\';
        return 2;
    }
    return text_format(to, 5, "\\x%02x", byte);
}

static void cat_bytes(const uint8_t *data, size_t size)
{
    static char text[CAT_BYTES + 8];
    size_t at = 0;
    while (at < size && !input_interrupted()) {
        size_t length = 0;
        while (at < size && length < CAT_BYTES) {
            length += escape(text + length, data[at++]);
        }
        print_bytes(text, length);
    }
    if (size > 0 && data[size - 1] != '\n') {
        print("\n");
    }
}

void command_cat(size_t count, char **words)
{
    (void)count;
    struct bundle_member member;
    enum error error = bundle_find(&bundle, words[1], strlen(words[1]), &member);
    if (error == ERR_NOT_FOUND) {
        print("cat: there is no '%s' in the bundle; `ls` lists what there is\n", words[1]);
    } else if (error != ERR_NONE) {
        print("cat: cannot look up '%s': %s\n", words[1], error_text(error));
    } else if (member.kind != BUNDLE_FILE) {
        print("cat: '%s' is not a file\n", words[1]);
    } else {
        cat_bytes(member.data, member.size);
    }
}
