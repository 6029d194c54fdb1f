#!/usr/bin/python3
"""How page faults scale over two CPUs, in time, which depends on the host.

usage: faultrate.py [ROUNDS]

Boots the image of `make run` on two CPUs that are emulated at once, and prints what bin/faultrate says; then whether
the ratios meet their goals. The host needs two idle cores: `two computing` says how much of two it gave. The status is
0 if the goals are met, 1 if one is missed, and 2 if that was in a run in which the host gave less than 1.9.
"""

import re
import sys

from measures import IMAGE, GuestError, guest_lines

GOALS = {"two in one space": 1.7, "two in two spaces": 1.9}
HOST, HOST_LEAST = "two computing", 1.9
RATE = re.compile(r"(.+): \d+ \S+ in \d+ us, (\d+\.\d+) times one thread's rate$")


def measure(rounds):
    """The ratios by name; prints each line."""
    ratios = {}
    for line in guest_lines("faultrate", IMAGE, [f"autorun=faultrate {rounds}"], cpus=2):
        if match := RATE.match(line.strip()):
            ratios[match[1]] = float(match[2])
            print(line.strip(), flush=True)
    missing = {HOST, *GOALS} - set(ratios)
    if missing:
        raise GuestError(f"the guest did not tell of {sorted(missing)}")
    return ratios


def main():
    rounds = sys.argv[1] if len(sys.argv) > 1 else "15"
    if len(sys.argv) > 2 or not rounds.isdigit():
        sys.exit(__doc__)
    try:
        ratios = measure(rounds)
    except (GuestError, OSError) as error:
        sys.exit(f"faultrate: {error}")
    missed = [f"{name} {ratios[name]:.2f} of {goal:.2f}" for name, goal in GOALS.items() if ratios[name] < goal]
    quiet = ratios[HOST] >= HOST_LEAST
    print("; ".join(missed) or "the goals are met", "" if quiet else "(the host did not give two cores)")
    sys.exit(0 if not missed else 1 if quiet else 2)


if __name__ == "__main__":
    main()
