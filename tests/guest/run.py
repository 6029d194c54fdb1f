#!/usr/bin/python3
"""Boot the test image on many machines; on each, the in-kernel suite and the user-mode suite run and tell.

usage: run.py [--quick] [--list] [MACHINE...]
"""

import sys
from dataclasses import dataclass

from driver import TOP, GuestError, Machine, qemu

sys.path.insert(0, str(TOP / "tests"))
from report import Suite, conclude  # noqa: E402

CONFIG = ["test=1", "autoexit=1"]
SECONDS = 300


@dataclass
class Kind:
    """A machine: processors, memory, processor model; what runs on it after the in-kernel suite; and the image."""
    cpus: str
    memory: str
    cpu: str = "max"
    program: str = "utest"
    config: tuple = ()
    image: str = "test"
    nodes: int = 1
    says: str = ""  # a line of the boot that has to come

    def name(self):
        cpus = self.cpus.partition(",")[0]
        words = [f"{cpus}cpu", self.memory, self.cpu.replace(",", "-").replace("=", "-")]
        words += [] if self.nodes == 1 else [f"{self.nodes}nodes"]
        words += [word.replace("=", "-") for word in self.config if not word.startswith(("badmem", "inject"))]
        words += ["fuzz"] if self.speaker() == "fuzz" else []
        return "-".join(words if self.image == "test" else [*words, self.image])

    def speaker(self):
        """The program, if it tells results as a suite does."""
        program = self.program.split()[0]
        return program if program in ("utest", "fuzz") else None

    def speakers(self):
        """Who tells results: the kernel's own suite, which the product has not, and the program."""
        suite = () if self.image == "quire" else ("kernel-test",)
        return suite + ((self.speaker(),) if self.speaker() else ())

    def path(self):
        return TOP / f"build/{self.image}.img"


# Far more memory than the host has; QEMU puts what is above 1 TiB behind a hole, so that this reaches beyond 2 TiB.
HUGE = {"cpu": "max,phys-bits=46", "program": "hello"}

# Every pair of a number of CPUs, a size of memory and a processor model is there once; then the odd ones: about the
# least memory in which the firmware leaves room for the kernel and all programs of the test image, huge memory with
# and without 1 GiB pages, two NUMA nodes, all RAM in the aperture, frames filled and checked, APIC ids with gaps,
# many CPUs.
MACHINES = [
    Kind("1", "56M", config=("badmem=0x2000000,0x3000",)),
    Kind("1", "64M"),
    Kind("1", "512M", "qemu64"),
    # The time stamp counter is not trusted: the clock is the HPET, and its page says to ask.
    Kind("1", "8G", "max,la57=off", config=("clock=hpet",)),
    Kind("2", "64M", "qemu64"),
    Kind("2", "512M", "max,la57=off"),
    Kind("2", "8G", config=("inject=1",)),
    Kind("8", "64M", "max,la57=off"),
    Kind("8", "512M"),
    Kind("8", "8G", "qemu64"),
    Kind("4", "64G", nodes=2),
    Kind("2", "1536G", config=("nofeature=pdpe1gb", "aperture=full"), **HUGE),
    Kind("2", "3072G", **HUGE),
    Kind("4", "1G", config=("aperture=full",)),
    Kind("2", "64M", config=("frames=debug", "audit=1")),
    Kind("6,sockets=2,cores=3,threads=1", "256M"),
    # The loader starts no core, so the kernel does: where the APIC ids have a gap, too.
    Kind("6,sockets=2,cores=3,threads=1", "128M", config=("nosmp=1",), says="cpu: 6 of 6 cores are up"),
    # Processors that the firmware lists as disabled are not waited for; and no more are started than asked for.
    Kind("5,maxcpus=9", "192M", config=("nosmp=1",), says="cpu: 5 of 5 cores are up"),
    Kind("3", "192M", config=("nosmp=1", "cpus=2"), says="cpu: 2 of 3 cores are up"),
    # Five levels of page tables, on cores that the loader starts and on those that the kernel starts.
    Kind("3", "256M", config=("levels=5",), says="cpu: page tables of 5 levels"),
    Kind("3", "256M", config=("levels=5", "nosmp=1"), says="cpu: 3 of 3 cores are up"),
    # The loader leaves it at four where that feature is masked.
    Kind("2", "256M", program="hello", config=("levels=5", "nofeature=la57"), says="cpu: page tables of 4 levels"),
    # Here every CPU has its turn only each tenth of a second or so: too slow for tests with time limits.
    Kind("64", "1G", program="threads 64"),
    # As many as there are APIC ids: the product, and a thread on each.
    Kind("255", "2G", program="threads 255", image="quire", says="cpu: 255 of 255 cores are up"),
    # Ten thousand threads at once.
    Kind("2", "1G", program="crowd 10000"),
    # The heap with red zones.
    Kind("3", "512M", config=("heap=debug",)),
    # What was mapped is filled before it is used again, and looked at: who writes there has not forgotten it.
    Kind("4", "1G", config=("tlb=debug",)),
    # The kernel with checks for undefined behaviour.
    Kind("4", "512M", image="checked"),
    # System calls of all kinds, by as many threads as there are CPUs and one.
    Kind("1", "256M", program="fuzz 200000 1"),
    Kind("4", "256M", program="fuzz 200000 2"),
]
QUICK = ("2cpu-8G-max",)


def run_machine(kind):
    suite = Suite(kind.name(), speakers=kind.speakers())
    trouble, said = None, False
    try:
        with Machine(f"guest-{kind.name()}", kind.path(), cpus=kind.cpus, memory=kind.memory, cpu=kind.cpu,
                     nodes=kind.nodes, config=[*CONFIG, *kind.config, f"autorun={kind.program}"]) as machine:
            for line in machine.lines_until_end(SECONDS):
                said = said or kind.says in line
                if not suite.feed(line) and "PANIC" in line:
                    suite.fail("no panic", line)
            code = machine.finish()
        status = qemu.exit_status(code)
        if status is None:
            trouble = f"the machine reset or switched off, without a status (QEMU's was {code}); {machine.tail()}"
        elif status != 0:
            trouble = f"the machine ended with status {status}; {machine.tail()}"
    except GuestError as error:
        trouble = str(error)
    if kind.speakers():
        suite.finish(trouble)
    elif trouble:
        suite.fail("end", trouble)
    if kind.says:
        suite.ok(kind.says) if said else suite.fail(kind.says, "the boot did not say so")
    if not kind.speaker() and not trouble:
        suite.ok(f"{kind.program} ends well")
    return suite


def main():
    words = [word for word in sys.argv[1:] if not word.startswith("--")]
    machines = {kind.name(): kind for kind in MACHINES}
    if "--list" in sys.argv:
        sys.exit(print("\n".join(machines)))
    names = words or (QUICK if "--quick" in sys.argv else list(machines))
    unknown = [name for name in names if name not in machines]
    if unknown:
        sys.exit(f"run.py: {unknown[0]}: no such machine; --list lists them")
    for path in sorted({machines[name].path() for name in names}):
        if not path.exists():
            sys.exit(f"run.py: {path} is not there; `make -f build.mk test-image` makes it")
    conclude([run_machine(machines[name]) for name in names])


if __name__ == "__main__":
    main()
