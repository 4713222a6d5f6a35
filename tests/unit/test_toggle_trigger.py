"""A switch is asked for until the mapping is seen in the wanted state."""

import pytest

from shared.errors import LeaseLost, TriggerNotSettled
from shared.lease import Lease
from shared.pace import Pace
from shared.trigger import SETTLE_TIMEOUT_SECONDS, Trigger
from tests.unit.conftest import aws_error


class Mapping:
    """A Lambda client with one mapping that answers one state."""

    def __init__(self, state: str, error: Exception | None = None) -> None:
        self.state, self.error, self.updates = state, error, []

    def get_event_source_mapping(self, **parameters: str) -> dict[str, str]:
        assert parameters == {"UUID": "uuid"}
        return {"State": self.state}

    def update_event_source_mapping(self, **parameters: object) -> None:
        self.updates.append(parameters)
        if self.error:
            raise self.error


@pytest.fixture
def held(lease: Lease) -> Lease:
    lease.acquire("run-1")
    return lease


@pytest.mark.parametrize(("state", "enable"), [("Enabled", True), ("Disabled", False)])
def test_the_wanted_state_is_settled_without_an_update(state: str, enable: bool, held: Lease) -> None:
    mapping = Mapping(state)
    answer = Trigger(mapping, "uuid", held).step("run-1", enable=enable, waited_seconds=0)
    assert answer == {"state": state, "settled": True, "wait_seconds": 0}
    assert mapping.updates == []


@pytest.mark.parametrize(("state", "enable"), [("Disabled", True), ("Enabled", False)])
def test_the_other_state_is_switched_and_looked_at_again(state: str, enable: bool, held: Lease) -> None:
    mapping = Mapping(state)
    answer = Trigger(mapping, "uuid", held).step("run-1", enable=enable, waited_seconds=0)
    assert mapping.updates == [{"UUID": "uuid", "Enabled": enable}]
    assert (answer["settled"], answer["wait_seconds"]) == (False, 5)


def test_opening_sets_the_batches_at_once_and_tells_the_analysis_its_pace(held: Lease) -> None:
    mapping, pace = Mapping("Disabled"), Pace(15.0, 5)
    Trigger(mapping, "uuid", held).step("run-1", enable=True, waited_seconds=0, pace=pace)
    assert mapping.updates == [{"UUID": "uuid", "Enabled": True, "ScalingConfig": {"MaximumConcurrency": 5}}]
    assert held.renew("run-1").pace == pace


def test_the_pace_is_there_before_the_first_batch(held: Lease) -> None:
    class Eager(Mapping):
        def update_event_source_mapping(self, **_: object) -> None:
            assert held.renew("run-1").pace is not None

    Trigger(Eager("Disabled"), "uuid", held).step("run-1", enable=True, waited_seconds=0, pace=Pace(3.0, 2))


@pytest.mark.parametrize("state", ["Creating", "Enabling", "Disabling", "Updating"])
def test_a_change_under_way_is_waited_for(state: str, held: Lease) -> None:
    mapping = Mapping(state)
    assert not Trigger(mapping, "uuid", held).step("run-1", enable=True, waited_seconds=0)["settled"]
    assert mapping.updates == []


@pytest.mark.parametrize("code", ["ResourceInUseException", "ResourceConflictException"])
def test_an_update_refused_during_another_change_is_asked_for_again(code: str, held: Lease) -> None:
    mapping = Mapping("Enabled", aws_error(code))
    assert not Trigger(mapping, "uuid", held).step("run-1", enable=False, waited_seconds=0)["settled"]


def test_any_other_refusal_is_left_to_the_workflow(held: Lease) -> None:
    with pytest.raises(Exception, match="AccessDenied"):
        Trigger(Mapping("Enabled", aws_error("AccessDenied")), "uuid", held).step(
            "run-1", enable=False, waited_seconds=0
        )


def test_the_wait_is_bounded(held: Lease) -> None:
    with pytest.raises(TriggerNotSettled, match="Enabling and not Enabled after 180 s"):
        Trigger(Mapping("Enabling"), "uuid", held).step("run-1", enable=True, waited_seconds=SETTLE_TIMEOUT_SECONDS)


def test_a_run_without_the_lease_switches_nothing(lease: Lease) -> None:
    lease.acquire("run-2")
    mapping = Mapping("Enabled")
    with pytest.raises(LeaseLost):
        Trigger(mapping, "uuid", lease).step("run-1", enable=False, waited_seconds=0)
    assert mapping.updates == []
