#!/usr/bin/python3
"""Make the kept corpora of the fuzz targets from inputs of our own.

    make-corpus.py DIRECTORY

DIRECTORY/NAME/* for each target tests/fuzz/fuzz_NAME.c. The files are checked in; run this again only to change
them. Inputs that a fuzzer found and that broke something are added beside them by hand.
"""
import gzip
import io
import struct
import sys
import tarfile
from pathlib import Path

ROOT = Path(sys.argv[1] if len(sys.argv) == 2 else sys.exit(__doc__))
TOP = 1 << 64
LOADABLE, SYMTAB, STRTAB, ABSOLUTE = 1, 2, 3, 0xFFF1


def keep(target, name, data):
    folder = ROOT / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)


def tar(form, members):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.type = tarfile.DIRTYPE if data is None else tarfile.REGTYPE
            info.size = len(data or b"")
            archive.addfile(info, io.BytesIO(data or b""))
    return out.getvalue()[: -8192 + 1024]  # tarfile pads to 10 KiB


def cpio(magic, members):
    out = b""
    for inode, (name, data) in enumerate(members + [("TRAILER!!!", b"")]):
        mode = 0o040755 if data is None else 0o100644
        data = data or b""
        total = sum(data) if magic == b"070702" else 0
        name = name.encode() + b"\0"
        fields = (inode, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name), total)
        out += magic + b"".join(b"%08X" % field for field in fields) + name
        out += b"\0" * (-len(out) % 4) + data
        out += b"\0" * (-len(out) % 4)
    return out


def elf(segments, symbols, kind=2, machine=62, size_class=2, entry=None):
    """Header, program headers, three section headers, symbols, strings, 64 bytes of content."""
    strings, table = b"\0", b""
    for name, value in symbols:
        table += struct.pack("<IBBHQQ", len(strings), 16, 0, ABSOLUTE, value % TOP, 0)
        strings += name.encode() + b"\0"
    sections_at = 64 + 56 * len(segments)
    symbols_at = sections_at + 3 * 64
    strings_at = symbols_at + len(table)
    content_at = strings_at + len(strings)
    entry = segments[0][0] if entry is None else entry
    out = b"\x7fELF" + bytes([size_class, 1, 1]) + bytes(9)
    out += struct.pack("<HHIQQQIHHHHHH", kind, machine, 1, entry % TOP, 64, sections_at, 0, 64, 56, len(segments),
                       64, 3, 0)
    for address, file_bytes, memory_bytes, flags in segments:
        out += struct.pack("<IIQQQQQQ", LOADABLE, flags, content_at, address % TOP, 0, file_bytes, memory_bytes, 4096)
    out += bytes(64)
    out += struct.pack("<IIQQQQIIQQ", 1, SYMTAB, 0, 0, symbols_at, len(table), 2, 0, 8, 24)
    out += struct.pack("<IIQQQQIIQQ", 2, STRTAB, 0, 0, strings_at, len(strings), 0, 0, 1, 0)
    return out + table + strings + bytes(range(64))


def bundles():
    members = [("sys", None), ("sys/core", b"kernel"), ("./sys/config", b"kernel=sys/core\n"), ("empty", b"")]
    deep = [("d" * 80 + "/" + "e" * 60, b"x")]
    keep("bundle", "ustar", tar(tarfile.USTAR_FORMAT, members))
    keep("bundle", "ustar-prefix", tar(tarfile.USTAR_FORMAT, deep))
    keep("bundle", "gnu-long-name", tar(tarfile.GNU_FORMAT, [("n" * 150, b"x")]))
    keep("bundle", "pax", tar(tarfile.PAX_FORMAT, [("\u00fc" * 80, b"x")]))
    keep("bundle", "newc", cpio(b"070701", members))
    keep("bundle", "crc", cpio(b"070702", members))
    keep("bundle", "newc-truncated", cpio(b"070701", members)[:200])


def kernels():
    low = -(1 << 30)
    symbols = [("bootboot", low), ("environment", low + 4096), ("fb", low + (64 << 20)), ("mmio", low + (32 << 20)),
               ("initstack", 4096)]
    base = -(256 << 20)
    files = {
        "level1": elf([(-(2 << 20) + 8192, 64, 100, 7)], []),
        "level2": elf([(base, 64, 8192, 7)], symbols),
        "segments": elf([(base, 64, 64, 5), (base + 4096, 32, 32, 4), (base + 8192, 16, 9000, 6)], symbols),
        "low-segment": elf([(1 << 20, 64, 64, 5), (base, 64, 64, 7)], symbols, entry=base),
        "fb-on-top": elf([(base, 64, 64, 7)], symbols[:2] + [("fb", -(64 << 20)), ("bootboot", base + 4096)]),
        "shared-object": elf([(0, 64, 64, 5)], [], kind=3),
        "class32": elf([(base, 64, 64, 7)], [], size_class=1),
        "no-segments": elf([], [], entry=0),
    }
    for name, data in files.items():
        keep("elf64", name, data)
        keep("layout", name, data)


def environments():
    keep("environment", "plain", b"kernel=sys/core\nscreen=800x600\n")
    keep("environment", "comments", b"// a\n# b\n/* c=d\n */ e=f // g\nh=i#j\nnosmp=1\n")
    keep("environment", "crlf", b"screen=1024x768\r\nkernel = sys/core \r\n")
    keep("environment", "utf8", "gr\u00fc\u00dfe=\u20ac\U0001f600\n".encode())
    keep("environment", "garbage", b"kernel=sys/core\n\xff\x00\x80=x\n")
    keep("environment", "unclosed", b"a=b /* c\nd=e")
    keep("environment", "long", b"key=" + b"v" * 5000)


def packed():
    text = b"a bundle of leaves, a bundle of leaves, a sheet; " * 20
    one = gzip.compress(text, 9, mtime=0)
    keep("gunzip", "plain", one)
    keep("gunzip", "stored", gzip.compress(text, 0, mtime=0))
    keep("gunzip", "fixed", gzip.compress(b"aaa", 9, mtime=0))
    keep("gunzip", "empty", gzip.compress(b"", 9, mtime=0))
    keep("gunzip", "two-members", one + gzip.compress(b"more", 9, mtime=0))
    keep("gunzip", "padded", one + bytes(64))
    keep("gunzip", "truncated", one[:-9])
    keep("gunzip", "bad-sum", one[:-8] + bytes([one[-8] ^ 1]) + one[-7:])
    # Header with all optional parts but its CRC.
    keep("gunzip", "fields", one[:3] + b"\x1c" + one[4:10] + b"\x03\0ext" + b"name\0" + b"comment\0" + one[10:])


def acpi(signature, body):
    """A table with its header (ACPI 6.4, table 5.4) and a good checksum."""
    table = bytearray(struct.pack("<4sIBB6s8sIII", signature, 36 + len(body), 1, 0, b"QUIRE", b"TEST", 1, 0, 0) + body)
    table[9] = -sum(table) % 256
    return bytes(table)


def acpi_tables():
    madt = struct.pack("<II", 0xFEE00000, 1) + struct.pack("<BBBBI", 0, 8, 0, 0, 1)
    madt += struct.pack("<BBBBII", 1, 12, 0, 0, 0xFEC00000, 0) + struct.pack("<BBBBIH", 2, 10, 0, 9, 20, 13)
    madt += struct.pack("<BBHIII", 9, 16, 0, 300, 1, 1)
    keep("acpi_tables", "madt", acpi(b"APIC", madt))
    keep("acpi_tables", "hpet", acpi(b"HPET", struct.pack("<IBBBBQBHB", 0, 0, 64, 0, 0, 0xFED00000, 0, 0, 0)))
    srat = struct.pack("<IQ", 1, 0) + struct.pack("<BBBBIB3sI", 0, 16, 1, 7, 1, 0, b"\1\0\0", 0)
    srat += struct.pack("<BBIHQQIIQ", 1, 40, 3, 0, 1 << 32, 1 << 30, 0, 1, 0)
    srat += struct.pack("<BBHIIIII", 2, 24, 0, 2, 300, 1, 0, 0)
    keep("acpi_tables", "srat", acpi(b"SRAT", srat))
    fadt = bytearray(244 - 36)
    struct.pack_into("<I", fadt, 40 - 36, 0x1000)
    struct.pack_into("<I", fadt, 112 - 36, 1 << 10)
    keep("acpi_tables", "fadt", acpi(b"FACP", bytes(fadt)))
    forms = {"byte": b"\x0a\x05\x0a\x05", "short": b"\x00\x01", "word": b"\x0b\x05\x00\x0a\x05"}
    for name, code in forms.items():
        package = b"\x12" + bytes([len(code) + 2, 4]) + code
        keep("acpi_tables", "s5-" + name, acpi(b"DSDT", b"\x10\x05" + b"\x08_S5_" + package + b"\0" * 8))


bundles()
kernels()
environments()
packed()
acpi_tables()
