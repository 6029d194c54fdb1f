#!/usr/bin/python3
"""Count the instructions of the frame allocator's operations with callgrind.

usage: bench-frames.py PROGRAM

PROGRAM is build/host/bench-frames. Only what runs inside frame_alloc and frame_free is counted, refills and drains
included, the loop around the calls not. Prints a row `frames.instructions.NAME VALUE instructions GOAL ok|MISSED`
for each kind of work; a pair is one allocation and one free.
"""
import re
import subprocess
import sys

GOALS = {"bulk_alloc_0": 45, "bulk_free_0": 45, "random_free_0": 50, "pair_0": 80, "pair_4": 150, "pair_9": 150,
         "exchange_100": None, "exchange_90": None, "pair_mixed": None}


def count(program, name):
    run = subprocess.run(["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null",
                          "--toggle-collect=frame_alloc", "--toggle-collect=frame_free", program, "count", name],
                         capture_output=True, text=True, check=False)
    collected = re.search(r"Collected : (\d+)", run.stderr)
    if run.returncode or not collected:
        sys.exit(f"bench-frames.py: {program} count {name} under valgrind: {run.stderr.strip()[-300:]}")
    return int(collected[1]) / int(run.stdout)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    for name, goal in GOALS.items():
        value = count(sys.argv[1], name)
        verdict = "ok" if goal is None or value <= goal else "MISSED"
        print(f"frames.instructions.{name} {value:.1f} instructions {goal or '-'} {verdict}", flush=True)


if __name__ == "__main__":
    main()
