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
EVENT = re.compile(r"trace: \d+ ([0-9a-f]+) ")
KEYS = len("cpus\r")
ROOT = "1"  # the number of its task
END = re.compile(r"soak: (\d+) rounds, (\d+) errors")


def command(machine, line, timeout=60):
    machine.send(line + "\r")
    machine.expect("\n")
    machine.expect(r"\n?" + PROMPT, timeout)
    return [clean(text) for text in machine.process.before.split("\n")]


class Windows:
    """What the rings held at some moments of the run: the checker's worst, and what it found wrong."""

    def __init__(self):
        self.wrong, self.events, self.latest = [], 0, 0
        self.seen = 0  # when the last event of the window before was
        self.said = []  # by the program, while the host was reading something else

    def look(self, machine):
        lines = command(machine, "trace dump", 300)  # which stops it
        # The rings keep what was there before the trace was switched off; nobody knows what happened in between.
        fresh = [line for line in lines if not (event := EVENT.match(line)) or int(event[1], 16) > self.seen]
        self.seen = max(int(event[1], 16) for event in map(EVENT.match, lines) if event)
        checker, count = timeline.check(fresh)
        self.said += [line for line in [*lines, *command(machine, "trace on")] if "soak: " in line]
        self.wrong += checker.wrong
        self.events += count
        self.latest = max(self.latest, checker.latest)


def interrupts(machine):
    """Of each CPU but the boot processor, which has the devices: all, and kicks; and where the root server ran."""
    rows = [line.split() for line in command(machine, "cpus")]
    heads = next(row for row in rows if "interrupts" in row)
    count, kicks, task = (heads.index(name) - len(heads) for name in ("interrupts", "kicks", "task"))
    rows = [row for row in rows if row and row[0].isdigit()]
    root = next(int(row[0]) for row in rows if row[task] == ROOT)
    return {int(row[0]): (int(row[count]), int(row[kicks])) for row in rows if row[0] != "0"}, root


def taken(machine, seconds):
    """In so many seconds, by CPU. What we type wakes the root server, by a kick for each key where it ran last: those
    do not count."""
    before, root = interrupts(machine)
    time.sleep(seconds)
    after, _ = interrupts(machine)
    counts = {}
    for cpu, (count, kicks) in after.items():
        keys = min(kicks - before[cpu][1], KEYS) if cpu == root else 0
        counts[cpu] = count - before[cpu][0] - keys
    return counts


def rest(suite, machine):
    """Ten seconds in which nothing is to do, and ten in which one program computes: only the boot processor may be
    interrupted; and who runs alone once a second."""
    idle = taken(machine, 10)
    if any(idle.values()):
        suite.fail("idle CPUs take no interrupts", f"by CPU, in ten seconds: {idle}")
    else:
        suite.ok("idle CPUs take no interrupts in ten seconds")
    command(machine, "run spin &")
    time.sleep(1)
    lone = taken(machine, 10)
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
        last = next(filter(None, map(END.search, windows.said)), None)
        if last is None:
            last = machine.expect([END.pattern], seconds + 300)
            windows.said += [line for line in machine.process.before.split("\n") if "soak: " in line]
            machine.expect(PROMPT)
        if int(last[2]) == 0 and int(last[1]) > 1000:
            suite.ok(f"{last[1]} rounds of everything at once")
        else:
            suite.fail("everything at once", " | ".join(map(clean, windows.said)))
        if windows.wrong or windows.events < 3000:
            suite.fail("no priority inversion", "; ".join(windows.wrong[:3]) or f"only {windows.events} events")
        else:
            longest = f"{windows.latest / 1e6:.1f} ms"
            suite.ok(f"no priority inversion in {windows.events} events: at most {longest} after a CPU noticed")
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
