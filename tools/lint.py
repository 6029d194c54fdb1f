#!/usr/bin/python3
"""The rules of the house that no compiler and no public linter knows; docs/testing.md says why each is there.

usage: lint.py [FILE...]        all files of the tree that git knows, or would take

Prints FILE:LINE: what is wrong. The status is 1 if anything is.
"""

import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

COLUMNS, COLUMNS_OTHER = 110, 120  # of C, which clang-format keeps; of all else
FILE_LINES, FILE_LINES_WARN = 800, 500
FUNCTION_LINES = 80
C_SUFFIXES = (".c", ".h", ".S")
TEXT_SUFFIXES = C_SUFFIXES + (".py", ".sh", ".mk", ".ld", ".txt", ".tbl", ".md")
# Lines of these may be long: tables, and the output of programs.
LONG_LINES = (".md", ".txt")
# Work that is not done is not in the tree.
UNFINISHED = re.compile(r"\b(" + "|".join(("TO" + "DO", "FIX" + "ME", "XX" + "X")) + r")\b")
# What a folder of the kernel must not include: includes point downwards. mm and sched stand side by side: memory uses
# locks and preemption points, threads use stacks and address spaces. A memory object is an object, and no more.
FORBIDDEN_INCLUDES = {
    "kernel/lib": ("arch/x86_64", "mm", "sched", "ipc", "obj", "sys", "init"),
    "kernel/mm": ("ipc", "obj", "sys", "init"),
    "kernel/sched": ("sys", "init"),
    "kernel/ipc": ("sys", "init"),
    "kernel/obj": ("sys", "init"),
    "kernel/debug": ("sys", "init"),
}
ALLOWED_INCLUDES = {"kernel/mm": ("kernel/obj/object.h",)}
ARCH = "kernel/arch/x86_64/"
# An empty template says something to the compiler alone.
MACHINE = re.compile(r"\b(?:__asm__|asm)\b(?! *(?:volatile)? *\(\"\")|\b(rdmsr|wrmsr|MSR_\w+|CR[0348]_\w+|EFER_\w+)\b")
MACHINE_INCLUDE = re.compile(r'#include "kernel/arch/x86_64/(?!arch)')
# User memory is touched in one place: the routines that may are called from there, and above it nothing makes a pointer
# from a number.
USER_COPY = re.compile(r"\b(arch_copy_(?:from|to)_user|user_copy_\w+|stac|smap_in_use)\b")
USER_COPY_FILES = ("kernel/mm/usercopy.c", "kernel/arch/arch.h")
MADE_POINTER = re.compile(r"\*\s*\)\s*\(?\s*(?:\(?u?intptr_t|[\w.>-]+(?:\.|->)value\b)")
ABOVE_MEMORY = ("kernel/sys/", "kernel/obj/", "kernel/ipc/", "kernel/sched/")
# What a document promises: commands, in code or on a line of their own, and links to files.
COMMAND = re.compile(r"(?:`|^    )make ([a-z][a-z-]*)")
TARGETS = re.compile(r"^(?:TARGETS [:+]=|\.PHONY:) (.*)$", re.MULTILINE)
LINK = re.compile(r"\]\((?!\w+:|#)([^)#]+)")


class Lint:
    def __init__(self):
        self.errors = 0
        self.guards = defaultdict(list)

    def error(self, path, line, message):
        self.errors += 1
        print(f"{path}:{line}: {message}")

    def file(self, path):
        try:
            text = path.read_bytes().decode("ascii")
        except UnicodeDecodeError as error:
            line = path.read_bytes()[:error.start].count(b"\n") + 1
            self.error(path, line, "a byte that is not ASCII")
            return
        lines = text.split("\n")
        if lines.pop() != "":
            self.error(path, len(lines) + 1, "no newline at the end")
        self.layout(path, lines)
        if path.suffix in C_SUFFIXES:
            self.size(path, lines)
            self.includes(path, lines)
        if path.suffix in (".c", ".h"):
            self.machine(path, lines)
            self.functions(path, lines)
            self.user_memory(path, lines)
        if path.suffix == ".h":
            self.guard(path, lines)
        if path.suffix == ".md":
            self.document(path, lines)

    def document(self, path, lines):
        """The commands are targets of the front door, and the links lead somewhere."""
        targets = {word for words in TARGETS.findall(Path("Makefile").read_text()) for word in words.split()}
        for number, line in enumerate(lines, 1):
            for target in COMMAND.findall(line):
                if target not in targets:
                    self.error(path, number, f"'make {target}' is no target of the Makefile")
            for link in LINK.findall(line):
                if not (path.parent / link).exists():
                    self.error(path, number, f"a link to '{link}', which is not there")

    def layout(self, path, lines):
        columns = COLUMNS if path.suffix in (".c", ".h") else COLUMNS_OTHER
        tabs = path.suffix != ".mk" and path.name != "Makefile"
        for number, line in enumerate(lines, 1):
            if line != line.rstrip():
                self.error(path, number, "blanks at the end")
            if tabs and "\t" in line:
                self.error(path, number, "a tab")
            if len(line) > columns and path.suffix not in LONG_LINES:
                self.error(path, number, f"{len(line)} columns, {columns} are allowed")
            if UNFINISHED.search(line):
                self.error(path, number, "a mark of unfinished work")

    def size(self, path, lines):
        if len(lines) > FILE_LINES:
            self.error(path, len(lines), f"{len(lines)} lines, {FILE_LINES} are allowed")
        elif len(lines) > FILE_LINES_WARN:
            print(f"{path}: {len(lines)} lines: one idea, or several? (not an error)")

    def functions(self, path, lines):
        """A body is what stands between a { and a } in the first column."""
        start = None
        for number, line in enumerate(lines, 1):
            if line == "{":
                start = number
            elif line == "}" and start:
                if number - start - 1 > FUNCTION_LINES:
                    self.error(path, start, f"a function of {number - start - 1} lines, {FUNCTION_LINES} are allowed")
                start = None

    def includes(self, path, lines):
        name = str(path)
        for folder, forbidden in FORBIDDEN_INCLUDES.items():
            if not name.startswith(folder + "/"):
                continue
            for number, line in enumerate(lines, 1):
                if any(line == f'#include "{header}"' for header in ALLOWED_INCLUDES.get(folder, ())):
                    continue
                for other in forbidden:
                    if line.startswith(f'#include "kernel/{other}/'):
                        self.error(path, number, f"{folder} must not know kernel/{other}")

    def machine(self, path, lines):
        """Only one folder of the kernel names registers of the processor."""
        name = str(path)
        if not name.startswith("kernel/") or name.startswith(ARCH):
            return
        for number, line in enumerate(lines, 1):
            if MACHINE.search(line.partition("//")[0]) or MACHINE_INCLUDE.search(line):
                self.error(path, number, f"names the processor outside {ARCH}")

    def user_memory(self, path, lines):
        """Only one place touches the memory of users."""
        name = str(path)
        if not name.startswith("kernel/") or name.startswith(ARCH) or name in USER_COPY_FILES:
            return
        for number, line in enumerate(lines, 1):
            if USER_COPY.search(line):
                self.error(path, number, f"touches user memory outside {USER_COPY_FILES[0]}")
            if name.startswith(ABOVE_MEMORY) and MADE_POINTER.search(line):
                self.error(path, number, "makes a pointer from a number, which may be a user's")

    def guard(self, path, lines):
        expected = path.stem.upper().replace("-", "_") + "_H"
        code = [line for line in lines if line.startswith("#")]
        match = re.fullmatch(r"#ifndef (QUIRE_\w+)", code[0]) if code else None
        if not match or not match[1].endswith("_" + expected) or code[1] != f"#define {match[1]}":
            self.error(path, 1, f"the guard is not of the form QUIRE_..._{expected}")
            return
        self.guards[match[1]].append(path)

    def finish(self):
        for guard, paths in self.guards.items():
            for path in paths[1:]:
                self.error(path, 1, f"the guard {guard} is also that of {paths[0]}")
        return self.errors == 0


def tree():
    listed = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"], check=True,
                            stdout=subprocess.PIPE, text=True).stdout
    return [Path(name) for name in listed.split("\0") if name]


def main():
    lint = Lint()
    for path in [Path(name) for name in sys.argv[1:]] or tree():
        if path.is_file() and (path.suffix in TEXT_SUFFIXES or path.name == "Makefile"):
            lint.file(path)
    sys.exit(0 if lint.finish() else 1)


if __name__ == "__main__":
    main()
