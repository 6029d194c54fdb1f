"""Taking the measures that bench/table.txt holds: rows AREA.NAME VALUE UNIT, as the guest prints them.

Instructions are counted in the test image on one CPU under -icount, in one boot: inside the kernel by its own rows
(tests/guest/kernel/bench.h), from user mode by bin/bench. Times are taken on the machine of `make run`.
"""

import re
import sys
from decimal import Decimal

from benchtable import CALIBRATION, NAME, TOP, UNITS, VALUE, Row, area_of, within

sys.path.insert(0, str(TOP / "tests/guest"))
from driver import GuestError, Machine, qemu  # noqa: E402

IMAGE = TOP / "build/quire.img"
TEST_IMAGE = TOP / "build/test.img"
KERNEL = TOP / "build/kernel/core"
SECONDS = 300
ROW = re.compile(rf"^(?:\[ *\d+\.\d+\] kernel-bench: )?({NAME}) +({VALUE}) ([a-z]+)"
                 r"(?:, (\d+) rounds of rep apart)?$")
FAILURE = re.compile(r"\b(?:kernel-bench|bench): FAIL (.*)$")
READY = re.compile(r"ready: (\d+) ms after kernel entry")


def parse_rows(lines):
    """The rows among the lines, by name. A row that the guest could not measure is a GuestError, and so is a name
    that comes twice."""
    rows = {}
    for line in lines:
        if failure := FAILURE.search(line):
            raise GuestError(f"not measured: {failure[1]}")
        if match := ROW.match(line.strip()):
            if match[1] in rows:
                raise GuestError(f"{match[1]} was measured twice")
            rows[match[1]] = Row(Decimal(match[2]), match[3], int(match[4] or 0))
    return rows


def guest_lines(name, image, config, **options):
    """What a machine says that runs a program and switches itself off."""
    with Machine(name, image, memory="1G", config=["test=1", "autoexit=1", *config], **options) as machine:
        yield from machine.lines_until_end(SECONDS)
        code = machine.finish()
    if qemu.exit_status(code) != 0:
        raise GuestError(f"the machine ended with QEMU's status {code}; {machine.tail()}")


def count_instructions(area, more):
    """The rows of the area, all if it is empty; with more words for the guest's boot environment."""
    config = [*more, f"bench={area or 'all'}", f"autorun=bench {area}".rstrip()]
    rows = parse_rows(guest_lines("bench", TEST_IMAGE, config, cpus=1, icount=True))
    if not any(area_of(name) == CALIBRATION for name in rows):
        raise GuestError("the guest counted no stretch of known length, so no row can be trusted")
    return rows


def take_sizes():
    return {"boot.image-bytes": Row(Decimal(KERNEL.stat().st_size), "bytes")}


def take_times(more):
    rows = {}
    for line in guest_lines("bench-boot", IMAGE, [*more, "autorun=hello"], cpus=4):
        if ready := READY.search(line):
            rows["boot.entry-to-prompt"] = Row(Decimal(ready[1]), "ms")
    return rows


class Scope:
    """Which rows are measured: those of one area, or of all; those in some of the units."""

    def __init__(self, area="", units=UNITS, config=()):
        self.area = area
        self.units = units
        self.config = config

    def covers(self, name, unit):
        return within(name, self.area) and unit in self.units

    def measure(self):
        """The rows by name. A boot for the times is made only if one is covered."""
        rows = count_instructions(self.area, self.config) | take_sizes()
        if self.covers("boot.entry-to-prompt", "ms"):
            rows |= take_times(self.config)
        rows = {name: row for name, row in rows.items() if self.covers(name, row.unit)}
        if all(area_of(name) == CALIBRATION for name in rows) and self.area != CALIBRATION:
            raise GuestError(f"there is no area '{self.area}'")
        return rows
