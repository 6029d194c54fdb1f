#!/usr/bin/python3
"""Interrupt the kernel on each instruction of its way in and out: by NMIs, machine checks and debug exceptions.

usage: entry.py [PART...]

A machine runs a program that enters the kernel in all ways and looks at every register (user/bin/utest/entry.c). gdb
stops it on one instruction after the other, and injects (entry_gdb.py); the kernel under test says what struck where
(kernel/entry.c).
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from driver import TOP, GuestError, Machine

sys.path.insert(0, str(TOP / "tests"))
from report import Suite, conclude  # noqa: E402

IMAGE = TOP / "build/test.img"
KERNEL = TOP / "build/kernel/core-test.elf"
SCRIPT = TOP / "tests/guest/entry_gdb.py"
CONFIG = ["test=1", "entry=1", "autorun=utest child entry x"]
SECONDS = 150
PARTS = ("entry", "nmi", "machine-check", "debug", "debugged")


def interrupt(suite, machine, stub, parts):
    """Let gdb do its part, and then the program go on."""
    words = ["gdb", "-nx", "-q", "-batch", "-iex", "set auto-load off", "-ex", f"target remote {stub}",
             "-ex", f"python parts = {parts!r}", "-x", str(SCRIPT), str(KERNEL)]
    gdb = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                         timeout=SECONDS, check=False)
    machine.log_path.with_suffix(".gdb").write_text(gdb.stdout)
    for line in gdb.stdout.splitlines():
        suite.feed(line)
    for _ in range(2):
        if machine.expect(["entry: round", "entry: wrong", "PANIC"]).group(0) != "entry: round":
            raise GuestError(f"the program found a register changed; {machine.tail()}")


def main():
    parts = sys.argv[1:] or list(PARTS)
    unknown = [part for part in parts if part not in PARTS]
    if unknown:
        sys.exit(f"entry.py: {unknown[0]}: no such part; there are {' '.join(PARTS)}")
    suite = Suite("", speakers=("entry",))
    trouble = None
    with tempfile.TemporaryDirectory(prefix="quire-entry-") as folder:
        stub = Path(folder) / "gdb"
        try:
            with Machine("entry", IMAGE, cpus=1, memory="256M", config=CONFIG,
                         extra=["-gdb", f"unix:{stub},server=on,wait=off"]) as machine:
                machine.expect("entry: round")
                interrupt(suite, machine, stub, parts)
        except (GuestError, subprocess.TimeoutExpired) as error:
            trouble = str(error)
    suite.finish(trouble)
    conclude([suite])


if __name__ == "__main__":
    main()
