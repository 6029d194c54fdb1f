#!/usr/bin/python3
"""Make everything that follows from the table of system calls (abi/syscalls.tbl).

    gen-syscalls.py TABLE OUTDIR REFERENCE.md [--check]

OUTDIR/syscall_numbers.h   SYS_NAME constants and the list of names, C and assembler
OUTDIR/syscall_calls.h     prototypes of the two halves of each call in the kernel
OUTDIR/syscall_decode.inc  the kernel's decoders and dispatch table, included by kernel/sys/dispatch.c
OUTDIR/syscalls.h          the user-side stubs
OUTDIR/syscall_grammar.h   the arguments of all calls, for the tests of authority and the fuzzer
OUTDIR/syscall_trace.py    calls as text, for tools that show traces
REFERENCE.md               the reference page; with --check it is compared instead of written
"""
import sys
from pathlib import Path

from syscalls import kernel, reference, tests, trace, user
from syscalls.table import read_table


def main():
    arguments = [a for a in sys.argv[1:] if a != "--check"]
    if len(arguments) != 3:
        sys.exit(__doc__)
    table = read_table(arguments[0])
    outdir, page = Path(arguments[1]), Path(arguments[2])
    text = reference.reference(table)
    if "--check" in sys.argv:
        if not page.exists() or page.read_text() != text:
            sys.exit(f"gen-syscalls: {page} does not follow from {arguments[0]}; run `make` and commit it")
        return
    outdir.mkdir(parents=True, exist_ok=True)
    (outdir / "syscall_numbers.h").write_text(kernel.numbers(table.calls))
    (outdir / "syscall_decode.inc").write_text(kernel.decode(table.calls))
    (outdir / "syscall_calls.h").write_text(kernel.prototypes(table.calls))
    (outdir / "syscalls.h").write_text(user.stubs(table.calls))
    (outdir / "syscall_grammar.h").write_text(tests.grammar(table.calls))
    (outdir / "syscall_trace.py").write_text(trace.module(table))
    if not page.exists() or page.read_text() != text:
        page.write_text(text)


if __name__ == "__main__":
    main()
