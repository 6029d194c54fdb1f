#!/usr/bin/python3
"""Break the kernel on purpose (crash=KIND, tests/guest/kernel/crash.c) and read what its panic says.

usage: crash.py [KIND...]
"""

import re
import sys

from driver import TOP, GuestError, Machine, clean, qemu

sys.path.insert(0, str(TOP / "tests"))
from report import Suite, at_once, conclude  # noqa: E402

IMAGE = TOP / "build/test.img"
PANIC_STATUS = 125

# For each kind: what the lines of the panic have to match, one after the other.
KINDS = {
    "unmapped": [r"PANIC: page fault writing ffff81ff[0-9a-f]+, not mapped", r"cpu \d+, thread 'boot'",
                 r"rax [0-9a-f]{16}", r"cr3 [0-9a-f]+", r"translation of ffff81ff", r"not present", r"backtrace:",
                 r"crash_write_unmapped\+0x|crash\+0x", r"selftest_run\+0x", "the system is stopped"],
    "text": [r"PANIC: page fault writing ffffffffffe02000, not allowed", r"translation of", r"page table .* leaf",
             r"backtrace:", r"selftest_run\+0x", "the system is stopped"],
    "stack": [r"PANIC: double fault", r"backtrace:", r"crash_overflow_stack\+0x", "the system is stopped"],
    "first": [r"PANIC: invalid instruction", r"#0 .* crash_at_first\+0x0", r"#1 .* crash_without_frame\+0x",
              r"#2 .* crash\+0x", r"selftest_run\+0x", "the system is stopped"],
    "push": [r"PANIC: invalid instruction", r"#0 .* crash_after_push\+0x1", r"#1 .* crash_without_frame\+0x",
             r"#2 .* crash\+0x", r"selftest_run\+0x", "the system is stopped"],
    "frame": [r"PANIC: frame [0-9a-f]+ was written to after it was given back as 'user' of account 7: 1234 at "
              r"offset 320",
              r"backtrace:", r"frame_alloc\+0x|take\w*\+0x", "the system is stopped"],
    "retired": [r"PANIC: frame [0-9a-f]+ was written to after all CPUs ought to have forgotten it: 1234 at offset 320",
                r"backtrace:", r"crash_write_retired\+0x", "the system is stopped"],
    "retired-block": [r"PANIC: frame [0-9a-f]+ff000 was written to after all CPUs ought to have forgotten it: 1234 at "
                      r"offset 320", r"backtrace:", r"crash_write_retired\+0x", "the system is stopped"],
    "retired-table": [r"PANIC: page table [0-9a-f]+ was written to after all CPUs ought to have forgotten it: 1234 at "
                      r"offset 320", r"backtrace:", r"crash_write_retired_table\+0x", "the system is stopped"],
    "free": [r"PANIC: frame [0-9a-f]+ is given back as a block of order 2, but it is held as 'page table': "
             r"8 frames from", r"backtrace:", "the system is stopped"],
    "lock": [r"PANIC: lock 'outer of the test' of rank \d+ taken while", r"backtrace:", r"selftest_run\+0x",
             "the system is stopped"],
    "lock-twice": [r"PANIC: lock 'lock of the test' of rank \d+ taken while", r"crash(_lock_twice)?\+0x",
                   "the system is stopped"],
    "lock-open": [r"PANIC: lock 'lock of the test' taken with interrupts on", r"crash(_lock_open)?\+0x",
                  "the system is stopped"],
    "heap-overrun": [r"PANIC: heap: 'victim' 0x\w+ of 160 bytes was overrun: 1 bytes behind its last is 41; last taken "
                     r"by crash_take\+0x\w+, given back by nobody", r"backtrace:", r"crash_give\+0x",
                     r"selftest_run\+0x"],
    "heap-underrun": [r"PANIC: heap: 'victim' 0x\w+ of 160 bytes was underrun: 1 bytes before it is 41; last taken by "
                      r"crash_take\+0x", r"crash_give\+0x", r"selftest_run\+0x"],
    "heap-use-after-free": [r"PANIC: heap: 'victim' 0x\w+ of 160 bytes was written to after it was given back: byte 8 "
                            r"is 41; last taken by crash_take\+0x\w+, given back by crash_give\+0x",
                            r"selftest_run\+0x"],
    "heap-double-free": [r"PANIC: heap: 'victim' 0x\w+ of 160 bytes is given back a second time; last taken by "
                         r"crash_take\+0x\w+, given back by crash_give\+0x", r"crash_give\+0x",
                         r"selftest_run\+0x"],
    "heap-double-free-plain": [r"PANIC: heap: 'victim' 0x\w+ of 160 bytes is given back a second time", r"backtrace:",
                               r"crash_give\+0x", r"selftest_run\+0x"],
    "heap-wrong-cache": [r"PANIC: heap: 0x\w+, given back to '1024 bytes', is no object of it: it is one of 'victim'",
                         r"backtrace:", r"crash_heap\+0x", r"selftest_run\+0x"],
}
# What a machine says, one after the other, that does not end by itself.
REPORTS = {
    "lock-stall": [r"cpu \d+ waits \d+ ms for lock 'stalled lock': cpu \d+ took it at crash_hold_for_ever\+0x"],
}
# The watchdog names the CPU that hangs, and what it does.
REPORTS["hang"] = [r"cpu 3 hangs", r"backtrace:", r"crash_hang\+0x"]
REPORTS["hang-first"] = [r"cpu 0 hangs", r"backtrace:", r"crash_hang\+0x"]
# What else a kind needs in the environment.
CONFIG = {**{kind: ["tlb=debug"] for kind in ("retired", "retired-block", "retired-table")},
          "lock-open": ["lock=debug"], "lock-stall": ["lock=debug"],
          "hang": ["watchdog=2"], "hang-first": ["watchdog=2"],
          **{kind: ["heap=debug"]
             for kind in ("heap-overrun", "heap-underrun", "heap-use-after-free", "heap-double-free")}}


def missing(lines, patterns):
    """The first pattern that no line behind those of the ones before it matches."""
    at = 0
    for pattern in patterns:
        while at < len(lines) and not re.search(pattern, lines[at]):
            at += 1
        if at == len(lines):
            return pattern
    return None


def crash(kind):
    """What is wrong, or None."""
    config = ["test=1", "frames=debug", f"crash={kind}", *CONFIG.get(kind, [])]
    with Machine(f"crash-{kind}", IMAGE, cpus=4, memory="256M", config=config) as machine:
        code = machine.finish(90)
        lines = [clean(line) for line in machine.process.before.split("\n")]
    pattern = missing(lines, KINDS[kind])
    if pattern:
        return f"nothing in it matches '{pattern}', or not in its place"
    return None if qemu.exit_status(code) == PANIC_STATUS else f"QEMU's status is {code}"


def report(kind):
    """A machine that hangs on purpose says so."""
    with Machine(f"crash-{kind}", IMAGE, cpus=4, memory="256M",
                 config=["test=1", f"crash={kind}", *CONFIG.get(kind, [])]) as machine:
        for pattern in REPORTS[kind]:
            machine.expect(pattern)


def judge(kind):
    """The test's name, and what is wrong, or None."""
    name = f"a panic tells of '{kind}' and ends QEMU with its status" if kind in KINDS else f"'{kind}' is reported"
    try:
        return name, (crash if kind in KINDS else report)(kind)
    except GuestError as error:
        return name, str(error)


def main():
    all_kinds = [*KINDS, *REPORTS]
    kinds = sys.argv[1:] or all_kinds
    unknown = [kind for kind in kinds if kind not in all_kinds]
    if unknown:
        sys.exit(f"crash.py: {unknown[0]}: no such kind; there are {' '.join(all_kinds)}")
    suite = Suite("", speakers=("crash",))
    for name, wrong in at_once(judge, kinds):  # most of the time is the firmware's, and none is measured
        suite.judge(name, wrong)
    conclude([suite])


if __name__ == "__main__":
    main()
