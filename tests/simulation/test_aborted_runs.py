"""A run that somebody aborts, in whatever state: the watchdog closes the trigger, stops the model and says it."""

import json

import pytest

from tests.rig.emulator.model import ModelSettings
from tests.rig.simulation.pictures import PICTURES
from tests.rig.simulation.world import Fault, World
from tests.rig.stack.local_stack import REPOSITORY

DEFINITION = REPOSITORY / "terraform" / "statemachines" / "label_batch.asl.json"
# Where a run is for longer than a moment. Batches are in flight where the trigger is closed, as in the state before.
STATES = [
    name
    for name, state in json.loads(DEFINITION.read_text())["States"].items()
    if state["Type"] in ("Task", "Wait") and name != "Wait for batches in flight"
]


@pytest.mark.parametrize("state", STATES)
def test_a_run_that_is_aborted_in_a_state_is_cleaned_up_after(state: str) -> None:
    with World(model=ModelSettings(start_seconds=60, stop_seconds=30), orphan_seconds=600) as world:
        if state == "Check the queue once more":
            # A run comes here only if the bucket's listing proves nothing.
            world.set_faults(Fault("s3", "ListObjectsV2", "AccessDenied", 403))
        world.upload("a.png", PICTURES[0])
        world.upload("late.png", PICTURES[1], announced_after=120)
        run = world.start_run()
        while not run.entered[state]:
            world.step()
            assert run.is_living, run.entered
        world.abort(run)
        world.set_faults()
        world.advance(600)
        assert world.is_at_rest, world.describe()
        assert world.violations() == []
        # The last function has written it before it was known.
        expected = "completed" if state == "Write the receipt" else "aborted"
        assert world.receipt(run)["outcome"] == expected
