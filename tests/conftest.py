"""What holds for every test."""

import signal
from pathlib import Path
from types import FrameType

import pytest


def _interrupt(signal_number: int, frame: FrameType | None) -> None:  # noqa: ARG001
    raise KeyboardInterrupt


# A polite kill unwinds the fixtures as Ctrl-C does, so that the local stack is stopped.
signal.signal(signal.SIGTERM, _interrupt)


FAULTS = Path(__file__).parent / "e2e" / "faults"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests of a file on one worker, and those of all faults together, for they share a stack."""
    for item in items:
        together = FAULTS if FAULTS in item.path.parents else item.path
        item.add_marker(pytest.mark.xdist_group(str(together)))
