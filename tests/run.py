#!/usr/bin/python3
"""Run the tests of the project: all of them, those for the edit loop, or the suites that are named.

usage: run.py [--quick] [--list] [SUITE...]

Says a line for each test as it ends, and at last `N passed, N failed`, with which the status agrees. Suites run one
after the other, nothing is tried twice, and a suite that cannot run has failed.
"""

import os
import sys
from pathlib import Path

from report import Suite, Tap, conclude, run_suite, run_test, run_tests_at_once

TOP = Path(__file__).resolve().parents[1]
PYTHON = "/usr/bin/python3"
JOBS = f"-j{min(2, os.cpu_count() or 1)}"
MAKE = ["make", "--no-print-directory", JOBS, "-f", "build.mk"]
TAP = {"CMOCKA_MESSAGE_OUTPUT": "TAP"}
GEN_SYSCALLS = [PYTHON, "tools/gen-syscalls.py", "abi/syscalls.tbl", "build/gen", "docs/syscalls.md", "--check"]


def build(_):
    suite = Suite("build")
    run_test(suite, "image", [*MAKE, "image", "test-image"], 600)
    return suite


def static(_):
    suite = Suite("static")
    run_test(suite, "docs/syscalls.md follows from the table", GEN_SYSCALLS, 60)
    run_test(suite, "the check of second halves sees what can fail", [PYTHON, "tests/commit_check.py"], 60)
    run_test(suite, "lint", [*MAKE, "lint"], 600)
    return suite


def self_check(_):
    return run_suite("self-check", [PYTHON, "tests/self_check.py"], 60)


def host(_):
    return run_suite("host", [*MAKE, "host-tests"], 600, form=Tap, environment=TAP)


def frames(_):
    suite = Suite("frames")
    run_test(suite, "threads under the thread sanitizer", [*MAKE, "frame-threads"], 300)
    run_test(suite, "example of the library", [*MAKE, "frame-example"], 300)
    run_test(suite, "model of the caches", [*MAKE, "frame-model"], 300)
    return suite


def sched(_):
    suite = Suite("sched")
    run_test(suite, "model of waiting, and of five mistakes in it", [*MAKE, "wait-model"], 300)
    return suite


def authority(_):
    suite = Suite("authority")
    run_test(suite, "handles under the thread sanitizer", [*MAKE, "handle-threads"], 300)
    run_test(suite, "accounts under the thread sanitizer", [*MAKE, "account-threads"], 300)
    run_test(suite, "model of hazard slots", [*MAKE, "hazard-model"], 300)
    return suite


def heap(_):
    suite = Suite("heap")
    run_test(suite, "threads under the thread sanitizer", [*MAKE, "heap-threads"], 300)
    run_test(suite, "model of the hands", [*MAKE, "heap-model"], 300)
    return suite


def spaces(_):
    suite = Suite("spaces")
    run_test(suite, "shootdown under the thread sanitizer", [*MAKE, "tlb-threads"], 300)
    run_test(suite, "objects under the thread sanitizer", [*MAKE, "memory-threads"], 300)
    run_test(suite, "spaces under the thread sanitizer", [*MAKE, "aspace-threads"], 300)
    run_tests_at_once(suite, [
        ("spaces and objects against a flat model, for longer", [*MAKE, "aspace-model"], 300),
        ("model of shootdown and quarantine, and of eleven mistakes in it", [*MAKE, "tlb-model"], 600)])
    return suite


def fuzz(_):
    suite = Suite("fuzz")
    run_test(suite, "smoke", [*MAKE, "fuzz-smoke"], 600)
    return suite


def boot(_):
    return run_suite("boot", [PYTHON, "tests/boot/run.py"], 900)


def guest(quick):
    return run_suite("guest", [PYTHON, "tests/guest/run.py", *(["--quick"] if quick else [])], 1500)


def soak(_):
    return run_suite("soak", [PYTHON, "tests/guest/soak.py", "60"], 900)


def crash(_):
    return run_suite("crash", [PYTHON, "tests/guest/crash.py"], 600)


def machine_check(_):
    return run_suite("machine-check", [PYTHON, "tests/guest/machine_check.py"], 600)


def entry(_):
    return run_suite("entry", [PYTHON, "tests/guest/entry.py"], 300)


def bench(_):
    return run_suite("bench", [PYTHON, "tests/guest/bench.py"], 700)


def prompt(quick):
    return run_suite("prompt", [PYTHON, "tests/guest/prompt.py", *(["--quick"] if quick else [])], 600)


SUITES = {"self-check": self_check, "build": build, "static": static, "host": host, "frames": frames, "heap": heap,
          "authority": authority, "sched": sched, "spaces": spaces, "fuzz": fuzz, "boot": boot, "guest": guest,
          "soak": soak, "crash": crash, "machine-check": machine_check, "entry": entry, "prompt": prompt, "bench":
          bench}
QUICK = ("self-check", "build", "host", "guest", "prompt")


def main():
    words = sys.argv[1:]
    if "--list" in words:
        sys.exit(print("\n".join(SUITES)))
    quick = "--quick" in words
    names = [word for word in words if not word.startswith("-")] or (QUICK if quick else list(SUITES))
    unknown = [word for word in words if word not in SUITES and word != "--quick"]
    if unknown:
        sys.exit(f"run.py: {unknown[0]}: no such suite; there are {' '.join(SUITES)}")
    os.chdir(TOP)
    # What this make tells its children about its own jobs is nothing to the ones started here.
    for variable in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL"):
        os.environ.pop(variable, None)
    conclude([SUITES[name](quick) for name in names])


if __name__ == "__main__":
    main()
