#!/usr/bin/python3
"""Turn a console font (PSF 1 or 2 with a table of code points, perhaps gzipped) into the kernel's font.

usage: make-font.py FONT.psf[.gz] OUT.h OUT.c

OUT.c defines font_glyphs[256][FONT_HEIGHT], the 8 pixels wide glyphs of the code points 0 to 255; the highest bit
is the leftmost pixel. Code points the font lacks, which the control characters always are, get the glyph of U+FFFD,
or a box. Every printable ASCII character has to be there.

The form of the file is that of kbd's psf(5) and of the PSF 2 header in console-setup's bdf2psf(1).
"""

import gzip
import struct
import sys
from pathlib import Path

PSF1_MAGIC = b"\x36\x04"
PSF1_MODE_512 = 1
PSF1_MODE_TABLES = 6
PSF1_SEPARATOR, PSF1_SEQUENCE = 0xFFFF, 0xFFFE
PSF2_MAGIC = b"\x72\xb5\x4a\x86"
PSF2_HAS_TABLE = 1
PSF2_SEPARATOR, PSF2_SEQUENCE = b"\xff", b"\xfe"

WIDTH = 8
BANNER = "/* Made by tools/make-font.py from {name} of the package console-setup-linux. */\n"


class BadFont(Exception):
    pass


def table_psf1(data):
    """Code point -> glyph number, of the 16-bit table that follows the glyphs of PSF 1."""
    found, glyph, single = {}, 0, True
    for (unit,) in struct.iter_unpack("<H", data[:len(data) & ~1]):
        if unit == PSF1_SEPARATOR:
            glyph, single = glyph + 1, True
        elif unit == PSF1_SEQUENCE:
            single = False
        elif single:
            found.setdefault(unit, glyph)
    return found


def table_psf2(data):
    """The same of the UTF-8 table of PSF 2. Sequences of several code points follow the separator 0xfe."""
    found = {}
    for glyph, entry in enumerate(data.split(PSF2_SEPARATOR)):
        for character in entry.split(PSF2_SEQUENCE)[0].decode("utf-8"):
            found.setdefault(ord(character), glyph)
    return found


def read_font(data):
    """The height in pixels, the list of glyphs, and the table of code points."""
    if data[:2] == PSF1_MAGIC and len(data) >= 4:
        mode, height = data[2], data[3]
        if not mode & PSF1_MODE_TABLES:
            raise BadFont("it has no table of code points")
        count, start, size, width, table = 512 if mode & PSF1_MODE_512 else 256, 4, height, 8, table_psf1
    elif data[:4] == PSF2_MAGIC and len(data) >= 32:
        _, start, flags, count, size, height, width = struct.unpack_from("<7I", data, 4)
        if not flags & PSF2_HAS_TABLE:
            raise BadFont("it has no table of code points")
        table = table_psf2
    else:
        raise BadFont("it is not a PSF 1 or PSF 2 font")
    if width != WIDTH or size != height or not 6 <= height <= 32:
        raise BadFont(f"its glyphs are {width}x{height}, expected {WIDTH} wide and 6 to 32 high")
    end = start + count * size
    if end > len(data):
        raise BadFont(f"it ends inside its {count} glyphs")
    glyphs = [data[start + index * size:start + (index + 1) * size] for index in range(count)]
    points = {point: glyph for point, glyph in table(data[end:]).items() if glyph < count}
    return height, glyphs, points


def latin1(height, glyphs, points):
    """The 256 glyphs, those that are missing replaced."""
    lacking = [chr(point) for point in range(0x21, 0x7F) if point not in points]
    if lacking:
        raise BadFont("it lacks " + " ".join(lacking))
    box = bytes([0, 0x7E] + [0x42] * (height - 4) + [0x7E, 0])
    replacement = glyphs[points[0xFFFD]] if 0xFFFD in points else box
    blank = bytes(height)
    table = [glyphs[points[point]] if point in points else replacement for point in range(256)]
    for point in (0x00, 0x20, 0xA0):
        table[point] = blank
    return table


def header(name, height):
    return BANNER.format(name=name) + f"""#ifndef QUIRE_GEN_FONT_H
#define QUIRE_GEN_FONT_H

#define FONT_WIDTH  {WIDTH}
#define FONT_HEIGHT {height}

/* A glyph for each code point of Latin-1, a byte a row from the top, the leftmost pixel in the highest bit. */
extern const unsigned char font_glyphs[256][FONT_HEIGHT];

#endif
"""


def source(name, table):
    rows = [f"    {{{', '.join(f'0x{row:02x}' for row in glyph)}}}, /* {point:02x} */"
            for point, glyph in enumerate(table)]
    return "\n".join([BANNER.format(name=name), '#include "font.h"', "",
                      "const unsigned char font_glyphs[256][FONT_HEIGHT] = {"] + rows + ["};"]) + "\n"


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    path = Path(sys.argv[1])
    try:
        data = path.read_bytes()
        if data[:2] == b"\x1f\x8b":
            data = gzip.decompress(data)
        height, glyphs, points = read_font(data)
        table = latin1(height, glyphs, points)
    except (OSError, EOFError, UnicodeDecodeError, BadFont) as error:
        sys.exit(f"make-font: {path}: {error}")
    Path(sys.argv[2]).write_text(header(path.name, height))
    Path(sys.argv[3]).write_text(source(path.name, table))


if __name__ == "__main__":
    main()
