/* The programs of the init bundle; see programs.h. */
#include "user/root/programs.h"

#include "abi/account.h"
#include "abi/handle.h"
#include "lib/text.h"
#include "syscalls.h"
#include "user/libq/bundle_map.h"
#include "user/libq/errors.h"
#include "user/libq/print.h"
#include "user/libq/program.h"

struct bundle bundle;

/* What a program gets beside the right to write to the console. Who is not listed gets nothing. */
struct trust {
    const char *name;
    uint32_t share; /* of what the machine has left, in eighths */
    uint32_t account;
    uint32_t console;
    uint32_t system;
    uint32_t bundle;
};

#define EIGHTHS 8u

#define ACCOUNT_RIGHTS (RIGHT_READ | RIGHT_CHARGE)
#define BUNDLE_RIGHTS  (RIGHT_READ | RIGHT_MAP | RIGHT_DUPLICATE | RIGHT_TRANSFER)

static const struct trust trusted[] = {
    /* Starts programs, hands its console on to them, and tries every call and right. */
    {"utest", 7, RIGHT_ALL, RIGHT_ALL, RIGHT_ALL, BUNDLE_RIGHTS},
    /* Makes calls of all kinds, and starts the tasks that do; keeps the right to end the machine to itself.
     */
    {"fuzz", 4, RIGHT_ALL, RIGHT_ALL, RIGHT_ALL, BUNDLE_RIGHTS},
    /* Tells how much memory it takes. */
    {"crowd", 7, ACCOUNT_RIGHTS, RIGHT_WRITE, RIGHT_READ, 0},
    /* Starts programs. */
    {"bench", 4, ACCOUNT_RIGHTS, RIGHT_WRITE | RIGHT_TRANSFER, RIGHT_READ, BUNDLE_RIGHTS},
    {"faultrate", 2, ACCOUNT_RIGHTS, RIGHT_WRITE | RIGHT_TRANSFER, 0, BUNDLE_RIGHTS},
};

static const struct trust *trust_find(const char *name)
{
    static const struct trust none = {"", 2, ACCOUNT_RIGHTS, RIGHT_WRITE, 0, 0};
    for (size_t i = 0; i < sizeof trusted / sizeof trusted[0]; i++) {
        if (text_equal(trusted[i].name, name)) {
            return &trusted[i];
        }
    }
    return &none;
}

static struct grant grant(uint32_t handle, uint32_t rights)
{
    return rights != 0 ? (struct grant){handle, rights} : (struct grant){0};
}

enum error programs_open(void)
{
    return bundle_map(&bundle);
}

static enum error program_find(const char *name, struct bundle_member *member)
{
    char path[BUNDLE_NAME_SIZE];
    size_t length = text_format(path, sizeof path, "bin/%s", name);
    enum error error = length < sizeof path ? bundle_find(&bundle, path, length, member) : ERR_NOT_FOUND;
    if (error == ERR_NONE && member->kind != BUNDLE_FILE) {
        error = ERR_NOT_FOUND;
    }
    if (error == ERR_NOT_FOUND) {
        print("%s: there is no such program; `ls bin` lists them\n", name);
    } else if (error != ERR_NONE) {
        print("%s: cannot look it up in the bundle: %s\n", name, error_text(error));
    }
    return error;
}

/* What of the machine's memory the program may have. */
static enum error account_create(const char *name, const struct trust *trust, uint64_t frames,
                                 uint32_t *account)
{
    struct account_info machine;
    uint64_t left[RESOURCES];
    enum error error = sys_account_read(startup->lender, &machine, sizeof machine);
    if (error != ERR_NONE) {
        return error;
    }
    for (unsigned r = 0; r < RESOURCES; r++) {
        const struct account_resource *resource = &machine.resources[r];
        left[r] = (resource->limit - resource->lent - resource->used) * trust->share / EIGHTHS;
    }
    size_t length = strlen(name) < ACCOUNT_NAME ? strlen(name) : ACCOUNT_NAME - 1;
    return sys_account_create(startup->lender, frames != 0 ? frames : left[RESOURCE_FRAMES],
                              left[RESOURCE_BYTES], name, length, account);
}

enum error programs_create(size_t argc, char *const *argv, uint64_t frames, struct process *process)
{
    struct bundle_member member;
    enum error error = program_find(argv[0], &member);
    if (error != ERR_NONE) {
        return error;
    }
    const struct trust *trust = trust_find(argv[0]);
    uint32_t account;
    error = account_create(argv[0], trust, frames, &account);
    if (error != ERR_NONE) {
        print("%s: cannot make its account: %s\n", argv[0], error_text(error));
        return error;
    }
    struct process_request request = {
        .name = argv[0],
        .image = member.data,
        .image_bytes = member.size,
        .argc = argc,
        .argv = (const char *const *)argv,
        .account = grant(account, trust->account),
        .console = grant(startup->console, trust->console),
        .system = grant(startup->system, trust->system),
        .bundle = grant(startup->bundle, trust->bundle),
        .bundle_bytes = startup->bundle_size,
    };
    error = process_create(&request, process);
    if (error != ERR_NONE) {
        print("%s: cannot start it: %s: %s\n", argv[0], process->doing, error_text(error));
    }
    sys_handle_close(account); /* the task keeps it */
    return error;
}
