#!/usr/bin/python3
"""Show that the second halves of system calls cannot fail.

usage: check-commit.py KERNEL.ELF TABLE OBJECT_KINDS.c

Walks the linked kernel's code from each commit_NAME of the table, and from the functions that destroy objects, along
calls, jumps to other functions and, where a function is known to call through a table, the members of that. Refused is

- a call of the table that has a second half, without a function commit_NAME in the kernel;
- a way to a function that allocates, charges or prepares;
- a way to a function that returns an error, but for those listed below, each with the reason why it may be there;
- a call through a pointer that is not known.

What is inlined is part of the function that it is inlined into, and is seen there.
"""
import re
import subprocess
import sys
from collections import deque

from syscalls.table import read_table

FORBIDDEN = re.compile(r"^(?:__wrap_)?(heap_alloc\w*|slab_alloc\w*|frame_alloc\w*|frame_take|zeroed_take\w*|"
                       r"charged_\w*alloc\w*|charged_frame|uncharged_\w+|"
                       r"account_charge\w*|account_make|object_create|stack_alloc|"
                       r"handle_reserve\w*|prepare_\w+|aspace_open|memory_make\w*|task_make|thread_create\w*|"
                       r"notification_make|device_map)$")

# Functions that return an error and may be reached.
ALLOWED_ERRORS = {
    "frame_free": "an error would be a bug of the kernel, and every caller asserts that there is none",
    "frame_free_run": "as frame_free",
    "frame_split": "as frame_free",
    "map_level": "there are enough tables in the stock, and nothing is mapped there: asserted",
    "thread_preemption_point": "its error says that the thread was killed; the commit goes on or has no result to give",
    "__wrap_frame_free": "as frame_free",
    "frame_free_traced": "as frame_free",
    "wait_on": "how a wait ended: the outcome of a call that waits",
    "memory_await_sight": "as wait_on, of who fills a mapping: what is left is brought by faults",
    "wait_until": "as wait_on",
    "sleep_here": "as wait_on",
    "thread_park": "as wait_on",
    "thread_unpark_and_park": "as wait_on",
    "thread_join": "as wait_on",
    "notification_wait": "the commit of the call that waits, and its outcome",
    "task_end_prepare": "task_exit asks whether the end has begun already, and then has nothing to do",
}

# Calls through pointers, and where they lead. The kinds of objects are read from their list.
INDIRECT = {
    "objects_bury": [],
    "memory_destroy": [],  # the release of a pager: there is none in the product
    "tables_free": ["give_table"],
    "views_change_one": ["view_hide", "view_restrict", "nothing_changes"],
    "views_flush_some": ["view_flush", "view_wait", "nothing_to_flush", "nothing_to_wait_for", "afterimage_wait"],
    "run_queue_find_movable": ["fits_cpu"],
}

# Looked at no further: what is behind them is theirs. Giving back to the heap may take frames for what a CPU has at
# hand, and does without when there are none.
CLOSED = ("frame_free", "heap_free", "slab_free")

# From here nobody comes back.
NO_RETURN = re.compile(r"^(panic\w*|spin_order_violation|thread_exit|arch_halt)$")

FUNCTION = re.compile(r"^([0-9a-f]+) <(.+)>:$")
INSTRUCTION = re.compile(r"^ *([0-9a-f]+):\s+(\S+)\s*(.*)$")
TARGET = re.compile(r"^0x([0-9a-f]+)\b")


def run(*words):
    return subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()


class Kernel:
    def __init__(self, elf):
        self.names = {}      # address -> name
        self.edges = {}      # address -> set of addresses
        self.pointers = set()  # functions that call through a pointer
        self.errors = set()  # functions that return enum error
        self.read_code(elf)
        self.read_types(elf)

    def read_code(self, elf):
        lines = run("llvm-objdump", "-d", "--no-show-raw-insn", "--no-leading-headers", elf)
        for line in lines:
            if match := FUNCTION.match(line):
                self.names[int(match[1], 16)] = match[2]
        here = None
        for line in lines:
            if match := FUNCTION.match(line):
                here = int(match[1], 16)
                self.edges[here] = set()
            elif here is not None and (match := INSTRUCTION.match(line)):
                self.instruction(here, match[2], match[3])

    def instruction(self, here, word, operands):
        if not re.match(r"^(call|j)", word):
            return
        if target := TARGET.match(operands):
            address = int(target[1], 16)
            if address in self.names and (word.startswith("call") or address != here):
                self.edges[here].add(address)
        # `jmp *table(,%reg,8)` is a switch: it stays in the function. Anything else through a pointer leaves it.
        elif operands.startswith("*") and not re.match(r"^jmp", word):
            self.pointers.add(here)
        elif operands.startswith("*%"):
            self.pointers.add(here)

    def read_types(self, elf):
        """From the debug information: the type that each function returns."""
        kind, name, errors, pending = None, None, set(), []
        offset = None
        for line in run("llvm-dwarfdump", "--debug-info", elf):
            if match := re.match(r"^0x([0-9a-f]+):\s+(DW_TAG_\w+|NULL)", line):
                offset, kind = int(match[1], 16), match[2]
                name = None
            elif "DW_AT_name" in line and kind in ("DW_TAG_enumeration_type", "DW_TAG_subprogram"):
                name = re.search(r'\("(.*)"\)', line)[1]
                if kind == "DW_TAG_enumeration_type" and name == "error":
                    errors.add(offset)
            elif "DW_AT_type" in line and kind == "DW_TAG_subprogram" and name:
                match = re.search(r'\(0x([0-9a-f]+) "enum error"\)|\(0x([0-9a-f]+) "error"\)', line)
                if match:
                    pending.append(name)
        self.errors = set(pending)
        if not errors or "frame_free" not in self.errors:
            sys.exit("check-commit: the debug information does not tell which functions return an error")

    def address_of(self, name):
        return next((address for address, known in self.names.items() if known == name), None)

    def reached_by_pointer(self, name):
        """The functions that this one calls through pointers; all have to be there."""
        addresses = [self.address_of(target) for target in INDIRECT.get(name, ())]
        if None in addresses:
            sys.exit(f"check-commit: one of {INDIRECT[name]}, which {name} calls, is not in the kernel")
        return set(addresses)


def ways(kernel, root):
    """All functions that can be reached, each with the one before it on a shortest way."""
    before, queue = {root: None}, deque([root])
    while queue:
        here = queue.popleft()
        name = kernel.names[here]
        if NO_RETURN.match(name) or name in CLOSED:
            continue
        for target in sorted(kernel.edges.get(here, set()) | kernel.reached_by_pointer(name)):
            if target not in before:
                before[target] = here
                queue.append(target)
    return before


def told(kernel, before, address):
    names = []
    while address is not None:
        names.append(kernel.names[address])
        address = before[address]
    return " <- ".join(names)


def complaints(kernel, root):
    before = ways(kernel, root)
    for address in before:
        name = kernel.names[address]
        if address == root or NO_RETURN.match(name):
            continue
        if FORBIDDEN.match(name):
            yield f"reaches what can fail: {told(kernel, before, address)}"
        elif name in kernel.errors and name not in ALLOWED_ERRORS:
            yield f"reaches what returns an error: {told(kernel, before, address)}"
    for address in kernel.pointers & set(before):
        if kernel.names[address] not in INDIRECT and not NO_RETURN.match(kernel.names[address]):
            yield f"reaches a call through a pointer: {told(kernel, before, address)}"


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    kernel = Kernel(sys.argv[1])
    table = read_table(sys.argv[2])
    kinds = open(sys.argv[3], encoding="ascii").read()
    destroyers = sorted(set(re.findall(r"\[OBJECT_\w+\] = \{[^,]*, (\w+)\}", kinds)))
    if len(destroyers) < 4:
        sys.exit(f"check-commit: {sys.argv[3]}: only {destroyers} destroy objects?")
    INDIRECT["objects_bury"] = destroyers
    roots = [f"commit_{call.name}" for call in table.calls if call.halves != "prepare"] + destroyers
    wrong = 0
    for name in roots:
        address = kernel.address_of(name)
        found = ["is not in the kernel"] if address is None else complaints(kernel, address)
        for complaint in found:
            print(f"{name} {complaint}")
            wrong += 1
    if wrong == 0:
        print(f"check-commit: {len(roots)} functions, none can fail")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
