"""The model runs for work alone (I5): what is stubborn, gone, foreign or broken costs a bounded number of starts."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse

from tests.rig.emulator.model import ModelSettings
from tests.rig.quick_moto import client
from tests.rig.simulation import deployment
from tests.rig.simulation.invariants import AT_REST, Upload, messages
from tests.rig.simulation.pictures import PICTURES
from tests.rig.simulation.wire import Call
from tests.rig.simulation.world import Fault, World, _s3_event

HOUR, DAY = 3600, 24 * 3600
QUICK = ModelSettings(start_seconds=20, stop_seconds=10)


def starts(world: World) -> int:
    return world.model_now.meter()["starts"]


def go_on(world: World, seconds: float, starts_at_most: int) -> None:
    """Let time pass, and no longer than needed to see that there are too many starts."""
    until = world.now + seconds
    while world.now < until and starts(world) <= starts_at_most:
        world.advance(HOUR)
    assert starts(world) <= starts_at_most, f"after {world.now / HOUR:.0f} hours: {world.describe()}"


def upload_in_one_message(world: World, count: int) -> list[Upload]:
    """Upload images of which one message tells, as S3's batches and whoever forwards events may send them."""
    uploads = [world.upload(f"{number}.png", PICTURES[0], announced_after=10 * DAY) for number in range(count)]
    world._tasks = [task for task in world._tasks if task.every is not None]
    world.images.announced.clear()
    world.send(json.dumps({"Records": [_s3_event(upload, n, 0) for n, upload in enumerate(uploads)]}))
    return uploads


# With such calls of S3, a batch has time for 20 images or to see of 100 that nothing is left to do.
SLOW_CALL_SECONDS = 0.12


@pytest.mark.long
def test_a_message_with_many_records_is_done_in_the_time_that_its_images_take() -> None:
    with World(model=QUICK, other_call_seconds=SLOW_CALL_SECONDS, watchdog_seconds=None) as world:
        upload_in_one_message(world, 150)
        world.start_run()
        world.advance(700)
        assert world.images.waiting() == set(), world.describe()
        # A call of the model and five others for each, and the end of a run.
        assert world.model_now.meter()["running_seconds"] < 150 * 0.9 + 300


def test_records_of_images_that_are_gone_are_no_progress_for_ever() -> None:
    with World(model=QUICK, other_call_seconds=SLOW_CALL_SECONDS, watchdog_seconds=None) as world:
        for upload in upload_in_one_message(world, 50):
            world.delete(upload)
        world.start_run()
        world.advance(600)
        assert world.model_now.status in AT_REST, world.describe()


def refusing(code: str, status: int, operation: str, key: str) -> Callable[[Call], AWSResponse | None]:
    """S3 refuses one operation on one key, for ever."""

    def between(call: Call) -> AWSResponse | None:
        if call.service == "s3" and call.operation == operation and call.place[1] == key:
            return call.refuse(code, status)
        return None

    return between


def test_one_stubborn_object_costs_few_starts_and_ends_as_a_dead_letter_with_its_reason() -> None:
    stubborn = refusing("ConditionalRequestConflict", 409, "PutObject", "processed/stubborn.png.json")
    with World(model=QUICK, between=stubborn, schedule_seconds=HOUR, watchdog_seconds=None) as world:
        world.upload("stubborn.png", PICTURES[0])
        while not messages(deployment.DEAD_LETTERS) and world.now < 3 * DAY:
            go_on(world, HOUR, starts_at_most=10)
        # A dead letter whose image is still there starts nothing.
        started = starts(world)
        go_on(world, 6 * HOUR, starts_at_most=started)
        assert messages(deployment.QUEUE) == []
        (dead,) = messages(deployment.DEAD_LETTERS)
        assert "error_message" in dead.message_attributes
        assert world.violations() == []


def test_an_image_stays_one_message_where_originals_do_not_go_away() -> None:
    with World(model=QUICK, schedule_seconds=HOUR, watchdog_seconds=None) as world:
        world.upload("a.png", PICTURES[0])
        world.can_delete_messages = False
        world.set_faults(Fault("s3", "CopyObject", "SlowDown", 503))
        world.start_run()
        most = 0
        for _ in range(90):
            world.advance(120)
            most = max(most, len(messages(deployment.QUEUE)) + len(messages(deployment.DEAD_LETTERS)))
        # One more for each time that it was put off, at the most; and not twice as many each time.
        assert most <= 40, world.describe()


LASTING: dict[str, Callable[[World], object]] = {
    "bucket that refuses": lambda world: world.set_faults(Fault("s3", "CopyObject", "AccessDenied", 403)),
    "model that may not be asked": lambda world: world.set_faults(
        Fault("rekognition", "DetectCustomLabels", "AccessDeniedException")
    ),
    "model that does not come up": lambda world: world.trouble_model(start_ends="FAILED"),
}


def few_starts_while(fault: str, world: World, *, hours: int, at_most: int) -> None:
    """Let a fault last, with three images that wait, and with the model put right after each failure."""
    for number in range(3):
        world.upload(f"{number}.png", PICTURES[number])
    LASTING[fault](world)

    def reset() -> None:
        if world.model_now.status == "FAILED":
            world.emulator.reset(deployment.MODEL_ARN)
            LASTING[fault](world)

    world.every(HOUR / 2, reset)
    go_on(world, hours * HOUR, starts_at_most=at_most)
    assert len(world.images.waiting()) == 3
    # The runs that do not start the model say so, and why.
    receipts = [receipt for run in world.runs if (receipt := world.receipt(run))]
    quiet = [receipt["reason"] for receipt in receipts if receipt["outcome"] == "waiting_after_failures"]
    assert all("To try at once, start an execution" in reason for reason in quiet)
    assert len(quiet) > hours * 15 / 24


# The waits do not depend on the fault, and tests/unit/test_check_queue.py shows those of a week. So one fault lasts
# until the wait is a day, and the others until the fourth start.
@pytest.mark.parametrize(
    ("fault", "hours", "most"), [("bucket that refuses", 48, 5), ("model that does not come up", 15, 4)]
)
def test_a_fault_that_lasts_costs_few_starts(fault: str, hours: int, most: int) -> None:
    with World(model=QUICK, schedule_seconds=HOUR, watchdog_seconds=None) as world:
        few_starts_while(fault, world, hours=hours, at_most=most)


def test_a_person_who_starts_a_run_does_not_wait_and_a_run_that_works_ends_the_waiting() -> None:
    with World(model=QUICK, schedule_seconds=HOUR, watchdog_seconds=None) as world:
        few_starts_while("model that may not be asked", world, hours=15, at_most=4)
        # Not while the schedule's own run looks.
        world.advance(HOUR / 3)
        before = starts(world)
        # What a person gives the workflow, as the page on operating says: nothing of the schedule's own.
        run = world.start_run({"started_by": "a person"})
        world.advance(HOUR / 2)
        assert starts(world) == before + 1
        assert run.error == "AnalysisBlocked"
        world.set_faults()
        world.start_run({"started_by": "a person"})
        world.advance(HOUR / 2)
        assert world.images.waiting() == set()
        world.upload("new.png", PICTURES[0])
        world.advance(HOUR + 600)
        assert world.images.waiting() == set(), "after a run that worked the schedule's runs start at once"


def _deleted_upload(world: World, hour: int) -> None:
    world.delete(world.upload(f"{hour}.png", PICTURES[0]))


def _hidden_upload(world: World, hour: int) -> None:
    world.delete(world.upload(f"{hour}.png", PICTURES[0]), for_good=False)


def _stale_message(world: World, hour: int) -> None:
    upload = world.upload(f"{hour}.png", PICTURES[0], announced_after=2 * HOUR)
    world.s3.delete_object(Bucket=deployment.SOURCE, Key=upload.key, VersionId=upload.version_id)
    world.images.given_up.add(upload.identity)


def _foreign(world: World, hour: int) -> None:
    for number in range(11):
        world.send(json.dumps({"Records": [{"eventSource": "aws:sns", "n": hour * 100 + number}]}))


def _test_events(world: World, hour: int) -> None:
    for number in range(12):
        world.send(json.dumps({"Service": "Amazon S3", "Event": "s3:TestEvent", "RequestId": f"{hour}-{number}"}))


def _eleven_deleted(world: World, hour: int) -> None:
    for number in range(11):
        _deleted_upload(world, 100 * hour + number)


NOTHING = [_deleted_upload, _hidden_upload, _stale_message, _foreign, _test_events, _eleven_deleted]


@pytest.mark.parametrize("send", NOTHING, ids=lambda send: send.__name__[1:])
def test_messages_without_an_image_start_no_model(send: Callable[[World, int], None]) -> None:
    with World(model=QUICK, schedule_seconds=HOUR, watchdog_seconds=None) as world:
        for hour in range(6):
            send(world, hour)
            world.advance(HOUR)
        world.advance(3 * HOUR)
        assert starts(world) == 0
        assert messages(deployment.QUEUE) == [], "what is no image does not wait for a model"


@pytest.mark.parametrize("send", NOTHING, ids=lambda send: send.__name__[1:])
def test_an_image_among_messages_without_one_is_labelled(send: Callable[[World, int], None]) -> None:
    with World(model=QUICK, schedule_seconds=HOUR, watchdog_seconds=None) as world:
        for hour in range(2):
            send(world, hour)
        upload = world.upload("real.png", PICTURES[0])
        world.advance(HOUR + 1800)
        assert upload.identity not in world.images.waiting()


class Fleet:
    """A backlog that is only counted, labelled by a fleet of so many images a second until it `stalls_at`."""

    def __init__(self, images: int, images_per_second: float, stalls_at: float | None = None) -> None:
        environment = {
            "MAX_RUN_MINUTES": "20160",
            "MAX_INFERENCE_UNITS": "50",
            "MIN_INFERENCE_UNITS": "50",
            # The images are only counted: the bucket does not hold them.
            "SOURCE_EVENTS": "external",
        }
        self.world = World(model=QUICK, between=self, watchdog_seconds=60, environment=environment)
        self.images, self.rate, self.stalls_at = images, images_per_second, stalls_at
        self.running_at: float | None = None

    def done(self) -> int:
        if self.running_at is None:
            return 0
        seconds = self.world.now - self.running_at
        return min(self.images, int(min(seconds, self.stalls_at or seconds) * self.rate))

    def __call__(self, call: Call) -> AWSResponse | None:
        if self.running_at is None and self.world.model_now.status == "RUNNING":
            self.running_at = self.world.now
        if call.operation == "StartProjectVersion":
            call.request.body = json.dumps(call.body | {"MinInferenceUnits": 1}).encode()
        if call.operation in ("GetQueueAttributes", "GetItem", "TransactWriteItems", "UpdateItem"):
            self._note_progress()
        if call.operation != "GetQueueAttributes":
            return None
        left = self.images - self.done()
        counts = {"": max(0, left - 20), "NotVisible": min(20, left), "Delayed": 0}
        attributes = {f"ApproximateNumberOfMessages{state}": str(count) for state, count in counts.items()}
        return call.answer(json.dumps({"Attributes": attributes}).encode())

    def _note_progress(self) -> None:
        """Write down what the analysis would have added to the run's record by now."""
        with self.world.by_itself():
            client("dynamodb").update_item(
                TableName=deployment.TABLE,
                Key={"model": {"S": deployment.MODEL_ARN}, "item": {"S": "run#run-1"}},
                UpdateExpression="SET images_processed = :done",
                ExpressionAttributeValues={":done": {"N": str(self.done())}},
            )


def finish(fleet: Fleet, seconds: float) -> tuple[Any, float]:
    """Let a run go on to its end; return it, and when the stop of its model was accepted after RUNNING."""
    with fleet.world as world:
        run = world.start_run()
        while run.is_living and world.now < seconds:
            world.advance(600)
        return run, world.model_now.meter()["running_seconds"]


# In both, the run lasts for more than an hour: from then on the function itself polls.
def test_a_large_fleet_is_idle_no_longer_than_a_small_one() -> None:
    images_per_second, seconds = 500, 1.25 * HOUR
    run, running_seconds = finish(Fleet(int(images_per_second * seconds), images_per_second), 24 * HOUR)
    assert run.output["outcome"] == "completed"
    # Four empty counts, 20 seconds apart, and the trigger's end.
    assert running_seconds - seconds < 150


def test_a_stall_is_noticed_within_minutes_however_long_the_run_has_lasted() -> None:
    fleet = Fleet(20 * 36 * HOUR, 20, stalls_at=1.5 * HOUR + 30)
    _, running_seconds = finish(fleet, 48 * HOUR)
    assert running_seconds - fleet.stalls_at < 300
