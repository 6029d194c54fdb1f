"""The decoder of traced calls: a Python module that stands alone, for tools on the host."""

HEAD = '''"""Traced system calls as text. Made by tools/gen-syscalls.py from abi/syscalls.tbl."""

'''

DECODE = '''

def argument(kind, unit, words):
    """One argument as text; the words are those that it takes."""
    if kind in ("in", "out"):
        return f"{words[0]:#x}[{words[1]}]"
    if kind in ("handle", "any") or unit in ("handle", "mask") or "address" in (kind, unit):
        return f"{words[0]:#x}"
    if unit == "nanoseconds" and words[0] == 2**64 - 1:
        return "never"
    return str(words[0])


def call(number, words):
    """A call with its six argument words: memory_map(task=0x10001, ...)."""
    if number not in CALLS:
        return f"call {number}(" + ", ".join(f"{word:#x}" for word in words) + ")"
    name, arguments, _ = CALLS[number]
    shown, slot = [], 0
    for label, kind, unit in arguments:
        size = 2 if kind in ("in", "out") else 1
        shown.append(f"{label}={argument(kind, unit, words[slot:slot + size])}")
        slot += size
    return f"{name}({', '.join(shown)})"


def outcome(number, error, value):
    """What a call came back with: ERR_NO_RIGHT, or its result."""
    if error != 0:
        return ERRORS.get(error, f"error {error}")
    unit = CALLS[number][2] if number in CALLS else ""
    return argument("value", unit, [value]) if unit else "done"
'''


def module(table):
    out = ["CALLS = {"]
    for call in table.calls:
        arguments = ", ".join(f'("{a.name}", "{a.kind}", "{a.unit}")' for a in call.arguments)
        out.append(f'    {call.number}: ("{call.name}", [{arguments}], "{call.result[0] if call.result else ""}"),')
    out += ["}", "", "ERRORS = {"]
    out += [f'    {number}: "{name}",' for name, (number, _) in table.errors.items()]
    return HEAD + "\n".join(out + ["}"]) + DECODE
