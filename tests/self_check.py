#!/usr/bin/python3
"""Does the counting itself count? Each way in which a suite can go wrong has to be seen as a failure, and each in which
a measure can differ from the table (table_check.py)."""

import sys
import unittest
from pathlib import Path

TOP = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TOP / "tools"))

import lint
import qemu
import table_check
import timeline
from syscalls import trace
from syscalls.table import read_table
from report import Suite, Tap, conclude, run_suite


def counted(lines, trouble=None, **options):
    suite = Suite("it", show=lambda _: None, **options)
    for line in lines:
        suite.feed(line)
    suite.finish(trouble)
    return suite.passed, suite.failed


class Counting(unittest.TestCase):
    def test_results_that_agree_with_the_last_line_pass(self):
        self.assertEqual(counted(["ok a", "noise", "ok b", "2 passed, 0 failed"]), (2, 0))

    def test_a_FAIL_line_is_a_failure(self):
        self.assertEqual(counted(["ok a", "FAIL b: why", "1 passed, 1 failed"]), (1, 1))

    def test_a_missing_last_line_is_a_failure(self):
        self.assertEqual(counted(["ok a"]), (1, 1))

    def test_a_last_line_that_does_not_agree_is_a_failure(self):
        self.assertEqual(counted(["ok a", "2 passed, 0 failed"]), (1, 1))
        self.assertEqual(counted(["ok a", "ok b", "1 passed, 0 failed"]), (2, 1))

    def test_no_tests_at_all_is_a_failure(self):
        self.assertEqual(counted(["0 passed, 0 failed"]), (0, 1))
        self.assertEqual(counted([]), (0, 1))

    def test_a_crash_after_the_last_line_is_a_failure(self):
        self.assertEqual(counted(["ok a", "1 passed, 0 failed"], "ended with status 139"), (1, 1))

    def test_a_status_that_only_repeats_a_FAIL_line_is_not_counted_twice(self):
        self.assertEqual(counted(["FAIL a: why", "0 passed, 1 failed"], "ended with status 1"), (0, 1))

    def test_every_speaker_has_to_say_its_last_line(self):
        lines = ["[ 0.1] kernel-test: ok a", "[ 0.2] kernel-test: 1 passed, 0 failed",
                 "ok b", "utest: 1 passed, 0 failed"]
        speakers = {"speakers": ("kernel-test", "utest")}
        self.assertEqual(counted(lines, **speakers), (2, 0))
        self.assertEqual(counted(lines[:2], **speakers), (1, 1))
        self.assertEqual(counted(lines[2:], **speakers), (1, 1))

    def test_lines_of_others_are_not_results(self):
        lines = ["kernel-test: ok a", "other: ok b", "some text ok c", "kernel-test: 1 passed, 0 failed"]
        self.assertEqual(counted(lines, speakers=("kernel-test",)), (1, 0))


class Commands(unittest.TestCase):
    """The same through a command, as the whole suite runs them."""

    def outcome(self, script, seconds=20):
        suite = run_suite("it", ["/bin/sh", "-c", script], seconds, show=lambda _: None)
        return suite.passed, suite.failed

    def test_a_good_command_passes(self):
        self.assertEqual(self.outcome("echo ok a; echo 1 passed, 0 failed"), (1, 0))

    def test_a_crash_is_a_failure(self):
        self.assertEqual(self.outcome("echo ok a; echo 1 passed, 0 failed; kill -SEGV $$"), (1, 1))

    def test_a_failing_status_is_a_failure(self):
        self.assertEqual(self.outcome("echo ok a; echo 1 passed, 0 failed; exit 3"), (1, 1))

    def test_a_command_that_does_not_end_is_a_failure(self):
        self.assertEqual(self.outcome("echo ok a; echo 1 passed, 0 failed; sleep 60", seconds=1), (1, 1))

    def test_a_command_that_is_not_there_is_a_failure(self):
        suite = run_suite("it", ["/does/not/exist"], 20, show=lambda _: None)
        self.assertEqual((suite.passed, suite.failed > 0), (0, True))


    def test_tap_results_pass_and_fail(self):
        good, bad = "echo 1..2; echo ok 1 - a; echo ok 2 - b", "echo 1..2; echo ok 1 - a; echo not ok 2 - b; exit 1"
        for script, expected in ((good, (2, 0)), (bad, (1, 1)), ("echo 1..2; echo ok 1 - a", (1, 1)), ("true", (0, 1))):
            suite = run_suite("it", ["/bin/sh", "-c", script], 20, form=Tap, show=lambda _: None)
            self.assertEqual((suite.passed, suite.failed), expected, script)


class Trace(unittest.TestCase):
    """The decoder of traced calls, made anew from the table."""

    def test_traced_calls_and_their_outcomes_are_shown_by_name(self):
        table = read_table(TOP / "abi/syscalls.tbl")
        decoder = {}
        exec(compile(trace.module(table), "syscall_trace", "exec"), decoder)  # pylint: disable=exec-used
        call, outcome = decoder["call"], decoder["outcome"]
        self.assertEqual(call(10, [0x10001, 0x10002, 0, 0x1000, 4096, 3]),
                         "memory_map(task=0x10001, memory=0x10002, offset=0, where=0x1000, bytes=4096, mode=0x3)")
        self.assertEqual(call(20, [5, 0x4000, 12, 0, 0, 0]), "console_write(console=0x5, text=0x4000[12])")
        self.assertEqual(call(4, [2**64 - 1, 0, 0, 0, 0, 0]), "thread_sleep(deadline=never)")
        self.assertEqual(call(9999, [1, 2, 3, 4, 5, 6]), "call 9999(0x1, 0x2, 0x3, 0x4, 0x5, 0x6)")
        self.assertEqual(outcome(10, 0, 0x1000), "0x1000")
        self.assertEqual(outcome(10, 6, 0), "ERR_NO_RIGHT")
        self.assertEqual(outcome(0, 0, 0), "done")

    def test_every_call_of_the_table_is_known_to_the_decoder(self):
        table = read_table(TOP / "abi/syscalls.tbl")
        decoder = {}
        exec(compile(trace.module(table), "syscall_trace", "exec"), decoder)  # pylint: disable=exec-used
        for one in table.calls:
            self.assertTrue(decoder["call"](one.number, [0] * 6).startswith(one.name + "("))


class Inversions(unittest.TestCase):
    """The checker of traces finds each way of running something lower for too long, and nothing else."""

    KINDS = {number: name for number, name in enumerate(("SWITCH", "READY", "UNREADY", "RANK", "INTERRUPT", "CALL"))}
    EVERYWHERE = 0xFFFFFFFF << 32
    MOVES = 1 << 16

    def judged(self, *events):
        """Events are (cpu, milliseconds, kind, a, b, x)."""
        numbers = {name: number for number, name in self.KINDS.items()}
        checker = timeline.check_events([
            timeline.Event((cpu, int(ms * 1e6), numbers[kind], x, a, b), self.KINDS)
            for cpu, ms, kind, a, b, x in events])
        return len(checker.wrong)

    def runs(self, cpu, ms, thread, rank, before=0, state=3):
        return (cpu, ms, "SWITCH", thread, before | state << 48, rank)

    def kicked(self, cpu, ms):
        return (cpu, ms, "INTERRUPT", max(timeline.TELLING), 0, 0)

    def test_a_switch_after_the_kick_is_right(self):
        self.assertEqual(0, self.judged(self.runs(0, 0, 1, 100), (0, 1, "READY", 2, 120 | self.EVERYWHERE, 0),
                                        self.kicked(0, 2), self.runs(0, 3, 2, 120, 1), (0, 9, "CALL", 0, 0, 0)))

    def test_a_call_of_the_lower_one_after_the_kick_is_found(self):
        self.assertEqual(1, self.judged(self.runs(1, 0, 5, 200), self.runs(0, 0, 1, 100),
                                        (1, 1, "READY", 2, 120 | self.EVERYWHERE, 0), (0, 1.5, "CALL", 0, 0, 0),
                                        self.kicked(0, 2), (0, 3, "CALL", 0, 0, 0), self.runs(0, 4, 2, 120, 1)))

    def test_one_that_lasts_until_the_end_is_found(self):
        self.assertEqual(1, self.judged(self.runs(0, 0, 1, 100), (0, 1, "READY", 2, 120 | self.EVERYWHERE, 0),
                                        (0, 2, "INTERRUPT", 0x20, 0, 0), (0, 60000, "INTERRUPT", 0x20, 0, 0)))

    def test_a_kick_that_never_comes_is_found(self):
        self.assertEqual(1, self.judged(self.runs(0, 0, 1, 100), self.runs(1, 0, 3, 100),
                                        (1, 1, "READY", 2, 120 | self.EVERYWHERE, 0), self.runs(1, 1500, 4, 50, 3)))

    def test_who_was_pre_empted_and_may_move_is_not_forgotten(self):
        self.assertEqual(1, self.judged(
            self.runs(0, 0, 9, 1), self.runs(1, 0, 0, 0), (1, 1, "RANK", 2, 100 | self.EVERYWHERE, 0),
            self.runs(0, 2, 2, 100, 9), (0, 3, "SWITCH", 3, 2 | 100 << 32 | 1 << 48 | 1 << 63, 120),
            (1, 5000, "INTERRUPT", 0x20, 0, 0)))

    def test_who_may_not_run_there_is_no_reason(self):
        self.assertEqual(0, self.judged(
            self.runs(0, 0, 1, 150), self.runs(1, 0, 3, 50),
            (0, 1, "READY", 2, 120 | self.MOVES | 0b101 << 32, 0), (1, 5000, "INTERRUPT", 0x20, 0, 0)))


class Lint(unittest.TestCase):
    """Code that would touch a user's memory past the one place that may."""

    def complaints(self, name, line):
        found = lint.Lint()
        found.error = lambda path, number, message: found.guards["found"].append(message)
        found.user_memory(Path(name), [line])
        return len(found.guards["found"])

    def test_user_memory_is_touched_in_one_place(self):
        for line in ("    arch_copy_from_user(to, from.value, 8);", "        stac", "    return user_copy_start;"):
            self.assertEqual(self.complaints("kernel/sys/sys_task.c", line), 1, line)
            self.assertEqual(self.complaints("kernel/mm/usercopy.c", line), 0, line)

    def test_no_pointer_is_made_from_a_users_number(self):
        for line in ("    x = *(uint64_t *)(uintptr_t)buffer.value;", "    p = (char *)buffer.value;"):
            self.assertEqual(self.complaints("kernel/sys/sys_task.c", line), 1, line)
        for line in ("    y = (uint64_t)(uintptr_t)p;", "    z = a * b.value;"):
            self.assertEqual(self.complaints("kernel/sys/sys_task.c", line), 0, line)


class Documents(unittest.TestCase):
    def complaints(self, line):
        found = lint.Lint()
        found.error = lambda path, number, message: found.guards["found"].append(message)
        found.document(Path("docs/testing.md"), [line])
        return len(found.guards["found"])

    def test_a_command_that_is_no_target_is_found(self):
        for line in ("`make test` and `make bench-frames`", "    make run        build", "make do with it", "`make`"):
            self.assertEqual(self.complaints(line), 0, line)
        for line in ("call `make tests` first", "    make bench-all"):
            self.assertEqual(self.complaints(line), 1, line)

    def test_a_link_that_leads_nowhere_is_found(self):
        for line in ("[a](boot.md)", "[b](../README.md#run)", "[c](https://example.org/x)", "[d](#here)"):
            self.assertEqual(self.complaints(line), 0, line)
        self.assertEqual(self.complaints("[a](nowhere.md)"), 1)


class ExitPort(unittest.TestCase):
    def test_only_a_write_to_the_exit_port_is_a_status(self):
        self.assertEqual(qemu.exit_status(1), 0)
        self.assertEqual(qemu.exit_status((125 << 1) | 1), 125)
        # A power-off, or a reset that -no-reboot turned into an end.
        self.assertIsNone(qemu.exit_status(0))
        self.assertIsNone(qemu.exit_status(-11))


def shown(test):
    return test.id().rpartition(".")[2].removeprefix("test_").replace("_", " ")


class Told(unittest.TextTestResult):
    """Results in the form of all suites."""

    suite = Suite("")

    def addSuccess(self, test):
        super().addSuccess(test)
        self.suite.ok(shown(test))

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.suite.fail(shown(test), str(err[1]).splitlines()[0])

    addError = addFailure


if __name__ == "__main__":
    tests = [unittest.defaultTestLoader.loadTestsFromModule(module)
             for module in (sys.modules[__name__], table_check)]
    unittest.TextTestRunner(resultclass=Told, verbosity=0, stream=open("/dev/null", "w", encoding="utf-8")).run(
        unittest.TestSuite(tests))
    conclude([Told.suite])
