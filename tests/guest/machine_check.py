#!/usr/bin/python3
"""Tell the machine from outside that memory is bad (QEMU's `mce`), and see what the kernel makes of it.

usage: machine_check.py [WORD...]      only cases with one of the words in their name
"""

import re
import sys
import time

from driver import TOP, GuestError, Machine, clean, qemu

sys.path.insert(0, str(TOP / "tests"))
from report import Suite, conclude  # noqa: E402

IMAGE = TOP / "build/quire.img"
PROMPT = r"\nquire> "
PANIC_STATUS = 125
# SDM vol. 3B 15.3.2.2 and 15.9.3: valid, uncorrected, enabled, MISC and ADDR valid, signalled; and what was done.
UNCORRECTED = 0xBD00000000000000
SCRUBBED = UNCORRECTED | 0x00C0           # found by patrol; nobody has used it yet
USED = UNCORRECTED | 0x0080000000000134   # action required: a load met it
SPOILED = UNCORRECTED | 0x0200000000000134  # the state of the processor is corrupt
CORRECTED = 0x9C00000000000080
STATUS_OK, STATUS_LOST = 0x5, 0x4         # MCG_STATUS: in progress; with and without a way to resume
PAGE_MISC = 0x8C                          # a physical address, good from bit 12 on

CASES = []


def case(function):
    CASES.append(function)
    return function


def inject(machine, status, address, global_status=STATUS_OK, cpu=0):
    line = f"mce {cpu} 9 {status:#x} {global_status:#x} {address:#x} {PAGE_MISC:#x}"
    answer = machine.monitor("human-monitor-command", **{"command-line": line})
    if answer.strip():
        raise GuestError(f"QEMU says of '{line}': {answer.strip()}")


def command(machine, line, timeout=30):
    machine.send(line + "\r")
    machine.expect(PROMPT, timeout)
    return clean(machine.process.before)


def bad_frames(machine):
    match = re.search(r"X bad +(\d+) frames", command(machine, "frames", 60))
    return int(match[1]) if match else 0


def expect(condition, message):
    if not condition:
        raise GuestError(message)


@case
def memory_that_scrubbing_found_bad_is_never_given_out_again(machine):
    machine.expect(PROMPT)
    inject(machine, SCRUBBED, 0x8000000)
    machine.expect("memory at 8000000 is bad; its frame is never given out again", 10)
    expect(bad_frames(machine) == 1, "`frames` does not show one bad frame")
    expect("agree" in command(machine, "frames audit"), "the books are wrong afterwards")


@case
def an_address_that_is_no_memory_is_only_told_of(machine):
    machine.expect(PROMPT)
    inject(machine, SCRUBBED, 0xFE000000)
    machine.expect("memory at fe000000 is bad; it is no RAM of ours", 10)
    expect(bad_frames(machine) == 0, "`frames` shows a bad frame")


@case
def a_corrected_error_changes_nothing(machine):
    machine.expect(PROMPT)
    inject(machine, CORRECTED, 0x8000000)
    expect(bad_frames(machine) == 0, "`frames` shows a bad frame")


@case
def a_program_that_meets_bad_memory_ends_and_the_rest_goes_on(machine):
    machine.expect(PROMPT)
    machine.send("run spin\r")
    time.sleep(1)  # until it spins, and nothing else runs
    inject(machine, USED, 0x8000000, STATUS_LOST)
    machine.expect(r"spin: .*machine check|machine check", 20)
    machine.expect(PROMPT, 20)
    expect(bad_frames(machine) == 1, "`frames` does not show one bad frame")
    expect("still here" in command(machine, "echo still here"), "the prompt does not answer")


@case
def a_processor_that_is_corrupt_is_a_panic(machine):
    machine.expect(PROMPT)
    inject(machine, SPOILED, 0x8000000, STATUS_LOST)
    code = machine.finish(60)
    expect(re.search(r"PANIC: machine check at [0-9a-f]+: bank 9, status bf", machine.process.before),
           "the panic does not name bank and status")
    expect(qemu.exit_status(code) == PANIC_STATUS, f"QEMU's status is {code}")


def run(suite, function):
    name = function.__name__.replace("_", " ")
    try:
        with Machine("machine-check", IMAGE, cpus=1, memory="512M", config=["test=1"]) as machine:
            function(machine)
        suite.ok(name)
    except GuestError as error:
        suite.fail(name, str(error))


def main():
    suite = Suite("", speakers=("machine-check",))
    for function in CASES:
        if len(sys.argv) == 1 or any(word in function.__name__ for word in sys.argv[1:]):
            run(suite, function)
    conclude([suite])


if __name__ == "__main__":
    main()
