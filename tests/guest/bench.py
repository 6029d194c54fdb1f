#!/usr/bin/python3
"""Count operations in instructions, in one boot, and hold them to bench/table.txt.

usage: bench.py
"""

import sys

from driver import TOP, GuestError

sys.path.insert(0, str(TOP / "tests"))
sys.path.insert(0, str(TOP / "tools"))
from benchtable import COUNTED, TABLE, TableError, judge, parse  # noqa: E402
from measures import Scope  # noqa: E402
from report import Suite, conclude  # noqa: E402


def compare(suite):
    """A result for each row that is measured, and each that should have been. Times are no test: the host has a part
    in them."""
    scope = Scope(units=(COUNTED, "bytes"))
    entries, rows = parse(TABLE.read_text().splitlines()), scope.measure()
    for name in sorted(set(rows) | {name for name, entry in entries.items() if scope.covers(name, entry.unit)}):
        verdict = judge(name, entries.get(name), rows.get(name))
        if verdict.reason:
            suite.fail(name, verdict.reason)
        else:
            suite.ok(name)


def main():
    if len(sys.argv) > 1:
        sys.exit(__doc__)
    suite = Suite("", speakers=("bench",))
    try:
        compare(suite)
    except (TableError, GuestError, OSError) as error:
        suite.fail("measuring", str(error))
    conclude([suite])


if __name__ == "__main__":
    main()
