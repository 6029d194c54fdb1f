#!/usr/bin/python3
"""Boot tests of the loader in QEMU: kernels that follow the protocol, and everything that can be wrong on disk.

    run.py BUILD [NAME...]

BUILD is the build directory; with names only those cases run. Prints "ok NAME" or "FAIL NAME: why" a case, and
ends with status 1 when one failed. Disks and serial logs stay in BUILD/tests/boot/run.
"""
import sys
from pathlib import Path

import bundles
import disk
from machine import Machine

BOOT_SECONDS = 90
CASE_SECONDS = 60
CONFIG = b"// tests/boot\nexpect=tea at five\nscreen=800x600\n"
SAYS_OK = "foreign kernel: ok"
MESSAGE = "quire-boot: "


def broken(kernel):
    """Disks that cannot boot: name, files in BOOTBOOT/, and the message. The machine has 128 MiB."""
    good = bundles.tar({"sys/core": kernel})
    packed = bundles.zip_whole(good)

    def with_kernel(changed):
        return {"INITRD": bundles.tar({"sys/core": changed}), "CONFIG": CONFIG}

    return [
        ("missing-bundle", {"CONFIG": CONFIG}, "BOOTBOOT/INITRD: there is no such file, nor a BOOTBOOT/X86_64"),
        ("empty-bundle", {"INITRD": b""}, "BOOTBOOT/INITRD: the file is empty"),
        ("truncated-gzip", {"INITRD": packed[:len(packed) // 2]},
         "BOOTBOOT/INITRD: cannot expand it: the data ends too early"),
        ("bad-gzip-sum", {"INITRD": bundles.patched(packed, len(packed) - 8, "<I", 0x12345678)},
         "BOOTBOOT/INITRD: cannot expand it: the data does not match its checksum"),
        ("gzip-too-large", {"INITRD": bundles.zip_whole(bytes(160 << 20))},
         "BOOTBOOT/INITRD: it expands to more than the "),
        ("no-archive", {"INITRD": b"This is no archive.\n" * 100},
         "BOOTBOOT/INITRD: it is neither a ustar nor a cpio newc archive"),
        ("truncated-archive", {"X86_64": bundles.tar({"first": bytes(9000), "sys/core": kernel})[:5000]},
         "BOOTBOOT/X86_64: it is damaged, and sys/core was not found before the damage: the data ends too early"),
        ("no-kernel", {"INITRD": good, "CONFIG": b"kernel=sys/other\n"},
         "sys/other: the bundle BOOTBOOT/INITRD has no such member"),
        ("kernel-32-bit", with_kernel(bundles.as_32_bit(kernel)),
         "sys/core: it is an ELF file, but not an ELF64 executable for amd64"),
        ("kernel-no-elf", with_kernel(b"#!/bin/sh\n"), "sys/core: it is not an ELF file"),
        ("kernel-truncated", with_kernel(kernel[:len(kernel) // 3]), "sys/core: the file ends inside a segment"),
        ("kernel-too-large", with_kernel(bundles.with_memory_size(kernel, 17 << 20)),
         "sys/core: it takes more than 16 MiB of memory"),
        ("symbol-out-of-range", with_kernel(bundles.with_symbol(kernel, "bootboot", 0xFFFFFFFF80000000)),
         "sys/core: symbol bootboot is 0xffffffff80000000, outside the top GiB of the address space"),
        ("config-garbage", {"INITRD": good, "CONFIG": b"kernel=sys/core\n\xfe\xed\x00\x01garbage"},
         "BOOTBOOT/CONFIG: byte 16 of it is no UTF-8 text"),
        ("config-too-large", {"INITRD": good, "CONFIG": b"# long\n" * 1000},
         "BOOTBOOT/CONFIG: it has 7000 bytes, more than the 4095 that it may have"),
    ]


def working(kernel, level1):
    """Disks that boot: name, loader, files, machine, and what the kernel has to say."""
    strict = CONFIG + b"strict=1\n"
    loader, rough = "boot/BOOTX64.EFI", "tests/boot/ROUGH.EFI"
    ustar, cpio = bundles.tar({"./sys/core": kernel}), bundles.cpio({"sys/config": strict, "my/kernel": kernel})
    fixed = bundles.tar({"sys/core": level1})
    return [
        ("foreign-1-cpu", loader, {"INITRD": ustar, "CONFIG": strict}, {"cpu": "qemu64"}, "cores=1 screen=800x600"),
        ("foreign-4-cpus", loader, {"INITRD": bundles.zip_whole(ustar), "CONFIG": strict}, {"cpus": 4},
         "cores=4 screen=800x600"),
        ("foreign-cpio-no-screen", loader, {"X86_64": bundles.cpio({"sys/config": strict, "sys/core": kernel})},
         {"cpus": 2, "screen": False, "memory": "64M"}, "cores=2 screen=0x0"),
        ("foreign-other-name", loader,
         {"INITRD": bundles.zip_whole(cpio), "CONFIG": strict + b"nosmp=1\nkernel=my/kernel\n"},
         {"cpus": 4, "memory": "5G"}, "cores=1 screen=800x600"),
        ("foreign-level-1", loader, {"INITRD": fixed, "CONFIG": strict}, {"cpus": 3}, "cores=3 screen=800x600"),
        ("rough-level-2", rough, {"INITRD": ustar, "CONFIG": CONFIG + b"rough.order=3\nrough.rotate=1\nrough.open=1\n"},
         {"cpus": 4}, "cores=4 screen=800x600 protocol=6 acpi=XSDT cd=1 wp=0"),
        ("rough-level-1", rough,
         {"INITRD": fixed, "CONFIG": CONFIG + b"rough.level=1\nrough.rsdt=1\nrough.headless=1\nrough.late=2\n"},
         {"cpus": 4}, "cores=4 screen=0x0 protocol=1 acpi=RSDT cd=1 wp=0"),
    ]


class Run:
    def __init__(self, build, names):
        self.build = Path(build)
        self.folder = self.build / "tests/boot/run"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.names = names
        self.has_failed = False

    def wants(self, name):
        return not self.names or name in self.names

    def report(self, name, reason, machine):
        (self.folder / f"{name}.log").write_text(machine.text)
        self.has_failed |= reason is not None
        print(f"ok {name}" if reason is None else f"FAIL {name}: {reason}", flush=True)

    def make_disk(self, name, loader, files):
        path = self.folder / f"{name}.img"
        disk.make(path, self.build / loader, files)
        return path

    def all_working(self, cases):
        for name, loader, files, options, expected in cases:
            if self.wants(name):
                path = self.make_disk(name, loader, files)
                with Machine(self.folder, [path], **options) as machine:
                    self.report(name, one_working(machine, f"{SAYS_OK} {expected}"), machine)

    def all_broken(self, cases):
        """In one boot: the loader returns to the firmware when a key is pressed, which tries the next disk."""
        cases = [case for case in cases if self.wants(case[0])]
        disks = [self.make_disk(name, "boot/BOOTX64.EFI", files) for name, files, _ in cases]
        if not cases:
            return
        with Machine(self.folder, disks, memory="128M") as machine:
            position = 0
            for name, _, expected in cases:
                seconds = CASE_SECONDS if position else BOOT_SECONDS
                line, position = machine.line(MESSAGE, seconds, position)
                self.report(name, judge(line, MESSAGE + expected), machine)
                if line is None:
                    continue
                _, position = machine.line("Press a key", CASE_SECONDS, position)
                machine.press(b"\r")


def judge(line, expected):
    if line is None:
        return f'no message within the time, instead of "{expected}"'
    return None if line.startswith(expected) else f'"{line}" instead of "{expected}"'


def one_working(machine, expected):
    line, _ = machine.line("foreign kernel: ", BOOT_SECONDS)
    reason = judge(line, expected)
    if reason is None and machine.ended(CASE_SECONDS) != 0:
        reason = "the kernel did not leave the machine with status 0"
    return reason


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    run = Run(sys.argv[1], sys.argv[2:])
    kernel = (run.build / "tests/boot/foreign.elf").read_bytes()
    level1 = (run.build / "tests/boot/foreign1.elf").read_bytes()
    run.all_working(working(kernel, level1))
    run.all_broken(broken(kernel))
    sys.exit(1 if run.has_failed else 0)


main()
