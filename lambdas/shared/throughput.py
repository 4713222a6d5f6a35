"""How many images a second one inference unit labels: an estimate at first, then the measured rate.

AWS publishes no figure because it depends on the model. A run whose queue never ran empty measures it: the images that
it labelled while others waited. One item per model in the runs table keeps the figure.
https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/running-model.html
"""

from dataclasses import dataclass

from shared.items import Items, Update

# Less than this is no measurement: the first images wait for cold starts, and the queue's counts lag by a minute.
MIN_SECONDS = 20
MIN_IMAGES = 50

# The weight of the newest run: an average of about the last three.
NEWEST_SHARE = 0.5

# The bounds of images_per_second_per_unit in terraform/variables.tf.
MIN_RATE, MAX_RATE = 0.05, 1000.0

THROUGHPUT_ITEM = "throughput"


@dataclass(frozen=True)
class Throughput:
    """Images a second and unit, and how many runs have measured it; 0: it is the estimate of the input."""

    images_per_second_per_unit: float
    runs: int = 0

    @property
    def is_learnt(self) -> bool:
        """Whether runs have measured it."""
        return self.runs > 0

    def __str__(self) -> str:
        source = f"learnt from {self.runs} runs" if self.is_learnt else "an estimate"
        return f"{self.images_per_second_per_unit:g} images a second and unit ({source})"


def measured(images: int, seconds: float, inference_units: int) -> float | None:
    """Return the images a second and unit of a time in which images always waited; None if it is too short."""
    if images < MIN_IMAGES or seconds < MIN_SECONDS or inference_units < 1:
        return None
    return min(MAX_RATE, max(MIN_RATE, round(images / seconds / inference_units, 3)))


def learnt(before: Throughput | None, images_per_second_per_unit: float) -> Throughput:
    """Return what is known after one more run; `before` is None when no run has measured it yet."""
    if before is None or not before.is_learnt:
        return Throughput(images_per_second_per_unit, runs=1)
    figure = before.images_per_second_per_unit * (1 - NEWEST_SHARE) + images_per_second_per_unit * NEWEST_SHARE
    return Throughput(round(figure, 3), before.runs + 1)


class ThroughputStore:
    """What the runs of one model have shown. `estimate` stands until they have shown something."""

    def __init__(self, items: Items, estimate: float) -> None:
        self._items = items
        self._estimate = Throughput(estimate)

    def read(self) -> Throughput:
        """Return what is known now."""
        item = self._items.read(THROUGHPUT_ITEM)
        if not item:
            return self._estimate
        return Throughput(float(item["images_per_second_per_unit"]), item["runs"])

    def learn(self, images_per_second_per_unit: float) -> Throughput:
        """Add what one run has shown, and return the new figure.

        A run that lost the lease may call it besides the lease's owner. Then the figure may lack one of the two runs.
        """
        known = learnt(self.read(), images_per_second_per_unit)
        expression = "SET images_per_second_per_unit = :figure, runs = :runs"
        values = {"figure": known.images_per_second_per_unit, "runs": known.runs}
        self._items.update(Update(THROUGHPUT_ITEM, expression, values))
        return known
