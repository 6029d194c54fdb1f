#!/usr/bin/python3
"""What the kernel traced, as a timeline for a viewer (ui.perfetto.dev, chrome://tracing).

usage: timeline.py boot [OUT.json]         boot on four CPUs, run a program, and decode; build/trace.json
       timeline.py decode LOG OUT.json     what `trace dump` printed, in any log of the console
       timeline.py check LOG               look for priority inversions in it

The output is in the Trace Event Format of Chrome: one row of threads and one of interrupts and calls for each CPU.
"""

import json
import re
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parents[1]
ABI = TOP / "abi"
EVENT = re.compile(r"trace: ([0-9a-f]+) ([0-9a-f]+) ([0-9a-f]+) ([0-9a-f]+) ([0-9a-f]+) ([0-9a-f]+)\s*$")
THREAD = re.compile(r"trace-thread: ([0-9a-f]+) ([0-9a-f]+) (.*?)\s*$")
KIND = re.compile(r"X\((\d+), (\w+), ")
CALL = re.compile(r"^call (\d+) (\w+)", re.M)
LOW = 0xFFFFFFFF
# In the state of a thread that is switched away from: still ready (kernel/sched/thread.h).
STATE_READY = 1
# How long a CPU may go on with something lower after it has noticed that something higher is ready, and how long it
# may take until it notices, on an emulator whose CPUs are threads of a busy host: four of them wait for two processors,
# each for several slices of the host's scheduler. What a CPU must not do, however slow it is, is checked apart.
BOUND = 100_000_000
NOTICE = 1_000_000_000
# The interrupts after which a CPU looks at its queue: its timer, and the kick of another CPU.
TELLING = {int(number, 16) for number in re.findall(r"#define VECTOR_(?:TIMER|KICK) +(0x[0-9a-f]+)",
                                                    (TOP / "kernel/arch/x86_64/trap.h").read_text())}


class Event:
    def __init__(self, fields, kinds):
        self.cpu, self.time, kind, self.x, self.a, self.b = fields
        self.kind = kinds.get(kind, f"kind {kind}")


def read(lines):
    """Events in the order of time, and names of threads by number."""
    kinds = {int(number): name for number, name in KIND.findall((ABI / "trace.h").read_text())}
    events, names = [], {0: "idle"}
    for line in lines:
        if match := EVENT.search(line):
            events.append(Event([int(field, 16) for field in match.groups()], kinds))
        elif match := THREAD.search(line):
            names[int(match[1], 16)] = match[3]
    events.sort(key=lambda event: event.time)
    for event in events:
        if event.kind == "THREAD":
            name = event.b.to_bytes(8, "little").split(b"\0")[0].decode("ascii", "replace")
            names.setdefault(event.a & LOW, name)
    return events, names


def call_names():
    return {int(number): name for number, name in CALL.findall((ABI / "syscalls.tbl").read_text())}


class Timeline:
    """Spans and instants, each CPU a process with a row for threads and one for what the kernel does."""

    def __init__(self, names):
        self.names, self.calls = names, call_names()
        self.out, self.running, self.open = [], {}, {}

    def meta(self, cpus):
        for cpu in cpus:
            for row, name in ((0, "threads"), (1, "kernel")):
                self.out.append({"ph": "M", "pid": cpu, "tid": row, "name": "thread_name", "args": {"name": name}})
            self.out.append({"ph": "M", "pid": cpu, "name": "process_name", "args": {"name": f"CPU {cpu}"}})

    def span(self, cpu, row, name, start, end, **arguments):
        self.out.append({"ph": "X", "pid": cpu, "tid": row, "name": name, "ts": start / 1000,
                         "dur": (end - start) / 1000, "args": arguments})

    def instant(self, event, name, **arguments):
        self.out.append({"ph": "i", "s": "t", "pid": event.cpu, "tid": 1, "name": name, "ts": event.time / 1000,
                         "args": arguments})

    def thread(self, number):
        return f"{self.names.get(number, 'thread')} {number}" if number else "idle"

    def switch(self, event):
        number, since, rank = self.running.get(event.cpu, (event.b & LOW, None, 0))
        if since is not None and number != 0:
            self.span(event.cpu, 0, self.thread(number), since, event.time, rank=rank)
        self.running[event.cpu] = (event.a & LOW, event.time, event.x)
        # A call or interrupt that led here goes on when its thread does; on this row it ends.
        self.close(event, None)

    def close(self, event, kind):
        if event.cpu in self.open:
            name, start, opened = self.open.pop(event.cpu)
            if kind in (None, opened):
                self.span(event.cpu, 1, name, start, event.time)

    def add(self, event):
        if event.kind == "SWITCH":
            self.switch(event)
        elif event.kind in ("CALL", "INTERRUPT"):
            name = self.calls.get(event.x, f"call {event.x}") if event.kind == "CALL" else f"interrupt {event.a:#x}"
            self.open[event.cpu] = (name, event.time, event.kind)
        elif event.kind in ("CALL_END", "INTERRUPT_END"):
            self.close(event, event.kind.removesuffix("_END"))
        elif event.kind == "READY":
            self.instant(event, f"ready: {self.thread(event.a & LOW)}", cpu=event.a >> 32, rank=event.b & 0xFFFF)
        elif event.kind == "SEND":
            self.instant(event, f"interrupt {event.x:#x} to CPU {event.a}")
        elif event.kind == "FAULT":
            self.instant(event, f"fault {event.x}", instruction=f"{event.a:#x}", address=f"{event.b:#x}")
        elif event.kind in ("FRAME_TAKE", "FRAME_GIVE"):
            self.instant(event, "takes a frame" if event.kind == "FRAME_TAKE" else "gives a frame",
                         frame=f"{event.a:#x}", order=event.x)


def decode(lines, out):
    events, names = read(lines)
    if not events:
        sys.exit("trace: there is no event in it; `trace on`, and later `trace dump`, at the prompt")
    timeline = Timeline(names)
    timeline.meta(sorted({event.cpu for event in events}))
    for event in events:
        timeline.add(event)
    Path(out).write_text(json.dumps({"traceEvents": timeline.out, "displayTimeUnit": "ns"}))
    print(f"{len(events)} events of {len({event.cpu for event in events})} CPUs in {out}; ui.perfetto.dev opens it")


class Suspect:
    """Something higher is ready while this CPU runs something lower."""

    def __init__(self, since, told):
        self.since, self.noticed, self.told = since, None, told


class Checker:
    """Replays who is ready and who runs. A CPU runs something lower than a thread that is ready and could run there: in
    its own queue, or in any if the thread may move. How long that lasts is measured. And whatever the host does with
    the time, a CPU that has been told of somebody in its own queue, by itself or by an interrupt, must not go back to
    user mode with something lower: there is no call of the lower one after that."""

    def __init__(self):
        self.ready = {}     # thread -> (rank, cpu, may move)
        self.cpus = {}      # thread -> the CPUs that it may run on, of the first 32, when that has been told
        self.running = {}   # cpu -> (thread, rank)
        self.suspects = {}  # (thread, cpu) -> Suspect
        self.worst = self.latest = 0
        self.wrong = []

    def could_run(self, thread, cpu):
        _, home, movable = self.ready[thread]
        return cpu == home or movable and self.cpus.get(thread, 1 << home) >> cpu & 1

    def settle(self, event):
        """Who is higher and ready, and could run where something lower does?"""
        found = {(thread, cpu) for thread, (rank, _, _) in self.ready.items()
                 for cpu, (_, lower) in self.running.items() if lower < rank and self.could_run(thread, cpu)}
        for pair in [pair for pair in self.suspects if pair not in found]:
            self.end(pair, event.time)
        for pair in found:
            self.suspects.setdefault(pair, Suspect(event.time, pair[1] == event.cpu))

    def end(self, pair, now):
        suspect = self.suspects.pop(pair)
        lasted, after = now - suspect.since, now - (suspect.noticed or now)
        self.worst, self.latest = max(self.worst, lasted), max(self.latest, after)
        if after > BOUND or lasted > NOTICE:
            self.wrong.append(f"thread {pair[0]} was ready for {lasted / 1e6:.1f} ms while CPU {pair[1]} ran something "
                              f"lower, until {now / 1e6:.3f} ms")

    def look(self, event):
        """What this event says of the suspects on its CPU."""
        for (thread, cpu), suspect in self.suspects.items():
            if cpu != event.cpu:
                continue
            suspect.noticed = suspect.noticed or event.time
            if event.kind == "INTERRUPT" and event.a in TELLING:
                suspect.told = True
            elif event.kind == "CALL" and suspect.told and self.ready[thread][1] == cpu:
                self.wrong.append(f"CPU {cpu} went back to user mode, where it called at {event.time / 1e6:.3f} ms, "
                                  f"with thread {thread} ready since {suspect.since / 1e6:.3f} ms, which is higher")

    def add(self, event):
        self.look(event)
        thread = event.a & LOW
        if event.kind == "READY":
            self.ready[thread] = (event.b & 0xFFFF, event.a >> 32, event.b >> 16 & 1)
            self.cpus[thread] = event.b >> 32
        elif event.kind == "UNREADY":
            self.ready.pop(thread, None)
        elif event.kind == "RANK":
            self.cpus[thread] = event.b >> 32
            for cpu, (runs, _) in self.running.items():
                if runs == thread:
                    self.running[cpu] = (thread, event.b & 0xFFFF)
        elif event.kind == "SWITCH":
            before, rank, state = event.b & LOW, event.b >> 32 & 0xFFFF, event.b >> 48 & 0x7FFF
            self.ready.pop(thread, None)
            if state == STATE_READY and before != 0:
                self.ready[before] = (rank, event.cpu, event.b >> 63)
            self.running[event.cpu] = (thread, event.x)
        else:
            return
        self.settle(event)

    def finish(self, now):
        for pair in list(self.suspects):
            self.end(pair, now)


def check_events(events):
    """Rings begin at different times: only what all of them have can be judged."""
    first = {}
    for event in events:
        first.setdefault(event.cpu, event.time)
    checker = Checker()
    begin = max(first.values(), default=0)
    for event in events:
        if event.time >= begin:
            checker.add(event)
    checker.finish(events[-1].time if events else 0)
    return checker


def check(lines):
    events, _ = read(lines)
    return check_events(events), len(events)


def boot(out):
    sys.path.insert(0, str(TOP / "tests/guest"))
    from driver import Machine  # pylint: disable=import-outside-toplevel
    with Machine("trace", TOP / "build/quire.img", cpus=4, memory="512M", config=["trace=1"],
                 exit_device=False) as machine:
        machine.expect("quire> ")
        machine.send("run threads 8\r")
        machine.expect("expected")
        machine.expect("quire> ")
        machine.send("trace dump\r")
        machine.expect("trace-end", 300)
    decode((TOP / "build/test-logs/trace.log").read_text(errors="replace").splitlines(), out)


def main():
    words = sys.argv[1:]
    if words[:1] == ["boot"] and len(words) <= 2:
        boot(words[1] if len(words) == 2 else str(TOP / "build/trace.json"))
    elif words[:1] == ["decode"] and len(words) == 3:
        decode(Path(words[1]).read_text(errors="replace").splitlines(), words[2])
    elif words[:1] == ["check"] and len(words) == 2:
        checker, count = check(Path(words[1]).read_text(errors="replace").splitlines())
        print(f"{count} events; longest inversion {checker.worst / 1e6:.3f} ms, {checker.latest / 1e6:.3f} ms of it "
              "after the CPU noticed")
        sys.exit("\n".join(checker.wrong[:10]) if checker.wrong else 0)
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
