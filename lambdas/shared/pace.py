"""How fast a run asks the model: what its inference units are good for, shared out among the batches at work.

Rekognition admits as many images a second as the rented units can label, and refuses the rest with
ProvisionedThroughputExceededException. So a run asks no faster than that, with enough images at once to hide what
each of them waits for the network. https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/running-model.html
"""

import math
from dataclasses import dataclass
from typing import Any, Self

# Lambda lets the trigger hand out no fewer than two batches at a time.
# https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html
FEWEST_BATCHES_AT_ONCE = 2
MOST_BATCHES_AT_ONCE = 1000

# What one image takes from its call of the model to the end of its way, with room for a model that is twice as fast as
# its estimate. More images at once than come in this time would only queue up inside the function.
IMAGE_SECONDS = 4.0
MOST_IMAGES_AT_ONCE = 10


@dataclass(frozen=True)
class Pace:
    """How fast a run begins to ask the model, over all batches, and how many batches it has at work."""

    images_per_second: float
    batches_at_once: int

    @property
    def images_per_second_a_batch(self) -> float:
        """What one of the batches may ask for."""
        return self.images_per_second / self.batches_at_once

    @property
    def images_at_once_a_batch(self) -> int:
        """How many images of one batch are at work at the same time."""
        return min(MOST_IMAGES_AT_ONCE, max(1, math.ceil(self.images_per_second_a_batch * IMAGE_SECONDS)))

    def to_workflow(self) -> dict[str, Any]:
        """Return the pace for the workflow to carry from the model's start to the trigger's."""
        return {"images_per_second": self.images_per_second, "batches_at_once": self.batches_at_once}

    @classmethod
    def from_workflow(cls, data: dict[str, Any]) -> Self:
        """Return the pace that `to_workflow` gave away."""
        return cls(float(data["images_per_second"]), int(data["batches_at_once"]))


def pace_of(inference_units: int, images_per_second_per_unit: float, *, most_units: int | None = None) -> Pace:
    """Return the pace of a model that runs with so many units: a batch at work for each, two at the least.

    `most_units` is what Rekognition may scale up to by itself: the batches for them are there, and find out.
    """
    return Pace(
        images_per_second=round(inference_units * images_per_second_per_unit, 3),
        batches_at_once=min(MOST_BATCHES_AT_ONCE, max(FEWEST_BATCHES_AT_ONCE, inference_units, most_units or 0)),
    )
