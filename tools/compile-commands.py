#!/usr/bin/python3
"""Make compile_commands.json, for clang-tidy and editors, from what make would do.

usage: make -n -B TARGET... | compile-commands.py OUT.json

Takes every command of the dry run that compiles one C source (-c SOURCE.c).
"""

import json
import shlex
import sys
from pathlib import Path


def entries(lines):
    found = {}
    for line in lines:
        if " -c " not in line:
            continue
        try:
            words = shlex.split(line)
        except ValueError:
            continue
        sources = [word for word in words if word.endswith(".c")]
        if "-c" in words and len(sources) == 1 and Path(sources[0]).is_file():
            # A source that is compiled several times, say with sanitizers too, is looked at as it is first.
            found.setdefault(sources[0], {"directory": str(Path.cwd()), "file": sources[0], "arguments": words})
    return [found[source] for source in sorted(found)]


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    found = entries(sys.stdin)
    if not found:
        sys.exit("compile-commands: the dry run of make compiles nothing")
    Path(sys.argv[1]).write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
