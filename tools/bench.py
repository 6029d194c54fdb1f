#!/usr/bin/python3
"""Measure operations in the guest, and compare them with the table of what was accepted, or renew that.

usage: bench.py [--accept] [AREA] [KEY=VALUE...]

Prints a row for each measure: AREA.NAME VALUE ACCEPTED GOAL UNIT STATE and the note. The state is `ok`, `MISSED` if
the value is above the goal, `drifted` if it is a count of instructions and not the accepted one within 3 %, `missing`
or `unknown` if it stands only in the table or only was measured. The status is 0 if all are ok.

KEY=VALUE is for the guest's boot environment, to see what it changes.

With --accept what is measured becomes what is accepted, in bench/table.txt: of all areas the instructions, which are
the same in every run, and of an area that is named the times and sizes too.
"""

import sys

from benchtable import COUNTED, TABLE, UNITS, TableError, judge, parse, renew
from measures import GuestError, Scope


def show(name, entry, row, state):
    value = row.value if row else "-"
    accepted = entry.accepted if entry else "-"
    goal = entry.goal if entry and entry.goal is not None else "-"
    rounds = f"{row.rounds} rounds of rep apart" if row and row.rounds else ""
    notes = "; ".join(note for note in (rounds, entry.note if entry else "") if note)
    line = f"{name:<36} {value:>10} {accepted:>10} {goal:>10} {(row or entry).unit:<12} {state:<8}{notes}"
    print(line.rstrip(), flush=True)


def compare(scope):
    entries, rows = parse(TABLE.read_text().splitlines()), scope.measure()
    names = sorted(set(rows) | {name for name, entry in entries.items() if scope.covers(name, entry.unit)})
    good = True
    for name in names:
        verdict = judge(name, entries.get(name), rows.get(name))
        show(name, entries.get(name), rows.get(name), verdict.state)
        good = good and verdict.state == "ok"
    return good


def accept(scope):
    before = TABLE.read_text().splitlines()
    after = renew(before, scope.measure(), scope.covers)
    TABLE.write_text("\n".join(after) + "\n")
    changed = [line for line in after if line not in before]
    print("\n".join(changed) if before != after else f"bench: {TABLE.name} stays as it is")
    return True


def main():
    words = sys.argv[1:]
    accepting = "--accept" in words
    config = [word for word in words if "=" in word]
    areas = [word for word in words if word != "--accept" and word not in config]
    if len(areas) > 1 or (accepting and config) or any(word.startswith("-") for word in areas):
        sys.exit(__doc__)
    area = areas[0] if areas else ""
    try:
        good = accept(Scope(area, UNITS if area else (COUNTED,))) if accepting else compare(Scope(area, config=config))
    except TableError as error:
        sys.exit(f"bench: {TABLE}: {error}")
    except (GuestError, OSError) as error:
        sys.exit(f"bench: {error}")
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
