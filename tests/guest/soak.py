#!/usr/bin/python3
"""Everything at once for a long time: boot the product on four CPUs, run bin/soak, and look at the books after it.

usage: soak.py [SECONDS]        600 by default
"""

import re
import sys
import time

from driver import TOP, GuestError, Machine, clean

sys.path.insert(0, str(TOP / "tests"))
import timeline  # noqa: E402
from report import Suite, conclude  # noqa: E402

IMAGE = TOP / "build/quire.img"
PROMPT = "quire> "


def command(machine, line, timeout=60):
    machine.send(line + "\r")
    machine.expect("\n")
    machine.expect(r"\n?" + PROMPT, timeout)
    return [clean(text) for text in machine.process.before.split("\n")]


class Windows:
    """What the rings held at some moments of the run: the checker's worst, and what it found wrong."""

    def __init__(self):
        self.wrong, self.events, self.latest = [], 0, 0

    def look(self, machine):
        checker, count = timeline.check(command(machine, "trace dump", 300))  # which stops it
        command(machine, "trace on")
        self.wrong += checker.wrong
        self.events += count
        self.latest = max(self.latest, checker.latest)


def interrupts(machine):
    """Of each CPU, by the column of that name."""
    rows = [line.split() for line in command(machine, "cpus")]
    heads = next(row for row in rows if "interrupts" in row)
    return {int(row[0]): int(row[len(row) - len(heads) + heads.index("interrupts")])
            for row in rows if row and row[0].isdigit()}


def rest(suite, machine):
    """Ten seconds in which nothing is to do, and ten in which one program computes: only the boot processor, which has
    the devices, may be interrupted; and who runs alone once a second."""
    before = interrupts(machine)
    time.sleep(10)
    idle = {cpu: count - before[cpu] for cpu, count in interrupts(machine).items() if cpu != 0}
    if any(idle.values()):
        suite.fail("idle CPUs take no interrupts", f"by CPU, in ten seconds: {idle}")
    else:
        suite.ok("idle CPUs take no interrupts in ten seconds")
    command(machine, "run spin &")
    time.sleep(1)
    before = interrupts(machine)
    time.sleep(10)
    lone = {cpu: count - before[cpu] for cpu, count in interrupts(machine).items() if cpu != 0}
    if sum(lone.values()) > 10:
        suite.fail("a lone thread is interrupted at most once a second", f"by CPU, in ten seconds: {lone}")
    else:
        suite.ok("a lone thread is interrupted at most once a second")
    jobs = [match[1] for line in command(machine, "tasks") if (match := re.match(r" *(\d+) .* spin", line))]
    command(machine, f"kill {jobs[0]}")


def soak(suite, seconds):
    with Machine("soak", IMAGE, cpus=4, memory="512M", exit_device=False, config=["trace=1", "lock=debug"]) as machine:
        machine.expect(PROMPT)
        rest(suite, machine)
        command(machine, f"run soak {seconds} &")
        windows = Windows()
        end = time.monotonic() + seconds
        for left in (3, 2, 1):
            time.sleep(max(0, (end - time.monotonic()) / (left + 1)))
            windows.look(machine)
        last = machine.expect([r"soak: (\d+) rounds, (\d+) errors"], seconds + 300)
        if int(last[2]) == 0 and int(last[1]) > 1000:
            suite.ok(f"{last[1]} rounds of everything at once")
        else:
            suite.fail("everything at once", " | ".join(re.findall(r"soak: .*", machine.tail())))
        if windows.wrong or windows.events < 3000:
            suite.fail("no priority inversion", "; ".join(windows.wrong[:3]) or f"only {windows.events} events")
        else:
            longest = f"{windows.latest / 1e6:.1f} ms"
            suite.ok(f"no priority inversion in {windows.events} events: at most {longest} after a CPU noticed")
        machine.expect(PROMPT)
        audit = command(machine, "frames audit")
        if any("agree" in line for line in audit):
            suite.ok("the books of the frames are right")
        else:
            suite.fail("the books of the frames", " | ".join(audit))
        print("\n".join(line for line in command(machine, "locks") if "us" in line))


def main():
    seconds = int(sys.argv[1]) if len(sys.argv) == 2 else 600
    suite = Suite("", speakers=("soak",))
    try:
        soak(suite, seconds)
    except GuestError as error:
        suite.fail("everything at once", str(error))
    conclude([suite])


if __name__ == "__main__":
    main()
