"""A run over a backlog of ten days: its history stays far from the 25,000 events that an execution may have."""

import json

import pytest
from botocore.awsrequest import AWSResponse

from tests.rig.quick_moto import client
from tests.rig.simulation import deployment
from tests.rig.simulation.states import EVENTS_AT_MOST
from tests.rig.simulation.wire import Call
from tests.rig.simulation.world import World

DAY = 24 * 3600
IMAGES, IMAGES_PER_SECOND = 2_600_000, 3
# Retries, and a run of the 14 days that max_run_minutes allows, have to fit in as well.
EVENTS_OF_TEN_DAYS = EVENTS_AT_MOST * 2 // 5


class Backlog:
    """A queue of so many images that it is only counted, and that goes down while the model runs."""

    def __init__(self) -> None:
        self.world = World(between=self, watchdog_seconds=None, environment={"MAX_RUN_MINUTES": str(14 * DAY // 60)})
        self.looks = 0

    def __call__(self, call: Call) -> AWSResponse | None:
        if call.operation != "GetQueueAttributes":
            return None
        self.looks += 1
        self.world.later(0, self._note_progress)
        left = IMAGES - self.done
        counts = {"": max(0, left - 20), "NotVisible": min(20, left), "Delayed": 0}
        attributes = {f"ApproximateNumberOfMessages{state}": str(count) for state, count in counts.items()}
        return call.answer(json.dumps({"Attributes": attributes}).encode())

    @property
    def done(self) -> int:
        running_at = next((change.at for change in self.world.model_now._history if change.status == "RUNNING"), None)
        return 0 if running_at is None else min(IMAGES, int((self.world.now - running_at) * IMAGES_PER_SECOND))

    def _note_progress(self) -> None:
        """Write down what the analysis would have added to the run's record by now."""
        client("dynamodb").update_item(
            TableName=deployment.TABLE,
            Key={"model": {"S": deployment.MODEL_ARN}, "item": {"S": "run#run-1"}},
            UpdateExpression="SET images_processed = :done",
            ExpressionAttributeValues={":done": {"N": str(self.done)}},
        )


@pytest.mark.long
def test_ten_days_of_backlog_stay_far_below_the_limit_of_events() -> None:
    backlog = Backlog()
    with backlog.world as world:
        run = world.start_run()
        while run.is_living and world.now < 12 * DAY:
            world.advance(DAY / 4)
        print(f"\n{world.now / DAY:.1f} days, {backlog.looks} looks, {run.events.total()} events of {run.status}")
        assert (run.status, run.output and run.output["outcome"]) == ("SUCCEEDED", "completed"), run.cause
        assert world.now > 10 * DAY
        assert run.events.total() < EVENTS_OF_TEN_DAYS
        assert world.model_now.status == "STOPPED"
