"""Runs on a local stack, measured by the emulator's meter in virtual time."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from shared.throughput import THROUGHPUT_ITEM
from tests.rig.stack import invariants, runs
from tests.rig.stack.local_stack import LocalStack, VirtualTime
from tests.rig.stack.pictures import photo

# What the emulator's model labels in a second with one unit, which nobody tells the pipeline.
TRUE_RATE = 5.0
# Images that differ; more would only make the emulator look at more pixels.
SHADES = 50
PATIENCE_SECONDS = 3600


@dataclass(frozen=True)
class Measured:
    """One run: moments and spans in virtual seconds."""

    images: int
    units: int
    to_first_image: float
    labelling: float
    to_stop: float
    unit_seconds: float
    calls: int
    refused: int

    @property
    def overhead(self) -> float:
        """From RUNNING to the first image, and from the last image to the accepted stop."""
        return self.to_first_image + self.to_stop

    @property
    def busy_share(self) -> float:
        """What of the model's capacity was used between the first image and the last."""
        return self.images / (self.labelling * self.units * TRUE_RATE)

    @property
    def refused_share(self) -> float:
        """What of the calls came too fast."""
        return self.refused / self.calls

    @property
    def lower_bound(self) -> float:
        """The unit-seconds that the images would take if nothing were ever waited for."""
        return self.images / TRUE_RATE


@contextmanager
def stack_of(scale: float) -> Iterator[LocalStack]:
    """A stack whose model starts and stops soon, for neither is billed; an image's place in time is what counts."""
    with LocalStack("bench", VirtualTime(scale=scale, start_seconds=30, stop_seconds=15)) as stack:
        stack.apply()
        # What S3 says of itself when the notification is made.
        runs.run(stack, seconds=PATIENCE_SECONDS)
        yield stack


def measure(stack: LocalStack, good: int, bad: int = 0) -> Measured:
    """Upload images, run once, and read the meter. AssertionError when the run did not end in order."""
    photos = [photo(shade) for shade in range(SHADES)]
    began = len(stack.meter()["runs"])
    before = answers(stack)
    uploads = [invariants.upload(stack, f"run-{began}/{n}.png", photos[n % SHADES]) for n in range(good)]
    uploads += [invariants.upload(stack, f"run-{began}/bad-{n}.png", b"no picture" * 40) for n in range(bad)]
    execution = runs.run(stack, seconds=PATIENCE_SECONDS)
    assert execution["status"] == "SUCCEEDED", execution
    assert invariants.broken(stack, uploads) == []
    meter = stack.meter()
    [run] = meter["runs"][began:]
    running_at, stop_accepted_at = run["running_at"], run["stop_accepted_at"]
    first_image_at, last_image_at = run["first_detection_at"], run["last_detection_at"]
    if running_at is None or first_image_at is None or last_image_at is None or stop_accepted_at is None:
        raise AssertionError(f"the run labelled no image, or did not stop the model: {run}")
    seen = answers(stack)
    calls = {outcome: count - before.get(outcome, 0) for outcome, count in seen.items()}
    return Measured(
        images=good + bad,
        units=run["units"],
        to_first_image=first_image_at - running_at,
        labelling=last_image_at - first_image_at,
        to_stop=stop_accepted_at - last_image_at,
        unit_seconds=run["running_seconds"] * run["units"],
        calls=sum(calls.values()),
        refused=calls.get("ProvisionedThroughputExceededException", 0),
    )


def forget_throughput(stack: LocalStack) -> None:
    """Let the next run begin with the estimate, as the first one does."""
    key = {"model": {"S": stack.model.version_arn}, "item": {"S": THROUGHPUT_ITEM}}
    stack.client("dynamodb").delete_item(TableName=stack.outputs["runs_table_name"], Key=key)


def answers(stack: LocalStack) -> dict[str, int]:
    """Return how often each answer was given to DetectCustomLabels."""
    return dict(stack.meter()["answers"].get("DetectCustomLabels", {}))
