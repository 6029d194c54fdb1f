#!/usr/bin/python3
"""Measure operations in the guest and hold them to their goals.

usage: bench.py [AREA]

Boots one CPU under `-icount shift=0`, where one virtual nanosecond is one instruction, runs bin/bench in it,
and prints a row for each measure: AREA.NAME VALUE UNIT GOAL ok|MISSED, with a dash where there is no goal. The
boot is measured on the machine of `make run`. The goals stand in bench/goals.txt. The status is 0 if every goal
of the area was measured and met, and the clock measured loops of known length right.
"""

import re
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TOP / "tests/guest"))

from driver import GuestError, Machine, qemu  # noqa: E402

IMAGE = TOP / "build/quire.img"
TEST_IMAGE = TOP / "build/test.img"
KERNEL = TOP / "build/kernel/core"
GOALS = TOP / "bench/goals.txt"
SECONDS = 600
ROW = re.compile(r"^([a-z][a-z0-9-]*\.[a-z0-9-]+) +(\d+(?:\.\d+)?) +([a-z]+)$")
READY = re.compile(r"ready: (\d+) ms after kernel entry")
# bench measures loops of a known number of instructions; the clock may be off by this part of it.
CALIBRATION = re.compile(r"^calibrate\.loop-(\d+)$")
CALIBRATION_TOLERANCE = 0.01


def read_goals(path):
    goals = {}
    for number, line in enumerate(path.read_text().splitlines(), 1):
        fields = line.partition("#")[0].split()
        if not fields:
            continue
        if len(fields) != 3 or "." not in fields[0] or not fields[1].isdigit() or fields[0] in goals:
            sys.exit(f"bench: {path}:{number}: expected one AREA.NAME GOAL UNIT, each name once")
        goals[fields[0]] = (int(fields[1]), fields[2])
    return goals


def guest_lines(name, config, image=IMAGE, **options):
    """What a machine says that runs a program and switches itself off."""
    with Machine(name, image, memory="1G", config=["test=1", "autoexit=1", *config], **options) as machine:
        yield from machine.lines_until_end(SECONDS)
        code = machine.finish()
    if qemu.exit_status(code) != 0:
        raise GuestError(f"the machine ended with QEMU's status {code}; {machine.tail()}")


def measure_boot():
    """The kernel's size, and the time it takes on the machine that `make run` starts."""
    rows = {"boot.image-bytes": (float(KERNEL.stat().st_size), "bytes")}
    for line in guest_lines("bench-boot", ["autorun=hello"], cpus=4):
        if ready := READY.search(line):
            rows["boot.entry-to-prompt"] = (float(ready[1]), "ms")
    return rows


def measure_instructions(area):
    """The rows that bin/bench prints, as name -> (value, unit)."""
    lines = guest_lines("bench", [f"autorun=bench {area}".rstrip()], cpus=1, icount=True)
    return {row[1]: (float(row[2]), row[3]) for line in lines if (row := ROW.match(line.strip()))}


def measure_kernel():
    """The rows of the measures inside the kernel, which are linked into the test image."""
    lines = guest_lines("bench-kernel", ["measure=1", "autorun=hello"], image=TEST_IMAGE, cpus=1, icount=True)
    return {row[1]: (float(row[2]), row[3]) for line in lines if (row := ROW.match(line.strip()))}


def judge(name, rows, goals):
    """Print the row of one measure; is it good?"""
    value, unit = rows.get(name, (None, None))
    goal, goal_unit = goals.get(name, (None, unit))
    loop = CALIBRATION.match(name)
    if loop:
        goal = int(loop[1])
        good = abs(value - goal) <= CALIBRATION_TOLERANCE * goal
    else:
        good = goal is None or (value is not None and unit == goal_unit and value <= goal)
    shown = "missing" if value is None else f"{value:g}"
    print(f"{name:<34} {shown:>12} {unit or goal_unit:<12} {'-' if goal is None else goal:>12} "
          f"{'ok' if good else 'MISSED'}", flush=True)
    return good


def main():
    if len(sys.argv) > 2 or any(word.startswith("-") for word in sys.argv[1:]):
        sys.exit(__doc__)
    area = sys.argv[1] if len(sys.argv) == 2 else ""
    goals = read_goals(GOALS)
    rows = {}
    try:
        if area in ("", "boot"):
            rows |= measure_boot()
        if area != "boot":
            rows |= measure_instructions(area)
        if area in ("", "authority"):
            rows |= measure_kernel()
    except (GuestError, OSError) as error:
        sys.exit(f"bench: {error}")
    names = [name for name in sorted(set(rows) | set(goals))
             if not area or name.partition(".")[0] in (area, "calibrate")]
    if not names:
        sys.exit(f"bench: there is no area '{area}'")
    if area != "boot" and not any(CALIBRATION.match(name) for name in names):
        sys.exit("bench: the guest measured no loop of known length, so no measure can be trusted")
    results = [judge(name, rows, goals) for name in names]
    sys.exit(0 if all(results) else 1)


if __name__ == "__main__":
    main()
