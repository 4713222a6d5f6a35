"""One run at a time per model, and nobody forgets who started it."""

from dataclasses import replace

import pytest

from shared.errors import LeaseLost
from shared.items import Items
from shared.lease import Acquisition, Lease
from shared.model_state import STATE_ITEM, CleanUp, ModelState, ModelStates, StopProgress
from shared.owner import RETIRED, Owner
from shared.request_rate import RequestRate
from tests.unit.conftest import RUN, RUN_2, RUN_3, Clock

WATCHDOG = Owner.watchdog("7d1c")
CLEAN_UP = CleanUp("run-1", "RunSilent", "the run's lease expired 40 s ago without renewal", since=1_800_000_000)


@pytest.mark.parametrize(
    ("owner", "text"), [(RUN, "run-1"), (WATCHDOG, "watchdog/7d1c"), (RETIRED, "terraform/retired")]
)
def test_an_owner_is_readable_in_the_table(owner: Owner, text: str) -> None:
    assert str(owner) == text
    assert Owner.parse(text) == owner


def test_a_free_lease_is_acquired(lease: Lease) -> None:
    assert lease.acquire(RUN) == Acquisition(acquired=True, other_run=None, model_started_by=None)


def test_a_live_lease_of_another_run_is_not_acquired(lease: Lease, clock: Clock) -> None:
    lease.acquire(RUN)
    clock.now += 900
    assert lease.acquire(RUN_2) == Acquisition(acquired=False, other_run="run-1", model_started_by=None)


def test_an_expired_lease_is_taken_over_with_what_the_dead_run_left(
    lease: Lease, states: ModelStates, clock: Clock
) -> None:
    lease.acquire(RUN)
    states.record_start_asked(RUN)
    clock.now += 901
    assert lease.acquire(RUN_2) == Acquisition(acquired=True, other_run="run-1", model_started_by="run-1")


def test_a_repeated_attempt_of_the_same_run_acquires_again(lease: Lease) -> None:
    lease.acquire(RUN)
    assert lease.acquire(RUN).acquired
    assert lease.acquire(RUN).other_run is None


def test_a_renewed_lease_lasts_from_the_renewal(lease: Lease, clock: Clock) -> None:
    lease.acquire(RUN)
    clock.now += 800
    lease.renew(RUN)
    clock.now += 800
    assert not lease.acquire(RUN_2).acquired


def test_a_run_that_was_taken_over_can_neither_renew_nor_write(lease: Lease, states: ModelStates, clock: Clock) -> None:
    lease.acquire(RUN)
    clock.now += 901
    lease.acquire(RUN_2)
    before = states.read()
    writes = [
        lambda: lease.renew(RUN),
        lambda: lease.transfer(RUN, WATCHDOG),
        lambda: states.record_start_asked(RUN),
        lambda: states.record_start_accepted(RUN),
        lambda: states.record_request_rate(RUN, RequestRate(1.0, 2)),
        lambda: states.record_stop_progress(RUN, StopProgress(accepted=True)),
        lambda: states.record_nothing_to_stop(RUN),
        lambda: states.record_images_waiting(RUN, waiting=True),
        lambda: states.record_queue_empty(RUN, 1),
        lambda: states.record_check(RUN, 1, None),
        lambda: states.record_clean_up(RUN, CLEAN_UP),
    ]
    for write in writes:
        with pytest.raises(LeaseLost, match="run-1 no longer holds"):
            write()
    assert states.read() == before


def test_a_late_release_does_not_free_the_lease_of_the_next_run(lease: Lease, clock: Clock) -> None:
    lease.acquire(RUN)
    clock.now += 901
    lease.acquire(RUN_2)
    lease.release(RUN)
    assert not lease.acquire(RUN_3).acquired


def test_a_released_lease_is_free_and_still_knows_who_started_the_model(lease: Lease, states: ModelStates) -> None:
    lease.acquire(RUN)
    states.record_start_asked(RUN)
    lease.release(RUN)
    assert lease.acquire(RUN_2) == Acquisition(acquired=True, other_run=None, model_started_by="run-1")


def test_a_model_seen_stopped_is_nobodys(lease: Lease, states: ModelStates) -> None:
    lease.acquire(RUN)
    states.record_start_asked(RUN)
    states.record_start_accepted(RUN)
    states.record_stop_progress(RUN, StopProgress(accepted=True))
    states.record_nothing_to_stop(RUN)
    state = states.read()
    assert (state.started_by, state.start_accepted_by, state.stop_progress) == (None, None, StopProgress())


def test_a_new_start_voids_the_stop_of_the_last_one_in_the_same_write(lease: Lease, states: ModelStates) -> None:
    lease.acquire(RUN)
    states.record_start_asked(RUN)
    states.record_stop_progress(RUN, StopProgress(accepted=True))
    states.record_start_asked(RUN)
    assert states.read().stop_progress == StopProgress()


def test_a_new_owner_does_not_go_on_with_the_stop_of_the_last_one(
    lease: Lease, states: ModelStates, clock: Clock
) -> None:
    progress = StopProgress(stopped_observations=1, observed_by="run-1 at 0 s")

    def dead_run() -> ModelState:
        lease.acquire(RUN)
        states.record_stop_progress(RUN, progress)
        clock.now += 901
        return states.read()

    dead_run()
    lease.acquire(RUN_2)
    assert states.read().stop_progress == StopProgress()
    lease.release(RUN_2)
    assert lease.take_over(WATCHDOG, dead_run(), CLEAN_UP)
    assert states.read().stop_progress == StopProgress()
    states.record_stop_progress(WATCHDOG, progress)
    assert lease.take_over(Owner.watchdog("2"), states.read(), CLEAN_UP)
    assert states.read().stop_progress == progress, "the next tick of the same clean-up goes on"
    lease.retire()
    assert states.read().stop_progress == StopProgress()


def test_a_lease_that_was_renewed_just_now_is_not_taken_over(lease: Lease, states: ModelStates, clock: Clock) -> None:
    lease.acquire(RUN)
    clock.now += 901
    seen = states.read()
    lease.renew(RUN)
    assert not lease.take_over(WATCHDOG, seen, CLEAN_UP)
    assert not lease.take_over(WATCHDOG, replace(seen, owner=None), CLEAN_UP)
    assert states.read().owner == RUN


def test_the_state_comes_back_as_it_was_written(lease: Lease, states: ModelStates, items: Items) -> None:
    lease.acquire(RUN)
    states.record_start_asked(RUN)
    states.record_start_accepted(RUN)
    states.record_request_rate(RUN, RequestRate(0.3, 2))
    states.record_queue_empty(RUN, 5)
    states.record_images_waiting(RUN, waiting=True)
    states.record_check(RUN, 6, 3600)
    states.record_stop_progress(RUN, StopProgress(accepted=True))
    states.record_clean_up(RUN, replace(CLEAN_UP, after_run=None))
    assert states.read() == ModelState(
        owner=RUN,
        lease_expires_at=1_800_000_900,
        started_by="run-1",
        start_accepted_by="run-1",
        request_rate=RequestRate(0.3, 2),
        stop_progress=StopProgress(accepted=True),
        images_waiting=True,
        queue_empty_at=5,
        last_check_at=6,
        previous_interval_seconds=3600,
        clean_up=replace(CLEAN_UP, after_run=None),
    )
    assert items.read(STATE_ITEM)["lease_owner"] == "run-1"


@pytest.mark.parametrize(
    ("owner", "clean_up", "run_id"),
    [(RUN, None, "run-1"), (WATCHDOG, CLEAN_UP, "run-1"), (RETIRED, None, None), (None, None, None)],
)
def test_work_belongs_to_the_run_or_to_the_dead_run_that_is_cleaned_up_after(
    owner: Owner | None, clean_up: CleanUp | None, run_id: str | None
) -> None:
    assert ModelState(owner=owner, clean_up=clean_up).run_id == run_id
