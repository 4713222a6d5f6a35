"""Looks for an order of things that breaks an invariant, with seeds of its own, until it finds one or the time is over.

python -m tests.rig.simulation.hunt --minutes 10      # make hunt MINUTES=10
python -m tests.rig.simulation.hunt --seed 42         # make hunt SEED=42: what that seed found, once more
"""

import argparse
import random
import sys
import time
from collections.abc import Callable

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.rig.simulation.pipeline import SPEED, HarshPipeline

WORLDS_A_SEED = 10
SETTINGS = settings(
    database=None,
    deadline=None,
    max_examples=WORLDS_A_SEED,
    phases=[Phase.generate, Phase.shrink],
    print_blob=False,
    report_multiple_bugs=False,
    stateful_step_count=20,
    suppress_health_check=list(HealthCheck),
)


def look(number: int) -> str | None:
    """Play the worlds of one seed; return the invariant that broke, after Hypothesis has printed the steps to it."""

    @seed(number)
    def pipeline() -> HarshPipeline:
        return HarshPipeline()

    try:
        # Any factory will do; the hint names a class alone.
        run_state_machine_as_test(pipeline, settings=SETTINGS)  # type: ignore[arg-type]
    except AssertionError as error:
        notes = "\n".join(getattr(error, "__notes__", []))
        return f"{notes}\n{error}"
    return None


def hunt(minutes: float, numbers: Callable[[], int], out: Callable[[str], object] = print) -> int:
    """Look with one seed after the other; return the exit code."""
    until = time.monotonic() + minutes * 60
    while True:
        number = numbers()
        found = look(number)
        out(f"seed {number}: {SPEED['worlds']:.0f} worlds, {SPEED['steps']:.0f} steps so far")
        if found is not None:
            out(f"{found}\n\nA broken invariant. To see it again: make hunt SEED={number}")
            return 1
        if time.monotonic() >= until:
            out(f"No broken invariant in {SPEED['worlds']:.0f} worlds and {SPEED['steps']:.0f} steps.")
            return 0


def main(arguments: list[str] | None = None) -> int:
    """Read the command line and look."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10, help="how long to look (default: 10)")
    parser.add_argument("--seed", type=int, help="look with this seed alone")
    options = parser.parse_args(arguments)
    if options.seed is not None:
        return hunt(0, lambda: options.seed)
    return hunt(options.minutes, lambda: random.SystemRandom().randrange(2**32))


if __name__ == "__main__":
    sys.exit(main())
