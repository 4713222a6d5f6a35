"""One run at a time per model, and nobody forgets who started it."""

from typing import Any

import pytest

from shared import lease as lease_module
from shared.errors import LeaseLost
from shared.lease import Acquisition, Lease
from tests.unit.conftest import MODEL_ARN, TABLE, Clock


def test_a_free_lease_is_acquired(lease: Lease) -> None:
    assert lease.acquire("run-1") == Acquisition(acquired=True, other_run=None, model_started_by=None)


def test_a_live_lease_of_another_run_is_not_acquired(lease: Lease, clock: Clock) -> None:
    lease.acquire("run-1")
    clock.now += 900
    assert lease.acquire("run-2") == Acquisition(acquired=False, other_run="run-1", model_started_by=None)


def test_an_expired_lease_is_taken_over_with_what_the_dead_run_left(lease: Lease, clock: Clock) -> None:
    lease.acquire("run-1")
    lease.note_model_started("run-1")
    clock.now += 901
    assert lease.acquire("run-2") == Acquisition(acquired=True, other_run="run-1", model_started_by="run-1")


def test_a_repeated_attempt_of_the_same_run_acquires_again(lease: Lease) -> None:
    lease.acquire("run-1")
    assert lease.acquire("run-1").acquired
    assert lease.acquire("run-1").other_run is None


def test_a_renewed_lease_lasts_from_the_renewal(lease: Lease, clock: Clock) -> None:
    lease.acquire("run-1")
    clock.now += 800
    lease.renew("run-1")
    clock.now += 800
    assert not lease.acquire("run-2").acquired


def test_a_run_that_was_taken_over_can_neither_renew_nor_touch_the_model(lease: Lease, clock: Clock) -> None:
    lease.acquire("run-1")
    clock.now += 901
    lease.acquire("run-2")
    with pytest.raises(LeaseLost, match="run run-1 no longer holds"):
        lease.renew("run-1")
    with pytest.raises(LeaseLost):
        lease.note_model_started("run-1")
    with pytest.raises(LeaseLost):
        lease.note_model_stopped("run-1")


def test_a_late_release_does_not_free_the_lease_of_the_next_run(lease: Lease, clock: Clock) -> None:
    lease.acquire("run-1")
    clock.now += 901
    lease.acquire("run-2")
    lease.release("run-1")
    assert not lease.acquire("run-3").acquired


def test_a_released_lease_is_free_and_still_knows_who_started_the_model(lease: Lease) -> None:
    lease.acquire("run-1")
    lease.note_model_started("run-1")
    lease.release("run-1")
    assert lease.acquire("run-2") == Acquisition(acquired=True, other_run=None, model_started_by="run-1")


def test_a_model_seen_stopped_is_nobodys(lease: Lease) -> None:
    lease.acquire("run-1")
    lease.note_model_started("run-1")
    lease.note_model_stopped("run-1")
    assert lease.renew("run-1").model_started_by is None


def test_who_does_not_hold_the_lease_can_read_whose_it_is(lease: Lease, dynamodb: Any) -> None:  # noqa: ANN401
    assert lease_module.current(dynamodb, TABLE, MODEL_ARN).held_by is None
    lease.acquire("run-1")
    assert lease_module.current(dynamodb, TABLE, MODEL_ARN).held_by == "run-1"
