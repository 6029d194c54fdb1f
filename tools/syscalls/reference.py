"""The reference page for people, docs/syscalls.md."""
from .table import REGISTERS
from .user import signature

HEAD = f"""<!-- Made by tools/gen-syscalls.py from abi/syscalls.tbl: change the table, not this page. -->
# System calls

The number goes into rax, arguments into {" ".join(REGISTERS)}. The error comes back in rax, the result in rdx; rcx and
r11 hold the caller's own instruction pointer and flags, the other argument registers 0, all others what they were.
Times are nanoseconds of the monotonic clock. The stubs are in `syscalls.h`; errors are explained in
[abi/error.h](../abi/error.h). A call with a handle argument can also fail with ERR_BAD_HANDLE, ERR_WRONG_TYPE or
ERR_NO_RIGHT, one with memory with ERR_BAD_ADDRESS, a value outside its range with ERR_BAD_ARGUMENT, and a number that
is none of these with ERR_NO_CALL. A call that fails has changed nothing.
"""


def meaning(argument):
    if argument.kind in ("handle", "any"):
        rights = [f"what `{right[1:]}` says" if right.startswith("@") else right for right in argument.rights]
        kind = f"handle of a {argument.type}" if argument.kind == "handle" else "handle of any type"
        optional = "; 0 is the caller's own" if argument.optional else ""
        return kind + (f", with {' and '.join(rights)}" if rights else "") + optional
    if argument.kind == "value":
        upto = f" to {argument.high}" if argument.high else " and more"
        return argument.unit + (f", {argument.low}{upto}" if argument.low else "")
    if argument.kind == "address":
        return "user address"
    verb = "reads" if argument.kind == "in" else "writes"
    return f"memory that the kernel {verb}; `{argument.length}` bytes, at most {argument.high}"


def payer(call):
    if call.pays == "nobody":
        return "Takes nothing."
    who = {"caller": "the caller's account"}.get(call.pays)
    for argument in call.arguments:
        if argument.name == call.pays:
            who = f"`{argument.name}`" if argument.type == "account" else f"the account of `{argument.name}`"
    return f"Takes {call.takes}; {who} pays."


def section(call):
    out = ["", f"## {call.name}", "", f"`{signature(call)}`", "", " ".join(call.about), ""]
    rows = [f"| `{argument.name}` | {'/'.join(REGISTERS[slot:slot + argument.slots()])} | {meaning(argument)} |"
            for slot, argument in call.placed()]
    if rows:
        out += ["| argument | register | meaning |", "|---|---|---|"] + rows + [""]
    if call.result:
        out += [f"Result: {call.result[0]} {call.result[1]}".rstrip() + ".", ""]
    out += [f"- {name}: {text}" for name, text in call.errors]
    out += [""] if call.errors else []
    return out + [payer(call)]


def reference(table):
    out = [HEAD, "## Rights", "", "| right | bit | what it allows |", "|---|---|---|"]
    out += [f"| {name} | {bit} | {about} |" for name, (bit, about) in table.rights.items()]
    out += ["", "## Calls", "", "| number | call | blocks |", "|---|---|---|"]
    out += [f"| {call.number} | [{call.name}](#{call.name}) | {call.blocks} |" for call in table.calls]
    for call in table.calls:
        out += section(call)
    return "\n".join(out) + "\n"
