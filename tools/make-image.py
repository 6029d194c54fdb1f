#!/usr/bin/python3
"""Make a bootable disk image of a loader, an environment and an init bundle (see diskimage.py).

usage: make-image.py OUT.img --loader BOOTX64.EFI --config FILE [--bundle FILE | --kernel CORE --root ROOT]
                     [--program NAME=PATH]... [--file NAME=PATH]... [--keep-bundle PATH]

The bundle is a gzipped ustar archive with sys/core, sys/root, bin/NAME for each --program, and each --file under its
full name; or it is a --bundle made elsewhere, taken as it is.
"""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from diskimage import ImageError, check_config, make_bundle, make_disk, readable


def member(text):
    name, equals, path = text.partition("=")
    if not equals or not name or name.startswith("/") or ".." in name.split("/"):
        raise ImageError(f"'{text}' is not of the form NAME=PATH")
    return name, readable(path, "file")


def bundle_members(options):
    """The files of the bundle: name in it -> path here."""
    members = {}
    if options.kernel:
        members["sys/core"] = readable(options.kernel, "kernel")
    if options.root:
        members["sys/root"] = readable(options.root, "root server")
    for prefix, texts in (("bin/", options.program), ("", options.file)):
        for name, path in map(member, texts):
            if prefix + name in members:
                raise ImageError(f"{prefix + name} is given twice")
            members[prefix + name] = path
    if not members:
        raise ImageError("the bundle has no members: give --kernel, --root, --program, --file or --bundle")
    return members


def parse_arguments():
    parser = argparse.ArgumentParser(description="make a bootable disk image", usage=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--loader", required=True)
    parser.add_argument("--config", required=True)
    parser.add_argument("--bundle")
    parser.add_argument("--kernel")
    parser.add_argument("--root")
    parser.add_argument("--program", action="append", default=[])
    parser.add_argument("--file", action="append", default=[])
    parser.add_argument("--keep-bundle", type=Path)
    return parser.parse_args()


def main():
    options = parse_arguments()
    try:
        with tempfile.TemporaryDirectory() as name:
            work = Path(name)
            loader, config = readable(options.loader, "loader"), readable(options.config, "environment")
            check_config(config.read_text(), str(config))
            bundle = work / "INITRD"
            if options.bundle:
                bundle = readable(options.bundle, "bundle")
            else:
                make_bundle(bundle_members(options), bundle, work)
            if options.keep_bundle:
                shutil.copyfile(bundle, options.keep_bundle)
            part = options.out.with_name(options.out.name + ".part")
            make_disk(part, loader, config, bundle)
            part.replace(options.out)
    except (ImageError, OSError, UnicodeDecodeError) as error:
        sys.exit(f"make-image: {options.out}: {error}")


if __name__ == "__main__":
    main()
