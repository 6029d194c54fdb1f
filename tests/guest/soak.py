#!/usr/bin/python3
"""Everything at once for a long time: boot the product on four CPUs, run bin/soak, and look at the books after it.

usage: soak.py [SECONDS]        600 by default
"""

import re
import sys

from driver import TOP, GuestError, Machine, clean

sys.path.insert(0, str(TOP / "tests"))
import timeline  # noqa: E402
from report import Suite, conclude  # noqa: E402

IMAGE = TOP / "build/quire.img"
PROMPT = "quire> "


def command(machine, line, timeout=60):
    machine.send(line + "\r")
    machine.expect("\n")
    machine.expect(r"\n?" + PROMPT, timeout)
    return [clean(text) for text in machine.process.before.split("\n")]


def soak(suite, seconds):
    with Machine("soak", IMAGE, cpus=4, memory="512M", exit_device=False, config=["trace=1", "lock=debug"]) as machine:
        machine.expect(PROMPT)
        said = command(machine, f"run soak {seconds}", seconds + 300)
        last = next((match for line in said if (match := re.search(r"soak: (\d+) rounds, (\d+) errors", line))), None)
        if last and int(last[2]) == 0 and int(last[1]) > 1000:
            suite.ok(f"{last[1]} rounds of everything at once")
        else:
            suite.fail("everything at once", " | ".join(said[-6:]))
        # The rings hold the last of it.
        checker, count = timeline.check(command(machine, "trace dump", 300))
        if checker.wrong or count < 1000:
            suite.fail("no priority inversion", "; ".join(checker.wrong[:3]) or f"only {count} events were traced")
        else:
            longest = f"{checker.latest / 1e6:.1f} ms"
            suite.ok(f"no priority inversion in {count} events: at most {longest} after a CPU noticed")
        audit = command(machine, "frames audit")
        if any("agree" in line for line in audit):
            suite.ok("the books of the frames are right")
        else:
            suite.fail("the books of the frames", " | ".join(audit))
        print("\n".join(line for line in command(machine, "locks") if "us" in line))


def main():
    seconds = int(sys.argv[1]) if len(sys.argv) == 2 else 600
    suite = Suite("", speakers=("soak",))
    try:
        soak(suite, seconds)
    except GuestError as error:
        suite.fail("everything at once", str(error))
    conclude([suite])


if __name__ == "__main__":
    main()
