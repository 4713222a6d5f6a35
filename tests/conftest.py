"""What holds for every test."""

import signal
from types import FrameType


def _interrupt(signal_number: int, frame: FrameType | None) -> None:  # noqa: ARG001
    raise KeyboardInterrupt


# A polite kill unwinds the fixtures as Ctrl-C does, so that the local stack is stopped.
signal.signal(signal.SIGTERM, _interrupt)
