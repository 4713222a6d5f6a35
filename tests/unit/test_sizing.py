"""The fewest units that are done in time are the cheapest, and a further one has to save more than it costs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.throughput import Throughput
from start_model.sizing import UNIT_OVERHEAD_SECONDS, Limits, size

THREE = Throughput(3)


@pytest.mark.parametrize(
    ("backlog", "fewest", "most", "units"),
    [
        (0, 1, 5, 1),
        (1, 1, 5, 1),
        (10_800, 1, 5, 1),
        # A second unit would spare fewer seconds than it costs before its first image and after its last.
        (10_845, 1, 5, 1),
        (10_846, 1, 5, 2),
        (32_400, 1, 5, 3),
        (1_000_000, 1, 5, 5),
        (1, 2, 5, 2),
        (1_000_000, 1, 1, 1),
    ],
)
def test_the_fewest_units_that_label_the_backlog_in_an_hour(backlog: int, fewest: int, most: int, units: int) -> None:
    assert size(backlog, THREE, Limits(fewest, most, target_drain_minutes=60)).inference_units == units


@given(
    backlog=st.integers(0, 10_000_000),
    rate=st.floats(0.05, 1000),
    fewest=st.integers(1, 100),
    more=st.integers(0, 99),
    minutes=st.floats(1, 20160),
)
def test_one_unit_less_would_be_too_late_by_more_than_a_unit_costs(
    backlog: int, rate: float, fewest: int, more: int, minutes: float
) -> None:
    limits = Limits(fewest, fewest + more, minutes)
    units = size(backlog, Throughput(rate), limits).inference_units
    assert limits.min_units <= units <= limits.max_units
    if units > limits.min_units:
        assert backlog / (rate * (units - 1)) > (minutes * 60 + UNIT_OVERHEAD_SECONDS) * (1 - 1e-9)
    if units < limits.max_units:
        assert backlog / (rate * units) <= (minutes * 60 + UNIT_OVERHEAD_SECONDS) * (1 + 1e-9)


@pytest.mark.parametrize(
    ("backlog", "limits", "reason"),
    [
        (
            21_600,
            Limits(1, 5, 60),
            "take 60.0 minutes with 2 inference units, the fewest for target_drain_minutes (60)",
        ),
        (
            10_830,
            Limits(1, 5, 60),
            "with 1 inference units, the fewest for target_drain_minutes (60): one more would cost 15 s and save fewer",
        ),
        (
            99_999,
            Limits(1, 2, 60),
            "longer than target_drain_minutes (60), but max_inference_units allows no more units",
        ),
        (
            10,
            Limits(3, 5, 60),
            "with 3 inference units, which is min_inference_units; 1 would finish within 60 minutes",
        ),
    ],
)
def test_the_reason_says_which_limit_decided(backlog: int, limits: Limits, reason: str) -> None:
    assert reason in size(backlog, THREE, limits).reason
