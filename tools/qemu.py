#!/usr/bin/python3
"""The one place that knows how QEMU is started: for `make run`, `make debug`, the tests and the measures.

usage: qemu.py run     --image IMG [--cpus N] [--memory SIZE] [--append 'KEY=VALUE ...'] [--gui]
       qemu.py debug   --image IMG --symbols CORE.ELF [the same]
       qemu.py console

`run` gives this terminal to the machine's serial line; Ctrl-A X ends it. `debug` starts the machine stopped and gives
the terminal to gdb, which stops at the kernel's entry; its serial line is then in build/debug/console.log and, in
another terminal, `qemu.py console`. Words of --append become lines of the boot environment, in a copy of the image.
"""

import argparse
import os
import select
import shlex
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import tty
from pathlib import Path

from diskimage import ImageError, append_config

QEMU = "qemu-system-x86_64"
FIRMWARE = Path("/usr/share/OVMF/OVMF_CODE_4M.fd")
FIRMWARE_VARIABLES = Path("/usr/share/OVMF/OVMF_VARS_4M.fd")
# A write of v to this port ends QEMU with the status (v << 1) | 1. Only tests have the device.
EXIT_PORT = 0xF4
# Under -icount an instruction takes 2^shift nanoseconds, and the time stamp counter counts these: 8 are a CPU about as
# fast as the emulation of it, so waits of the firmware (0.75 s for a TPM) take no longer than they do without.
# bench/guest/measure.h divides by it.
ICOUNT_SHIFT = 3
DEBUG = Path("build/debug")
DETACH = b"\x1d"  # Ctrl-]


def memory_words(memory, cpus, nodes):
    """Memory is taken from the host only when it is touched: a machine may be larger than the host. With several NUMA
    nodes, each has an equal part of memory and CPUs."""
    ram = "memory-backend-ram,reserve=off"
    if nodes == 1:
        return ["-machine", "q35,memory-backend=ram", "-object", f"{ram},id=ram,size={memory}"]
    size, unit, count = int(memory[:-1]) // nodes, memory[-1], int(str(cpus).partition(",")[0]) // nodes
    words = ["-machine", "q35"]
    for node in range(nodes):
        words += ["-object", f"{ram},id=ram{node},size={size}{unit}"]
        words += ["-numa", f"node,nodeid={node},cpus={node * count}-{(node + 1) * count - 1},memdev=ram{node}"]
    return words


def command(image, *, cpus=4, memory="1G", cpu="max", serial="mon:stdio", gui=False, exit_device=False,
            icount=False, nodes=1, extra=()):
    """The command line. Neither the image nor the firmware's variables are changed by what the machine does: writes
    go to temporary files, so one image can run twice at once."""
    words = [QEMU, "-nodefaults", "-no-user-config", "-name", "Quire"]
    words += ["-cpu", cpu, "-smp", str(cpus), "-m", memory, *memory_words(memory, cpus, nodes)]
    if icount:
        words += ["-accel", "tcg", "-icount", f"shift={ICOUNT_SHIFT},align=off,sleep=off"]
    else:
        words += ["-accel", "tcg,thread=multi"]
    words += ["-drive", f"if=pflash,format=raw,unit=0,readonly=on,file={FIRMWARE}"]
    words += ["-drive", f"if=pflash,format=raw,unit=1,snapshot=on,file={FIRMWARE_VARIABLES}"]
    words += ["-drive", f"if=none,id=disk,format=raw,snapshot=on,file={image}"]
    words += ["-device", "virtio-blk-pci,drive=disk,bootindex=0"]
    words += ["-serial", serial, "-vga", "std"]
    words += [] if gui else ["-display", "none"]
    if exit_device:
        words += ["-device", f"isa-debug-exit,iobase={EXIT_PORT:#x},iosize=4"]
    return words + list(extra)


def exit_status(code):
    """What the machine wrote to the exit port, or None if QEMU ended in another way."""
    return code >> 1 if code is not None and code & 1 and code > 0 else None


def entry_point(elf):
    """The entry address of an ELF64 file (ELF-64 object file format, section 3: e_entry at offset 24)."""
    head = Path(elf).read_bytes()[:64]
    if len(head) < 64 or head[:5] != b"\x7fELF\x02":
        sys.exit(f"qemu: {elf} is not an ELF64 file")
    return struct.unpack_from("<Q", head, 24)[0]


def prepared_image(image, append, folder):
    """The image itself, or a copy with the lines added."""
    lines = shlex.split(append)
    for line in lines:
        if "=" not in line:
            raise ImageError(f"'{line}' in APPEND is not of the form KEY=VALUE")
    if not lines:
        return Path(image)
    copy = Path(folder) / "append.img"
    subprocess.run(["cp", "--sparse=always", image, copy], check=True)
    append_config(copy, lines)
    return copy


def machine_options(options):
    return {"cpus": options.cpus, "memory": options.memory, "cpu": options.cpu, "gui": options.gui}


def run(options):
    with tempfile.TemporaryDirectory(prefix="quire-run-") as folder:
        image = prepared_image(options.image, options.append, folder)
        print("Quire in QEMU: 'poweroff' at the prompt, or Ctrl-A X, ends it.", flush=True)
        return subprocess.run(command(image, **machine_options(options)), check=False).returncode


def in_foreground(words):
    """Run a program as the only one that Ctrl-C at this terminal reaches: not this one, nor the make above it."""
    terminal = sys.stdin.fileno()
    if not os.isatty(terminal):
        return subprocess.run(words, check=False).returncode
    # A process that is not in the foreground is stopped when it changes who is, unless it ignores that signal.
    before = signal.signal(signal.SIGTTOU, signal.SIG_IGN)

    def step_forward():
        os.setpgid(0, 0)
        os.tcsetpgrp(terminal, os.getpid())
        signal.signal(signal.SIGTTOU, signal.SIG_DFL)

    try:
        return subprocess.run(words, check=False, preexec_fn=step_forward).returncode
    finally:
        os.tcsetpgrp(terminal, os.getpgrp())
        signal.signal(signal.SIGTTOU, before)


def debug(options):
    shutil.rmtree(DEBUG, ignore_errors=True)
    DEBUG.mkdir(parents=True)
    stub, console = DEBUG / "gdb", DEBUG / "console"
    image = prepared_image(options.image, options.append, DEBUG)
    words = command(image, **machine_options(options), serial="chardev:console")
    words += ["-chardev", f"socket,id=console,path={console},server=on,wait=off,logfile={console}.log"]
    words += ["-gdb", f"unix:{stub},server=on,wait=off", "-S"]
    print(f"The machine's serial line: {console}.log, or 'tools/qemu.py console' in another terminal.", flush=True)
    with subprocess.Popen(words, stdin=subprocess.DEVNULL, start_new_session=True) as machine:
        try:
            while not stub.exists() and machine.poll() is None:
                select.select([], [], [], 0.05)
            # The kernel is not in memory yet: only a hardware breakpoint can wait for it.
            return in_foreground(["gdb", "-q", options.symbols, "-ex", f"target remote {stub}",
                                  "-ex", f"hbreak *{entry_point(options.symbols):#x}", "-ex", "continue",
                                  *options.gdb])
        finally:
            machine.kill()


def console(_):
    """This terminal as the serial line of the machine that `debug` started. Ctrl-] leaves."""
    path = DEBUG / "console"
    line = socket.socket(socket.AF_UNIX)
    try:
        line.connect(str(path))
    except OSError as error:
        sys.exit(f"qemu: {path}: {error.strerror}; is `make debug` running?")
    terminal = sys.stdin.fileno()
    saved = termios.tcgetattr(terminal)
    tty.setraw(terminal)
    try:
        while True:
            ready, _, _ = select.select([line, terminal], [], [])
            if line in ready:
                data = line.recv(4096)
                if not data:
                    return 0
                os.write(sys.stdout.fileno(), data)
            if terminal in ready:
                data = os.read(terminal, 4096)
                if not data or DETACH in data:
                    return 0
                line.sendall(data)
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, saved)


def parse_arguments():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("what", choices=["run", "debug", "console"])
    parser.add_argument("--image", default="build/quire.img")
    parser.add_argument("--symbols", default="build/kernel/core.elf")
    parser.add_argument("--cpus", type=int, default=4)
    parser.add_argument("--memory", default="1G")
    parser.add_argument("--cpu", default="max")
    parser.add_argument("--append", default="")
    parser.add_argument("--gui", action="store_true")
    parser.add_argument("gdb", nargs="*", help="further arguments of gdb, after --")
    return parser.parse_args()


def main():
    options = parse_arguments()
    try:
        sys.exit({"run": run, "debug": debug, "console": console}[options.what](options))
    except (ImageError, OSError, subprocess.CalledProcessError) as error:
        sys.exit(f"qemu: {error}")


if __name__ == "__main__":
    main()
