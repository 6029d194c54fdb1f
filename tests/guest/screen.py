"""Reading text off a picture of the screen, by comparing it with the glyphs of the kernel's font."""

import re
from collections import Counter
from pathlib import Path

WIDTH = 8


class Font:
    def __init__(self, source):
        """From the C file that tools/make-font.py makes."""
        rows = re.findall(r"^    \{(.*)\},", Path(source).read_text(), re.MULTILINE)
        self.glyphs = [[int(byte, 16) for byte in row.split(", ")] for row in rows]
        self.height = len(self.glyphs[0])

    def pattern(self, text):
        """The pixels of the text as one number a row, the leftmost pixel in the highest bit."""
        rows = [0] * self.height
        for character in text:
            for y, byte in enumerate(self.glyphs[ord(character)]):
                rows[y] = rows[y] << WIDTH | byte
        return rows

    def find(self, picture, text):
        """Does the text stand somewhere on the screen, in whatever colours?"""
        lit = lit_rows(picture)
        pattern = self.pattern(text)
        width = WIDTH * len(text)
        mask = (1 << width) - 1
        for x in range(0, picture.width - width + 1):
            shift = picture.width - width - x
            columns = [row >> shift & mask for row in lit]
            for y in range(len(columns) - self.height + 1):
                if columns[y:y + self.height] == pattern:
                    return True
        return False


def lit_rows(picture):
    """Each row of pixels as one number: 1 for a pixel that is not of the most frequent colour, the background."""
    data = picture.data
    pixels = [data[at:at + 3] for at in range(0, len(data), 3)]
    background = Counter(pixels).most_common(1)[0][0]
    bits = "".join("0" if pixel == background else "1" for pixel in pixels)
    width = picture.width
    return [int(bits[y * width:(y + 1) * width], 2) for y in range(picture.height)]
