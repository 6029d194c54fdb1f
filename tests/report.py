"""Counting test results. One form for all suites, whatever language they are written in:

    ok NAME
    FAIL NAME: REASON
    N passed, N failed          the last line of a suite

A line may begin with the name of what says it ("kernel-test: ok frames.merge"). Nothing counts as passed because it is
absent: a suite that says no result, no last line, a last line that does not agree with its results, or that ends with
a failing status without saying why, has failed.
"""

import os
import re
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

LOGS = Path(__file__).resolve().parents[1] / "build/test-logs"

RESULT = r"(?P<kind>ok|FAIL) (?P<rest>\S.*)$"
END = r"(?P<passed>\d+) passed, (?P<failed>\d+) failed$"


def tell(line):
    print(line, flush=True)


class Suite:
    """The results of one suite, fed line by line. `speakers` are those that have to say a last line of their own; lines
    of others are not results. Lines without a speaker's name belong to `unnamed`. Results are shown as they come, with
    the name of the suite, if it has one, before their own."""

    def __init__(self, name, speakers=(), unnamed=None, show=tell):
        self.name = name
        self.prefix = f"{name}/" if name else ""
        self.speakers = tuple(speakers) or (name,)
        self.unnamed = unnamed or self.speakers[-1]
        self.show = show
        self.passed = self.failed = 0
        self._counts = {speaker: [0, 0] for speaker in self.speakers}
        self._ends = {}
        named = "|".join(re.escape(speaker) for speaker in self.speakers)
        # What stands before a speaker's name, such as the time of a log line, is not looked at.
        speaker = rf"^(?:(?:.*\s)?(?P<speaker>{named}): )?"
        self._result, self._end = re.compile(speaker + RESULT), re.compile(speaker + END)

    def ok(self, name, speaker=None):
        self.passed += 1
        self._counts[speaker or self.unnamed][0] += 1
        self.show(f"ok {self.prefix}{name}")

    def fail(self, name, reason, speaker=None):
        self.failed += 1
        self._counts[speaker or self.unnamed][1] += 1
        self.show(f"FAIL {self.prefix}{name}: {reason}")

    def judge(self, name, trouble, speaker=None):
        """ok, or fail if there is a reason."""
        if trouble:
            self.fail(name, trouble, speaker)
        else:
            self.ok(name, speaker)

    def feed(self, line):
        """Take one line of output. True if it was a result or a last line."""
        line = line.strip()
        result = self._result.match(line)
        if result:
            if result["kind"] == "ok":
                self.ok(result["rest"], result["speaker"])
            else:
                name, _, reason = result["rest"].partition(": ")
                self.fail(name, reason or "no reason given", result["speaker"])
            return True
        end = self._end.match(line)
        if end:
            self._ends[end["speaker"] or self.unnamed] = [int(end["passed"]), int(end["failed"])]
            return True
        return False

    def finish(self, trouble=None):
        """The output is at its end. `trouble` says what went wrong beside the results, such as a failing status;
        it is a failure of its own if no result told of one."""
        told_failures = self.failed
        counts = {speaker: list(count) for speaker, count in self._counts.items()}
        for speaker, counted in counts.items():
            if speaker not in self._ends:
                self.fail("last line", f"{speaker} did not say its last line, 'N passed, N failed'")
            elif self._ends[speaker] != counted:
                told = self._ends[speaker]
                self.fail("last line", f"{speaker} told of {told[0]} passed and {told[1]} failed at its end, but of "
                          f"{counted[0]} and {counted[1]} before")
            elif counted == [0, 0]:
                self.fail("results", f"{speaker} has no tests")
        if trouble and not told_failures:
            self.fail("end", trouble)
        return self.failed == 0


class Tap:
    """Translates the Test Anything Protocol (version 12), as cmocka speaks it, of one or several programs."""

    PLAN = re.compile(r"^1\.\.(\d+)$")
    POINT = re.compile(r"^(not )?ok \d+ (?:- )?(.*)$")

    def __init__(self):
        self.planned = self.passed = 0
        self.seen_plan = False

    def line(self, line):
        plan, point = self.PLAN.match(line), self.POINT.match(line)
        if plan:
            self.planned += int(plan[1])
            self.seen_plan = True
        if not point:
            return []
        if point[1]:
            return [f"FAIL {point[2]}: why is in {LOGS.name}, below its name"]
        self.passed += 1
        return [f"ok {point[2]}"]

    def end(self):
        return [f"{self.passed} passed, {self.planned - self.passed} failed"] if self.seen_plan else []


class AsIs:
    """For suites that speak our own form."""

    @staticmethod
    def line(line):
        return [line]

    @staticmethod
    def end():
        return []


def run_command(name, command, seconds, on_line=lambda _: None, environment=None):
    """Run a command, hand each line it says to on_line, and keep all of it in build/test-logs/NAME.out. It is ended,
    with all that it started, when its time is over. Returns what went wrong, or None."""
    LOGS.mkdir(parents=True, exist_ok=True)
    log_path = LOGS / (name.replace("/", "-") + ".out")
    last, over = "", threading.Event()
    with open(log_path, "w", encoding="utf-8") as log:
        try:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                       stderr=subprocess.STDOUT, text=True, errors="replace", bufsize=1,
                                       start_new_session=True, env=dict(os.environ, **(environment or {})))
        except OSError as error:
            return f"{command[0]}: {error.strerror}"

        def end():
            over.set()
            os.killpg(process.pid, signal.SIGKILL)

        timer = threading.Timer(seconds, end)
        timer.start()
        try:
            for line in process.stdout:
                log.write(line)
                log.flush()
                last = line.strip() or last
                on_line(line.rstrip("\n"))
            status = process.wait()
        except BaseException:
            end()
            raise
        finally:
            timer.cancel()
    if status == 0 and not over.is_set():
        return None
    what = f"not at its end after {seconds} s" if over.is_set() else f"ended with status {status}"
    return f"{what}; last line: {last}; all of it: {log_path}"


def run_suite(name, command, seconds, form=AsIs, show=tell, environment=None):
    """Run a command that speaks the form of a suite."""
    suite, translator = Suite(name, show=show), form()

    def take(lines):
        for line in lines:
            suite.feed(line)

    trouble = run_command(name, command, seconds, lambda line: take(translator.line(line)), environment)
    take(translator.end())
    suite.finish(trouble)
    return suite


def run_test(suite, name, command, seconds):
    """Run a command that is one test of a suite: its status is the result."""
    suite.judge(name, run_command(f"{suite.name}/{name}", command, seconds))


def at_once(function, items):
    """What the function returns for each of them, in their order; two run at a time."""
    with ThreadPoolExecutor(2) as pool:
        yield from pool.map(function, items)


def run_tests_at_once(suite, tests):
    """run_test for some (NAME, COMMAND, SECONDS), of which each needs one processor and builds nothing that another
    one does."""
    troubles = at_once(lambda test: run_command(f"{suite.name}/{test[0]}", test[1], test[2]), tests)
    for test, trouble in zip(tests, troubles):
        suite.judge(test[0], trouble)


def conclude(suites):
    """The last line of all, and the exit status that agrees with it."""
    passed = sum(suite.passed for suite in suites)
    failed = sum(suite.failed for suite in suites)
    print(f"{passed} passed, {failed} failed", flush=True)
    sys.exit(0 if failed == 0 and passed > 0 else 1)
