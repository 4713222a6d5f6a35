"""One run at a time per model, and nobody forgets who started it."""

import re
from dataclasses import replace
from typing import Any, Literal

import pytest

from shared.errors import LeaseLost
from shared.items import Items, Update
from shared.lease import Acquisition, Lease
from shared.model_state import STATE_ITEM, CleanUp, ModelState, ModelStates, StartMark
from shared.owner import RETIRED, Owner
from shared.request_rate import RequestRate
from shared.run_record import COUNTERS
from tests.rig.stack.local_stack import REPOSITORY
from tests.unit.conftest import RUN, RUN_2, RUN_3, Clock, accept_start, ask_for_start

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
    ask_for_start(states, RUN)
    clock.now += 901
    assert lease.acquire(RUN_2) == Acquisition(True, "run-1", model_started_by="run-1", receipts_owed=("run-1",))


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
        lambda: ask_for_start(states, RUN),
        lambda: states.record_request_rate(RUN, RequestRate(1.0, 2)),
        lambda: states.record_stop_accepted(RUN, 1),
        lambda: states.record_stopped(RUN, before),
        lambda: states.record_receipts_owed(RUN, []),
        lambda: states.record_images_waiting(RUN, waiting=True),
        lambda: states.record_queue_empty(RUN, 1),
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
    ask_for_start(states, RUN)
    lease.release(RUN)
    assert lease.acquire(RUN_2) == Acquisition(acquired=True, other_run=None, model_started_by="run-1")


def test_a_model_seen_stopped_is_nobodys(lease: Lease, states: ModelStates) -> None:
    lease.acquire(RUN)
    accept_start(states, RUN)
    states.record_stop_accepted(RUN, 1_800_000_100)
    after = states.record_stopped(RUN, states.read())
    assert (after.started_by, after.starts, after.stop_accepted_at) == (None, {}, None)


def test_a_mark_that_nobody_looked_at_stays(lease: Lease, states: ModelStates) -> None:
    lease.acquire(RUN)
    accept_start(states, RUN)
    seen = states.read()
    mark = ask_for_start(states, RUN, "t2")
    assert states.record_stopped(RUN, seen).starts == {"t2": mark}


def test_the_mark_of_a_refused_call_goes_and_no_other(lease: Lease, states: ModelStates) -> None:
    lease.acquire(RUN)
    mark = ask_for_start(states, RUN, "t1")
    ask_for_start(states, RUN, "t2")
    states.record_start_refused("t2")
    assert states.read().starts == {"t1": mark}


def test_whoever_takes_the_lease_owes_the_receipt_of_the_dead_run_until_it_is_written(
    lease: Lease, states: ModelStates, clock: Clock
) -> None:
    lease.acquire(RUN)
    clock.now += 901
    lease.acquire(RUN_2)
    assert lease.acquire(RUN_2).receipts_owed == ("run-1",), "the first attempt was killed before it wrote it"
    clock.now += 901
    assert lease.acquire(RUN_3).receipts_owed == ("run-1", "run-2")
    states.record_receipts_owed(RUN_3, [])
    assert lease.acquire(RUN_3) == Acquisition(acquired=True, other_run=None, model_started_by=None)


@pytest.mark.parametrize("before", [None, RUN_2])
def test_an_acquisition_whose_answer_was_lost_is_ours(
    before: Owner | None, lease: Lease, items: Items, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The SDK repeats the write, whose condition does not hold any more."""
    if before is not None:
        lease.acquire(before)
        clock.now += 901
    update = items.update

    def repeated(write: Update, **how: Literal["NONE", "ALL_OLD", "ALL_NEW"]) -> dict[str, Any]:
        monkeypatch.undo()
        update(write, **how)
        return update(write, **how)

    monkeypatch.setattr(items, "update", repeated)
    assert lease.acquire(RUN).acquired
    assert lease.acquire(RUN).receipts_owed == (() if before is None else ("run-2",))


def test_a_retirement_that_dies_keeps_nobody_out_for_longer_than_its_function_lives(
    lease: Lease, states: ModelStates, clock: Clock
) -> None:
    lease.acquire(RUN)
    assert lease.take_over(RETIRED, states.read(), CLEAN_UP)
    clock.now += 300
    lease.renew(RETIRED)
    clock.now += 300
    assert not lease.acquire(RUN_2).acquired
    clock.now += 1
    assert lease.acquire(RUN_2).receipts_owed == ("run-1",)


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
    accept_start(states, RUN)
    states.record_request_rate(RUN, RequestRate(0.3, 2))
    states.record_queue_empty(RUN, 5)
    states.record_images_waiting(RUN, waiting=True)
    states.record_stop_accepted(RUN, 7)
    states.record_receipts_owed(RUN, ["run-0"])
    assert lease.take_over(RUN, states.read(), replace(CLEAN_UP, after_run=None))
    assert states.read() == ModelState(
        owner=RUN,
        lease_expires_at=1_800_000_900,
        receipts_owed=("run-0",),
        starts={"t1": StartMark("run-1", 1_800_000_000, ended_at=1_800_000_000, accepted=True)},
        request_rate=RequestRate(0.3, 2),
        stop_accepted_at=7,
        images_waiting=True,
        queue_empty_at=5,
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


def test_the_analysis_is_denied_every_attribute_of_the_lease() -> None:
    """IAM knows them by name: a new one must be in the policy too."""
    read: set[str] = set()

    class Reading(dict[str, Any]):
        def __contains__(self, name: object) -> bool:
            read.add(str(name))
            return False

        def get(self, name: str, default: object = None) -> object:
            read.add(name)
            return default

    ModelState.parse(Reading())
    source = (REPOSITORY / "terraform" / "function_analyze_image.tf").read_text()
    [listed] = re.findall(r"lease_attributes = \[(.*?)\]", source, re.DOTALL)
    assert set(re.findall(r'"(\w+)"', listed)) == read
    # What it counts stays possible.
    assert read.isdisjoint(
        {*COUNTERS.values(), "blocked_reason", "delete_after", "first_detection_at", "model", "item"}
    )
