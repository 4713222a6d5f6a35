"""The planner: arrivals, what becomes of them, what that costs, and what it recommends."""

import math
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from check_queue.start_gate import Gate
from start_model.sizing import Limits
from tests.rig.stack.local_stack import REPOSITORY
from tools.plan_cost import arrivals, durations, plan
from tools.plan_cost.__main__ import main
from tools.plan_cost.errors import InputError
from tools.plan_cost.model import Model
from tools.plan_cost.settings import OFF, Settings, rate_expression, read_gates, read_schedules, read_units, suited_to
from tools.plan_cost.simulation import always_on, fixed_hold, simulate

HOUR = 3600.0


def with_settings(
    every: float = HOUR, units: tuple[int, int] = (1, 1), gate: Gate = OFF, cap: float | None = None
) -> Settings:
    return Settings(every, Limits(*units, 60), gate, cap)


# --- what becomes of the images


@settings(max_examples=60, deadline=None)
@given(
    minutes=st.lists(st.floats(0, 3 * 24 * 60), min_size=1, max_size=60),
    every=st.sampled_from([15 * 60.0, HOUR, 6 * HOUR]),
    units=st.sampled_from([(1, 1), (1, 5), (3, 3)]),
    gate=st.sampled_from([OFF, Gate(10, 24 * HOUR), Gate(40, 13 * HOUR)]),
    start_minutes=st.sampled_from([0.0, 10.0, 40.0]),
)
def test_every_image_is_labelled_once_in_time_and_for_its_price(
    minutes: list[float], every: float, units: tuple[int, int], gate: Gate, start_minutes: float
) -> None:
    instants = np.sort(1_700_000_000 + np.array(minutes) * 60)
    model = Model(start_seconds=start_minutes * 60)
    history = simulate(instants, with_settings(every, units, gate), model, float(instants[0]) - every / 3)
    waits = history.labelled_at - instants
    assert sum(run.images for run in history.runs) == len(instants)
    assert (waits > 0).all()
    # The gate's promise or the time between two looks, then the start, the trigger, and the images before it; or the
    # end of a run that was stopping when the image came.
    longest = (max(gate.max_wait_seconds, every) if gate.min_backlog > 1 else every) + every
    assert waits.max() <= longest + model.start_seconds + model.stop_seconds + 300 + len(instants) / 3
    for run in history.runs:
        assert run.running_seconds >= run.images / (model.images_per_second_per_unit * run.units)
        assert run.unit_seconds == run.running_seconds * run.units


def test_one_unit_more_labels_nothing_later_than_by_a_look() -> None:
    """How often a run looks whether the model runs depends on its units."""
    instants = 1_700_000_000 + np.linspace(0, 600, 20_000)
    waits = [
        simulate(instants, with_settings(units=(units, units)), Model(), float(instants[0])).labelled_at
        for units in (1, 2, 5)
    ]
    assert (waits[0] + 10 >= waits[1]).all()
    assert (waits[1] + 10 >= waits[2]).all()
    assert waits[0].max() > waits[1].max() > waits[2].max()


def test_a_gate_makes_fewer_runs_and_keeps_its_promise() -> None:
    instants = 1_700_000_000 + np.arange(0, 48 * HOUR, 600)
    eager = simulate(instants, with_settings(), Model(), float(instants[0]))
    gated = simulate(instants, with_settings(gate=Gate(1000, 6 * HOUR)), Model(), float(instants[0]))
    assert len(gated.runs) < len(eager.runs) / 4
    assert (gated.labelled_at - instants).max() <= 6 * HOUR + 600 + 300


def test_the_cap_keeps_the_rest_for_tomorrow() -> None:
    midnight = 1_700_006_400
    instants = midnight + np.linspace(0, 60, 20_000)
    history = simulate(instants, with_settings(cap=1), Model(), midnight + 120.0)
    assert len(history.runs) == 2
    assert history.runs[0].running_seconds == pytest.approx(HOUR, abs=90)
    assert history.runs[1].running_at >= midnight + 24 * HOUR
    assert np.isfinite(history.labelled_at).all()


def test_a_run_labels_for_a_day_from_running_on_and_leaves_the_rest_to_the_next() -> None:
    instants = 1_700_000_000 + np.linspace(0, 60, 100_000)
    model = Model(images_per_second_per_unit=1, start_seconds=40 * 60)
    history = simulate(instants, with_settings(), model, float(instants[-1]))
    assert history.runs[0].running_seconds == pytest.approx(24 * HOUR, abs=90)
    assert [run.images for run in history.runs] == pytest.approx([86_400, 13_600], abs=90)


def test_others_are_compared_by_the_same_arrivals() -> None:
    instants = 1_700_000_000 + np.arange(0, 24 * HOUR, 60)
    on = always_on(instants, 1, Model(), 24 * HOUR)
    assert on.runs[0].unit_seconds == pytest.approx(24 * HOUR, rel=0.01)
    assert (on.labelled_at - instants).max() < 1
    held = fixed_hold(instants, 1, Model(), every=HOUR, hold=HOUR, first_look=float(instants[0]))
    assert {run.running_seconds for run in held.runs} == {HOUR}


# --- arrivals


@pytest.mark.parametrize("shape", arrivals.SHAPES)
@pytest.mark.parametrize("period", arrivals.PERIODS)
def test_made_up_arrivals_are_as_many_as_asked_for_sorted_and_the_same_each_time(shape: str, period: str) -> None:
    made = arrivals.made_up(200, period, shape, seed=3)
    assert len(made.instants) == 200 * made.periods
    assert (np.diff(made.instants) >= 0).all()
    assert (made.instants == arrivals.made_up(200, period, shape, seed=3).instants).all()


def test_office_hours_are_working_days_from_eight_to_six() -> None:
    hours = (arrivals.made_up(5000, "week", "office", seed=1).instants - arrivals.BEGIN) / HOUR
    assert (hours % 24 >= 8).all()
    assert (hours % 24 < 18).all()
    assert (hours // 24 % 7 < 5).all()


@pytest.mark.parametrize(
    ("line", "epoch"),
    [
        ("1769860800", 1769860800),
        ("1769860800.25", 1769860800.25),
        ("1000000000", 1_000_000_000),
        ("1999999999", 1_999_999_999),
        ("2026-01-31T12:00:00Z", 1769860800),
        ("2026-01-31t12:00:00.5z", 1769860800.5),
        ("2026-01-31 12:00Z", 1769860800),
        ("20260131T120000Z", 1769860800),
        ("20260131T1300+0100", 1769860800),
        ("2026-01-31T06:30:00-05:30", 1769860800),
        ("2026-01-31T12:00:00-00:00", 1769860800),
    ],
)
def test_a_time_is_read_as_the_one_thing_that_it_can_mean(line: str, epoch: float, tmp_path: Path) -> None:
    file = tmp_path / "uploads.txt"
    file.write_text(f"{line}\r\n")
    assert arrivals.read_file(file).instants.tolist() == [epoch]


@pytest.mark.parametrize(
    "line",
    [
        "2026",
        "202601",
        "20260131",
        "2026013112",
        "202601311200",
        "20260131120000",
        "1700000000000",
        "1700000000000000",
        "1700000000000.5",
        "999999999",
        "2000000000",
        "0",
        "0.5",
        "-1700000000",
        "+1700000000",
        "1.7e9",
        "1_700_000_000",
        "1,700,000,000",
        "1700000000,5",
        "１７０００００００",
        "0x6553f100",
        "inf",
        "2026-01-31",
        "2026-01-31Z",
        "20260131Z",
        "12:00:00Z",
        "2026-01-31T12:00:00",
        "20260131T120000",
        "2026-01-31T12Z",
        "2026-02-31T12:00:00Z",
        "2026-01-31T25:00:00Z",
        "2026-01-31T12:00:00+99:00",
        "2026-01-31T12:00:00 CET",
        "2026-W05-6T12:00:00Z",
        "01/02/2026 12:00:00Z",
        "31.01.2026T12:00:00Z",
        "1026-01-31T12:00:00Z",
        "2126-01-31T12:00:00Z",
        "2026-01-31T12:00:00Z,a.jpg",
    ],
)
def test_what_may_mean_several_things_or_none_is_refused_with_its_line(line: str, tmp_path: Path) -> None:
    file = tmp_path / "uploads.txt"
    file.write_text(f"1769860800\n\n{line}\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"line 3 is .*; .*write "):
        arrivals.read_file(file)


def test_a_file_may_hold_both_kinds_of_timestamps_in_any_order(tmp_path: Path) -> None:
    file = tmp_path / "uploads.txt"
    file.write_text("2026-01-31T12:00:10Z\n\n1769860800\n2026-01-31T13:00:05+01:00\n")
    assert arrivals.read_file(file).instants.tolist() == [1769860800, 1769860805, 1769860810]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("2026-01-31T12:00:00Z\nyesterday\n", "line 2 is 'yesterday'; write a time with its offset"),
        ("2026-01-31T12:00:00\n", "line 1 is '2026-01-31T12:00:00'; write a time with its offset"),
        ("1769860800000\n", "line 1 is '1769860800000'; write seconds since 1970, not milliseconds"),
        ("nan\n", "line 1 is 'nan'"),
        (
            "20260131\n",
            "line 1 is '20260131'; these digits may be a date, seconds or something else: write a time with",
        ),
        ("1026-01-31T12:00:00Z\n", "line 1 is '1026-01-31T12:00:00Z'; write a time from 2001 to 2099"),
        ("\n", "holds no timestamp"),
    ],
)
def test_a_bad_line_is_named_by_its_number(text: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "uploads.txt"
    file.write_text(text)
    with pytest.raises(InputError) as error:
        arrivals.read_file(file)
    assert message in str(error.value)


# --- settings


def test_schedules_units_and_gates_are_read_as_people_write_them() -> None:
    assert read_schedules("rate(1 hour), 15m,1d") == [3600, 900, 86400]
    assert read_units("1, 2-5", 60) == [Limits(1, 1, 60), Limits(2, 5, 60)]
    assert read_gates("off, 500/4h") == [OFF, Gate(500, 4 * HOUR)]
    assert [rate_expression(seconds) for seconds in (60, 900, 3600, 172800)] == [
        "rate(1 minute)",
        "rate(15 minutes)",
        "rate(1 hour)",
        "rate(2 days)",
    ]


@pytest.mark.parametrize(
    ("read", "message"),
    [
        (lambda: read_schedules("cron(0 6 * * ? *)"), "cron(…) and at(…) are not simulated"),
        (lambda: read_schedules("90s"), "not a whole number of minutes"),
        (lambda: read_units("5-2", 60), "is not a number of inference units"),
        (lambda: read_gates("1/4h"), "is neither off nor min_backlog/max_wait"),
        (lambda: read_gates("10/8d"), "more than 7 days"),
        (lambda: durations.read("soon", "WITHIN"), "WITHIN=soon"),
    ],
)
def test_what_cannot_be_simulated_is_refused_with_what_to_write(read: Callable[[], object], message: str) -> None:
    with pytest.raises(InputError) as error:
        read()
    assert message in str(error.value)


# --- the recommendation


def rows_for(within: float) -> list[plan.Row]:
    images, model = arrivals.made_up(500, "day", "even", seed=1), Model()
    schedules, gates = suited_to(within, model)
    taken = [with_settings(every, gate=gate) for every in schedules for gate in [OFF, *gates]]
    return plan.rows([each for each in taken if each.is_taken], images, model, 4.0)


def test_the_cheapest_that_keeps_the_promise_is_recommended() -> None:
    rows = rows_for(4 * HOUR)
    chosen, keeps = plan.recommended(rows, 4 * HOUR, Model())
    assert keeps
    assert chosen.outcome.worst_seconds <= 4 * HOUR
    cheaper = [row for row in rows if row.outcome.usd < chosen.outcome.usd]
    assert not any(row.keeps(4 * HOUR, Model()) for row in cheaper)


def test_where_nothing_keeps_the_promise_the_closest_is_named() -> None:
    rows = rows_for(4 * HOUR)
    chosen, keeps = plan.recommended(rows, 300.0, Model())
    assert not keeps
    assert chosen.outcome.worst_seconds == min(row.outcome.worst_seconds for row in rows)


def test_what_is_not_on_the_frontier_is_beaten_by_something_that_is() -> None:
    rows = rows_for(4 * HOUR)
    best = plan.frontier(rows)
    for row in rows:
        assert any(
            other.outcome.usd <= row.outcome.usd and other.outcome.worst_seconds <= row.outcome.worst_seconds
            for other in best
        )


def test_the_labelling_alone_is_what_its_unit_seconds_cost() -> None:
    images = arrivals.made_up(10_800, "day", "even", seed=1)
    assert plan.least_usd(images, Model(), 4.0) == pytest.approx(4.0)
    assert math.isclose(plan.least_usd(images, Model(images_per_second_per_unit=6), 4.0), 2.0)


# --- the command


def command(tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": "lambdas"}
    made = [sys.executable, "-m", "tools.plan_cost", *arguments, "--output", str(tmp_path / "plan.png")]
    return subprocess.run(made, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)


def test_the_command_prints_a_table_a_recommendation_to_paste_and_draws_a_picture(tmp_path: Path) -> None:
    done = command(
        tmp_path,
        "--images",
        "100",
        "--per",
        "day",
        "--within",
        "4h",
        "--schedules",
        "1h",
        "--units",
        "1",
        "--gates",
        "off",
    )
    assert done.returncode == 0, done.stderr
    assert "Simulated: 14 days from a Monday, 1,400 images, evenly spread." in done.stdout
    rows = [line.split() for line in done.stdout.splitlines()]
    assert ["*", "rate(1", "hour)", "1", "off"] in [row[:5] for row in rows]
    assert '  schedule_expression  = "rate(1 hour)"' in done.stdout
    assert "  max_inference_units  = 1" in done.stdout
    # Of the table, by its columns: US$ a day, and a month of 30.
    [chosen] = [float(row[5]) for row in rows if row[:5] == ["*", "rate(1", "hour)", "1", "off"]]
    [month, always_on] = re.findall(
        r"A month of 30 days costs US\$(\S+) with these settings; always on, 1 unit: US\$(\S+)\.", done.stdout
    )[0]
    assert float(month) == pytest.approx(30 * chosen, abs=0.15)
    assert float(always_on.replace(",", "")) == pytest.approx(30 * 96, rel=0.001)
    assert (tmp_path / "plan.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give IMAGES=2000 PER=day, or ARRIVALS=file with one timestamp a line"),
        (["--images", "many"], "IMAGES=many: write how many images come"),
        (["--images", "5", "--per", "fortnight"], "PER=fortnight: write hour, day, week, month, year"),
        (["--images", "5", "--shape", "round"], "SHAPE=round: write even, office, bursts"),
        (["--images", "5", "--rate", "0"], "RATE=0: write a number from 0.05 to 1000"),
        (["--images", "5", "--rate", "1_0"], "RATE=1_0: write a number from 0.05 to 1000"),
        (["--images", "5", "--price", "1e1"], "PRICE=1e1: write a number from 0.01 to 1000"),
        (["--images", "5", "--cap", "nan"], "CAP=nan: write a number from 0.1 to 24"),
        (["--images", "5", "--seed", "1.5"], "SEED=1.5: write a whole number"),
        (["--images", "9" * 5000], ": write how many images come"),
        (["--images", "5", "--units", "9" * 5000], " is not a number of inference units"),
        (["--images", "5", "--within", "9" * 400 + "h"], ": write a duration with its unit"),
        (["--images", "5", "--arrivals", "x"], "ARRIVALS and IMAGES"),
        (["--arrivals", "no-such-file"], "ARRIVALS=no-such-file: cannot be read"),
        (["--images", "5", "--schedules", "1d", "--gates", "10/1h"], "the module takes none of these together"),
    ],
)
def test_what_is_wrong_is_one_line_that_says_what_to_write(
    arguments: list[str], message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["plan_cost", *arguments])
    assert main() == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    [line] = printed.err.splitlines()
    assert line.startswith("error: ")
    assert message in line
