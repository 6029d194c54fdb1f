#!/usr/bin/python3
"""Fuzz the system calls of the running kernel (user/bin/fuzz) for some time, each boot with a seed of its own.

usage: fuzz_syscalls.py SECONDS [CPUS]

Ends at the first thing that goes wrong, with status 1; the log of that machine is kept in build/test-logs.
"""

import sys
import time

from driver import TOP, GuestError, Machine, qemu

IMAGE = TOP / "build/checked.img"
BOOT = 60  # seconds; how long one machine is fuzzed
CPUS = ("1", "4")


def fuzz(seed, seconds, cpus):
    """One machine. Returns what went wrong, or None."""
    name = f"fuzz-syscalls-{cpus}"
    config = ["test=1", "autoexit=1", f"autorun=fuzz 1 {seed} {seconds}"]
    told = []
    try:
        with Machine(name, IMAGE, cpus=cpus, memory="256M", config=config) as machine:
            for line in machine.lines_until_end(seconds + 180):
                if line.startswith(("fuzz: ", "ok fuzz", "FAIL fuzz")) or "PANIC" in line:
                    told.append(line)
                    print(f"{cpus} CPUs, seed {seed}: {line}", flush=True)
            status = qemu.exit_status(machine.finish())
    except GuestError as error:
        return str(error)
    good = status == 0 and any(line.startswith("fuzz: ") and line.endswith(" 0 failed") for line in told)
    return None if good else f"the machine ended with status {status}; its log is build/test-logs/{name}.log"


def main():
    if len(sys.argv) not in (2, 3) or not sys.argv[1].isdigit():
        sys.exit(__doc__)
    end = time.monotonic() + int(sys.argv[1])
    seed = int(time.time())
    kinds = (sys.argv[2],) if len(sys.argv) == 3 else CPUS
    while time.monotonic() < end:
        seconds = max(1, min(BOOT, int(end - time.monotonic())))
        wrong = fuzz(seed, seconds, kinds[seed % len(kinds)])
        if wrong:
            sys.exit(f"fuzz-syscalls: seed {seed}: {wrong}")
        seed += 1


if __name__ == "__main__":
    main()
