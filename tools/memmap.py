#!/usr/bin/python3
"""Draw physical memory: boot, let programs run, and write a picture of who has each frame.

usage: memmap.py IMAGE OUT.svg

Three maps side by side: at the first prompt, while programs hold memory, and after they have ended. Each is what
`frames map` of the machine's own prompt says, a cell for every 64 KiB of its 1 GiB.
"""

import re
import sys
import time
from pathlib import Path

TOP = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TOP / "tests/guest"))

from driver import GuestError, Machine, clean  # noqa: E402

PROMPT = r"\nquire> "
ORDER = 4
CELL = 4096 << ORDER
COLUMNS = 128  # cells in a row of the picture: 8 MiB
SIZE = 4       # of a cell, in units of the picture
MARGIN, HEAD, LEGEND = 24, 64, 30
# Programs that hold memory for longer than the pictures take; between them, some that come and go.
WORK = ("run memtouch 0x3000000 600 &", "run memtouch 0x180000 600 &", "run threads 32", "run memtouch 0x6400000 600 &",
        "run memtouch 0x50000 600 &", "run hello", "run memtouch 0x8000000 600 &", "run spin 600 &", "run threads 64")
# What `frames` draws for each class, its colour here, and its name.
CLASSES = {
    ".": ("#e8e8e8", "free"), "K": ("#e0a800", "kernel objects"), "P": ("#c040a0", "page tables"),
    "S": ("#a06000", "kernel stacks"), "U": ("#38a048", "users"), "W": ("#20a0b0", "users, shared"),
    "D": ("#3060d0", "devices"), "M": ("#803090", "records of frames"), "R": ("#707070", "reserved"),
    "X": ("#d02020", "bad"), "k": ("#f5dc90", "the kernel's, unused"), "z": ("#b0e0b8", "zeroed, kept ready"),
}
ROW = re.compile(r"^ +([0-9a-f]+) (.+)$")


def command(machine, line, timeout=60):
    machine.send(line + "\r")
    machine.expect(PROMPT, timeout)
    return [clean(text) for text in machine.process.before.split("\n")]


def read_map(machine):
    """Cells by number: the sign of each that has RAM."""
    cells = {}
    for line in command(machine, f"frames map {ORDER}"):
        row = ROW.match(line.rstrip("\r"))
        if row:
            first = int(row[1], 16) // CELL
            cells.update({first + i: sign for i, sign in enumerate(row[2]) if sign in CLASSES})
    if not cells:
        raise GuestError("`frames map` draws nothing")
    return cells


def jobs(machine):
    """The programs of WORK that are there: number, and seconds of CPU time used."""
    row = r"^ *(\d+) +\w+ +\d+ +\d+ +([\d.]+) s .* (?:memtouch|spin)$"
    rows = re.findall(row, "\n".join(command(machine, "ps")), re.M)
    return [(row[0], float(row[1])) for row in rows]


def wait_until_taken(machine):
    """Until no program but the one that spins uses time any more: they have written all they hold."""
    before = None
    while True:
        now = sorted(time for _, time in jobs(machine))[:-1]
        if now == before:
            return
        before = now
        time.sleep(1)


def boot_and_watch(image):
    with Machine("memmap", image, cpus=4, memory="1G", config=["test=1"]) as machine:
        machine.expect(PROMPT)
        maps = [("at the prompt", read_map(machine))]
        for line in WORK:
            command(machine, line)
        wait_until_taken(machine)
        maps.append(("with programs at work", read_map(machine)))
        for job, _ in jobs(machine):
            command(machine, f"kill {job}")
        while jobs(machine):
            time.sleep(0.2)
        maps.append(("after they have ended", read_map(machine)))
        machine.send("poweroff\r")
        machine.finish()
    return maps


def rectangle(x, y, width, height, colour):
    return f'<rect x="{x}" y="{y}" width="{width}" height="{height}" fill="{colour}"/>'


def text(x, y, content, size=13, weight="normal"):
    return f'<text x="{x}" y="{y}" font-size="{size}" font-weight="{weight}" fill="#202020">{content}</text>'


def draw_map(cells, left, top):
    """Runs of like cells in a row become one rectangle."""
    out = []
    for row in range(max(cells) // COLUMNS + 1):
        start = row * COLUMNS
        signs = [cells.get(start + i) for i in range(COLUMNS)] + [None]
        begin = 0
        for i in range(1, COLUMNS + 1):
            if signs[i] != signs[begin] or i == COLUMNS:
                if signs[begin]:
                    out.append(rectangle(left + begin * SIZE, top + row * SIZE, (i - begin) * SIZE, SIZE,
                                         CLASSES[signs[begin]][0]))
                begin = i
    return out


def draw(maps):
    rows = max(max(cells) for _, cells in maps) // COLUMNS + 1
    width = MARGIN + len(maps) * (COLUMNS * SIZE + MARGIN)
    height = HEAD + rows * SIZE + LEGEND + MARGIN
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif">',
           rectangle(0, 0, width, height, "#ffffff"),
           text(MARGIN, 26, f"Physical memory of Quire: a cell is {CELL >> 10} KiB, a row {COLUMNS * CELL >> 20} MiB, "
                            "address 0 at the top left", 15, "bold")]
    for number, (title, cells) in enumerate(maps):
        left = MARGIN + number * (COLUMNS * SIZE + MARGIN)
        out += [text(left, HEAD - 10, title)] + draw_map(cells, left, HEAD)
    at = MARGIN
    seen = {sign for _, cells in maps for sign in cells.values()}
    for sign, (colour, name) in CLASSES.items():
        if sign in seen:
            out += [rectangle(at, height - MARGIN - 8, 12, 12, colour), text(at + 17, height - MARGIN + 3, name)]
            at += 40 + 7 * len(name)
    return "\n".join(out + ["</svg>\n"])


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    try:
        maps = boot_and_watch(Path(sys.argv[1]))
    except GuestError as error:
        sys.exit(f"memmap: {error}")
    Path(sys.argv[2]).write_text(draw(maps))
    print(f"{sys.argv[2]}: {len(maps)} maps of memory")


if __name__ == "__main__":
    main()
