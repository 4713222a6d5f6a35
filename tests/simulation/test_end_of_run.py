"""Nothing is lost at the end of a run, whatever SQS counts, whenever images come, and whether S3 lists them or not."""

import logging
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from check_queue import logic, queue_checks, waiting_images
from check_queue.logic import Decision
from check_queue.queue_checks import QueueChecks
from check_queue.waiting_images import Waiting, WaitingImages
from shared import source_listing
from tests.rig.emulator.model import ModelSettings
from tests.rig.simulation import deployment
from tests.rig.simulation.end_of_run import SOURCE, SUFFIXES, End
from tests.rig.simulation.pictures import PICTURES
from tests.rig.simulation.wire import Call
from tests.rig.simulation.world import Fault, World

ORDERS = 10_000
WORLDS = 11_500
# Each planted fault shows in far fewer.
WORLDS_WITH_FAULT = 300


@pytest.fixture(autouse=True)
def _no_logs() -> Iterator[None]:
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(before)


def test_nothing_is_lost_in_ten_thousand_interleavings_of_the_end() -> None:
    ends: Counter[str] = Counter()
    seen: set[int] = set()
    for seed in range(WORLDS):
        world = End(seed)
        world.live()
        assert not world.violations, f"seed {seed}: {world.violations}\n" + "\n".join(world.trace)
        ends.update(step for step in world.trace if step in ("proven", "drained", "NoProgress", "AnalysisBlocked"))
        seen.add(hash(tuple(world.trace)))
    print(f"\n{len(seen)} different orders of events; ends: {dict(ends)}", end="")
    assert len(seen) >= ORDERS
    # Each way of ending is there often enough to count.
    assert min(ends["proven"], ends["drained"]) > WORLDS / 20


def with_images(world: End, **changes: object) -> QueueChecks:
    """Checks whose view of the bucket is wrong in one way."""
    for name, value in changes.items():
        setattr(world.waiting, f"_{name}", value)
    return world.queue_checks()


def wrong_prefix(world: End, _: pytest.MonkeyPatch) -> QueueChecks:
    return with_images(world, source=replace(SOURCE, prefix="elsewhere/"))


def wrong_suffix(world: End, _: pytest.MonkeyPatch) -> QueueChecks:
    return with_images(world, source=replace(SOURCE, suffixes=SUFFIXES[:1]))


def one_page_too_few(world: End, patch: pytest.MonkeyPatch) -> QueueChecks:
    def list_page(*place: object) -> source_listing.Page:
        return replace(source_listing.list_page(*place), next_token=None)  # type: ignore[arg-type]

    patch.setattr(waiting_images, "list_page", list_page)
    return world.queue_checks()


def counters_believed(world: End, patch: pytest.MonkeyPatch) -> QueueChecks:
    look = WaitingImages.look

    def believe(images: WaitingImages, counted: int) -> Waiting:
        return look(images, counted) if counted else Waiting(0, "the queue counts zero")

    patch.setattr(WaitingImages, "look", believe)
    return world.queue_checks()


def stop_before_proof(world: End, patch: pytest.MonkeyPatch) -> QueueChecks:
    def decide(waiting: Waiting, *rest: object) -> object:
        return Decision.NOTHING_WAITS if waiting.images == 1 else logic.decide_draining(waiting, *rest)  # type: ignore[arg-type]

    patch.setattr(queue_checks, "decide_draining", decide)
    return world.queue_checks()


def dead_letters_of_others(world: End, patch: pytest.MonkeyPatch) -> QueueChecks:
    patch.setattr(WaitingImages, "_dead_lettered", lambda _, images, __: images if world.dead else set())
    return world.queue_checks()


FAULTS = [wrong_prefix, wrong_suffix, one_page_too_few, counters_believed, stop_before_proof, dead_letters_of_others]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_planted_fault_is_found(
    fault: Callable[[End, pytest.MonkeyPatch], QueueChecks], monkeypatch: pytest.MonkeyPatch
) -> None:
    for seed in range(WORLDS_WITH_FAULT):
        with monkeypatch.context() as patch:
            world = End(seed, lambda world, patch=patch: fault(world, patch))  # type: ignore[misc]
            world.live()
        if any("while" in violation for violation in world.violations):
            return
    pytest.fail(f"nobody noticed {fault.__name__} in {WORLDS_WITH_FAULT} worlds")


def switches_of(world: World) -> list[str]:
    """Let the world note what its functions switch, in order."""
    seen: list[str] = []

    def between(call: Call) -> None:
        if call.operation == "UpdateEventSourceMapping":
            seen.append("open" if call.body["Enabled"] else "close")
        elif call.operation in ("StartProjectVersion", "StopProjectVersion"):
            seen.append(call.operation)
        elif call.operation == "PutObject" and call.place[1].startswith("runs/"):
            seen.append("receipt")

    world.between = between
    return seen


@pytest.mark.parametrize("lag_seconds", [0, 45, 90])
def test_the_model_stops_seconds_after_the_last_image_however_late_the_counts_are(lag_seconds: float) -> None:
    with World(lag_seconds=lag_seconds, model=ModelSettings(start_seconds=120, stop_seconds=60)) as world:
        seen = switches_of(world)
        world.upload("a.png", PICTURES[0])
        world.advance(1)
        world.advance(100)
        run = world.start_run()
        world.advance(1200)
        assert (run.status, run.output["outcome"]) == ("SUCCEEDED", "completed")
        receipt = world.receipt(run)
        assert receipt["end"] == {"proven": True, "reason": f"no image is in s3://{deployment.SOURCE}/"}
        assert receipt["images"]["processed"] == 1
        assert receipt["phases"]["to_stop_seconds"] < 5
        assert seen == ["StartProjectVersion", "open", "StopProjectVersion", "close", "receipt"]
        assert world.is_quiet
        assert world.violations() == []


def test_images_that_come_just_before_a_check_are_seen_by_it_although_sqs_does_not_count_them() -> None:
    with World(lag_seconds=90, environment={"MIN_BACKLOG": "3"}, watchdog_seconds=None) as world:
        world.advance(600)
        for number in range(2):
            world.upload(f"{number}.png", PICTURES[number])
        few = world.start_run()
        world.advance(10)
        world.upload("2.png", PICTURES[2])
        enough = world.start_run()
        world.advance(1200)
        assert [run.output["outcome"] for run in (few, enough)] == ["waiting_for_more_images", "completed"]
        assert "2 images, fewer than min_backlog (3), have waited for at most 0 minutes" in world.receipt(few)["reason"]
        assert world.receipt(enough)["images"]["processed"] == 3
        assert world.violations() == []


@pytest.mark.parametrize(
    "fault",
    [
        Fault("rekognition", "StopProjectVersion", "InternalServerError", 500),
        Fault("lambda", "UpdateEventSourceMapping", "ServiceException", 500),
    ],
    ids=lambda fault: fault.operation,
)
def test_a_stop_or_a_trigger_that_fails_for_good_ends_with_both_closed(fault: Fault) -> None:
    with World(model=ModelSettings(start_seconds=60, stop_seconds=30)) as world:
        world.upload("a.png", PICTURES[0])
        world.start_run()
        while world.mapping.state != "Enabled":
            world.step()
        world.set_faults(fault)
        # A run gives up its stop after half an hour, and the watchdog goes on.
        world.advance(3600)
        if fault.service == "rekognition":
            assert world.mapping.state == "Disabled", "the trigger does not wait for the model"
        world.set_faults()
        world.advance(600)
        assert world.is_quiet
        assert world.violations() == []


def test_a_listing_that_is_denied_leaves_the_end_to_the_counts() -> None:
    with World() as world:
        world.set_faults(Fault("s3", "ListObjectsV2", "AccessDenied", 403))
        world.upload("a.png", PICTURES[0])
        run = world.start_run()
        world.advance(1200)
        receipt = world.receipt(run)
        assert (receipt["outcome"], receipt["end"]["proven"]) == ("completed", False)
        assert "AccessDenied" in receipt["end"]["reason"]
        assert world.is_quiet
