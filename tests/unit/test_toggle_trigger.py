"""A switch is asked for until the mapping is in the wanted state."""

import pytest

from shared.errors import LeaseLost, TriggerNotSettled
from shared.lease import Lease
from shared.model_state import ModelStates
from shared.request_rate import RequestRate
from shared.trigger import SETTLE_TIMEOUT_SECONDS, Trigger
from tests.unit.conftest import RUN, RUN_2, Clock, aws_error


class Mapping:
    """A Lambda client with one mapping: it is in one state, or in one after the other, the last one to stay."""

    def __init__(self, *states: str, answered: str | None = None, error: Exception | None = None) -> None:
        self.states, self.answered, self.error = list(states), answered, error
        self.updates: list[dict[str, object]] = []

    def get_event_source_mapping(self, **parameters: str) -> dict[str, str]:
        assert parameters == {"UUID": "uuid"}
        return {"State": self.states.pop(0) if len(self.states) > 1 else self.states[0]}

    def update_event_source_mapping(self, **parameters: object) -> dict[str, str]:
        self.updates.append(parameters)
        if self.error:
            raise self.error
        return {"State": self.answered or ("Enabling" if parameters["Enabled"] else "Disabling")}


def never(_: float) -> None:
    pytest.fail("nothing was to be waited for")


@pytest.fixture
def held(lease: Lease) -> Lease:
    lease.acquire(RUN)
    return lease


@pytest.mark.parametrize(("state", "enable"), [("Enabled", True), ("Disabled", False)])
def test_the_wanted_state_is_settled_without_an_update(state: str, enable: bool, held: Lease) -> None:
    mapping = Mapping(state)
    assert Trigger(mapping, "uuid", held).step(RUN, enable=enable)
    assert mapping.updates == []


@pytest.mark.parametrize(("state", "enable"), [("Disabled", True), ("Enabled", False)])
def test_the_other_state_is_switched_and_polled_again(state: str, enable: bool, held: Lease) -> None:
    mapping = Mapping(state)
    assert not Trigger(mapping, "uuid", held).step(RUN, enable=enable)
    assert mapping.updates == [{"UUID": "uuid", "Enabled": enable}]


def test_a_switch_that_lambda_answers_as_done_is_not_polled_again(held: Lease) -> None:
    mapping = Mapping("Enabled", answered="Disabled")
    assert Trigger(mapping, "uuid", held).step(RUN, enable=False)


def test_opening_sets_the_concurrency_of_the_runs_rate_and_closing_does_not(held: Lease, states: ModelStates) -> None:
    states.record_request_rate(RUN, RequestRate(15.0, 5))
    opened, closed = Mapping("Disabled"), Mapping("Enabled")
    Trigger(opened, "uuid", held).step(RUN, enable=True)
    Trigger(closed, "uuid", held).step(RUN, enable=False)
    assert opened.updates == [{"UUID": "uuid", "Enabled": True, "ScalingConfig": {"MaximumConcurrency": 5}}]
    assert closed.updates == [{"UUID": "uuid", "Enabled": False}]


@pytest.mark.parametrize("state", ["Creating", "Enabling", "Disabling", "Updating"])
def test_a_change_under_way_is_waited_for(state: str, held: Lease) -> None:
    mapping = Mapping(state)
    assert not Trigger(mapping, "uuid", held).step(RUN, enable=True)
    assert mapping.updates == []


@pytest.mark.parametrize("code", ["ResourceInUseException", "ResourceConflictException"])
def test_an_update_rejected_during_another_one_is_asked_for_again(code: str, held: Lease) -> None:
    mapping = Mapping("Enabled", error=aws_error(code))
    assert not Trigger(mapping, "uuid", held).step(RUN, enable=False)


def test_any_other_error_is_left_to_the_workflow(held: Lease) -> None:
    with pytest.raises(Exception, match="AccessDenied"):
        Trigger(Mapping("Enabled", error=aws_error("AccessDenied")), "uuid", held).switch(
            RUN, enable=False, pause=never
        )


def test_a_switch_is_waited_for_and_the_lease_is_renewed_at_each_poll(
    held: Lease, states: ModelStates, clock: Clock
) -> None:
    expiries: list[int] = []

    def pause(seconds: float) -> None:
        clock.now += seconds
        expiries.append(states.read().lease_expires_at)

    mapping = Mapping("Enabled", "Disabling", "Disabling", "Disabled")
    Trigger(mapping, "uuid", held).switch(RUN, enable=False, pause=pause)
    assert len(mapping.updates) == 1
    assert [later - expiries[0] for later in expiries] == [0, 5, 10]


def test_a_run_that_loses_the_lease_during_the_wait_switches_nothing_more(held: Lease, clock: Clock) -> None:
    def pause(_: float) -> None:
        clock.now += 901
        held.acquire(RUN_2)

    mapping = Mapping("Enabled")
    with pytest.raises(LeaseLost):
        Trigger(mapping, "uuid", held).switch(RUN, enable=False, pause=pause)
    assert len(mapping.updates) == 1


def test_the_wait_is_bounded(held: Lease) -> None:
    pauses: list[float] = []
    with pytest.raises(TriggerNotSettled, match="Enabling and not Enabled after 180 s"):
        Trigger(Mapping("Enabling"), "uuid", held).switch(RUN, enable=True, pause=pauses.append)
    assert sum(pauses) == SETTLE_TIMEOUT_SECONDS


def test_a_run_without_the_lease_switches_nothing(lease: Lease) -> None:
    lease.acquire(RUN_2)
    mapping = Mapping("Enabled")
    with pytest.raises(LeaseLost):
        Trigger(mapping, "uuid", lease).switch(RUN, enable=False, pause=never)
    assert mapping.updates == []
