"""Server processes of a test or demo: started on free loopback ports, stopped with all their children."""

import contextlib
import ctypes
import os
import signal
import socket
import ssl
import subprocess
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

STOP_SECONDS = 5

# https://man7.org/linux/man-pages/man2/PR_SET_PDEATHSIG.2const.html
PR_SET_PDEATHSIG = 1
LIBC_PRCTL = getattr(ctypes.CDLL(None), "prctl", None)


class StartError(Exception):
    """A local part did not come up; the message says which, and ends with what it printed."""


def free_port() -> int:
    """Return a port of 127.0.0.1 that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _end_with_parent() -> None:
    """Let the kernel end this process when its parent is killed before it could; Linux alone knows that."""
    if LIBC_PRCTL:
        LIBC_PRCTL(PR_SET_PDEATHSIG, signal.SIGTERM)


class Server:
    """One server process in a process group of its own, logging to a file."""

    def __init__(self, name: str, command: list[str], environment: dict[str, str], folder: Path, log: Path) -> None:
        self.name = name
        self.log = log
        with log.open("wb") as sink:
            self._process = subprocess.Popen(
                command,
                env=environment,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_end_with_parent,
            )

    @property
    def pid(self) -> int:
        """The process's id, which is its group's too."""
        return self._process.pid

    def wait_until(self, ready: Callable[[], bool], seconds: float) -> None:
        """Wait until `ready`; StartError when the process ends first or the time is over."""
        deadline = time.monotonic() + seconds
        while not ready():
            code = self._process.poll()
            if code is not None:
                raise StartError(f"{self.name} ended with exit code {code} instead of starting.\n{self.last_lines()}")
            if time.monotonic() > deadline:
                raise StartError(f"{self.name} did not answer within {seconds:.0f} s.\n{self.last_lines()}")
            time.sleep(0.05)

    def last_lines(self, count: int = 15) -> str:
        """Return the end of what the process printed."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-count:])

    def stop(self, seconds: float = STOP_SECONDS) -> None:
        """Stop the process and what it started, first politely, which may take `seconds`."""
        for step in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, step)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=seconds)


def answers(url: str, certificate: Path | None = None) -> bool:
    """Whether a GET of `url` answers 200; `certificate` is the one to trust if the address is https."""
    try:
        trust = ssl.create_default_context(cafile=certificate) if url.startswith("https:") else None
        with urllib.request.urlopen(url, timeout=2, context=trust) as response:
            return bool(response.status == 200)
    except OSError:
        return False
