"""Bundles for boot tests, good ones and broken ones, around a kernel given as bytes."""
import gzip
import io
import struct
import tarfile

SYMTAB = 2


def tar(members, form=tarfile.USTAR_FORMAT):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def cpio(members):
    out = b""
    for name, data in list(members.items()) + [("TRAILER!!!", b"")]:
        name = name.encode() + b"\0"
        fields = (1, 0o100644, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name), 0)
        out += b"070701" + b"".join(b"%08X" % field for field in fields) + name
        out += b"\0" * (-len(out) % 4) + data
        out += b"\0" * (-len(out) % 4)
    return out


def zip_whole(data):
    return gzip.compress(data, 6, mtime=0)


def patched(data, offset, form, value):
    size = struct.calcsize(form)
    return data[:offset] + struct.pack(form, value) + data[offset + size:]


def with_symbol(kernel, name, value):
    """The ELF64 file with another value for one symbol."""
    table_at, count = struct.unpack_from("<Q", kernel, 40)[0], struct.unpack_from("<H", kernel, 60)[0]
    sections = [struct.unpack_from("<IIQQQQIIQQ", kernel, table_at + 64 * index) for index in range(count)]
    symbols = next(section for section in sections if section[1] == SYMTAB)
    strings = sections[symbols[6]]
    for at in range(symbols[4], symbols[4] + symbols[5], 24):
        name_at = strings[4] + struct.unpack_from("<I", kernel, at)[0]
        if kernel[name_at:].split(b"\0", 1)[0] == name.encode():
            return patched(kernel, at + 8, "<Q", value)
    raise ValueError(f"the kernel has no symbol {name}")


def as_32_bit(kernel):
    return patched(kernel, 4, "<B", 1)


def with_memory_size(kernel, size):
    """The ELF64 file whose first segment takes that much memory."""
    return patched(kernel, struct.unpack_from("<Q", kernel, 32)[0] + 40, "<Q", size)
