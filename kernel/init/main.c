/*
 * The boot, from top to bottom. The boot processor comes here from entry.S, on a stack of the image, still on
 * the loader's page tables, with the other cores waiting.
 */
#include "kernel/init/main.h"

#include "kernel/arch/arch.h"
#include "kernel/arch/machine.h"
#include "kernel/debug/inject.h"
#include "kernel/debug/log.h"
#include "kernel/debug/panic.h"
#include "kernel/debug/screen.h"
#include "kernel/debug/trace.h"
#include "kernel/init/handover.h"
#include "kernel/init/kbench.h"
#include "kernel/init/root_start.h"
#include "kernel/init/selftest.h"
#include "kernel/init/bad_memory.h"
#include "kernel/init/boot_memory.h"
#include "kernel/mm/device.h"
#include "kernel/mm/heap.h"
#include "kernel/mm/layout.h"
#include "kernel/obj/clock_page.h"
#include "kernel/obj/reaper.h"
#include "kernel/sched/lock_debug.h"
#include "kernel/sched/sched.h"
#include "lib/text.h"

extern const struct bootboot bootboot;
extern const char environment[];

static struct cpu boot_cpu;
static bool under_test;

bool main_under_test(void)
{
    return under_test;
}

static void take_over(void)
{
    const char *wrong = handover_take(&bootboot, environment);
    if (wrong != NULL) {
        panic("the loader's hand-over is not BOOTBOOT's: %s", wrong);
    }
    under_test = handover_option_is("test", "1");
    panic_set_test(under_test);
    inject_on = handover_option_is("inject", "1");
    if (handover_option_is("log", "debug")) {
        log_show(LOG_DEBUG);
    }
    if (handover_option_is("lock", "debug")) {
        lock_debug_enable();
    }
    log_info("Quire, started by a BOOTBOOT loader (%s)", handover_loader());
}

static void find_features(void)
{
    const char *masked = NULL;
    size_t length = 0;
    handover_option("nofeature", &masked, &length);
    machine_features(masked, length);
    const char *clock;
    if (handover_option("clock", &clock, &length)) {
        machine_prefer_clock(clock, length);
    }
}

static void start_heap(void)
{
    if (handover_option_is("heap", "debug")) {
        heap_debug();
        log_info("heap: its debug mode is on");
    }
    heap_admit(&boot_cpu);
}

static void open_screen(void)
{
    const struct bootboot *info = &handover.info;
    if (info->fb_ptr == 0 || info->fb_width == 0 || info->fb_scanline == 0) {
        log_info("screen: the loader found none");
        return;
    }
    uint64_t bytes = (uint64_t)info->fb_scanline * info->fb_height;
    struct screen_mode mode = {
        .pixels = device_map(paddr(info->fb_ptr), bytes, MAP_READ | MAP_WRITE | MAP_COMBINE),
        .width = info->fb_width,
        .height = info->fb_height,
        .line = info->fb_scanline / sizeof(uint32_t),
        .type = info->fb_type,
    };
    if (mode.pixels == NULL || !screen_setup(&mode)) {
        log_warn("screen: %ux%u cannot be used", mode.width, mode.height);
        return;
    }
    log_info("screen: %ux%u, %ux%u characters", mode.width, mode.height, screen_columns(), screen_rows());
}

/* A number in the environment, from 1 to `most`; `otherwise` when there is none, or none that makes sense. */
static uint64_t number_option(const char *key, uint64_t most, uint64_t otherwise)
{
    const char *text;
    size_t length;
    uint64_t number;
    if (!handover_option(key, &text, &length)) {
        return otherwise;
    }
    if (!text_to_number(text, length, &number) || number == 0 || number > most) {
        log_warn("%s=%.*s: expected a number from 1 to %lu", key, (int)length, text, most);
        return otherwise;
    }
    return number;
}

static void bring_up_cores(unsigned came)
{
    unsigned counted = handover.info.numcores, known = machine_processors();
    bool left = machine_start_cores(came, counted, (unsigned)number_option("cpus", CPU_MAX, CPU_MAX));
    log_info("cpu: %u of %u cores are up", arch_cpu_count(), known > counted ? known : counted);
    if (came < counted) {
        log_warn("cpu: %u cores that the loader counted did not come by themselves", counted - came);
    }
    if (left) {
        boot_memory_reclaim();
    }
}

static void start_trace(void)
{
    if (trace_prepare() == ERR_NONE) {
        trace_start();
    } else {
        log_warn("trace: no memory for its ring");
    }
}

/* In a thread: what can wait, and what must be able to. */
static void start_rest(void *unused)
{
    (void)unused;
    if (!kbench_run()) {
        selftest_run();
    }
    root_start();
    thread_exit();
}

void kernel_entry(uint64_t entry_stamp)
{
    machine_early(&boot_cpu, entry_stamp);
    take_over();
    find_features();
    start_heap();
    unsigned came = machine_gather_cores(handover.info.numcores);
    boot_memory_start(came);
    bad_memory_retire();
    layout_check();
    machine_setup(&boot_cpu, paddr(handover.info.acpi_ptr));
    open_screen();
    sched_adopt_idle(&boot_cpu);
    if (handover_option_is("trace", "1")) {
        start_trace();
    }
    bring_up_cores(came);
    machine_listen();
    uint64_t watchdog = number_option("watchdog", 60, 0);
    if (watchdog != 0) {
        machine_watch(watchdog);
    }
    if (clock_page_make(machine_wall_time(handover_time())) != ERR_NONE) {
        panic("boot: no memory for the clock page");
    }

    struct thread *first;
    if (reaper_start() != ERR_NONE) {
        panic("boot: no memory for the reaper");
    }
    if (thread_create("boot", start_rest, NULL, CPU_ANY, &first) != ERR_NONE) {
        panic("boot: no memory for the first thread");
    }
    thread_start(first);
    sched_idle(&boot_cpu);
}
