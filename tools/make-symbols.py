#!/usr/bin/python3
"""Make the table of function names that the kernel prints backtraces with.

usage: llvm-nm -n core.elf | make-symbols.py OUT.S

Reads the lines `ADDRESS TYPE NAME` of nm and keeps the functions. OUT.S holds, in .rodata.symbols,

    uint64_t kernel_symbol_base             address of the first function
    uint32_t kernel_symbol_count            number of functions
    uint32_t kernel_symbol_offsets[]        where each begins, in bytes from the base, ascending
    uint32_t kernel_symbol_name_offsets[]   where its name begins in kernel_symbol_names
    char     kernel_symbol_names[]          the names, each ended by NUL

A name that is the tail of another one shares its bytes. Input without functions makes an empty table, which is what
the first of the two links of the kernel takes; the table has to come behind all code, so that its size moves none.
"""

import bisect
import re
import sys
from pathlib import Path

FUNCTION_TYPES = "tTwW"
LINE = re.compile(r"([0-9a-fA-F]+) ([A-Za-z]) (\S+)")


def read_functions(lines):
    """The functions as (address, name) in ascending order, one for each address."""
    functions = {}
    for line in lines:
        match = LINE.fullmatch(line.strip())
        if not match or match[2] not in FUNCTION_TYPES or match[3].startswith((".L", "$")):
            continue
        address = int(match[1], 16)
        # Of several names for one address the global one says more.
        if address not in functions or match[2] == "T":
            functions[address] = match[3]
    kept = sorted(functions.items())
    if kept and kept[-1][0] - kept[0][0] >= 1 << 32:
        sys.exit(f"make-symbols: {kept[0][1]} and {kept[-1][1]} are 4 GiB or more apart")
    return kept


def pack_names(names):
    """A blob of NUL-ended names and the offset of each; tails are shared."""
    backwards = sorted({name[::-1] for name in names})
    blob, placed = bytearray(), {}
    for index, name in enumerate(backwards):
        # A name is the tail of some other exactly if it begins its successor when both are read backwards.
        if index + 1 < len(backwards) and backwards[index + 1].startswith(name):
            continue
        placed[name] = len(blob)
        blob += name[::-1].encode() + b"\0"
    owners = sorted(placed)
    offsets = []
    for name in names:
        owner = owners[bisect.bisect_left(owners, name[::-1])]
        offsets.append(placed[owner] + len(owner) - len(name))
    return bytes(blob), offsets


def directive(kind, values):
    return [f"    {kind} " + ", ".join(str(value) for value in values[at:at + 16])
            for at in range(0, len(values), 16)]


def table(name, align, lines, size):
    return [f"    .balign {align}", f"    .globl {name}", f"    .type {name}, @object",
            f"    .size {name}, {size}", f"{name}:"] + lines


def assembly(functions):
    names, name_offsets = pack_names([name for _, name in functions])
    count, base = len(functions), functions[0][0] if functions else 0
    offsets = directive(".long", [address - base for address, _ in functions])
    out = ["/* Made by tools/make-symbols.py from the symbols of the kernel. */",
           '    .section .rodata.symbols, "a", @progbits']
    out += table("kernel_symbol_base", 8, [f"    .quad {base:#x}"], 8)
    out += table("kernel_symbol_count", 4, [f"    .long {count}"], 4)
    out += table("kernel_symbol_offsets", 4, offsets, 4 * count)
    out += table("kernel_symbol_name_offsets", 4, directive(".long", name_offsets), 4 * count)
    out += table("kernel_symbol_names", 1, directive(".byte", names), len(names))
    out += ['    .section .note.GNU-stack, "", @progbits']
    return "\n".join(out) + "\n"


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    Path(sys.argv[1]).write_text(assembly(read_functions(sys.stdin)))


if __name__ == "__main__":
    main()
