"""`clb watch` follows a run from its first state to its receipt, on a terminal and without one."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.model_state import ModelState
from shared.run_record import RunRecord
from tests.unit.conftest import FINAL
from tests.unit.desk.conftest import Account
from tests.unit.desk.test_commands import COLOUR, LOUD, RECEIPTS
from tests.unit.test_terminal import assert_harmless
from tools.desk import __main__ as desk
from tools.desk import watch
from tools.desk.leases import Lease
from tools.desk.progress import (
    CLOSING,
    COUNTING,
    DRAINING,
    ENDED,
    LABELLING,
    STARTING,
    STOPPING,
    Progress,
    progress,
)

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


BEGAN = RunRecord(started_at=ago(1000))
ASKED = replace(BEGAN, start_asked_at=ago(400))
RUNNING = replace(ASKED, model_running_at=ago(180), inference_units=2, model_is_ours=True)
# 100 images in 50 s, which is half of what the planner takes a unit for.
BUSY = replace(RUNNING, processed=95, failed=5, first_detection_at=ago(55), last_detection_at=ago(5))
STOPPED = replace(BUSY, model_stop_accepted_at=ago(30))


@pytest.mark.parametrize(
    ("record", "left", "phase", "usd", "seconds_left"),
    [
        (BEGAN, 600, COUNTING, 0.0, None),
        (ASKED, 600, STARTING, 0.0, 200 + 200 + 125),
        (RUNNING, 600, LABELLING, 0.4, 100 + 125),
        (BUSY, 600, LABELLING, 0.4, 300 + 125),
        (BUSY, 0, DRAINING, 0.4, 0 + 120),
        (STOPPED, 0, STOPPING, 0.3333, 90),
        (replace(STOPPED, model_stopped_at=ago(1)), 0, CLOSING, 0.3333, 0),
        (replace(STOPPED, model_stopped_at=ago(2), finished_at=ago(1)), 0, CLOSING, 0.3333, 0),
        (replace(STOPPED, finished_at=ago(1), outcome="completed"), 0, ENDED, 0.3333, 0),
        (replace(BUSY, model_is_ours=False), 600, LABELLING, None, 300 + 125),
    ],
)
def test_a_look_says_the_phase_the_money_and_the_time_left(
    record: RunRecord, left: int, phase: str, usd: float | None, seconds_left: int | None
) -> None:
    seen = progress("run-7", record, "RUNNING", left, 4.0, NOW)
    assert (seen.phase, seen.usd, seen.seconds_left) == (phase, usd, seconds_left)
    assert (seen.done, seen.left) == (record.processed + record.failed, left)


LOOKS = [
    progress("run-7", ASKED, "STARTING", 600, 4.0, NOW),
    progress("run-7", RUNNING, "RUNNING", 600, 4.0, NOW),
    progress("run-7", BUSY, "RUNNING", 500, 4.0, NOW),
    progress("run-7", STOPPED, "STOPPING", 0, 4.0, NOW),
    progress("run-7", replace(STOPPED, finished_at=NOW, outcome="completed"), "STOPPED", 0, 4.0, NOW),
]


@pytest.fixture
def watched(account: Account, s3: Any, monkeypatch: pytest.MonkeyPatch) -> Account:  # noqa: ANN401
    """A run that is looked at five times."""
    looks: Iterator[Progress] = iter(LOOKS)
    monkeypatch.setattr(watch, "look", lambda *_: next(looks))
    monkeypatch.setattr(watch, "lease_of", lambda _: Lease(ModelState(), "run-7"))
    monkeypatch.setattr(watch.time, "sleep", lambda _: None)
    receipt = json.loads((RECEIPTS / "completed.json").read_text())["receipt"]
    s3.put_object(Bucket=FINAL, Key="runs/run-7.json", Body=json.dumps(receipt))
    return account


def test_without_a_terminal_each_phase_is_a_line(watched: Account, capsys: pytest.CaptureFixture[str]) -> None:  # noqa: ARG001
    assert desk.command(["watch", "--name", "labels"]) == 0
    printed = capsys.readouterr().out
    phases = [line.split("Z  ")[1][:27].strip() for line in printed.splitlines()[:-1]]
    # The look in the same phase comes too soon after the one before.
    assert phases == [STARTING, LABELLING, STOPPING, ENDED]
    assert "0 done, 600 left  model STARTING  US$0.0000  about 9m 00s left" in printed
    assert printed.splitlines()[-1] == "completed: 780 labelled, 20 failed, US$0.3750"
    assert "\x1b" not in printed


def test_for_programs_each_change_is_a_line_of_json(watched: Account, capsys: pytest.CaptureFixture[str]) -> None:  # noqa: ARG001
    assert desk.command(["watch", "--name", "labels", "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == {
        "run_id": "run-7",
        "phase": STARTING,
        "model": {"status": "STARTING", "inference_units": None, "running_seconds": 0.0},
        "images": {"done": 0, "failed": 0, "left": 600},
        "cost_usd": 0.0,
        "seconds_left": 525,
    }
    assert lines[-1]["receipt"]["outcome"] == "completed"


@pytest.mark.parametrize("columns", ["20", "80"])
def test_on_a_terminal_it_is_drawn_within_its_width(
    watched: Account,  # noqa: ARG001
    columns: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in {**LOUD, "COLUMNS": columns}.items():
        monkeypatch.setenv(name, value)
    assert desk.command(["watch", "--name", "labels"]) == 0
    # Rich also moves the cursor, back to where it began to draw.
    drawn = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\r", "\n", COLOUR.sub("", capsys.readouterr().out))
    assert_harmless(drawn)
    assert max(map(len, drawn.splitlines())) <= int(columns)


@pytest.mark.parametrize(("outcome", "code"), [("completed", 0), ("nothing_to_do", 0), ("failed", 3), ("aborted", 3)])
def test_the_exit_code_says_whether_the_run_needs_a_person(
    watched: Account,  # noqa: ARG001
    s3: Any,  # noqa: ANN401
    outcome: str,
    code: int,
) -> None:
    receipt = json.loads((RECEIPTS / "completed.json").read_text())["receipt"]
    s3.put_object(Bucket=FINAL, Key="runs/run-7.json", Body=json.dumps({**receipt, "outcome": outcome}))
    assert desk.command(["watch", "--name", "labels"]) == code


def test_a_run_that_died_is_not_watched_for_ever(
    watched: Account,  # noqa: ARG001
    s3: Any,  # noqa: ANN401
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    leases = iter([Lease(ModelState(), "run-7"), Lease(ModelState(), None)])
    monkeypatch.setattr(watch, "lease_of", lambda _: next(leases))
    s3.delete_object(Bucket=FINAL, Key="runs/run-7.json")
    assert desk.command(["watch", "--name", "labels"]) == 3
    assert "no longer holds the lease, and has no receipt yet" in capsys.readouterr().out
