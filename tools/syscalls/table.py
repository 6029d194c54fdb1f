"""Reading abi/syscalls.tbl, which says itself what its lines mean, and the lists of abi/handle.h and abi/error.h."""
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path

REGISTERS = ["rdi", "rsi", "rdx", "r10", "r8", "r9"]
UNITS = {"number", "handle", "mask", "bytes", "frames", "nanoseconds"}
HALVES = {"prepare", "commit", "both"}
# How many typed handles a call may have: one hazard slot each, and one is left for the calls themselves.
TYPED_MOST = 3


def fail(where, text):
    sys.exit(f"gen-syscalls: {where}: {text}")


@dataclass
class Argument:
    kind: str  # handle any value address in out
    name: str
    type: str = ""
    rights: list = field(default_factory=list)
    optional: bool = False
    held: bool = False
    brief: bool = False
    unit: str = ""
    low: str = ""
    high: str = ""
    length: str = ""

    def slots(self):
        return 2 if self.kind in ("in", "out") else 1

    def fixed_rights(self):
        """Those that the call always needs."""
        return [right for right in self.rights if right[0] not in "@+"]

    def by_access(self):
        """The value whose bits are further rights, or None."""
        return next((right[1:] for right in self.rights if right.startswith("@")), None)

    def by_code(self):
        """The value that can ask for memory to be writable and executable, or None."""
        return next((right[1:] for right in self.rights if right.startswith("+")), None)


@dataclass
class Call:
    number: int
    name: str
    where: str
    about: list = field(default_factory=list)
    arguments: list = field(default_factory=list)
    result: tuple = ()
    errors: list = field(default_factory=list)
    halves: str = ""
    blocks: str = ""
    preempts: str = "no"
    steps: str = "no"
    takes: str = ""
    pays: str = ""

    def placed(self):
        """The arguments with the number of the first register of each."""
        slot = 0
        for argument in self.arguments:
            yield slot, argument
            slot += argument.slots()

    def slot_of(self, name):
        """The register of a value of this call."""
        for slot, argument in self.placed():
            if argument.name == name and argument.kind == "value":
                return slot
        return fail(self.where, f"{self.name}: @{name} names no value of this call")

    def handles(self):
        return [(slot, argument) for slot, argument in self.placed() if argument.kind == "handle"]

    def holds(self, argument):
        """Does it have a reference to the object instead of a hazard slot? Where others may run meanwhile, it must:
        that is also where user memory is copied, of which a page may have to be waited for."""
        copies = any(other.kind in ("in", "out") for other in self.arguments)
        return argument.held or not argument.brief and (self.blocks == "yes" or self.preempts == "yes" or copies)


@dataclass
class Table:
    calls: list
    rights: dict  # name -> (bit, meaning)
    types: dict   # name -> number
    errors: dict  # ERR_NAME -> (number, text)


class Reader:
    def __init__(self, path, rights, types, errors):
        self.path, self.rights, self.types, self.errors = path, rights, types, errors
        self.calls = []

    def read(self):
        for number, line in enumerate(Path(self.path).read_text().splitlines(), 1):
            line = line.strip()
            if line and not line.startswith("#"):
                self.line(line, f"{self.path}:{number}")
        self.check()
        return sorted(self.calls, key=lambda call: call.number)

    def line(self, line, where):
        word, _, rest = line.partition(" ")
        fields = rest.split()
        if word == "call":
            if len(fields) != 2 or not fields[0].isdigit() or not re.fullmatch(r"[a-z][a-z0-9_]*", fields[1]):
                fail(where, "expected: call NUMBER NAME")
            self.calls.append(Call(int(fields[0]), fields[1], where))
        elif not self.calls:
            fail(where, "this line stands before the first call")
        elif hasattr(self, f"read_{word}"):
            getattr(self, f"read_{word}")(self.calls[-1], rest, fields, where)
        else:
            fail(where, f"unknown line: {line}")

    def known_rights(self, words, where):
        rights = [] if words == "none" else words.split(",")
        unknown = [right for right in rights if right[:1] not in ("@", "+") and right not in self.rights]
        if unknown:
            fail(where, f"there is no right '{unknown[0]}'")
        return rights

    def read_about(self, call, rest, _fields, _where):
        call.about.append(rest)

    def read_handle(self, call, _rest, fields, where):
        if len(fields) < 3 or fields[1] not in self.types or not set(fields[3:]) <= {"optional", "held", "brief"}:
            fail(where, "expected: handle NAME TYPE RIGHTS [optional] [held] [brief], with a known type")
        optional, held = "optional" in fields[3:], "held" in fields[3:]
        if optional and fields[1] != "account":
            fail(where, "only the account that pays can be left out")
        call.arguments.append(Argument("handle", fields[0], type=fields[1], optional=optional, held=held,
                                       brief="brief" in fields[3:],
                                       rights=self.known_rights(fields[2], where)))

    def read_any(self, call, _rest, fields, where):
        if len(fields) != 2:
            fail(where, "expected: any NAME RIGHTS")
        call.arguments.append(Argument("any", fields[0], rights=self.known_rights(fields[1], where)))

    def read_value(self, call, _rest, fields, where):
        if len(fields) not in (2, 3) or fields[1] not in UNITS:
            fail(where, "expected: value NAME UNIT [MIN..[MAX]] with a known unit")
        low, high = fields[2].split("..") if len(fields) == 3 else ("", "")
        call.arguments.append(Argument("value", fields[0], unit=fields[1], low=low, high=high))

    def read_address(self, call, _rest, fields, _where):
        call.arguments.append(Argument("address", fields[0]))

    def read_in(self, call, rest, fields, where, kind="in"):
        if len(fields) != 3:
            fail(where, f"expected: {kind} NAME LENGTHNAME MAX, not '{rest}'")
        call.arguments.append(Argument(kind, fields[0], length=fields[1], high=fields[2]))

    def read_out(self, call, rest, fields, where):
        self.read_in(call, rest, fields, where, "out")

    def read_result(self, call, _rest, fields, _where):
        call.result = (fields[0], " ".join(fields[1:]))

    def read_error(self, call, _rest, fields, where):
        if fields[0] not in self.errors:
            fail(where, f"there is no error '{fields[0]}'")
        call.errors.append((fields[0], " ".join(fields[1:])))

    def read_halves(self, call, rest, _fields, where):
        if rest not in HALVES:
            fail(where, f"expected: halves {'|'.join(sorted(HALVES))}")
        call.halves = rest

    def yes_or_no(self, call, name, rest, where):
        if rest not in ("yes", "no"):
            fail(where, f"expected: {name} yes|no")
        setattr(call, name, rest)

    def read_blocks(self, call, rest, _fields, where):
        self.yes_or_no(call, "blocks", rest, where)

    def read_preempts(self, call, rest, _fields, where):
        self.yes_or_no(call, "preempts", rest, where)

    def read_steps(self, call, rest, _fields, where):
        self.yes_or_no(call, "steps", rest, where)

    def read_takes(self, call, rest, _fields, _where):
        call.takes = rest

    def read_pays(self, call, rest, _fields, _where):
        call.pays = rest

    def check(self):
        for attribute in ("number", "name"):
            seen = {}
            for call in self.calls:
                value = getattr(call, attribute)
                if value in seen:
                    fail(call.where, f"{attribute} {value} stands at {seen[value].where} already")
                seen[value] = call
        for call in self.calls:
            self.check_call(call)

    @staticmethod
    def check_call(call):
        if sum(argument.slots() for argument in call.arguments) > len(REGISTERS):
            fail(call.where, f"{call.name} has more than {len(REGISTERS)} arguments")
        if len(call.handles()) > TYPED_MOST:
            fail(call.where, f"{call.name} has more than {TYPED_MOST} typed handles")
        for what in ("about", "blocks", "takes", "halves", "pays"):
            if not getattr(call, what):
                fail(call.where, f"{call.name} lacks the line '{what}'")
        payers = {"nobody", "caller"} | {argument.name for argument in call.arguments}
        if call.pays not in payers or (call.pays == "nobody") != (call.takes == "nothing"):
            fail(call.where, f"{call.name}: expected 'pays' with one of {', '.join(sorted(payers))}")
        for _, argument in call.placed():
            if argument.brief and (call.blocks != "yes" or argument.held):
                fail(call.where, f"{call.name}: only a call that waits can be brief with {argument.name}")
            for value in filter(None, (argument.by_access(), argument.by_code())):
                call.slot_of(value)


def read_list(path, pattern):
    """The rows of a list in a header, X(...)."""
    rows = re.findall(pattern, Path(path).read_text())
    if not rows:
        sys.exit(f"gen-syscalls: {path}: there is no list of the form {pattern}")
    return rows


def read_table(path):
    folder = Path(path).parent
    rights = {name.lower(): (int(bit), about)
              for name, bit, about in read_list(folder / "handle.h", r'X\((\w+), (\d+), "(.*?)"\)')}
    types = {name: int(number) for number, name in read_list(folder / "handle.h", r"X\(\w+, (\d+), (\w+)\)")}
    errors = {name: (int(number), text)
              for name, number, text in read_list(folder / "error.h", r'X\((ERR_\w+), (\d+), "(.*?)"\)')}
    return Table(Reader(path, rights, types, errors).read(), rights, types, errors)
