#!/usr/bin/python3
"""Make everything that follows from the table of system calls (abi/syscalls.tbl).

    gen-syscalls.py TABLE OUTDIR REFERENCE.md [--check]

OUTDIR/syscall_numbers.h   SYS_NAME constants and the list of names, C and assembler
OUTDIR/syscall_calls.h     prototypes of the calls in the kernel
OUTDIR/syscall_decode.inc  the kernel's decoders and dispatch table, included by kernel/sys/dispatch.c
OUTDIR/syscalls.h          the user-side stubs
REFERENCE.md               the reference page; with --check it is compared instead of written
"""
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path

REGISTERS = ["rdi", "rsi", "rdx", "r10", "r8", "r9"]
UNITS = {"number", "handle", "mask", "bytes", "nanoseconds"}
RIGHTS = {"read", "write", "execute", "map", "duplicate", "manage", "signal", "wait"}
TYPES = {"task", "memory", "notification", "console", "system", "thread"}


def fail(where, text):
    sys.exit(f"gen-syscalls: {where}: {text}")


@dataclass
class Argument:
    kind: str  # handle value address in out
    name: str
    type: str = ""
    rights: list = field(default_factory=list)
    unit: str = ""
    low: str = ""
    high: str = ""
    length: str = ""

    def slots(self):
        return 2 if self.kind in ("in", "out") else 1


@dataclass
class Call:
    number: int
    name: str
    where: str
    about: list = field(default_factory=list)
    arguments: list = field(default_factory=list)
    result: tuple = ()
    errors: list = field(default_factory=list)
    blocks: str = ""
    takes: str = ""


def parse(path):
    calls = []
    for number, line in enumerate(Path(path).read_text().splitlines(), 1):
        where = f"{path}:{number}"
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        word, _, rest = line.partition(" ")
        fields = rest.split()
        if word == "call":
            if len(fields) != 2 or not fields[0].isdigit() or not re.fullmatch(r"[a-z][a-z0-9_]*", fields[1]):
                fail(where, "expected: call NUMBER NAME")
            calls.append(Call(int(fields[0]), fields[1], where))
            continue
        if not calls:
            fail(where, "this line stands before the first call")
        parse_line(calls[-1], word, rest, fields, where)
    check(calls)
    return sorted(calls, key=lambda call: call.number)


def parse_line(call, word, rest, fields, where):
    if word == "about":
        call.about.append(rest)
    elif word == "handle":
        rights = [right for right in fields[2].split(",") if not right.startswith("@")] if len(fields) == 3 else []
        if len(fields) != 3 or fields[1] not in TYPES or not set(rights) <= RIGHTS:
            fail(where, "expected: handle NAME TYPE RIGHTS with a known type and known rights")
        call.arguments.append(Argument("handle", fields[0], type=fields[1], rights=fields[2].split(",")))
    elif word == "value":
        if len(fields) not in (2, 3) or fields[1] not in UNITS:
            fail(where, "expected: value NAME UNIT [MIN..MAX] with a known unit")
        low, high = fields[2].split("..") if len(fields) == 3 else ("", "")
        call.arguments.append(Argument("value", fields[0], unit=fields[1], low=low, high=high))
    elif word == "address":
        call.arguments.append(Argument("address", fields[0]))
    elif word in ("in", "out"):
        if len(fields) != 3:
            fail(where, f"expected: {word} NAME LENGTHNAME MAX")
        call.arguments.append(Argument(word, fields[0], length=fields[1], high=fields[2]))
    elif word == "result":
        call.result = (fields[0], " ".join(fields[1:]))
    elif word == "error":
        call.errors.append((fields[0], " ".join(fields[1:])))
    elif word == "blocks" and rest in ("yes", "no"):
        call.blocks = rest
    elif word == "takes":
        call.takes = rest
    else:
        fail(where, f"unknown line: {word} {rest}")


def check(calls):
    for attribute in ("number", "name"):
        seen = {}
        for call in calls:
            value = getattr(call, attribute)
            if value in seen:
                fail(call.where, f"{attribute} {value} stands at {seen[value].where} already")
            seen[value] = call
    for call in calls:
        if sum(argument.slots() for argument in call.arguments) > len(REGISTERS):
            fail(call.where, f"{call.name} has more than {len(REGISTERS)} arguments")
        for what in ("about", "blocks", "takes"):
            if not getattr(call, what):
                fail(call.where, f"{call.name} lacks the line '{what}'")


BANNER = "/* Made by tools/gen-syscalls.py from abi/syscalls.tbl. */\n"


def numbers(calls):
    out = [BANNER, "#ifndef QUIRE_SYSCALL_NUMBERS_H\n#define QUIRE_SYSCALL_NUMBERS_H\n"]
    for call in calls:
        out.append(f"#define SYS_{call.name.upper()} {call.number}")
    out.append(f"\n#define SYS_COUNT {calls[-1].number + 1}\n")
    out.append("#define SYS_NAMES(X) \\")
    out += [f"    X({call.number}, {call.name}) \\" for call in calls]
    out.append("\n#endif")
    return "\n".join(out) + "\n"


def kernel_parameters(call):
    out = []
    for argument in call.arguments:
        if argument.kind == "handle":
            out.append(f"struct {argument.type} *{argument.name}")
        elif argument.kind == "value":
            out.append(f"uint64_t {argument.name}")
        elif argument.kind == "address":
            out.append(f"uaddr_t {argument.name}")
        else:
            out += [f"uaddr_t {argument.name}", f"uint64_t {argument.length}"]
    if call.result:
        out.append("uint64_t *result")
    return ", ".join(out) or "void"


def slot_of(call, name):
    slot = 0
    for argument in call.arguments:
        if argument.name == name and argument.kind == "value":
            return slot
        slot += argument.slots()
    return fail(call.where, f"{call.name}: @{name} names no value of this call")


def right_expression(call, right):
    """A right by name, or @VALUE: the bits of that value, which are those of the rights read, write, execute."""
    return f"(uint32_t)word[{slot_of(call, right[1:])}]" if right.startswith("@") else f"RIGHT_{right.upper()}"


def decoder(call):
    """One function: check every argument, resolve the handles, call, release. Arguments are checked from left
    to right, plain values before handles, so that nothing is held when a value is refused."""
    out = [f"static enum error decode_{call.name}(const uint64_t *word, uint64_t *result)", "{"]
    checks, handles, names, unused = [], [], [], []
    slot = 0
    for argument in call.arguments:
        if argument.kind == "handle":
            handles.append((argument, slot))
            names.append(argument.name)
        elif argument.kind == "value":
            limits = [f"word[{slot}] < {argument.low}u" if argument.low not in ("", "0") else "",
                      f"word[{slot}] > {argument.high}u" if argument.high else ""]
            test = " || ".join(limit for limit in limits if limit)
            if test:
                checks.append((test, "ERR_BAD_ARGUMENT"))
            names.append(f"word[{slot}]")
        elif argument.kind == "address":
            names.append(f"uaddr(word[{slot}])")
        else:
            checks.append((f"word[{slot + 1}] > {argument.high}u", "ERR_BAD_ARGUMENT"))
            checks.append((f"!user_range_valid(uaddr(word[{slot}]), word[{slot + 1}])", "ERR_BAD_ADDRESS"))
            names += [f"uaddr(word[{slot}])", f"word[{slot + 1}]"]
        slot += argument.slots()
    if not call.arguments:
        unused.append("word")
    if call.result:
        names.append("result")
    else:
        unused.append("result")
    out += [f"    (void){name};" for name in unused]
    for test, error in checks:
        out += [f"    if ({test}) {{", f"        return {error};", "    }"]
    if not handles:
        out += [f"    return sys_{call.name}({', '.join(names)});", "}\n"]
        return "\n".join(out)
    out += [f"    struct {argument.type} *{argument.name} = NULL;" for argument, _ in handles]
    out.append("    enum error error;")
    for index, (argument, at) in enumerate(handles):
        rights = " | ".join(right_expression(call, right) for right in argument.rights)
        out.append(f"    error = handle_get_{argument.type}(word[{at}], {rights}, &{argument.name});")
        out += ["    if (error != ERR_NONE) {", "        goto out;" if index else "        return error;", "    }"]
    out.append(f"    error = sys_{call.name}({', '.join(names)});")
    if len(handles) > 1:
        out.append("out:")
    for argument, _ in reversed(handles[1:]):
        out += [f"    if ({argument.name} != NULL) {{", f"        {argument.type}_release({argument.name});", "    }"]
    out += [f"    {handles[0][0].type}_release({handles[0][0].name});", "    return error;", "}\n"]
    return "\n".join(out)


def prototypes(calls):
    out = [BANNER]
    out += [f"enum error sys_{call.name}({kernel_parameters(call)});" for call in calls]
    return "\n".join(out) + "\n"


def decode(calls):
    out = [BANNER]
    out += [decoder(call) for call in calls]
    out.append("static enum error (*const sys_decoders[SYS_COUNT])(const uint64_t *word, uint64_t *result) = {")
    out += [f"    [{call.number}] = decode_{call.name}," for call in calls]
    out.append("};")
    return "\n".join(out) + "\n"


def user_parameters(call):
    out = []
    for argument in call.arguments:
        if argument.kind == "handle" or argument.unit == "handle":
            out.append(f"uint32_t {argument.name}")
        elif argument.kind == "value":
            out.append(f"uint64_t {argument.name}")
        elif argument.kind == "address":
            out.append(f"uint64_t {argument.name}")
        else:
            const = "const " if argument.kind == "in" else ""
            out += [f"{const}void *{argument.name}", f"uint64_t {argument.length}"]
    if call.result:
        out.append(f"{'uint32_t' if call.result[0] == 'handle' else 'uint64_t'} *result")
    return ", ".join(out) or "void"


def stub(call):
    words = []
    for argument in call.arguments:
        if argument.kind in ("in", "out"):
            words += [f"(uint64_t)(uintptr_t){argument.name}", argument.length]
        else:
            words.append(argument.name)
    words += ["0"] * (len(REGISTERS) - len(words))
    out = [f"static inline enum error sys_{call.name}({user_parameters(call)})", "{"]
    if call.result:
        kind = "uint32_t" if call.result[0] == "handle" else "uint64_t"
        out += ["    uint64_t value;",
                f"    enum error error = sys_raw(SYS_{call.name.upper()}, {', '.join(words)}, &value);",
                "    if (error == ERR_NONE) {", f"        *result = ({kind})value;", "    }", "    return error;"]
    else:
        out += ["    uint64_t value;",
                f"    return sys_raw(SYS_{call.name.upper()}, {', '.join(words)}, &value);"]
    return "\n".join(out + ["}\n"])


STUB_HEAD = """#ifndef QUIRE_SYSCALLS_H
#define QUIRE_SYSCALLS_H

#include <stdint.h>

#include "abi/error.h"
#include "abi/handle.h"
#include "syscall_numbers.h"

/* Number in rax, arguments in rdi rsi rdx r10 r8 r9; error in rax, result in rdx; rcx, r11 and the argument
 * registers are lost. */
static inline enum error sys_raw(uint64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
                                 uint64_t f, uint64_t *value)
{
    register uint64_t r10 __asm__("r10") = d;
    register uint64_t r8 __asm__("r8") = e;
    register uint64_t r9 __asm__("r9") = f;
    __asm__ volatile("syscall"
                     : "+a"(number), "+D"(a), "+S"(b), "+d"(c), "+r"(r10), "+r"(r8), "+r"(r9)
                     :
                     : "rcx", "r11", "memory");
    *value = c;
    return (enum error)number;
}
"""


def stubs(calls):
    return "\n".join([BANNER, STUB_HEAD] + [stub(call) for call in calls] + ["#endif"]) + "\n"


def c_signature(call):
    return f"enum error sys_{call.name}({user_parameters(call)})"


def reference(calls):
    out = ["<!-- Made by tools/gen-syscalls.py from abi/syscalls.tbl: change the table, not this page. -->",
           "# System calls", "",
           "The number goes into rax, arguments into " + " ".join(REGISTERS) + ". The error comes back in rax, the",
           "result in rdx; rcx and r11 hold the caller's own instruction pointer and flags, the other argument",
           "registers 0, all others what they were. Times are nanoseconds of the monotonic clock. The stubs are in",
           "`syscalls.h`; errors are explained in",
           "[abi/error.h](../abi/error.h). A call with a handle argument can also fail with ERR_BAD_HANDLE,",
           "ERR_WRONG_TYPE or ERR_NO_RIGHT, one with memory with ERR_BAD_ADDRESS, a value outside its range with",
           "ERR_BAD_ARGUMENT.", "", "| number | call | blocks |", "|---|---|---|"]
    out += [f"| {call.number} | [{call.name}](#{call.name}) | {call.blocks} |" for call in calls]
    for call in calls:
        out += ["", f"## {call.name}", "", f"`{c_signature(call)}`", "", " ".join(call.about), ""]
        slot = 0
        rows = []
        for argument in call.arguments:
            if argument.kind == "handle":
                rights = [f"what `{r[1:]}` says" if r.startswith("@") else r for r in argument.rights]
                rows.append(f"handle of a {argument.type}, with {' and '.join(rights)}")
            elif argument.kind == "value":
                span = f", {argument.low} to {argument.high}" if argument.high else ""
                rows.append(f"{argument.unit}{span}")
            elif argument.kind == "address":
                rows.append("user address")
            else:
                verb = "reads" if argument.kind == "in" else "writes"
                rows.append(f"memory that the kernel {verb}; `{argument.length}` bytes, at most {argument.high}")
            register = "/".join(REGISTERS[slot:slot + argument.slots()])
            rows[-1] = f"| `{argument.name}` | {register} | {rows[-1]} |"
            slot += argument.slots()
        if rows:
            out += ["| argument | register | meaning |", "|---|---|---|"] + rows + [""]
        if call.result:
            out += [f"Result: {call.result[0]} {call.result[1]}".rstrip() + ".", ""]
        out += [f"- {name}: {text}" for name, text in call.errors]
        out += [""] if call.errors else []
        out += [f"Takes {call.takes}."]
    return "\n".join(out) + "\n"


def main():
    arguments = [a for a in sys.argv[1:] if a != "--check"]
    if len(arguments) != 3:
        sys.exit(__doc__)
    calls = parse(arguments[0])
    outdir, page = Path(arguments[1]), Path(arguments[2])
    if "--check" in sys.argv:
        if not page.exists() or page.read_text() != reference(calls):
            sys.exit(f"gen-syscalls: {page} does not follow from {arguments[0]}; run `make` and commit it")
        return
    outdir.mkdir(parents=True, exist_ok=True)
    (outdir / "syscall_numbers.h").write_text(numbers(calls))
    (outdir / "syscall_decode.inc").write_text(decode(calls))
    (outdir / "syscall_calls.h").write_text(prototypes(calls))
    (outdir / "syscalls.h").write_text(stubs(calls))
    if not page.exists() or page.read_text() != reference(calls):
        page.write_text(reference(calls))


if __name__ == "__main__":
    main()
