"""Disks for boot tests: a FAT file system with a loader and a BOOTBOOT directory, made by mtools."""
import subprocess
from pathlib import Path

DISK_BYTES = 34 << 20


def run(*command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]}: {done.stderr.strip()}")


def make(path, loader, files):
    """A disk image at `path`: the loader as EFI/BOOT/BOOTX64.EFI, and files {name: bytes} in BOOTBOOT/."""
    path = Path(path)
    path.unlink(missing_ok=True)
    with open(path, "wb") as image:
        image.truncate(DISK_BYTES)
    run("mformat", "-i", path, "-F", "-T", DISK_BYTES // 512, "-h", 16, "-s", 63, "::")
    run("mmd", "-i", path, "::EFI", "::EFI/BOOT", "::BOOTBOOT")
    run("mcopy", "-i", path, loader, "::EFI/BOOT/BOOTX64.EFI")
    for name, data in files.items():
        content = path.with_suffix(".part")
        content.write_bytes(data)
        run("mcopy", "-i", path, content, f"::BOOTBOOT/{name}")
        content.unlink()
