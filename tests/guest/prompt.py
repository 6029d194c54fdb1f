#!/usr/bin/python3
"""End to end: boot the very image that `make run` boots, type at its prompt, read what it answers.

usage: prompt.py [--quick] [WORD...]

With words, only checks whose name contains one of them run. --quick leaves out the slow ones.
"""

import json
import re
import sys
import time

from driver import LOGS, TOP, GuestError, Machine, clean, qemu
from screen import Font

sys.path.insert(0, str(TOP / "tests"))
import timeline  # noqa: E402
from report import Suite, conclude  # noqa: E402

IMAGE = TOP / "build/quire.img"
MOTD = TOP / "tools/image/motd"
FONT = TOP / "build/gen/font.c"
CPUS, MEMORY = 4, 1 << 30
PROMPT = "quire> "
PROMPT_MILLISECONDS = 300
PANIC_STATUS = 125
COMMANDS = ("help mem frames accounts vm pt slabs cpus features uptime log ls cat run tasks ps top trace locks kill "
            "fault panic reboot poweroff").split()
FAULT_KINDS_LEAST = 7
# QEMU's translator computes SSE without ever raising the exceptions of it, so nothing stops this one here.
FAULTS_NOT_EMULATED = {"sse"}
UP, DOWN, RIGHT, LEFT, CONTROL_C, BACKSPACE = "\x1b[A", "\x1b[B", "\x1b[C", "\x1b[D", "\x03", "\x7f"

CHECKS = []
READY = []  # of each boot, the milliseconds from the kernel's entry to the prompt


class Wrong(Exception):
    """A check found something else than it expects."""


def check(name, slow=False):
    def register(function):
        CHECKS.append((name, slow, function))
        return function
    return register


def expect(condition, message):
    if not condition:
        raise Wrong(message)


class Console:
    """The prompt of a machine."""

    def __init__(self, machine):
        self.machine = machine

    def wait(self, timeout=20):
        """To the next prompt; the lines that came before it."""
        self.machine.expect(r"\n" + PROMPT, timeout)
        return [clean(line) for line in self.machine.process.before.split("\n") if clean(line)]

    def command(self, line, timeout=20):
        """Type a line; the lines of the answer."""
        self.machine.send(line)
        self.machine.expect(re.escape(line), 10)
        self.machine.send("\r")
        return self.wait(timeout)

    def memory(self):
        """The lines of `mem` as a dictionary of classes in KiB, and the free blocks by order."""
        answer = self.command("mem")
        classes = {match[1]: int(match[2]) for line in answer
                   if (match := re.match(r" *([a-z ]+?) +(\d+) KiB +[\d.]+ MiB", line))}
        orders = {int(match[1]): int(match[3]) for line in answer
                  if (match := re.match(r" *(\d+) +(\d+) KiB +(\d+)$", line))}
        return classes, orders

    def tasks(self):
        """The rows of `tasks`: (id, state, cpu, name)."""
        rows = (re.match(r" *(\d+) +(\w+) +\d+ +(\d+) +[\d.]+ s +\d+ KiB +(\S+)", line)
                for line in self.command("tasks"))
        return [(int(row[1]), row[2], int(row[3]), row[4]) for row in rows if row]

    def ready(self):
        """How many milliseconds after the kernel's entry the prompt was there."""
        match = re.search(r"ready: (\d+) ms after kernel entry", "\n".join(self.command("log")))
        expect(match, "the log does not say when the prompt was ready")
        return int(match[1])

    def uptime(self):
        """Seconds that the machine says it is up, and the host's time in the middle of asking."""
        before = time.monotonic()
        answer = self.command("uptime")
        after = time.monotonic()
        match = re.match(r"up (\d+):(\d\d):(\d\d\.\d+)", answer[0])
        expect(match, f"`uptime` says '{answer[0]}'")
        return int(match[1]) * 3600 + int(match[2]) * 60 + float(match[3]), (before + after) / 2


@check("help lists every command in one line each")
def lists_commands(console):
    listed = [line.split()[0] for line in console.command("help")]
    missing = [name for name in COMMANDS if name not in listed]
    expect(not missing, f"it does not list {missing}")
    expect(len(set(listed)) == len(listed), f"it lists some twice: {listed}")


@check("mem tells plausible totals")
def memory_totals(console):
    classes, orders = console.memory()
    expect({"total", "free", "reserved"} <= set(classes), f"it tells only {sorted(classes)}")
    ram = classes["total"]
    expect(0.97 * MEMORY < ram * 1024 <= MEMORY, f"the total is {ram} KiB of a machine with {MEMORY >> 10}")
    expect(0 < classes["free"] < classes["total"], f"{classes['free']} KiB of {classes['total']} KiB are free")
    blocks = sum(count * (4 << order) for order, count in orders.items())
    expect(len(orders) == 19, f"it tells {len(orders)} orders of free blocks")
    expect(blocks == classes["free"], f"the free blocks are {blocks} KiB, but {classes['free']} KiB are free")


@check("cpus shows every CPU online")
def shows_cpus(console):
    rows = [match for line in console.command("cpus")
            if (match := re.match(r" *(\d+) +(\d+) +(online\S*)( boot)?", line))]
    expect([int(row[1]) for row in rows] == list(range(CPUS)), f"it shows {len(rows)} CPUs online, not {CPUS}")
    expect(len({row[2] for row in rows}) == CPUS, "two CPUs have the same APIC id")
    expect(sum(bool(row[4]) for row in rows) == 1, "not exactly one CPU is the boot CPU")


@check("features tells what the CPU has and whether it is used")
def tells_features(console):
    rows = [line.split() for line in console.command("features")]
    states = {row[0]: " ".join(row[1:3]) for row in rows}
    for name in ("smep", "smap", "umip", "xsave"):
        expect(states.get(name, "").startswith("used"), f"{name} is '{states.get(name)}', though the CPU has it")


@check("uptime is right to 1 % over 10 s", slow=True)
def uptime_is_right(console):
    guest_start, host_start = console.uptime()
    time.sleep(10)
    guest_end, host_end = console.uptime()
    guest, host = guest_end - guest_start, host_end - host_start
    expect(abs(guest - host) <= 0.01 * host, f"{guest:.3f} s passed in the machine, {host:.3f} s outside")


@check("log shows lines in the order of their times")
def shows_log(console):
    times = [float(match[1]) for line in console.command("log") if (match := re.match(r"\[ *(\d+\.\d+)\]", line))]
    expect(len(times) > 10, f"it has {len(times)} lines")
    expect(times == sorted(times), "the times are not ascending")
    expect(len(console.command("log 3")) == 3, "`log 3` does not show 3 lines")


@check("ls and cat show the bundle")
def shows_bundle(console):
    top = [line.split()[-1] for line in console.command("ls")]
    expect({"sys/", "bin/", "etc/"} <= set(top), f"`ls` shows {top}")
    expect("hello" in [line.split()[-1] for line in console.command("ls bin")], "`ls bin` does not show hello")
    expect(console.command("cat etc/motd") == MOTD.read_text().splitlines(), "`cat etc/motd` shows another text")


@check("run hands a program its arguments")
def runs_hello(console):
    answer = console.command("run hello a b")
    expect(any("a" == line.split()[-1] for line in answer), f"'a' did not arrive: {answer}")
    expect(any("b" == line.split()[-1] for line in answer), f"'b' did not arrive: {answer}")


@check("several programs at once are spread over the CPUs", slow=True)
def spreads(console):
    for _ in range(CPUS):
        answer = console.command("run spin 3 &")
        expect(re.match(r"\[\d+\] spin$", answer[0]), f"`run spin 3 &` says {answer}")
    time.sleep(0.5)
    cpus = {cpu for _, state, cpu, name in console.tasks() if name == "spin" and state == "running"}
    expect(len(cpus) == CPUS, f"{CPUS} programs run on the CPUs {sorted(cpus)}")
    deadline = time.monotonic() + 20
    while any(name == "spin" for _, _, _, name in console.tasks()):
        expect(time.monotonic() < deadline, "`spin 3` still runs after 20 s")
        time.sleep(0.5)


@check("kill ends a program")
def kills(console):
    match = re.match(r"\[(\d+)\]", console.command("run spin &")[0])
    console.command(f"kill {match[1]}")
    time.sleep(0.3)
    answer = console.command("echo")
    expect(any("killed" in line and f"[{match[1]}]" in line for line in answer), f"no word of its end: {answer}")
    expect(int(match[1]) not in [number for number, *_ in console.tasks()], "`ps` still lists it")


@check("Ctrl-C ends the program in the foreground")
def interrupts(console):
    console.machine.send("run spin\r")
    time.sleep(0.5)
    console.machine.send(CONTROL_C)
    answer = console.wait(10)
    expect(any("spin: killed" in line for line in answer), f"no word of its end: {answer}")


@check("each kind of fault ends only the program that did it")
def survives_faults(console):
    kinds = [line.split()[0] for line in console.command("fault") if line.startswith("  ")]
    expect(len(kinds) >= FAULT_KINDS_LEAST, f"there are only the kinds {kinds}")
    before = len(console.tasks())
    for kind in kinds:
        answer = console.command(f"fault {kind}")
        expect(kind in FAULTS_NOT_EMULATED or
               any(re.search(r"^fault: .*instruction 0x[0-9a-f]+", line) for line in answer),
               f"`fault {kind}` says {answer}")
        expect(console.command(f"echo after {kind}") == [f"after {kind}"], f"the prompt does not answer after {kind}")
    expect(len(console.tasks()) == before, "a program that faulted is still listed")


@check("an unknown command or a bad argument gets one helpful line")
def helps(console):
    for line in ("frobnicate", "kill x", "kill 99999", "log x", "cat nothing", "run nothing", "cat", "mem 1",
                 "vm x", "vm 99999", "vm 1 2", "pt", "pt x", "pt x 0x400000", "pt 99999 0x400000", "pt 1 2 3",
                 "pt 0x10000000000000000", "pt -1"):
        answer = console.command(line)
        expect(len(answer) == 1, f"`{line}` says {answer}")
        expect(line.split()[0] in answer[0] or line.split()[-1] in answer[0], f"`{line}` says {answer}")


@check("the line can be edited with cursor keys and backspace")
def edits(console):
    console.machine.send("echo wrold" + 3 * LEFT + BACKSPACE + RIGHT + "r\r")
    answer = console.wait()
    expect(answer[-1] == "world", f"after editing it echoes '{answer[-1]}'")


@check("the history comes back with the cursor keys")
def remembers(console):
    console.command("echo first")
    console.command("echo second")
    console.machine.send(UP + UP + "\r")
    expect(console.wait()[-1] == "first", "two times up is not the line before the last")
    console.machine.send(UP + UP + DOWN + "\r")
    expect(console.wait()[-1] == "first", "up, up, down is not the last line")


@check("Ctrl-C drops a line that is being typed")
def drops_line(console):
    console.machine.send("echo never" + CONTROL_C)
    console.wait()
    expect(console.command("echo next") == ["next"], "the dropped line came through")


@check("memory of ended programs comes back to the page")
def gives_back(console):
    def work():
        for line in ("run hello a b", "run threads 8", "run memtouch 0x2000000", "fault", "fault null",
                     "slabs drain"):
            console.command(line, 60)
        return console.memory()[0]

    # The kernel keeps stacks and parts of its heap for the next time, up to the most that was ever needed at once. So
    # it may grow for some rounds; what is lost, though, is lost in each.
    rounds = [work()]
    while len(rounds) < 6 and (len(rounds) == 1 or rounds[-1] != rounds[-2]):
        rounds.append(work())
    expect(rounds[-1] == rounds[-2], f"free KiB after each round: {[classes['free'] for classes in rounds]}")


@check("frames draws all memory, and its books are right")
def draws_frames(console):
    answer = console.command("frames", 60)
    total = next((int(match[1]) for line in answer if (match := re.match(r"page frames: (\d+),", line))), 0)
    classes = [int(match[1]) for line in answer if (match := re.match(r" *\S [a-z ]+ +(\d+) frames", line))]
    expect(total > 0 and sum(classes) == total, f"the classes {classes} are not the {total} frames")
    rows = [line.split()[-1] for line in answer if re.match(r" +[0-9a-f]+ \S+$", line)]
    expect(any("U" in row for row in rows), "no user memory is drawn")
    answer = console.command("frames audit", 60)
    expect(answer == ["frames: maps, counts, caches and records agree"], f"the audit says {answer}")


@check("accounts shows who may take how much, and the tree of them live")
def shows_accounts(console):
    def rows():
        found = (re.match(r" *(\d+) ( *)(\S.*?)  +(.*)$", line) for line in console.command("accounts"))
        return {row[3]: (len(row[2]), row[4].split()) for row in found if row}

    before = rows()
    expect(list(before)[:3] == ["kernel", "machine", "root"], f"it shows {list(before)}")
    expect([before[name][0] for name in ("kernel", "machine", "root")] == [0, 1, 2], "they are not indented as a tree")
    expect(all(len(columns) == 8 for _, columns in before.values()), f"its columns are {before}")
    console.command("run spin 2 &")
    during = rows()
    expect("spin" in during and during["spin"][0] == 2, f"with spin running it shows {list(during)}")
    time.sleep(2.5)
    console.command("echo")
    expect("spin" not in rows(), "the account of spin is still there after its end")


@check("an account that is too small for a program says what it lacks")
def tells_lack(console):
    answer = console.command("run -m 1 memtouch 0x2000000")
    says = r"memtouch: cannot take 33554432 bytes: account \d+ lacks \d+ frames$"
    expect(re.match(says, answer[0]), f"it says {answer}")
    answer = console.command("run -m 1 hello")
    expect("Hello" in answer[0], f"hello says {answer}")


MAPPING = re.compile(r" *([0-9a-f]{12})-([0-9a-f]{12}) (\S{3}) (\S{3})  (\w+) +(\d+|-) +([0-9a-f]+) +(\d+) +(\d+)"
                     r" +(\d+) +(\d+)  (\S+)$")
MAPPED = re.compile(r" *(\d+) mappings of (\d+) KiB, (\d+) KiB of them reserved; resident (\d+) KiB, in pages of 2 MiB "
                    r"(\d+) KiB, of 1 GiB (\d+) KiB$")
LEVEL = re.compile(r" (P\w+) +([0-9a-f]{12}) +(\d+) ([0-9a-f]{16})  (.*)$")


def mappings(console, task=""):
    """The rows of `vm`: (start, end, rights, kind, resident bytes); they lie in a row, and their sum is told."""
    answer = console.command(f"vm {task}".rstrip())
    rows = [match.groups() for line in answer if (match := MAPPING.match(line))]
    last = MAPPED.match(answer[-1])
    expect(rows and last and len(rows) == len(answer) - 2, f"`vm {task}` says {answer}")
    spans = [(int(row[0], 16), int(row[1], 16)) for row in rows]
    expect(all(start < end for start, end in spans) and all(a[1] <= b[0] for a, b in zip(spans, spans[1:])),
           f"the ranges are {spans}")
    told = [int(number) for number in last.groups()]
    kib = [sum(int(row[column]) for row in rows) for column in (7, 8, 9)]
    expect(told[:2] == [len(rows), sum(end - start for start, end in spans) >> 10] and told[3:] == kib,
           f"the sum is {told}, of {kib} KiB")
    return [(*span, row[2], row[4], int(row[7]) << 10) for span, row in zip(spans, rows)]


@check("vm lists what is mapped in a task, and its sum is right")
def lists_mappings(console):
    match = re.match(r"\[(\d+)\]", console.command("run sleep 3 &")[0])
    rows = mappings(console, match[1])
    rights = [row[2] for row in rows]
    expect({"r--", "r-x", "rw-"} <= set(rights), f"the rights are {rights}")
    expect({"anonymous", "device"} == {row[3] for row in rows}, f"it shows {rows}")
    expect(all(0 < row[4] <= row[1] - row[0] for row in rows), f"a program of nothing but pages is {rows}")
    own = mappings(console)
    expect(len(own) >= len(rows) and own != rows, "the prompt's own mappings are those of the program")
    time.sleep(3)
    console.command("echo")
    answer = console.command(f"vm {match[1]}")
    expect(answer == [f"vm: there is no task {match[1]}; `tasks` lists them"], f"of an ended task it says {answer}")


def way(console, line):
    """What `pt` says: its levels, and what each access does."""
    answer = console.command(line)
    levels = [match.groups() for row in answer if (match := LEVEL.match(row))]
    accesses = dict(re.match(r" *(\w+): +(.*)$", row).groups() for row in answer[-3:])
    place = next((int(match[1], 16) for row in answer
                  if (match := re.match(r" *0x[0-9a-f]+ is at 0x([0-9a-f]+) in memory$", row))), None)
    return levels, accesses, place


@check("pt walks an address, and says what each access would do")
def walks(console):
    match = re.match(r"\[(\d+)\]", console.command("run sleep 4 &")[0])
    rows = mappings(console, match[1])
    code = next(row for row in rows if row[2] == "r-x")
    levels, accesses, place = way(console, f"pt {match[1]} {code[0] + 0x123:#x}")
    expect([level[0] for level in levels] == ["PML4", "PDPT", "PD", "PT"], f"the levels are {levels}")
    for level, shift in zip(levels, (39, 30, 21, 12)):
        expect(int(level[2]) == code[0] >> shift & 511, f"the index is {level[2]} at {code[0]:#x} >> {shift}")
    for above, below in zip(levels, levels[1:]):
        expect(int(above[3], 16) & 0xffffffffff000 == int(below[1], 16), f"{above} does not lead to {below}")
        expect(above[4].startswith("present, writable, user, executable, accessed; table, "), f"it says {above}")
    expect(re.match(r"present, read-only, user, executable, accessed, clean, write-back; 4 KiB at 0x[0-9a-f]+$",
                    levels[-1][4]), f"it says {levels[-1]}")
    expect(place == int(levels[-1][3], 16) & 0xffffffffff000 | 0x123, f"it is at {place:#x}")
    expect(accesses["reading"] == accesses["executing"] == "goes through", f"it says {accesses}")
    expect(accesses["writing"].endswith("ends the task: the mapping does not allow it"), f"it says {accesses}")
    stack = [row for row in rows if row[2] == "rw-"][-1]
    levels, accesses, _ = way(console, f"pt {match[1]} {stack[1] - 8}")
    expect("writable" in levels[-1][4] and "no-execute" in levels[-1][4], f"the stack's page is {levels[-1]}")
    expect(accesses["reading"] == accesses["writing"] == "goes through", f"of the stack it says {accesses}")
    levels, accesses, place = way(console, f"pt {match[1]} {rows[0][0] - 1:#x}")
    expect(levels[-1][4].startswith("not present; ") and place is None, f"of nothing it says {levels}")
    nothing = "page fault, which ends the task: nothing is mapped there"
    expect(set(accesses.values()) == {nothing}, f"it says {accesses}")
    time.sleep(4)
    console.command("echo")


@check("pt explains addresses that no program can have")
def explains_addresses(console):
    for address, says in (("0x800000000000", "not canonical"), ("0xffff7fffffffffff", "not canonical"),
                          ("0xffff800000000000", "the kernel's half"), ("0xffffffffffffffff", "the kernel's half"),
                          ("0x7ffffffff000", "above all that programs can have")):
        answer = console.command(f"pt {address}")
        expect(len(answer) == 1 and answer[0].startswith(f"pt: {address}: it is ") and says in answer[0],
               f"of {address} it says {answer}")


def counters(console):
    """Of `mem`: the numbers of each row of counters, by its name; and the rows of what is done at once."""
    answer = console.command("mem")
    start = next(i for i, line in enumerate(answer) if line.startswith("at once"))
    rows = {match[1]: [int(number) for number in match[2].replace("-", "0").split()] for line in answer[:start]
            if (match := re.match(r" {4}(nothing there|no right|[12] [MG]iB) +([\d -]+)$", line))}
    for line in answer[:start]:
        if "address spaces:" in line or "shootdowns:" in line or "ended a task" in line:
            rows[re.search(r"address|shootdowns|ended", line)[0]] = [
                int(number) for number in re.findall(r"(?<!of )\b\d+\b", line)]
    steps = {match[1]: [int(number) for number in match.groups()[1:]] for line in answer[start:]
             if (match := re.match(r"  (\D+?) +(\d+) +(\d+) +(\d+) +\S", line))}
    return rows, steps


@check("mem counts what address spaces do")
def counts_spaces(console):
    before, steps = counters(console)
    console.command("run memtouch 0x4000000", 60)
    console.command("run faultrate 1", 60)
    console.command("fault null")
    after, later = counters(console)
    expect(set(before) == {"nothing there", "no right", "2 MiB", "1 GiB", "address", "shootdowns", "ended"},
           f"it has {sorted(before)}")
    touches = after["nothing there"][1] - before["nothing there"][1]
    expect(touches >= 5 * 8192, f"after as many touches of new pages it has counted {touches}")
    expect(after["ended"][0] == before["ended"][0] + 1, f"one fault ended a task: {before} and {after}")
    expect(after["2 MiB"][0] >= after["2 MiB"][1], f"more was given than asked for: {after['2 MiB']}")
    expect(after["shootdowns"][4] >= after["shootdowns"][3], f"quarantine: {after['shootdowns']}")
    expect(all(numbers > 0 for numbers in after["address"]), f"it has {after['address']}")
    expect(set(steps) == set(later) and len(steps) >= 10, f"of steps it has {sorted(steps)}")
    over = {name: numbers for name, numbers in later.items() if numbers[0] > numbers[1]}
    expect(not over, f"more was done at once than ever should be: {over}")
    for name, least in (("pages committed", 32), ("frames given back", 64 << 8)):
        done = later[name][2] - steps[name][2]
        expect(done >= least, f"{name}: {done} for 64 MiB")


@check("slabs lists the caches of the heap, and its books are right")
def lists_slabs(console):
    row = re.compile(r" *(\S.*?) +(\d+|-) +(\d+) +(\d+) +(\d+) +(\d+) %")
    rows = {match[1]: [int(number) for number in match.groups()[2:]] for line in console.command("slabs")
            if (match := row.match(line))}
    wanted = {"thread", "task", "notification", "memory object", "mapping", "vector state", "large", "all"}
    expect(wanted <= set(rows), f"it does not list {wanted - set(rows)}")
    tasks, listed = len(console.tasks()), rows["task"][0]
    expect(listed == tasks, f"{listed} tasks are in use, `ps` shows {tasks}")
    frames = sum(numbers[2] for name, numbers in rows.items() if name != "all")
    expect(rows["all"][2] == frames, f"the frames are {frames}, but {rows['all'][2]} in all")
    expect(all(numbers[3] <= 100 for numbers in rows.values()), "more is wasted than there is")
    answer = console.command("slabs audit")
    expect(answer == ["slabs: slabs, magazines and counts agree"], f"the audit says {answer}")


@check("threads of one program run on all CPUs")
def runs_threads(console):
    answer = console.command("run threads 8", 60)
    expect(any(f"8 threads on {CPUS} CPUs" in line for line in answer), f"it says {answer}")


@check("ps tells of each thread where it runs, its priority and what it waits for")
def tells_threads(console):
    console.command("run sleep 3 &")
    time.sleep(0.5)
    rows = [match.groups() for line in console.command("ps")
            if (match := re.match(r" *(\d+) +(\d+) +(\d+)  (\w+) +(\d+). +[\d.]+ s  (.{16}) (\S+)", line))]
    states = {row[6]: (row[3], int(row[4]), row[5].strip()) for row in rows}
    expect(states.get("sleep") == ("waiting", 128, "the time"), f"sleep is {states.get('sleep')} in {rows}")
    expect(states.get("root", ("", 0))[:2] == ("running", 192), f"root is {states.get('root')}")
    time.sleep(3)
    console.command("echo")


@check("top shows who has the CPUs, and ends at a key")
def shows_top(console):
    console.command("run spin 4 &")
    console.machine.send("top\r")
    for _ in range(3):
        console.machine.expect("any key ends it", 10)
    picture = clean(console.machine.process.before)
    console.machine.send("q")
    console.wait()
    time.sleep(3)
    console.command("echo")
    expect(re.search(r"\d+ +\d+ +\d+ +128 +\d\d+\.\d %  spin", picture), f"it shows {picture[-300:]!r}")


@check("what is traced becomes a timeline, in which nothing lower runs before something higher for long")
def traces(console):
    console.command("trace on")
    console.command("run threads 8", 60)
    dump = console.command("trace dump", 120)
    events, names = timeline.read(dump)
    kinds = {event.kind for event in events}
    expect({"SWITCH", "READY", "CALL", "CALL_END", "FRAME_TAKE", "THREAD"} <= kinds, f"it has only {sorted(kinds)}")
    expect("threads" in names.values(), f"no thread of the program is named: {sorted(set(names.values()))}")
    out = LOGS / "prompt-trace.json"
    timeline.decode(dump, out)
    expect(len(json.loads(out.read_text())["traceEvents"]) > 100, "the timeline is nearly empty")
    checker, _ = timeline.check(dump)
    expect(not checker.wrong, "; ".join(checker.wrong[:3]))


@check("the screen shows the same text as the serial line")
def shows_screen(console):
    console.command("echo On the screen, too.")
    time.sleep(0.5)
    picture = console.machine.screen()
    font = Font(FONT)
    for text in ("On the screen, too.", PROMPT.rstrip()):
        expect(font.find(picture, text), f"'{text}' is not on the screen of {picture.width}x{picture.height}")


@check("typing on the keyboard reaches the prompt")
def takes_keys(console):
    for key in ("e", "c", "h", "o", "spc", "shift-k", "e", "y", "shift-1", "ret"):
        console.machine.press(key)
    answer = console.wait()
    expect(answer[-1] == "Key!", f"the prompt answers '{answer[-1]}'")


@check("reboot brings the prompt back", slow=True)
def reboots(console):
    console.machine.send("reboot\r")
    console.wait(120)
    READY.append(console.ready())
    guest, _ = console.uptime()
    expect(guest < 30, f"after the reboot it is up {guest} s")


@check("poweroff leaves QEMU with status 0")
def powers_off(console):
    expect(console.command("echo still here") == ["still here"], "the prompt does not answer any more")
    console.machine.send("poweroff\r")
    code = console.machine.finish()
    expect(code == 0, f"QEMU's status is {code}")


def run_check(suite, name, function, *arguments):
    try:
        function(*arguments)
        suite.ok(name)
    except (Wrong, GuestError, IndexError) as error:
        suite.fail(name, str(error) or repr(error))


def panics():
    """A machine of its own, since it does not come back."""
    with Machine("prompt-panic", IMAGE, cpus=CPUS, memory="1G", config=["test=1"]) as machine:
        machine.expect(PROMPT)
        READY.append(Console(machine).ready())
        machine.send("panic\r")
        code = machine.finish()
        said = [clean(line) for line in machine.process.before.split("\n")]
    expect(any("PANIC" in line for line in said), f"it does not say PANIC: {said[-3:]}")
    names = [match[1] for line in said if (match := re.search(r"\b([a-z]\w+)\+0x[0-9a-f]+", line))]
    expect(len(names) >= 2, f"the backtrace names only {names}")
    expect(qemu.exit_status(code) == PANIC_STATUS, f"QEMU's status is {code}")


def walks_five_levels():
    """A machine of its own, booted with them."""
    with Machine("prompt-five", IMAGE, cpus=2, memory="512M", config=["test=1", "levels=5"]) as machine:
        machine.expect(PROMPT)
        console = Console(machine)
        READY.append(console.ready())
        levels, accesses, _ = way(console, f"pt {mappings(console)[0][0]:#x}")
        expect([level[0] for level in levels] == ["PML5", "PML4", "PDPT", "PD", "PT"], f"the levels are {levels}")
        expect(accesses["reading"] == "goes through", f"it says {accesses}")
        for address, says in (("0x800000000000", "above all that programs can have"),
                              ("0x100000000000000", "not canonical"), ("0xff00000000000000", "the kernel's half")):
            answer = console.command(f"pt {address}")
            expect(len(answer) == 1 and says in answer[0], f"of {address} it says {answer}")


def comes_soon():
    """The machine's clock runs on while the host is busy with something else: the least of all boots is the one with
    the least of that in it."""
    expect(min(READY) < PROMPT_MILLISECONDS, f"the boots took {READY} ms")


def wanted(checks, quick, words):
    return [(name, function) for name, slow, function in checks
            if not (quick and slow) and (not words or any(word in name for word in words))]


def main():
    quick = "--quick" in sys.argv
    words = [word for word in sys.argv[1:] if not word.startswith("--")]
    suite = Suite("", speakers=("prompt",))
    with Machine("prompt", IMAGE, cpus=CPUS, memory="1G", exit_device=False, reboots=True) as machine:
        try:
            machine.expect(PROMPT)
            suite.ok("the prompt comes")
            READY.append(Console(machine).ready())
            for name, function in wanted(CHECKS, quick, words):
                run_check(suite, name, function, Console(machine))
        except (GuestError, Wrong) as error:
            suite.fail("the prompt comes", str(error))
    last = [("pt walks five levels where there are five", True, walks_five_levels),
            ("panic says where, and under test ends QEMU with its status", True, panics),
            ("the prompt comes less than 300 ms after kernel entry", False, comes_soon)]
    for name, function in wanted(last, quick, words):
        run_check(suite, name, function)
    conclude([suite])


if __name__ == "__main__":
    main()
