#!/usr/bin/python3
"""Boot tests in QEMU: the loader with kernels that follow the protocol and with everything that can be wrong on its
disk, and Quire's kernel under the rough loader of tests/boot/rough.

usage: run.py [--list] [NAME...]
"""

import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import bundles

TOP = Path(__file__).resolve().parents[2]
sys.path += [str(TOP / "tests"), str(TOP / "tests/guest"), str(TOP / "tools")]
from diskimage import append_config, make_disk_of, replace_file  # noqa: E402
from driver import GuestError, Machine, qemu  # noqa: E402
from report import Suite, conclude  # noqa: E402

BUILD = TOP / "build"
LOADER, ROUGH = BUILD / "boot/BOOTX64.EFI", BUILD / "tests/boot/ROUGH.EFI"
LOADER_ON_DISK = "EFI/BOOT/BOOTX64.EFI"
FOREIGN, FOREIGN_LEVEL_1 = BUILD / "tests/boot/foreign.elf", BUILD / "tests/boot/foreign1.elf"
IMAGE = BUILD / "quire.img"
PARTS = (LOADER, ROUGH, FOREIGN, FOREIGN_LEVEL_1, IMAGE)

CASE_SECONDS = 60
CONFIG = b"// tests/boot\nexpect=tea at five\nscreen=800x600\n"
STRICT = CONFIG + b"strict=1\n"
NO_SCREEN = ["-vga", "none"]
FOREIGN_LINE = r"foreign kernel: (.*?)\r?\n"
CORES_LINE = r"cpu: (\d+ of 4) cores are up"
MESSAGE_LINE = r"quire-boot: (.*?)\r?\n"


@dataclass
class Foreign:
    """A disk with a kernel that is not Quire's, and how the line begins that it has to say."""
    name: str
    loader: Path
    files: dict  # in BOOTBOOT/
    expected: str
    machine: dict = field(default_factory=dict)


@dataclass
class Own:
    """Quire on four cores under the rough loader: lines of the environment, and how many cores it has to count when it
    goes on."""
    name: str
    config: list
    cores: int


@dataclass
class Broken:
    """A disk that cannot boot, and how the loader's message begins. The machine has 128 MiB."""
    name: str
    files: dict
    expected: str


def foreign_cases(kernel, level1):
    ustar, fixed = bundles.tar({"./sys/core": kernel}), bundles.tar({"sys/core": level1})
    return [
        Foreign("foreign-1-cpu", LOADER, {"INITRD": ustar, "CONFIG": STRICT}, "ok cores=1 screen=800x600 protocol=6",
                {"cpu": "qemu64"}),
        Foreign("foreign-4-cpus", LOADER, {"INITRD": bundles.zip_whole(ustar), "CONFIG": STRICT},
                "ok cores=4 screen=800x600", {"cpus": 4}),
        # The environment from the bundle, the other name of the bundle, the other format, no screen, little memory.
        Foreign("foreign-cpio", LOADER, {"X86_64": bundles.cpio({"sys/config": STRICT, "sys/core": kernel})},
                "ok cores=2 screen=0x0", {"cpus": 2, "memory": "64M", "extra": NO_SCREEN}),
        Foreign("foreign-other-name", LOADER,
                {"INITRD": bundles.cpio({"my/kernel": kernel}), "CONFIG": STRICT + b"nosmp=1\nkernel=my/kernel\n"},
                "ok cores=1 screen=800x600", {"cpus": 4, "memory": "5G"}),
        Foreign("foreign-apic-id-gaps", LOADER, {"INITRD": ustar, "CONFIG": STRICT}, "ok cores=6 screen=800x600",
                {"cpus": "6,sockets=2,cores=3,threads=1"}),
        Foreign("foreign-64-GiB", LOADER, {"INITRD": ustar, "CONFIG": STRICT}, "ok cores=2 screen=800x600",
                {"cpus": 2, "memory": "64G"}),
        Foreign("foreign-64-GiB-small-pages", LOADER, {"INITRD": ustar, "CONFIG": STRICT}, "ok cores=2 screen=800x600",
                {"cpus": 2, "memory": "64G", "cpu": "qemu64"}),
        Foreign("foreign-level-1", LOADER, {"INITRD": fixed, "CONFIG": STRICT}, "ok cores=3 screen=800x600",
                {"cpus": 3}),
        Foreign("rough-foreign-level-2", ROUGH,
                {"INITRD": ustar, "CONFIG": CONFIG + b"rough.order=3\nrough.rotate=1\nrough.open=1\n"},
                "ok cores=4 screen=800x600 protocol=6 acpi=XSDT cd=1 wp=0", {"cpus": 4}),
        Foreign("rough-foreign-level-1", ROUGH,
                {"INITRD": fixed, "CONFIG": CONFIG + b"rough.level=1\nrough.rsdt=1\nrough.headless=1\nrough.late=2\n"},
                "ok cores=4 screen=0x0 protocol=1 acpi=RSDT cd=1 wp=0", {"cpus": 4}),
    ]


def own_cases():
    return [
        Own("rough-level-2", ["rough.order=5", "rough.rotate=1", "rough.open=1"], 4),
        Own("rough-level-1", ["rough.level=1", "rough.order=11", "rough.rsdt=1", "rough.headless=1"], 4),
        Own("rough-late-core", ["rough.late=2"], 4),
        Own("rough-lost-core", ["rough.lost=1", "rough.level=1"], 4),
    ]


def broken_cases(kernel):
    good = bundles.tar({"sys/core": kernel})
    packed = bundles.zip_whole(good)

    def with_kernel(changed):
        return {"INITRD": bundles.tar({"sys/core": changed}), "CONFIG": CONFIG}

    return [
        Broken("missing-bundle", {"CONFIG": CONFIG},
               "BOOTBOOT/INITRD: there is no such file, nor a BOOTBOOT/X86_64"),
        Broken("empty-bundle", {"INITRD": b""}, "BOOTBOOT/INITRD: the file is empty"),
        Broken("truncated-gzip", {"INITRD": packed[:len(packed) // 2]},
               "BOOTBOOT/INITRD: cannot expand it: the data ends too early"),
        Broken("bad-gzip-sum", {"INITRD": bundles.patched(packed, len(packed) - 8, "<I", 0x12345678)},
               "BOOTBOOT/INITRD: cannot expand it: the data does not match its checksum"),
        Broken("gzip-too-large", {"INITRD": bundles.zip_whole(bytes(160 << 20))},
               "BOOTBOOT/INITRD: it expands to more than the "),
        Broken("no-archive", {"INITRD": b"This is no archive.\n" * 100},
               "BOOTBOOT/INITRD: it is neither a ustar nor a cpio newc archive"),
        Broken("truncated-archive", {"X86_64": bundles.tar({"first": bytes(9000), "sys/core": kernel})[:5000]},
               "BOOTBOOT/X86_64: it is damaged, and sys/core was not found before the damage: "
               "the data ends too early"),
        Broken("no-kernel", {"INITRD": good, "CONFIG": b"kernel=sys/other\n"},
               "sys/other: the bundle BOOTBOOT/INITRD has no such member"),
        Broken("kernel-32-bit", with_kernel(bundles.as_32_bit(kernel)),
               "sys/core: it is an ELF file, but not an ELF64 executable for amd64"),
        Broken("kernel-no-elf", with_kernel(b"#!/bin/sh\n"), "sys/core: it is not an ELF file"),
        Broken("kernel-truncated", with_kernel(kernel[:len(kernel) // 3]),
               "sys/core: the file ends inside a segment"),
        Broken("kernel-too-large", with_kernel(bundles.with_memory_size(kernel, 17 << 20)),
               "sys/core: it takes more than 16 MiB of memory"),
        Broken("symbol-out-of-range", with_kernel(bundles.with_symbol(kernel, "bootboot", 0xFFFFFFFF80000000)),
               "sys/core: symbol bootboot is 0xffffffff80000000, outside the top GiB of the address space"),
        Broken("config-garbage", {"INITRD": good, "CONFIG": b"kernel=sys/core\n\xfe\xed\x00\x01garbage"},
               "BOOTBOOT/CONFIG: byte 16 of it is no UTF-8 text"),
        Broken("config-too-large", {"INITRD": good, "CONFIG": b"# long\n" * 1000},
               "BOOTBOOT/CONFIG: it has 7000 bytes, more than the 4095 that it may have"),
    ]


def make_image(folder, name, loader, files):
    path = Path(folder) / f"{name}.img"
    on_disk = {LOADER_ON_DISK: loader}
    for file, data in files.items():
        on_disk[f"BOOTBOOT/{file}"] = Path(folder) / f"{name}.{file}"
        on_disk[f"BOOTBOOT/{file}"].write_bytes(data)
    make_disk_of(path, on_disk)
    return path


def judge(said, expected):
    return None if said.startswith(expected) else f"it said '{said}' instead of '{expected}'"


def leaves_well(machine):
    status = qemu.exit_status(machine.finish(CASE_SECONDS))
    return None if status == 0 else f"the machine ended with status {status}; {machine.tail()}"


def boot_foreign(case, folder):
    image = make_image(folder, case.name, case.loader, case.files)
    with Machine(f"boot-{case.name}", image, **({"memory": "256M"} | case.machine)) as machine:
        return judge(machine.expect(FOREIGN_LINE)[1], case.expected) or leaves_well(machine)


def boot_own(case, folder):
    image = Path(folder) / f"{case.name}.img"
    subprocess.run(["cp", "--sparse=always", IMAGE, image], check=True)
    replace_file(image, LOADER_ON_DISK, ROUGH)
    append_config(image, [*case.config, "test=1", "autoexit=1", "autorun=hello"])
    with Machine(f"boot-{case.name}", image, cpus=4) as machine:
        return judge(machine.expect(CORES_LINE)[1], str(case.cores)) or leaves_well(machine)


def run_each(suite, cases, boot):
    for case in cases:
        with tempfile.TemporaryDirectory(prefix="quire-boot-") as folder:
            try:
                reason = boot(case, folder)
            except GuestError as error:
                reason = str(error)
        suite.judge(case.name, reason)


def extra_disks(images):
    words = []
    for index, image in enumerate(images, 1):
        words += ["-drive", f"if=none,id=disk{index},format=raw,snapshot=on,file={image}",
                  "-device", f"virtio-blk-pci,drive=disk{index},bootindex={index}"]
    return words


def run_broken(suite, cases):
    """All in one boot: the loader goes back to the firmware when a key is pressed, which tries the next disk."""
    with tempfile.TemporaryDirectory(prefix="quire-boot-") as folder:
        images = [make_image(folder, case.name, LOADER, case.files) for case in cases]
        with Machine("boot-broken", images[0], memory="128M", extra=extra_disks(images[1:])) as machine:
            for case in cases:
                try:
                    reason = judge(machine.expect(MESSAGE_LINE)[1], case.expected)
                    machine.expect("Press a key", CASE_SECONDS)
                    machine.send("\r")
                except GuestError as error:
                    reason = str(error)
                suite.judge(case.name, reason)


def main():
    subprocess.run(["make", "--no-print-directory", "-f", "build.mk", "boot-test-parts"], cwd=TOP, check=True,
                   stdout=subprocess.DEVNULL)
    kernel, level1 = FOREIGN.read_bytes(), FOREIGN_LEVEL_1.read_bytes()
    kinds = [foreign_cases(kernel, level1), own_cases(), broken_cases(kernel)]
    known = [case.name for cases in kinds for case in cases]
    names = [word for word in sys.argv[1:] if word != "--list"] or known
    unknown = [name for name in names if name not in known]
    if unknown:
        sys.exit(f"run.py: {unknown[0]}: no such case; --list lists them")
    if "--list" in sys.argv:
        sys.exit(print("\n".join(known)))
    foreign, own, broken = ([case for case in cases if case.name in names] for cases in kinds)
    suite = Suite("")
    run_each(suite, foreign, boot_foreign)
    run_each(suite, own, boot_own)
    if broken:
        run_broken(suite, broken)
    conclude([suite])


if __name__ == "__main__":
    main()
