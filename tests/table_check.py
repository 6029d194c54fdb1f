"""Is every way in which a measure can differ from bench/table.txt seen? Part of self_check.py; needs no guest."""

import sys
import unittest
from decimal import Decimal
from pathlib import Path

TOP = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TOP / "tools"))

from benchtable import COUNTED, TABLE, Entry, Row, TableError, judge, parse, renew  # noqa: E402
from measures import GuestError, Scope, parse_rows  # noqa: E402


def counted(value):
    return Row(Decimal(value), COUNTED)


def accepted(value, goal=None, note="", unit=COUNTED):
    return Entry(Decimal(value), unit, None if goal is None else Decimal(goal), note)


def state(entry, row, name="area.row"):
    return judge(name, entry, row).state


def fails(entry, row, name="area.row"):
    return bool(judge(name, entry, row).reason)


class Comparing(unittest.TestCase):
    def test_a_row_within_3_per_cent_of_what_was_accepted_is_ok(self):
        for value in ("97", "100", "103"):
            self.assertEqual(state(accepted("100"), counted(value)), "ok")
            self.assertFalse(fails(accepted("100"), counted(value)))

    def test_a_row_further_off_has_drifted_in_either_direction(self):
        for value in ("96.99", "103.01", "0", "1000"):
            self.assertEqual(state(accepted("100"), counted(value)), "drifted")
            self.assertTrue(fails(accepted("100"), counted(value)))

    def test_a_drifted_row_says_how_far_and_what_renews_the_table(self):
        self.assertIn("-10.0 %", judge("a.b", accepted("100"), counted("90")).reason)
        for value in ("90", "110"):
            self.assertIn("make bench-accept", judge("a.b", accepted("100"), counted(value)).reason)

    def test_a_row_accepted_at_0_has_drifted_when_it_is_more(self):
        self.assertEqual(state(accepted("0"), counted("0")), "ok")
        self.assertEqual(state(accepted("0"), counted("1")), "drifted")

    def test_the_calibration_is_held_exactly(self):
        self.assertEqual(state(accepted("1000"), counted("1000"), "calibrate.loop"), "ok")
        self.assertEqual(state(accepted("1000"), counted("1001"), "calibrate.loop"), "drifted")

    def test_a_row_in_another_unit_has_drifted(self):
        self.assertEqual(state(accepted("100"), Row(Decimal("100"), "ms")), "drifted")

    def test_a_row_of_the_table_that_is_not_measured_is_a_failure(self):
        self.assertEqual(state(accepted("100"), None), "missing")
        self.assertTrue(fails(accepted("100"), None))

    def test_a_row_that_is_not_in_the_table_is_a_failure(self):
        self.assertEqual(state(None, counted("100")), "unknown")
        self.assertTrue(fails(None, counted("100")))

    def test_a_missed_goal_needs_a_note(self):
        self.assertEqual(state(accepted("100", goal="100"), counted("100")), "ok")
        for note, failing in (("", True), ("because", False)):
            self.assertEqual(state(accepted("100", "99", note), counted("100")), "MISSED")
            self.assertEqual(fails(accepted("100", "99", note), counted("100")), failing)

    def test_times_and_sizes_are_held_to_their_goal_alone(self):
        for unit in ("ms", "bytes"):
            self.assertEqual(state(accepted("100", "300", unit=unit), Row(Decimal("299"), unit)), "ok")
            self.assertEqual(state(accepted("100", "300", unit=unit), Row(Decimal("301"), unit)), "MISSED")


class Reading(unittest.TestCase):
    def test_the_table_in_the_tree_is_one(self):
        self.assertGreater(len(parse(TABLE.read_text().splitlines())), 0)

    def test_a_line_is_a_name_value_unit_goal_and_note(self):
        entries = parse(["# about", "", "area.row  1.50 instructions - # why: # so", "area.other 2 ms 3"])
        self.assertEqual(entries, {"area.row": accepted("1.50", note="why: # so"),
                                   "area.other": accepted("2", goal="3", unit="ms")})

    def test_a_bad_line_is_refused_with_its_number(self):
        for bad in ("row 1 instructions -", "area.row 1 instructions", "area.row x instructions -",
                    "area.row 1 instructions - 5", "area.row -1 instructions -", "area.row 1 miles -",
                    "<<<<<<< HEAD", "=======", "area.row - instructions 5"):
            with self.assertRaisesRegex(TableError, "line 2"):
                parse(["", bad])

    def test_a_row_that_is_there_twice_is_refused(self):
        with self.assertRaisesRegex(TableError, "line 2"):
            parse(["area.row 1 ms -", "area.row 1 ms -"])

    def test_rows_of_kernel_and_programs_are_read_and_nothing_else(self):
        rows = parse_rows(["[   0.046839] kernel-bench: frames.one    44 instructions",
                           "aspace.two  2.50 instructions\r",
                           "aspace.three 89.23 instructions, 512 rounds of rep apart",
                           "noise", "a.b 1 instructions more", "see frames.one 3 instructions",
                           "[   0.000000] memory: 1016 MiB in frames"])
        self.assertEqual(rows, {"frames.one": counted("44"), "aspace.two": counted("2.50"),
                                "aspace.three": Row(Decimal("89.23"), COUNTED, 512)})

    def test_a_row_that_the_guest_could_not_measure_or_said_twice_is_a_failure(self):
        for lines in (["[ 0.1] kernel-bench: FAIL frames.one: no memory"], ["bench: FAIL calibrate.x: miscounted"],
                      ["area.row 1 instructions", "area.row 1 instructions"]):
            with self.assertRaises(GuestError):
                parse_rows(lines)


class Renewing(unittest.TestCase):
    LINES = ["# about", "", "boot.time 5 ms 300", "", "area.b 100 instructions 90 # why", "area.d 7 instructions -"]

    def renewed(self, rows, scope=Scope(units=(COUNTED,))):
        return renew(self.LINES, rows, scope.covers)

    def test_values_become_what_was_measured_and_goals_notes_and_comments_stay(self):
        lines = self.renewed({"area.b": counted("95"), "area.d": counted("7.50")})
        self.assertEqual(lines[:4], ["# about", "", Entry(Decimal(5), "ms", Decimal(300)).line("boot.time"), ""])
        self.assertEqual(parse(lines)["area.b"], accepted("95", "90", "why"))
        self.assertEqual(parse(lines)["area.d"], accepted("7.50"))

    def test_what_was_renewed_is_ok_and_renewing_again_changes_nothing(self):
        rows = {"area.b": counted("85"), "area.d": counted("8"), "new.row": counted("1")}
        lines = self.renewed(rows)
        for name, row in rows.items():
            self.assertEqual(judge(name, parse(lines)[name], row).state, "ok")
        self.assertEqual(renew(lines, rows, Scope(units=(COUNTED,)).covers), lines)

    def test_a_new_row_goes_to_its_place_in_its_area_or_to_the_end(self):
        rows = {name: counted("1") for name in ("area.b", "area.d", "area.a", "area.c", "area.e", "new.row")}
        lines = self.renewed(rows)
        self.assertEqual([line.split()[0] for line in lines if "." in line],
                         ["boot.time", "area.a", "area.b", "area.c", "area.d", "area.e", "new.row"])
        self.assertEqual(lines[-2], "")

    def test_a_row_that_is_measured_no_more_goes_unless_it_has_a_goal(self):
        self.assertNotIn("area.d", parse(self.renewed({"area.b": counted("1")})))
        with self.assertRaisesRegex(TableError, "area.b"):
            self.renewed({"area.d": counted("7")})

    def test_what_lies_outside_the_area_or_the_units_stays(self):
        rows = {"other.row": counted("1")}
        self.assertEqual(set(parse(self.renewed(rows, Scope("other")))), {"boot.time", "area.b", "area.d", "other.row"})


if __name__ == "__main__":
    unittest.main()
