"""A long run: its history stays far from the 25,000 events that an execution may have, for the longest run too."""

import json

import pytest
from botocore.awsrequest import AWSResponse

from check_queue.logic import MAX_VISITS, DrainState, Progress, poll_draining
from check_queue.waiting_images import Waiting
from shared.sqs import Backlog
from tests.rig.quick_moto import client
from tests.rig.simulation import deployment
from tests.rig.simulation.states import EVENTS_AT_MOST
from tests.rig.simulation.wire import Call
from tests.rig.simulation.world import World

UNKNOWN = Waiting(None, "")
HOUR, DAY = 3600, 24 * 3600
IMAGES_PER_SECOND = 3
# The longest run that max_run_minutes allows.
LONGEST_RUN = 14 * DAY
# Retries, and the start of the model, have to fit in as well.
EVENTS_OF_LONGEST_RUN = EVENTS_AT_MOST * 3 // 5


# The images are only counted: the bucket does not hold them.
ENVIRONMENT = {"MAX_RUN_MINUTES": str(LONGEST_RUN // 60), "SOURCE_EVENTS": "external"}


class CountedBacklog:
    """A queue of so many images that it is only counted, and that goes down while the model runs."""

    def __init__(self, images: int) -> None:
        self.world = World(between=self, watchdog_seconds=None, environment=ENVIRONMENT)
        self.images = images

    def __call__(self, call: Call) -> AWSResponse | None:
        if call.operation != "GetQueueAttributes":
            return None
        self.world.later(0, self._note_progress)
        left = self.images - self.done
        counts = {"": max(0, left - 20), "NotVisible": min(20, left), "Delayed": 0}
        attributes = {f"ApproximateNumberOfMessages{state}": str(count) for state, count in counts.items()}
        return call.answer(json.dumps({"Attributes": attributes}).encode())

    @property
    def done(self) -> int:
        running_at = next((change.at for change in self.world.model_now._history if change.status == "RUNNING"), None)
        return 0 if running_at is None else min(self.images, int((self.world.now - running_at) * IMAGES_PER_SECOND))

    def _note_progress(self) -> None:
        """Write down what the analysis would have added to the run's record by now."""
        client("dynamodb").update_item(
            TableName=deployment.TABLE,
            Key={"model": {"S": deployment.MODEL_ARN}, "item": {"S": "run#run-1"}},
            UpdateExpression="SET images_processed = :done",
            ExpressionAttributeValues={":done": {"N": str(self.done)}},
        )


@pytest.mark.long
def test_each_hour_of_a_long_run_adds_so_few_events_that_two_weeks_fit_into_its_history() -> None:
    backlog = CountedBacklog(5 * HOUR * IMAGES_PER_SECOND)
    with backlog.world as world:
        run = world.start_run()
        world.advance(2 * HOUR)
        early = run.events.total()
        world.advance(2 * HOUR)
        hourly = (run.events.total() - early) / 2
        world.advance(2 * HOUR)
        print(f"\n{early} events in 2 hours, then {hourly:.1f} an hour; {run.events.total()} events of {run.status}")
        assert (run.status, run.output and run.output["outcome"]) == ("SUCCEEDED", "completed"), run.cause
        assert early + hourly * LONGEST_RUN / HOUR < EVENTS_OF_LONGEST_RUN
        assert world.model_now.status == "STOPPED"


def test_the_longest_run_ends_by_its_time_and_not_by_its_history() -> None:
    state: DrainState | None = None
    seconds = polls = 0
    while seconds < LONGEST_RUN:
        progress = Progress(images_done=polls, blocked=0)
        left = LONGEST_RUN - seconds
        state = poll_draining(Backlog(10**9, 0, 0), UNKNOWN, progress, state, seconds_left=left, now_ms=seconds * 1000)
        # However long the run has lasted, the next poll comes within a minute.
        assert state.wait_seconds <= 60
        seconds, polls = seconds + state.wait_seconds, polls + 1
    assert state
    assert state.visits < MAX_VISITS
    assert polls > LONGEST_RUN / 61
