#!/usr/bin/python3
"""Does tools/check-commit.py see what can fail? Small kernels, each with one thing wrong, one with nothing wrong."""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

TOP = Path(__file__).resolve().parents[1]

TABLE = """call 0 tried
about Tried.
halves commit
blocks no
takes nothing
pays nobody
"""

KINDS = "[OBJECT_A] = {1, a_destroy}, [OBJECT_B] = {1, b_destroy}, [OBJECT_C] = {1, c_destroy}, " \
        "[OBJECT_D] = {1, d_destroy},"

KERNEL = """
#define KEEP __attribute__((used, noinline))
enum error { ERR_NONE, ERR_OTHER };
volatile int state;
void (*volatile pointer)(void);
KEEP void *heap_alloc(unsigned long bytes) { state = (int)bytes; return 0; }
KEEP enum error frame_free(void) { return state ? ERR_OTHER : ERR_NONE; }
KEEP enum error may_fail(void) { state++; return state ? ERR_OTHER : ERR_NONE; }
KEEP static void deeper(void) { state += 2; %(deeper)s }
KEEP void a_destroy(void) { state++; }
KEEP void b_destroy(void) { state++; }
KEEP void c_destroy(void) { state++; }
KEEP void d_destroy(void) { state++; %(destroy)s }
KEEP void %(name)s(void) { deeper(); state++; %(commit)s if (frame_free()) { state = 9; } }
void _start(void) { %(name)s(); }
"""

GOOD = {"deeper": "", "destroy": "", "commit": "", "name": "commit_tried"}
BAD = {
    "an allocation": ({"commit": "heap_alloc(8);"}, "commit_tried reaches what can fail: heap_alloc"),
    "an allocation further down": ({"deeper": "heap_alloc(8);"},
                                   "what can fail: heap_alloc <- deeper <- commit_tried"),
    "an allocation as the last thing": ({"deeper": "heap_alloc(8); return;"}, "what can fail: heap_alloc"),
    "an error": ({"deeper": "state = may_fail();"}, "what returns an error: may_fail <- deeper"),
    "an error in the end of an object": ({"destroy": "may_fail();"}, "d_destroy reaches what returns an error"),
    "a call through a pointer": ({"commit": "pointer();"}, "a call through a pointer"),
    "a half that is not there": ({"name": "other"}, "commit_tried is not in the kernel"),
}


def complaints(folder, changes):
    """The status and the words of the checker for a kernel with these changes."""
    source = folder / "kernel.c"
    source.write_text(KERNEL % {**GOOD, **changes})
    target = ["--target=x86_64-unknown-none-elf", "-O2", "-g", "-ffreestanding", "-fno-pic", "-nostdlib", "-static"]
    subprocess.run(["clang", *target, "-c", source, "-o", folder / "kernel.o"], check=True)
    subprocess.run(["ld.lld", folder / "kernel.o", "-o", folder / "kernel.elf"], check=True)
    words = [sys.executable, TOP / "tools/check-commit.py", folder / "kernel.elf", folder / "table.tbl",
             folder / "kinds.c"]
    ended = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return ended.returncode, ended.stdout


def main():
    with tempfile.TemporaryDirectory(prefix="quire-commit-") as name:
        folder = Path(name)
        for header in ("handle.h", "error.h"):
            shutil.copy(TOP / "abi" / header, folder)
        (folder / "table.tbl").write_text(TABLE)
        (folder / "kinds.c").write_text(KINDS)
        status, said = complaints(folder, {})
        wrong = [] if status == 0 else [f"a good kernel is refused: {said}"]
        for what, (changes, expected) in BAD.items():
            status, said = complaints(folder, changes)
            if status == 0 or expected not in said:
                wrong.append(f"{what} is not seen: status {status}, {said}")
    print("\n".join(wrong) or f"{len(BAD)} wrong kernels are refused, a good one is not")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
