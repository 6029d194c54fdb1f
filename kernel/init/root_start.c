/*
 * Starting the root server; see root_start.h.
 */
#include "kernel/init/root_start.h"

#include "abi/clock.h"

#include "abi/startup.h"
#include "kernel/arch/arch.h"
#include "kernel/debug/log.h"
#include "kernel/debug/panic.h"
#include "kernel/init/handover.h"
#include "kernel/mm/contents.h"
#include "kernel/init/boot_memory.h"
#include "kernel/mm/device.h"
#include "kernel/mm/frame.h"
#include "kernel/obj/account_tree.h"
#include "kernel/obj/machine.h"
#include "kernel/obj/task.h"
#include "lib/bundle.h"
#include "lib/elf64.h"
#include "lib/text.h"

#define ROOT_NAME   "sys/root"
#define STACK_BYTES (64 * KIB)
#define STACK_AT    (USER_HIGHEST - 16 * MIB)
#define STARTUP_AT  (USER_HIGHEST - 8 * MIB)
#define ARGUMENT    "root"

static void must(enum error error, const char *what)
{
    static const char *const texts[] = {
#define ERROR_TEXT(name, number, text) [number] = text,
        QUIRE_ERRORS(ERROR_TEXT)
#undef ERROR_TEXT
    };
    if (error != ERR_NONE) {
        panic("root server: %s: %s", what, texts[error]);
    }
}

/*
 * The machine's memory is lent out from one account, `machine`; everything that programs have is below it.
 * Not in it is what the kernel keeps for what nobody pays for, above all frames of its heap of which only a
 * part is used.
 */
#define HEAP_PART    8  /* of the frames, one in so many is for the heap, and is counted in bytes */
#define KERNEL_PART  64 /* and one is kept */
#define KERNEL_LEAST 256
/*
 * The root server pays from an account of its own, which nobody else is lent from. So it can still act when
 * all else is exhausted: start a program to look around, or make what it needs to end one.
 */
#define ROOT_PART   16
#define ROOT_FRAMES 2048
#define ROOT_BYTES  (512 * KIB)

static struct account *machine_account, *root_account;

static struct account *account_for(struct account *parent, const char *name)
{
    struct account *account;
    must(account_make(parent, name, &account), "its account");
    account_publish(account);
    return account;
}

static void make_accounts(void)
{
    uint64_t frames = frame_count_free().value;
    uint64_t heap = frames / HEAP_PART;
    uint64_t limits[RESOURCES] = {
        [RESOURCE_FRAMES] = frames - heap - frames / KERNEL_PART - KERNEL_LEAST,
        [RESOURCE_BYTES] = heap * PAGE_SIZE,
    };
    machine_account = account_for(&kernel_account, "machine");
    account_endow(machine_account, limits);
    root_account = account_for(machine_account, "root");
    uint64_t part = limits[RESOURCE_FRAMES] / ROOT_PART;
    limits[RESOURCE_FRAMES] = part < ROOT_FRAMES ? part : ROOT_FRAMES;
    part = limits[RESOURCE_BYTES] / ROOT_PART;
    limits[RESOURCE_BYTES] = part > ROOT_BYTES ? part : ROOT_BYTES;
    must(account_lend_prepare(machine_account, root_account, limits), "what it is lent");
    account_lend_commit(machine_account, root_account, limits);
}

/* Copy into pages of an object; the object is new, so its frames are the kernel's to write. */
static void memory_fill(struct memory *memory, uint64_t at, const void *from, uint64_t bytes)
{
    for (uint64_t done = 0; done < bytes;) {
        uint64_t within = (at + done) % PAGE_SIZE;
        uint64_t step = PAGE_SIZE - within < bytes - done ? PAGE_SIZE - within : bytes - done;
        pfn_t frame;
        must(memory_frame(memory, (at + done) / PAGE_SIZE, &frame), "a page to copy to");
        contents_write(frame, within, (const char *)from + done, step);
        done += step;
    }
}

static void place(struct task *task, const void *data, uint64_t data_bytes, uint64_t address, uint64_t bytes,
                  uint32_t access, const char *what)
{
    struct memory *memory;
    uint64_t start = align_down(address, PAGE_SIZE);
    uint64_t end = align_up(address + bytes, PAGE_SIZE);
    bool outside = start < USER_LOWEST || end > USER_HIGHEST || end <= start;
    must(outside ? ERR_BAD_ADDRESS : ERR_NONE, what);
    must(memory_make(task->account, (pages_t){(end - start) >> PAGE_SHIFT}, 0, &memory), what);
    memory_fill(memory, address - start, data, data_bytes);
    struct map_request request = {memory, 0, start, end - start, access};
    struct map_plan plan;
    must(aspace_map_prepare(&task->space, &request, &plan), what);
    aspace_map_commit(&plan);
    memory_release(memory);
}

static uint64_t load(struct task *task, const struct bundle *bundle)
{
    struct bundle_member member;
    struct elf64 elf;
    must(bundle_find(bundle, ROOT_NAME, strlen(ROOT_NAME), &member), "'" ROOT_NAME "' in the bundle");
    must(elf64_open(&elf, member.data, member.size), "'" ROOT_NAME "' as an ELF file");
    for (unsigned i = 0; i < elf.segments; i++) {
        struct elf64_segment s;
        must(elf64_segment(&elf, i, &s), "a segment of '" ROOT_NAME "'");
        if (s.type == ELF64_LOAD && s.memory_bytes > 0) {
            bool both = (s.access & ACCESS_WRITE) != 0 && (s.access & ACCESS_EXECUTE) != 0;
            must(both ? ERR_BAD_FORMAT : ERR_NONE, "a segment that is writable and executable");
            place(task, s.data, s.file_bytes, s.address, s.memory_bytes, s.access, "a segment");
        }
    }
    return elf.entry;
}

static uint32_t give(struct task *task, struct object *object, uint32_t rights)
{
    uint64_t handle;
    object_retain(object);
    must(handle_insert(&task->handles, object, rights, &handle), "its handles");
    return (uint32_t)handle;
}

/* The bundle as an object: the very pages, or a copy when the loader did not put it at the beginning of one.
 */
static struct memory *bundle_object(struct account *account, const void *data, uint64_t bytes)
{
    struct memory *memory;
    pages_t pages = pages_for_bytes(bytes);
    if (is_aligned(boot_memory_bundle().value, PAGE_SIZE)) {
        must(memory_make_physical(account, paddr_to_pfn(boot_memory_bundle()), pages, 0, &memory),
             "the bundle");
    } else {
        must(memory_make(account, pages, 0, &memory), "a copy of the bundle");
        memory_fill(memory, 0, data, bytes);
    }
    return memory;
}

static void place_startup(struct task *task, const void *bundle_data, uint64_t bundle_bytes)
{
    struct {
        struct startup startup;
        uint64_t argv[2];
        char text[sizeof(ARGUMENT)];
    } block = {.startup = {.magic = STARTUP_MAGIC, .clock = CLOCK_PAGE_AT, .argc = 1}, .text = ARGUMENT};
    struct memory *bundle = bundle_object(task->account, bundle_data, bundle_bytes);
    block.startup.self = give(task, &task->object, RIGHT_ALL);
    block.startup.console = give(task, &machine_console.object, RIGHT_ALL);
    block.startup.system = give(task, &machine_system.object, RIGHT_ALL);
    block.startup.bundle =
        give(task, &bundle->object, RIGHT_READ | RIGHT_MAP | RIGHT_DUPLICATE | RIGHT_TRANSFER);
    memory_release(bundle);
    block.startup.account = give(task, &root_account->object, RIGHT_ALL);
    block.startup.lender = give(task, &machine_account->object, RIGHT_ALL);
    account_release(root_account);
    account_release(machine_account);
    block.startup.bundle_size = bundle_bytes;
    block.startup.argv = STARTUP_AT + offsetof(__typeof__(block), argv);
    block.argv[0] = STARTUP_AT + offsetof(__typeof__(block), text);
    place(task, &block, sizeof(block), STARTUP_AT, sizeof(block), ACCESS_READ, "its startup block");
}

void root_start(void)
{
    struct task *task;
    struct bundle bundle;
    uint64_t bytes = handover.info.initrd_size;
    const void *data = bytes == 0 ? NULL : device_map(boot_memory_bundle(), bytes, MAP_READ);
    must(data == NULL ? ERR_NOT_FOUND : bundle_open(&bundle, data, bytes), "the init bundle");
    make_accounts();
    must(task_make(root_account, "root", PRIORITY_HIGHEST, &task), "a task");
    task_publish(task);
    uint64_t entry = load(task, &bundle);
    place(task, NULL, 0, STACK_AT - STACK_BYTES, STACK_BYTES, ACCESS_READ | ACCESS_WRITE, "its stack");
    place_startup(task, data, bytes);
    struct thread *thread;
    must(task_start_prepare(task, entry, STACK_AT, STARTUP_AT, &thread), "its first thread");
    thread_set_priority(thread, PRIORITY_ROOT);
    task_start_commit(task, thread);
    log_info("root server started from a bundle of %lu KiB", bytes / KIB);
    task_release(task);
}
