"""Disk images that boot: the functions behind make-image.py, qemu.py and the tests.

An image is a GPT disk whose one partition, an EFI system partition, holds EFI/BOOT/BOOTX64.EFI, BOOTBOOT/CONFIG and
BOOTBOOT/INITRD. The same input gives the same image, byte for byte. Needs no root and no loop device. Everything that
goes wrong is an ImageError.
"""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

SECTOR = 512
MIB = 1 << 20
PARTITION_START = 1 * MIB
# The smallest size that FAT32 allows with clusters of one sector is about 33 MiB.
PARTITION_LEAST = 64 * MIB
GPT_TAIL = 1 * MIB
# 1980-01-01, the earliest that FAT can tell: nothing of the hour of the build goes into the image.
EPOCH = 315532800
DISK_GUID = "51554952-4500-4000-8000-000000000001"
PARTITION_GUID = "51554952-4500-4000-8000-000000000002"
EFI_SYSTEM = "EF00"


class ImageError(Exception):
    pass


def tool(*command, stdin=None, stdout=None, cwd=None):
    """Run a tool; what it says appears only if it fails."""
    environment = dict(os.environ, SOURCE_DATE_EPOCH=str(EPOCH), TZ="UTC", LC_ALL="C", MTOOLS_SKIP_CHECK="1")
    done = subprocess.run([str(word) for word in command], stdin=stdin, stdout=stdout or subprocess.PIPE,
                          stderr=subprocess.PIPE, cwd=cwd, env=environment, check=False)
    if done.returncode != 0:
        said = ((done.stdout or b"") + done.stderr).decode(errors="replace").strip()
        raise ImageError(f"{command[0]} failed with status {done.returncode}: {said}")


def readable(path, what):
    path = Path(path)
    if not path.is_file():
        raise ImageError(f"the {what} {path} is not there")
    return path


def make_bundle(members, out, work):
    """A gzipped ustar archive; names sorted, owners, times and modes fixed."""
    tree, archive = work / "tree", work / "bundle.tar"
    for name, path in members.items():
        target = tree / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    tool("tar", "--format=ustar", "--sort=name", f"--mtime=@{EPOCH}", "--owner=0", "--group=0", "--numeric-owner",
         "--mode=u=rwX,go=rX", "-cf", archive.resolve(), *sorted(members), cwd=tree)
    with open(out, "wb") as packed:
        tool("gzip", "-9", "-n", "-c", archive, stdout=packed)


def make_disk(path, loader, config, bundle):
    """A disk that boots."""
    make_disk_of(path, {"EFI/BOOT/BOOTX64.EFI": loader, "BOOTBOOT/CONFIG": config, "BOOTBOOT/INITRD": bundle})


def make_disk_of(path, files):
    """Partition table, file system, and files {path on the disk: file}, in EFI/BOOT/ and BOOTBOOT/."""
    content = sum(Path(file).stat().st_size for file in files.values())
    partition = max(PARTITION_LEAST, (2 * content + MIB - 1) // MIB * MIB)
    path.unlink(missing_ok=True)
    with open(path, "wb") as disk:
        disk.truncate(PARTITION_START + partition + GPT_TAIL)
    first = PARTITION_START // SECTOR
    last = (PARTITION_START + partition) // SECTOR - 1
    tool("sgdisk", "--clear", f"--disk-guid={DISK_GUID}", f"--new=1:{first}:{last}", f"--typecode=1:{EFI_SYSTEM}",
         f"--partition-guid=1:{PARTITION_GUID}", "--change-name=1:Quire", path)
    tool("mkfs.fat", "-F", "32", "-s", "1", "-n", "QUIRE", "--invariant", "-h", first, f"--offset={first}", path,
         partition // 1024)
    inside = f"{path}@@{PARTITION_START}"
    tool("mmd", "-i", inside, "::/EFI", "::/EFI/BOOT", "::/BOOTBOOT")
    for name, file in files.items():
        tool("mcopy", "-i", inside, file, f"::/{name}")


def replace_file(image, name, file):
    """Put a file into an image in the place of one that is there."""
    tool("mcopy", "-o", "-i", f"{image}@@{PARTITION_START}", file, f"::/{name}")


def append_config(image, lines):
    """Add lines to the environment inside an image; later ones win over earlier ones. CONFIG stays ended by a
    newline and within the 4095 bytes that the boot protocol allows."""
    inside = f"{image}@@{PARTITION_START}"
    with tempfile.TemporaryDirectory() as work:
        config = Path(work) / "CONFIG"
        tool("mcopy", "-i", inside, "::/BOOTBOOT/CONFIG", config)
        text = config.read_text()
        if text and not text.endswith("\n"):
            text += "\n"
        text += "".join(line + "\n" for line in lines)
        check_config(text, "the environment with the added lines")
        config.write_text(text)
        replace_file(image, "BOOTBOOT/CONFIG", config)


def check_config(text, what):
    if len(text.encode()) > 4095:
        raise ImageError(f"{what} is {len(text.encode())} bytes long, 4095 are allowed")
    if text and not text.endswith("\n"):
        raise ImageError(f"{what} does not end with a newline, which some loaders need")
