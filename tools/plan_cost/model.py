"""What nobody but your account can tell for certain: how fast the model is, and how long AWS takes."""

from dataclasses import dataclass

from check_queue.logic import MAX_IMAGES_PER_SECOND


@dataclass(frozen=True)
class Model:
    """What the model and AWS around it take. All but the first are seconds.

    AWS publishes none of these. `switch_seconds`: until the trigger is open, or closed; a third of a minute is what the
    tests' simulation takes too. `step_seconds`: one state that invokes a function, with the states around it.
    """

    images_per_second_per_unit: float = 3.0
    start_seconds: float = 600.0
    stop_seconds: float = 120.0
    switch_seconds: float = 20.0
    step_seconds: float = 1.0

    def images_per_second(self, units: int) -> float:
        """What so many units label, or the account's quota of calls allows."""
        return min(units * self.images_per_second_per_unit, MAX_IMAGES_PER_SECOND)
