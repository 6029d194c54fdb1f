"""What gdb does for entry.py: stop on an instruction, inject an interrupt, look where it struck.

`parts` says which. The kernel's counts are in its variable entry_test (kernel/entry.c).
"""

import subprocess

import gdb

NMI, DEBUG, MACHINE_CHECK = 2, 1, 18
TIMER = 0xf0
# An error that is not corrected (VAL, UC, EN) in bank 1, and the instruction can go on (MCIP, RIPV): SDM vol. 3B 15.3.
INJECT = {NMI: "monitor nmi", MACHINE_CHECK: "monitor mce 0 1 0xb000000000000000 0x5 0 0"}
NAMES = {NMI: "an NMI", MACHINE_CHECK: "a machine check"}


WRONG = "GS led elsewhere, or the handler of an NMI was interrupted by another, or a breakpoint struck elsewhere"
RESULTS = []


def number(expression):
    return int(gdb.parse_and_eval(expression)) & (2**64 - 1)


def symbol(name):
    return number(f"(unsigned long)&{name}")


def instructions(start, end):
    """The addresses of the instructions there, with their text."""
    found = gdb.selected_frame().architecture().disassemble(start, end - 1)
    return [(one["addr"], one["asm"]) for one in found]


def stub(vector):
    start = symbol("trap_stubs") + 16 * vector
    found = instructions(start, start + 16)
    jump = next(index for index, (_, text) in enumerate(found) if text.startswith("jmp"))
    return [address for address, _ in found[:jump + 1]]


def function(name, end=None):
    start = symbol(name)
    return instructions(start, symbol(end) if end else start + SIZES[name])


def addresses(found):
    return [address for address, _ in found]


def paranoid(name):
    """In and out of a vector with a stack of its own: up to its IRET, and the other way out."""
    found = function(name, name + "_end")
    end = next(index for index, (_, text) in enumerate(found) if text.startswith("iretq")) + 1
    return addresses(found[:end]), addresses(found[end:])


def stop_at(address):
    point = gdb.Breakpoint(f"*{address:#x}", type=gdb.BP_HARDWARE_BREAKPOINT, internal=True)
    point.silent = True
    gdb.execute("continue", to_string=True)
    point.delete()
    if number("(unsigned long)$pc") != address:
        raise RuntimeError(f"stopped at {number('(unsigned long)$pc'):#x} instead of {address:#x}")


def inject(vector):
    gdb.execute(INJECT[vector], to_string=True)


def count(vector):
    return number(f"entry_test.count[{vector}]")


class Watch:
    """Between two stops: what struck, and where."""

    def __init__(self):
        self.before = {vector: count(vector) for vector in (NMI, MACHINE_CHECK)}

    def expect(self, vector, times, address=None):
        came = count(vector) - self.before[vector]
        struck = number(f"entry_test.struck[{vector}]")
        if came != times:
            raise RuntimeError(f"{NAMES[vector]} came {came} times instead of {times}")
        if address is not None and struck != address:
            raise RuntimeError(f"{NAMES[vector]} struck at {struck:#x} instead of {address:#x}")
        if number("entry_test.wrong") != 0:
            raise RuntimeError(WRONG)


def check(name, places, strike):
    """One result for a list of instructions."""
    try:
        for address in places:
            try:
                strike(address)
            except (RuntimeError, gdb.error) as error:
                raise RuntimeError(f"at {address:#x}: {error}") from error
        if not places:
            raise RuntimeError("there are no such instructions")
        print(f"entry: ok {name}", flush=True)
        RESULTS.append(True)
    except RuntimeError as error:
        print(f"entry: FAIL {name}: {error}", flush=True)
        RESULTS.append(False)


def directly(vector):
    def strike(address):
        stop_at(address)
        watch = Watch()
        inject(vector)
        stop_at(AFTER if address != AFTER else ENTRY)
        watch.expect(vector, 1, address)
    return strike


def inside(outer, vector, vector_address=True):
    """Inject on an instruction of the handler of another one, which struck in the entry."""
    def strike(address):
        stop_at(ENTRY)
        watch = Watch()
        inject(outer)
        stop_at(address)
        inject(vector)
        stop_at(AFTER)
        watch.expect(vector, 2 if vector == outer else 1, address if vector_address else None)
        watch.expect(outer, 2 if vector == outer else 1)
    return strike


def inside_both(vector):
    """The way back from a machine check inside the handler of an NMI."""
    def strike(address):
        stop_at(ENTRY)
        watch = Watch()
        inject(NMI)
        stop_at(MIDDLE)
        inject(MACHINE_CHECK)
        stop_at(address)
        inject(vector)
        stop_at(AFTER)
        watch.expect(NMI, 2)
        watch.expect(MACHINE_CHECK, 1, MIDDLE)
    return strike


def breakpoints(places):
    """Debug exceptions on these instructions, one after the other, again and again; none: no more. Where gdb stops and
    the machine has a breakpoint of its own, QEMU does not go on; so here it stops behind the entry."""
    stop_at(BEHIND_ENTRY)
    for index, address in enumerate(places):
        gdb.execute(f"set var entry_test.addresses[{index}] = {address:#x}", to_string=True)
    for field, value in (("given", len(places)), ("next", 0), ("hits", 0), ("nmis", len(places))):
        gdb.execute(f"set var entry_test.{field} = {value}", to_string=True)
    inject(NMI)
    stop_at(AFTER)


def debug_everywhere(name, places, vector=None):
    """Each of the places has its debug exception; this one is injected again and again to bring the machine there."""
    def strike(_):
        breakpoints(places)
        for _ in places if vector else ():
            inject(vector)
            stop_at(AFTER)
        if not vector:
            stop_at(symbol("entry_all_hit"))
        hits, wrong = number("entry_test.hits"), number("entry_test.wrong")
        breakpoints([])
        if hits < len(places):
            raise RuntimeError(f"{hits} of {len(places)} instructions had a debug exception")
        if wrong != 0:
            raise RuntimeError(WRONG)
    check(name, places[:1], strike)


def ways_in():
    return (stub(TIMER) + addresses(function("syscall_entry")) + addresses(function("arch_enter_user"))
            + addresses(function("trap_common", "trap_common_end")) + stub(DEBUG) + USER_DEBUG)


def part_entry():
    for vector in (NMI, MACHINE_CHECK):
        check(f"{NAMES[vector]} on each instruction of the ways in and out", ways_in(), directly(vector))


def part_nmi():
    places = stub(NMI) + paranoid("trap_nmi")[0]
    check("an NMI waits on each instruction of the handler of NMIs", places, inside(NMI, NMI, False))
    check("a machine check on each instruction of the handler of NMIs", places, inside(NMI, MACHINE_CHECK))


def part_machine_check():
    straight, other = paranoid("trap_machine_check")
    check("an NMI on each instruction of the handler of machine checks", stub(MACHINE_CHECK) + straight,
                inside(MACHINE_CHECK, NMI))
    check("an NMI waits on each instruction of the way back into the handler of NMIs", other, inside_both(NMI))


def part_debug():
    debug_everywhere("a debug exception on each instruction of the ways in and out", ways_in_kernel())
    debug_everywhere("a debug exception on each instruction of the handler of NMIs",
                           stub(NMI) + paranoid("trap_nmi")[0], NMI)
    debug_everywhere("a debug exception on each instruction of the handler of machine checks",
                           stub(MACHINE_CHECK) + paranoid("trap_machine_check")[0], MACHINE_CHECK)


def ways_in_kernel():
    """Where a debug exception can strike beside those of user mode, which have that way in themselves."""
    return (stub(TIMER) + addresses(function("syscall_entry")) + addresses(function("arch_enter_user"))
            + addresses(function("trap_common", "trap_common_end")))


def part_debugged():
    """In the handler of debug exceptions, of which there is one at each system call."""
    straight, other = paranoid("trap_debug_in_kernel")
    breakpoints([ENTRY])
    for vector in (NMI, MACHINE_CHECK):
        check(f"{NAMES[vector]} on each instruction of the handler of debug exceptions", straight, directly(vector))
    breakpoints([MIDDLE, ENTRY])

    def strike(address):
        stop_at(AFTER)
        while number("entry_test.next") != 0:  # a thread that waited in the kernel has not come through the entry
            stop_at(AFTER)
        watch = Watch()
        gdb.execute("set var entry_test.nmis = 1")
        inject(NMI)
        stop_at(address)
        inject(MACHINE_CHECK)
        stop_at(AFTER)
        watch.expect(MACHINE_CHECK, 1, address)
        watch.expect(NMI, 2)
    check("a machine check on each instruction of the way back into the handler of NMIs", other, strike)
    breakpoints([])


def sizes():
    """Of each function, in bytes."""
    lines = subprocess.run(["nm", "-S", gdb.current_progspace().filename], check=True, stdout=subprocess.PIPE,
                           text=True).stdout.splitlines()
    return {words[3]: int(words[1], 16) for words in map(str.split, lines) if len(words) == 4}


gdb.execute("set confirm off")
gdb.execute("set pagination off")
SIZES = sizes()
ENTRY, BEHIND_ENTRY = addresses(function("syscall_entry"))[:2]
# Passed by each call: behind its work, and in the handler of NMIs behind its.
AFTER = next(address for address, text in function("syscall_entry") if text.startswith("cmpl"))
MIDDLE = [address for address, text in function("trap_nmi", "trap_nmi_end") if text.startswith("wrmsr")][-1]
USER_DEBUG = addresses(function("trap_debug"))
PARTS = {"entry": part_entry, "nmi": part_nmi, "machine-check": part_machine_check, "debug": part_debug,
         "debugged": part_debugged}
for part in parts:  # noqa: F821
    PARTS[part]()
print(f"entry: {RESULTS.count(True)} passed, {RESULTS.count(False)} failed")
