"""At the end each test's seconds are counted once, on however many workers it ran."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.conftest import pytest_terminal_summary


def end_of_run(times: Path, **of_config: object) -> None:
    """Let a process of pytest end in which one test took two seconds."""
    report = pytest.TestReport("a.py::test", ("a.py", 1, "test"), {}, "passed", None, "call", duration=2.0)
    reporter = SimpleNamespace(stats={"passed": [report]}, section=lambda _: None, write_line=lambda _: None)
    config = SimpleNamespace(getoption={"times": times}.__getitem__, **of_config)
    pytest_terminal_summary(reporter, config)  # type: ignore[arg-type]


def test_a_test_counts_once_although_its_worker_has_a_summary_of_its_own_too(tmp_path: Path) -> None:
    times = tmp_path / "times.json"
    end_of_run(times, workerinput={})
    end_of_run(times)
    assert json.loads(times.read_text()) == {"a.py::test": 2.0}
