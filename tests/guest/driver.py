"""A machine under test: QEMU with the serial line in our hands.

    with Machine("name", "build/quire.img", cpus=2, config=["test=1"]) as machine:
        machine.expect("> ")
        machine.send("uptime\\n")

Everything that the serial line says goes to build/test-logs/NAME.log. Whatever happens, QEMU is gone when the block is
left. A text that does not come in time, and an end that nobody waited for, is a GuestError that says what came last.
"""

import json
import re
import socket
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from pathlib import Path

import pexpect

TOP = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tools"))
import qemu  # noqa: E402
from diskimage import append_config  # noqa: E402

LOGS = TOP / "build/test-logs"
# Firmware alone takes 5 to 10 s on an idle host; a host that is busy with a second machine takes several times that.
BOOT_SECONDS = 120
ESCAPES = re.compile(r"\x1b\[[0-9;?=]*[A-Za-z]")


class GuestError(Exception):
    """The machine did something else than it should have."""


class Machine:
    def __init__(self, name, image, *, cpus=1, memory="512M", cpu="max", config=(), exit_device=True, icount=False,
                 nodes=1, reboots=False, extra=()):
        self.name = name
        self.image = Path(image)
        self.config = list(config)
        self.options = {"cpus": cpus, "memory": memory, "cpu": cpu, "exit_device": exit_device, "icount": icount,
                        "nodes": nodes}
        self.extra = list(extra) + ([] if reboots else ["-no-reboot"])
        self.log_path = LOGS / f"{name}.log"
        self.process = None

    def __enter__(self):
        self._folder = tempfile.TemporaryDirectory(prefix="quire-test-")
        folder = Path(self._folder.name)
        image = self.image
        if self.config:
            image = folder / "test.img"
            subprocess.run(["cp", "--sparse=always", self.image, image], check=True)
            append_config(image, self.config)
        self._qmp_path = folder / "qmp"
        # Without signal=off, Ctrl-C would end QEMU instead of reaching the machine.
        lines = ["-chardev", "stdio,id=console,signal=off", "-qmp", f"unix:{self._qmp_path},server=on,wait=off"]
        words = qemu.command(image, serial="chardev:console", extra=[*self.extra, *lines], **self.options)
        LOGS.mkdir(parents=True, exist_ok=True)
        self._log = open(self.log_path, "w", encoding="utf-8", errors="replace", newline="")
        self._log.write(" ".join(words) + "\n")
        self.started = time.monotonic()
        self.process = pexpect.spawn(words[0], words[1:], encoding="utf-8", codec_errors="replace",
                                     timeout=BOOT_SECONDS, dimensions=(50, 200), echo=False)
        self.process.logfile_read = self._log
        self.process.delaybeforesend = None
        return self

    def __exit__(self, *_):
        self.process.close(force=True)
        self._log.close()
        self._folder.cleanup()

    def expect(self, pattern, timeout=BOOT_SECONDS):
        """Wait for a regular expression, or the first of several. Returns the match; .re of it is the one that
        was seen."""
        patterns = [pattern] if isinstance(pattern, str) else list(pattern)
        try:
            self.process.expect(patterns, timeout=timeout)
        except pexpect.TIMEOUT:
            raise GuestError(f"{self._shown(patterns)} did not come within {timeout} s; {self.tail()}") from None
        except pexpect.EOF:
            raise GuestError(f"the machine ended before {self._shown(patterns)} came; {self.tail()}") from None
        return self.process.match

    @staticmethod
    def _shown(patterns):
        return " or ".join(f"'{pattern}'" for pattern in patterns)

    def tail(self):
        """The last lines, for messages."""
        if not self._log.closed:
            self._log.flush()
        lines = [clean(line) for line in self.log_path.read_text(errors="replace").splitlines()]
        return "last lines: " + " | ".join([line for line in lines if line][-3:])

    def send(self, text):
        self.process.send(text)

    def finish(self, timeout=30):
        """Wait for QEMU to end by itself; its exit code."""
        try:
            self.process.expect(pexpect.EOF, timeout=timeout)
        except pexpect.TIMEOUT:
            raise GuestError(f"the machine did not end within {timeout} s; {self.tail()}") from None
        self.process.wait()
        if self.process.exitstatus is None:
            raise GuestError(f"QEMU was ended by signal {self.process.signalstatus}; {self.tail()}")
        return self.process.exitstatus

    def lines_until_end(self, timeout):
        """The lines that the machine says until QEMU ends, one by one; GuestError if it does not end in time."""
        deadline = time.monotonic() + timeout
        while True:
            try:
                self.process.expect("\r?\n", timeout=max(0.0, deadline - time.monotonic()))
            except pexpect.TIMEOUT:
                raise GuestError(f"not at its end after {timeout} s; {self.tail()}") from None
            except pexpect.EOF:
                break
            yield clean(self.process.before)
        yield clean(self.process.before)

    def monitor(self, command, **arguments):
        """One command of QEMU's machine protocol; its answer."""
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(20)
            line.connect(str(self._qmp_path))
            stream = line.makefile("rw", encoding="utf-8")
            stream.readline()
            for name, given in (("qmp_capabilities", {}), (command, arguments)):
                stream.write(json.dumps({"execute": name, "arguments": given}) + "\n")
                stream.flush()
                while True:
                    answer = json.loads(stream.readline())
                    if "error" in answer:
                        raise GuestError(f"QEMU refused {name}: {answer['error']['desc']}")
                    if "return" in answer:
                        break
            return answer["return"]

    def press(self, keys):
        """Press and release keys on the machine's keyboard: names of QEMU's, such as shift-a."""
        self.monitor("send-key", keys=[{"type": "qcode", "data": key} for key in keys.split("-")])

    def screen(self):
        """What the screen shows, also kept as build/test-logs/NAME.png."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "screen.ppm"
            self.monitor("screendump", filename=str(path))
            picture = Picture.from_ppm(path.read_bytes())
        picture.save_png(self.log_path.with_suffix(".png"))
        return picture


class Picture:
    """Pixels as rows of RGB bytes."""

    def __init__(self, width, height, data):
        self.width, self.height, self.data = width, height, data

    @classmethod
    def from_ppm(cls, raw):
        """A binary PPM with 8 bits a colour (ppm(5))."""
        match = re.match(rb"P6\s+(\d+)\s+(\d+)\s+255\s", raw)
        if not match:
            raise GuestError("QEMU's picture of the screen is not a PPM")
        width, height = int(match[1]), int(match[2])
        data = raw[match.end():]
        if len(data) != 3 * width * height:
            raise GuestError(f"QEMU's picture has {len(data)} bytes for {width}x{height} pixels")
        return cls(width, height, data)

    def pixel(self, x, y):
        at = 3 * (y * self.width + x)
        return self.data[at:at + 3]

    def save_png(self, path):
        """PNG specification, sections 5 and 11: signature, header, one compressed data chunk, end."""
        def chunk(kind, body):
            return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        row = 3 * self.width
        rows = b"".join(b"\0" + self.data[y * row:(y + 1) * row] for y in range(self.height))
        header = struct.pack(">IIBBBBB", self.width, self.height, 8, 2, 0, 0, 0)
        Path(path).write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
                               + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def clean(line):
    """A line without what only a terminal understands."""
    return ESCAPES.sub("", line).replace("\r", "").rstrip("\n")
