"""How fast a run calls the model: what its inference units can label, shared by the batches in flight.

Rekognition admits as many images a second as the rented units can label. It rejects the rest with
ProvisionedThroughputExceededException. A run therefore calls no faster than that, with enough images in flight to
hide the network's latency. https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/running-model.html
"""

import math
from dataclasses import dataclass

# Lambda's bounds for the concurrency of an SQS trigger.
# https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html
MIN_CONCURRENT_BATCHES = 2
MAX_CONCURRENT_BATCHES = 1000

# From an image's call of the model to its end, with room for a model that is twice as fast as its estimate. More
# images in flight than arrive in this time would only wait inside the function.
IMAGE_SECONDS = 4.0
MAX_CONCURRENT_IMAGES = 10


@dataclass(frozen=True)
class RequestRate:
    """The rate at which a run begins to call the model, over all batches, and how many batches are in flight."""

    images_per_second: float
    concurrent_batches: int

    @property
    def images_per_second_per_batch(self) -> float:
        """The share of one batch."""
        return self.images_per_second / self.concurrent_batches

    @property
    def concurrent_images_per_batch(self) -> int:
        """How many images of one batch are in flight at the same time."""
        return min(MAX_CONCURRENT_IMAGES, max(1, math.ceil(self.images_per_second_per_batch * IMAGE_SECONDS)))


def initial_rate(
    inference_units: int, images_per_second_per_unit: float, *, max_units: int | None = None
) -> RequestRate:
    """Return the rate for a model that runs with so many units: one batch per unit, and at least two.

    With `max_units`, to which Rekognition may scale by itself, there are batches enough for those.
    """
    return RequestRate(
        images_per_second=round(inference_units * images_per_second_per_unit, 3),
        concurrent_batches=min(MAX_CONCURRENT_BATCHES, max(MIN_CONCURRENT_BATCHES, inference_units, max_units or 0)),
    )
