/*
 * Records that system_read and task_status fill in, and the actions of system_control.
 * All sizes are bytes, all times nanoseconds, all texts NUL-terminated.
 */
#ifndef QUIRE_ABI_SYSTEM_H
#define QUIRE_ABI_SYSTEM_H

#include <stdint.h>

#define ACTION_POWER_OFF 1
#define ACTION_RESTART   2
#define ACTION_PANIC     3
#define ACTION_AUDIT     4 /* check the books of frames and heap; the log says what is wrong with them */
#define ACTION_FAIL                                                                                          \
    5 /* the status-th charge or allocation of the calling thread from now on fails; 0: none. Needs          \
         inject=1 in the boot environment, else ERR_UNSUPPORTED */
#define ACTION_DRAIN     6 /* what the kernel keeps for later of the heap, for the caller too, goes back */
#define ACTION_TRACE_ON  7 /* begin to trace, or go on */
#define ACTION_TRACE_OFF 8

#define TOPIC_MEMORY      1 /* one struct system_memory */
#define TOPIC_CPUS        2 /* struct system_cpu, one a CPU */
#define TOPIC_FEATURES    3 /* struct system_feature, one a feature */
#define TOPIC_LOG         4 /* struct system_log_line; index: line number, old ones skipped */
#define TOPIC_TASKS       5 /* struct system_task, one a task, in the order of their numbers */
#define TOPIC_ENVIRONMENT 6 /* struct system_variable, one a line; the last one with a key counts */
#define TOPIC_BOOT        7 /* one struct system_boot */

#define TOPIC_FRAMES    8 /* one struct system_frames */
#define TOPIC_FRAME_MAP 9 /* struct system_frame_map; index: FRAME_MAP_INDEX, pieces without RAM skipped */

#define TOPIC_NODES 10 /* struct system_node, one a NUMA node */

#define TOPIC_ACCOUNTS                                                                                       \
    11 /* struct account_info (abi/account.h), one an account, in the order of their making */
#define TOPIC_BOOKS   12 /* one struct system_books */
#define TOPIC_SLABS   13 /* struct system_slab, one a cache of the kernel's heap */
#define TOPIC_LOCKS   14 /* struct system_lock, one a class of locks, outermost first */
#define TOPIC_THREADS 15 /* struct system_thread; index: number of the thread, gaps skipped */
#define TOPIC_TRACE   16 /* struct system_trace (abi/trace.h) */
#define TOPIC_SPACES  17 /* one struct system_spaces */
#define TOPIC_STEPS   18 /* struct system_step, one a kind of what goes in steps */

#define MEMORY_ORDERS 19

/* Who has a page frame: X(NUMBER, NAME). */
#define FRAME_CLASS_LIST(X)                                                                                  \
    X(0, "absent")                                                                                           \
    X(1, "free")                                                                                             \
    X(2, "kernel")                                                                                           \
    X(3, "page table")                                                                                       \
    X(4, "stack")                                                                                            \
    X(5, "user")                                                                                             \
    X(6, "shared")                                                                                           \
    X(7, "device")                                                                                           \
    X(8, "metadata")                                                                                         \
    X(9, "reserved")                                                                                         \
    X(10, "bad")                                                                                             \
    X(11, "spare")
#define FRAME_CLASS_COUNT 12

struct system_frames {
    uint64_t total; /* frames, as all below */
    uint64_t free;
    uint64_t cached; /* of the free ones, at hand for one CPU */
    uint64_t classes[FRAME_CLASS_COUNT];
    uint64_t free_blocks[MEMORY_ORDERS]; /* blocks of 2^n frames, each counted once */
    uint64_t taken;                      /* through caches of CPUs, since the start */
    uint64_t trips;                      /* how often a cache had to fetch more */
    uint64_t zeroed;                     /* of the free ones, zero already, those in blocks of 2 MiB too */
    uint64_t zeroed_hits;                /* requests for a zeroed frame that found one, since the start */
    uint64_t zeroed_misses;
    uint64_t zeroed_large_hits; /* the same for blocks of 2 MiB */
    uint64_t zeroed_large_misses;
};

/* RAM in pieces of 4 KiB << order, counted from address 0: the piece with this number. */
#define FRAME_MAP_HIGHEST_ORDER        31
#define FRAME_MAP_INDEX(order, number) ((uint64_t)(order) << 56 | (number))
#define FRAME_MAP_ORDER(index)         ((index) >> 56)
#define FRAME_MAP_NUMBER(index)        ((index)&0xffffffffffffff)

/* What the frames of such a piece are used for. */
struct system_frame_map {
    uint64_t address;
    uint32_t frames[FRAME_CLASS_COUNT];
    uint32_t pad;
};

/* Memory that is near to some CPUs. */
struct system_node {
    uint32_t number;
    uint32_t cpus;  /* CPUs that it is near to */
    uint64_t total; /* frames */
    uint64_t free;
};

/* What address spaces do, since the start. Pages of 2 MiB, and of 1 GiB (huge). */
struct system_spaces {
    uint64_t faults[6];  /* page faults: reading, writing, executing what is not in the tables; what is,
                            without  that right */
    uint64_t refused;    /* of them, those that the thread got */
    uint64_t copied;     /* pages, to break copy-on-write */
    uint64_t nodes;      /* nodes of 512 pages that were copied for it */
    uint64_t shootdowns; /* requests to other CPUs to forget */
    uint64_t interrupts; /* that these cost */
    uint64_t waits;      /* for answers to them that were not there yet */
    uint64_t quarantine; /* frames that wait for CPUs to forget them: now, and at most */
    uint64_t quarantine_most;
    /* Pages of 2 MiB: touches where one could have been, and was; made of small ones, and taken apart. */
    uint64_t large_asked, large_given, large_promoted, large_demoted;
    uint64_t huge_asked, huge_given; /* the same for pages of 1 GiB, where the mapping wants them */
};

#define STEP_NAME 32

/* What is done at once before others can run: counted in what the name says. */
struct system_step {
    char name[STEP_NAME];
    uint64_t done;     /* since the start */
    uint64_t most;     /* at once */
    uint64_t bound;    /* it is never more */
    uint64_t longest;  /* nanoseconds of interrupts off, with such work; with lock=debug only */
    uint32_t measured; /* 1 with lock=debug */
    uint32_t pad;
};

/* How many things there are; each number is right at some moment. */
struct system_books {
    uint64_t objects[16]; /* by type: OBJECT_* in abi/handle.h */
    uint64_t handles;     /* in the tables of all tasks */
    uint64_t threads;     /* idle ones apart */
    uint64_t going;       /* threads that end, and objects that nobody refers to: gone in a moment */
};

#define SLAB_NAME 24

/* What the kernel's heap has for one kind of object. */
struct system_slab {
    char name[SLAB_NAME];
    uint64_t bytes;  /* of an object; 0 where they differ */
    uint64_t in_use; /* objects */
    uint64_t used;   /* bytes of those */
    uint64_t slabs;
    uint64_t frames; /* that the slabs take */
    uint64_t hits;   /* times that an object was taken or given back without a lock */
    uint64_t misses; /* times that it took one */
};

struct system_memory {
    uint64_t total;       /* RAM */
    uint64_t free;        /* of it, free */
    uint64_t page_tables; /* frames used as page tables */
    uint64_t kernel;      /* heap and stacks of the kernel, and the records of frames */
    uint64_t user;        /* frames of memory objects */
    uint64_t reserved;    /* kernel image, bundle, what the loader left, and memory for devices */
    uint64_t free_blocks[MEMORY_ORDERS]; /* free blocks of 4 KiB << n */
};

#define CPU_ONLINE 1u
#define CPU_BOOT   2u

struct system_cpu {
    uint32_t number;
    uint32_t apic_id;
    uint32_t flags;
    uint32_t runnable;    /* threads ready or running, the idle thread apart */
    uint64_t idle_time;   /* since it came up */
    uint64_t up_time;     /* since it came up */
    uint64_t interrupts;  /* all of them */
    uint64_t timer_ticks; /* of them, from the timer */
    uint64_t switches;    /* from one thread to another */
    uint64_t kicks;       /* interrupts by which other CPUs asked it to look at its queue */
    uint64_t steals;      /* threads that it took from other CPUs */
    uint32_t task;        /* number of the task that runs there now, 0 for the kernel */
    uint32_t pad;
};

struct system_feature {
    char name[16];
    uint32_t present; /* the CPU has it */
    uint32_t used;    /* the kernel uses it: present and not masked by nofeature= */
    char about[64];
};

/* A class of the kernel's locks. The figures are kept with lock=debug only. */
struct system_lock {
    char name[24];
    char site[64];     /* where the one that was held longest was taken */
    uint64_t taken;    /* how often */
    uint64_t longest;  /* nanoseconds that one was held */
    uint32_t rank;     /* taken in rising rank */
    uint32_t measured; /* 1 with lock=debug */
};

#define LOG_TEXT 200

struct system_log_line {
    uint64_t number;
    uint64_t time;
    uint32_t level; /* 0 debug, 1 info, 2 warning, 3 error */
    uint32_t cpu;
    char text[LOG_TEXT];
};

#define TASK_NAME 32

#define TASK_EMPTY   0 /* created, no thread yet */
#define TASK_RUNNING 1
#define TASK_ENDED   2

#define END_EXIT   1 /* it called task_exit, or its last thread ended */
#define END_KILLED 2 /* task_kill */
#define END_FAULT  3 /* a fault that nobody handles; see vector, code, address, instruction */

/* How a thread has ended. */
struct thread_end {
    uint32_t kind;   /* END_* */
    uint32_t status; /* what it ended with */
};

struct task_status {
    uint32_t state;
    uint32_t end;         /* END_*, when it has ended */
    uint32_t status;      /* what it ended with */
    uint32_t vector;      /* exception vector, Intel SDM vol. 3A table 6-1 */
    uint64_t code;        /* its error code */
    uint64_t address;     /* CR2 for a page fault */
    uint64_t instruction; /* where it happened */
    uint64_t stack;       /* stack pointer then */
    uint32_t number;      /* the task's number, as in struct system_task */
    uint32_t pad;
};

struct system_task {
    uint32_t number;
    uint32_t state;
    uint32_t threads;
    uint32_t cpu; /* CPU of its first thread */
    uint64_t cpu_time;
    uint64_t memory; /* bytes mapped */
    char name[TASK_NAME];
};

/* What a thread is doing: X(NUMBER, NAME). */
#define THREAD_STATE_LIST(X)                                                                                 \
    X(0, "new")                                                                                              \
    X(1, "ready")                                                                                            \
    X(2, "running")                                                                                          \
    X(3, "waiting")                                                                                          \
    X(4, "suspended")                                                                                        \
    X(5, "moving")                                                                                           \
    X(6, "ended")

struct system_thread {
    uint32_t number;
    uint32_t task; /* 0 for the kernel's own */
    uint32_t cpu;
    uint32_t state;    /* THREAD_STATE_LIST */
    uint32_t priority; /* its own */
    uint32_t counted;  /* the priority that counts: more if lent; ~0 when its budget is used up */
    uint64_t cpu_time;
    char waits_for[24]; /* in a word; empty when it does not wait */
    char name[TASK_NAME];
};

struct system_variable {
    char key[64];
    char value[192];
};

struct system_boot {
    uint64_t clock_hz;  /* frequency of the time stamp counter */
    uint64_t wall_time; /* seconds since 1970-01-01 UTC at clock 0, or 0 if unknown */
    uint32_t cpus_expected;
    uint32_t cpus_online;
    uint64_t kernel_bytes; /* of the kernel image in memory */
    uint64_t first_user;   /* when the first thread went to user mode */
    uint64_t waited;       /* time until then that went into waiting for hardware clocks */
    char clock_source[16]; /* what the time stamp counter was measured against */
    char loader[32];
};

#endif
