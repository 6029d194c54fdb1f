"""A virtual machine with UEFI firmware whose serial port is a pair of pipes."""
import os
import re
import selectors
import shutil
import subprocess
import time
from pathlib import Path

CODE = "/usr/share/OVMF/OVMF_CODE_4M.fd"
VARIABLES = "/usr/share/OVMF/OVMF_VARS_4M.fd"
ESCAPES = re.compile(r"\x1b\[[0-9;=?]*[A-Za-z]|\r")
EXIT_PORT = 0xF4


class Machine:
    """Use as a context: QEMU is gone when it is left. `status` is what the guest wrote to the exit port."""

    def __init__(self, folder, disks, cpu="max", cpus=1, memory="256M", screen=True):
        variables = Path(folder) / "variables.fd"
        shutil.copy(VARIABLES, variables)
        self.text, self.status = "", None
        self.command = ["qemu-system-x86_64", "-machine", "q35", "-accel", "tcg", "-cpu", cpu, "-smp", str(cpus),
                        "-m", memory, "-display", "none", "-nodefaults", "-net", "none", "-serial", "stdio",
                        "-no-reboot", "-boot", "menu=off", "-device", f"isa-debug-exit,iobase={EXIT_PORT},iosize=4",
                        "-drive", f"if=pflash,format=raw,unit=0,readonly=on,file={CODE}",
                        "-drive", f"if=pflash,format=raw,unit=1,file={variables}"]
        self.command += ["-vga", "std"] if screen else []
        for index, disk in enumerate(disks):
            self.command += ["-drive", f"if=none,id=disk{index},format=raw,snapshot=on,file={disk}",
                             "-device", f"virtio-blk-pci,drive=disk{index},bootindex={index}"]

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, bufsize=0)
        os.set_blocking(self.process.stdout.fileno(), False)
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.process.stdout, selectors.EVENT_READ)
        return self

    def __exit__(self, *_):
        self.selector.close()
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()

    def press(self, keys):
        self.process.stdin.write(keys)

    def line(self, begins, seconds, start=0):
        """The first whole line behind offset `start` of the output that begins so, and the offset behind it.

        (None, start) when the time is over or the machine has ended without it.
        """
        deadline = time.monotonic() + seconds
        has_ended = False
        while True:
            found = re.search(f"(?m)^({re.escape(begins)}.*)\n", self.text[start:])
            if found:
                return found.group(1), start + found.end()
            if has_ended or time.monotonic() > deadline:
                return None, start
            if self.selector.select(timeout=0.2):
                data = self.process.stdout.read(65536)
                has_ended = data == b""
                self.text += ESCAPES.sub("", (data or b"").decode("ascii", "replace"))

    def ended(self, seconds):
        """Wait for the end by the exit port: the value written there, None when it does not come."""
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None
        return code >> 1 if code & 1 else None
