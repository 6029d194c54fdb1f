"""The table of measures, bench/table.txt: for each row the value last accepted, its unit, the goal, and a note.

    AREA.NAME ACCEPTED UNIT GOAL|- [# NOTE]

Rows counted in instructions come out the same on every host, so they are held to the accepted value; those in ms and
bytes to their goals alone. A measure should not be above its goal; where it is, the note says why.
"""

import re
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

TOP = Path(__file__).resolve().parents[1]
TABLE = TOP / "bench/table.txt"
COUNTED = "instructions"
UNITS = (COUNTED, "ms", "bytes")
NAME = r"[a-z][a-z0-9-]*\.[a-z0-9-]+"
VALUE = r"\d+(?:\.\d+)?"
TOLERANCE_PERCENT = 3
# Stretches of a known number of instructions, see bench/guest/calibrate.h: these are exact, or nothing is.
CALIBRATION = "calibrate"


class TableError(Exception):
    """The table cannot be read, or not be renewed."""


@dataclass
class Row:
    """A measure. Rounds of rep instructions are told apart, and not in the value."""
    value: Decimal
    unit: str
    rounds: int = 0


@dataclass
class Entry:
    accepted: Decimal
    unit: str
    goal: Decimal | None = None
    note: str = ""

    def line(self, name):
        goal = "-" if self.goal is None else self.goal
        note = f"  # {self.note}" if self.note else ""
        return f"{name:<36} {self.accepted:>10} {self.unit:<12} {goal:>10}{note}"


@dataclass
class Verdict:
    state: str  # ok, MISSED, drifted, missing, unknown
    reason: str = ""  # why that is a failure; a goal missed for a reason that the note gives is none


def area_of(name):
    return name.partition(".")[0]


def within(name, area):
    """Is this row measured when the area (all, if empty) is asked for? The calibration always is."""
    return area in ("", area_of(name)) or area_of(name) == CALIBRATION


def parse_line(line):
    """The name and Entry of a line of the table, or None for one that is empty but for a comment."""
    fields, _, note = line.partition("#")
    if not fields.strip():
        return None
    match = re.fullmatch(rf"({NAME}) +({VALUE}) +([a-z]+) +(-|{VALUE})", fields.strip())
    if not match or match[3] not in UNITS:
        raise TableError(f"expected AREA.NAME ACCEPTED UNIT GOAL|- [# NOTE], the unit one of {', '.join(UNITS)}")
    goal = None if match[4] == "-" else Decimal(match[4])
    return match[1], Entry(Decimal(match[2]), match[3], goal, note.strip())


def parse(lines):
    """The entries by name."""
    entries = {}
    for number, line in enumerate(lines, 1):
        try:
            parsed = parse_line(line)
            if parsed and parsed[0] in entries:
                raise TableError(f"{parsed[0]} is there already")
        except TableError as error:
            raise TableError(f"line {number}: {error}") from None
        if parsed:
            entries[parsed[0]] = parsed[1]
    return entries


def drift(name, entry, row):
    """What is said of a row that is not what was accepted; None if it is."""
    if row.unit != entry.unit:
        return f"measured in {row.unit}, accepted in {entry.unit}"
    if entry.unit != COUNTED:
        return None
    if area_of(name) == CALIBRATION:
        return None if row.value == entry.accepted else f"{row.value} instructions were counted, not {entry.accepted}"
    if abs(row.value - entry.accepted) * 100 <= TOLERANCE_PERCENT * entry.accepted:
        return None
    change = f"{(row.value - entry.accepted) * 100 / entry.accepted:+.1f} %" if entry.accepted else "new"
    what = "slower" if row.value > entry.accepted else "faster"
    return (f"{row.value} instructions, {entry.accepted} were accepted ({change}): {what}; if that is meant, "
            f"`make bench-accept` renews the table")


def judge(name, entry, row):
    """Compare what was measured with the table; either may be None."""
    if row is None:
        return Verdict("missing", "in the table, but not measured")
    if entry is None:
        return Verdict("unknown", f"{row.value} {row.unit}, not in the table; `make bench-accept` enters it")
    drifted = drift(name, entry, row)
    if drifted:
        return Verdict("drifted", drifted)
    if entry.goal is not None and row.value > entry.goal:
        return Verdict("MISSED", "" if entry.note else f"{row.value} {row.unit} are above the goal of {entry.goal}, "
                                                       f"and no note in the table says why")
    return Verdict("ok")


def place(lines, name):
    """The index at which a new row belongs: in the order of names in its area, or behind everything."""
    names = [(index, parsed[0]) for index, line in enumerate(lines) if (parsed := parse_line(line))]
    own = [(index, other) for index, other in names if area_of(other) == area_of(name)]
    if not own:
        return None
    return next((index for index, other in own if other > name), own[-1][0] + 1)


def renew(lines, rows, covers):
    """The table's lines with what was measured in the place of what was accepted. `covers` says, by name and unit,
    which rows would have been measured: those of them that were not go, unless they have a goal. Comments, goals and
    notes stay."""
    entries = parse(lines)
    lost = [name for name, entry in entries.items() if name not in rows and covers(name, entry.unit)]
    for name in lost:
        if entries[name].goal is not None:
            raise TableError(f"{name} has a goal, but was not measured: take it out by hand if it shall go")
    renewed = []
    for line in lines:
        parsed = parse_line(line)
        if not parsed:
            renewed.append(line)
        elif parsed[0] not in lost:
            name, entry = parsed
            row = rows.get(name, Row(entry.accepted, entry.unit))
            renewed.append(Entry(row.value, row.unit, entry.goal, entry.note).line(name))
    for name in sorted(set(rows) - set(entries)):
        line = Entry(rows[name].value, rows[name].unit).line(name)
        index = place(renewed, name)
        if index is None:
            renewed += ["", line]
        else:
            renewed.insert(index, line)
    return renewed
