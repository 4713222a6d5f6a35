"""How many images a second one inference unit labels: an estimate at first, then learnt from the runs.

AWS publishes no figure, for it depends on the model. A run that had more than enough to do shows it: what it labelled
while images waited the whole time. One item per model in the runs table keeps what the runs have shown.
https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/running-model.html
"""

from dataclasses import dataclass
from typing import Any

# Fewer or shorter say little: the first images wait for cold starts, and the queue's counts are old by up to a minute.
LEAST_SECONDS = 20
LEAST_IMAGES = 50

# How much the newest run counts: the average of about the last three.
NEWEST_SHARE = 0.5

# The bounds of images_per_second_per_unit in terraform/variables.tf.
LOWEST, HIGHEST = 0.05, 1000.0

THROUGHPUT_ITEM = "throughput"


@dataclass(frozen=True)
class Throughput:
    """Images a second and unit, and from how many runs that is known; 0: it is the estimate that was put in."""

    images_per_second_per_unit: float
    runs: int = 0

    @property
    def is_learnt(self) -> bool:
        """Whether runs have shown it."""
        return self.runs > 0

    def __str__(self) -> str:
        source = f"learnt from {self.runs} runs" if self.is_learnt else "an estimate"
        return f"{self.images_per_second_per_unit:g} images a second and unit ({source})"


def measured(images: int, seconds: float, inference_units: int) -> float | None:
    """Return the images a second and unit of a time in which images always waited; None: it is too short to tell."""
    if images < LEAST_IMAGES or seconds < LEAST_SECONDS or inference_units < 1:
        return None
    return min(HIGHEST, max(LOWEST, round(images / seconds / inference_units, 3)))


def learnt(before: Throughput | None, images_per_second_per_unit: float) -> Throughput:
    """Return what is known after one run more; `before` None when no run has shown anything yet."""
    if before is None or not before.is_learnt:
        return Throughput(images_per_second_per_unit, runs=1)
    figure = before.images_per_second_per_unit * (1 - NEWEST_SHARE) + images_per_second_per_unit * NEWEST_SHARE
    return Throughput(round(figure, 3), before.runs + 1)


class ThroughputBook:
    """What the runs of one model have shown. `estimate` stands until they have shown something."""

    def __init__(self, dynamodb: Any, table_name: str, model_arn: str, estimate: float) -> None:  # noqa: ANN401
        self._dynamodb = dynamodb
        self._target = {"TableName": table_name, "Key": {"model": {"S": model_arn}, "item": {"S": THROUGHPUT_ITEM}}}
        self._estimate = Throughput(estimate)

    def read(self) -> Throughput:
        """Return what is known now."""
        item = self._dynamodb.get_item(**self._target, ConsistentRead=True).get("Item")
        if item is None:
            return self._estimate
        return Throughput(float(item["images_per_second_per_unit"]["N"]), int(item["runs"]["N"]))

    def learn(self, images_per_second_per_unit: float) -> Throughput:
        """Add what one run has shown; return what is known then. Only the holder of the lease calls it."""
        known = learnt(self.read(), images_per_second_per_unit)
        self._dynamodb.update_item(
            **self._target,
            UpdateExpression="SET images_per_second_per_unit = :figure, runs = :runs",
            ExpressionAttributeValues={
                ":figure": {"N": str(known.images_per_second_per_unit)},
                ":runs": {"N": str(known.runs)},
            },
        )
        return known
