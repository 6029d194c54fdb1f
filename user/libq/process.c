/* Starting a program; see process.h. */
#include "user/libq/process.h"

#include "abi/clock.h"
#include "abi/handle.h"
#include "abi/memory.h"
#include "abi/system.h"
#include "lib/elf64.h"
#include "lib/text.h"
#include "lib/units.h"
#include "syscalls.h"
#include "user/libq/pages.h"
#include "user/libq/program.h"
#include "user/libq/startup_block.h"

/* Zeroed memory that is mapped here for filling, until it is moved to the new program. */
struct parcel {
    uint32_t memory;
    uint64_t bytes;
    uint8_t *here;
};

static enum error parcel_open(struct parcel *parcel, uint32_t account, uint64_t bytes)
{
    parcel->bytes = bytes;
    enum error error = sys_memory_create(account, bytes, 0, &parcel->memory);
    if (error != ERR_NONE) {
        return error;
    }
    uint64_t where;
    error = pages_map(startup->self, parcel->memory, 0, bytes, &where);
    if (error != ERR_NONE) {
        sys_handle_close(parcel->memory);
        return error;
    }
    parcel->here = (uint8_t *)where;
    return ERR_NONE;
}

/* Map the content into the task, and let go of it here whether or not that worked. */
static enum error parcel_send(struct parcel *parcel, uint32_t task, uint64_t where, uint64_t access)
{
    uint64_t mapped;
    sys_memory_unmap(startup->self, (uint64_t)parcel->here, 0);
    enum error error =
        sys_memory_map(task, parcel->memory, 0, where, parcel->bytes, access | MAP_MODE_POPULATE, &mapped);
    sys_handle_close(parcel->memory);
    return error;
}

static enum error segment_load(uint32_t task, uint32_t account, const struct elf64_segment *segment)
{
    uint64_t from = align_down(segment->address, PAGE_SIZE);
    uint64_t to = align_up(segment->address + segment->memory_bytes, PAGE_SIZE);
    if (to <= from) {
        return ERR_BAD_FORMAT;
    }
    struct parcel parcel;
    enum error error = parcel_open(&parcel, account, to - from);
    if (error != ERR_NONE) {
        return error;
    }
    memcpy(parcel.here + (segment->address - from), segment->data, segment->file_bytes);
    return parcel_send(&parcel, task, from, segment->access);
}

static enum error segments_load(uint32_t task, uint32_t account, const struct elf64 *elf)
{
    for (uint32_t i = 0; i < elf->segments; i++) {
        struct elf64_segment segment;
        enum error error = elf64_segment(elf, i, &segment);
        if (error == ERR_NONE && segment.type == ELF64_LOAD && segment.memory_bytes > 0) {
            error = segment_load(task, account, &segment);
        }
        if (error != ERR_NONE) {
            return error;
        }
    }
    return ERR_NONE;
}

static enum error stack_give(uint32_t task, uint32_t account)
{
    uint32_t memory;
    enum error error = sys_memory_create(account, PROCESS_STACK_BYTES, 0, &memory);
    if (error != ERR_NONE) {
        return error;
    }
    uint64_t where;
    error = pages_map(task, memory, PROCESS_STACK_TOP - PROCESS_STACK_BYTES, PROCESS_STACK_BYTES, &where);
    sys_handle_close(memory);
    return error;
}

static enum error grant_pass(uint32_t task, struct grant grant, uint32_t *there)
{
    *there = 0;
    return grant.handle == 0 ? ERR_NONE : sys_handle_copy(task, grant.handle, grant.rights, there);
}

static enum error handles_give(uint32_t task, const struct process_request *request, struct startup *head)
{
    enum error error = sys_handle_copy(task, task, RIGHT_ALL & ~RIGHT_CODE, &head->self);
    if (error == ERR_NONE) {
        error = grant_pass(task, request->account, &head->account);
    }
    if (error == ERR_NONE) {
        error = grant_pass(task, request->console, &head->console);
    }
    if (error == ERR_NONE) {
        error = grant_pass(task, request->system, &head->system);
    }
    if (error == ERR_NONE) {
        error = grant_pass(task, request->bundle, &head->bundle);
    }
    head->bundle_size = head->bundle != 0 ? request->bundle_bytes : 0;
    return error;
}

static enum error startup_give(uint32_t task, const struct process_request *request,
                               const struct startup *head)
{
    struct parcel parcel;
    size_t bytes = startup_block_bytes(request->argc, request->argv);
    enum error error = parcel_open(&parcel, request->account.handle, align_up(bytes, PAGE_SIZE));
    if (error != ERR_NONE) {
        return error;
    }
    startup_block_fill(parcel.here, PROCESS_STARTUP, head, request->argc, request->argv);
    return parcel_send(&parcel, task, PROCESS_STARTUP, ACCESS_READ);
}

/* Everything that goes into the task, in order; process->doing says how far it came. */
static enum error task_furnish(const struct process_request *request, const struct elf64 *elf,
                               struct process *process)
{
    struct startup head = {.clock = CLOCK_PAGE_AT};
    process->doing = "loading its segments";
    enum error error = segments_load(process->task, request->account.handle, elf);
    if (error == ERR_NONE) {
        process->doing = "making its stack";
        error = stack_give(process->task, request->account.handle);
    }
    if (error == ERR_NONE) {
        process->doing = "passing handles to it";
        error = handles_give(process->task, request, &head);
    }
    if (error == ERR_NONE) {
        process->doing = "passing arguments to it";
        error = startup_give(process->task, request, &head);
    }
    return error;
}

enum error process_create(const struct process_request *request, struct process *process)
{
    struct elf64 elf;
    process->doing = "reading its executable";
    enum error error = elf64_open(&elf, request->image, request->image_bytes);
    if (error == ERR_NONE && elf.type != ELF64_EXEC) {
        error = ERR_UNSUPPORTED;
    }
    if (error != ERR_NONE) {
        return error;
    }
    size_t name_bytes = strlen(request->name);
    process->entry = elf.entry;
    process->doing = "creating its task";
    name_bytes = name_bytes < TASK_NAME ? name_bytes : TASK_NAME - 1;
    error = sys_task_create(request->account.handle, request->name, name_bytes, &process->task);
    if (error != ERR_NONE) {
        return error;
    }
    error = task_furnish(request, &elf, process);
    if (error != ERR_NONE) {
        process_discard(process);
    }
    return error;
}

enum error process_start(struct process *process)
{
    uint64_t number;
    process->doing = "starting its first thread";
    enum error error =
        sys_thread_start(process->task, process->entry, PROCESS_STACK_TOP, PROCESS_STARTUP, &number);
    if (error != ERR_NONE) {
        process_discard(process);
    }
    return error;
}

void process_discard(struct process *process)
{
    sys_task_kill(process->task, 0);
    sys_handle_close(process->task);
    process->task = 0;
}
