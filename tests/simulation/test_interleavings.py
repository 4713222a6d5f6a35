"""I1 to I4 hold whatever happens, in whatever order: hypothesis looks for an order in which they do not.

SIMULATION_EXAMPLES=1000 looks longer; -s shows how fast. `make hunt` looks with seeds of its own.
"""

import os
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.rig.simulation import mutants
from tests.rig.simulation.mutants import MUTANTS
from tests.rig.simulation.pictures import PICTURES
from tests.rig.simulation.pipeline import SPEED, HarshPipeline, Pipeline
from tests.rig.simulation.world import Fault, World

EXAMPLES = int(os.environ.get("SIMULATION_EXAMPLES", "6"))

COMMON = settings(
    derandomize=True,
    database=None,
    deadline=None,
    stateful_step_count=20,
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.long
def test_the_invariants_hold_in_any_order_of_things_also_of_what_is_rare() -> None:
    run_state_machine_as_test(HarshPipeline, settings=settings(COMMON, max_examples=EXAMPLES))
    print("\n{worlds} worlds, {steps} steps in {seconds:.0f} s".format(**SPEED), end=": ")
    print(f"{60 * SPEED['steps'] / SPEED['seconds']:.0f} steps a minute")


# For each mutant an order that Hypothesis could draw, as it prints them: steps after a run has begun with two images.
# At 60 s the model is about to run; at 70 s the trigger's function waits for it to open, and images are labelled.
ORDERS: dict[Callable[..., World], tuple[int, Callable[[Pipeline], object]]] = {
    mutants.deletes_before_it_copies: (
        60,
        lambda pipeline: (
            pipeline.calls_to_s3_are_refused(fault=Fault("s3", "DeleteObject", "AccessDenied", 403)),
            pipeline.some_time_passes(seconds=60),
        ),
    ),
    mutants.claims_what_is_taken: (
        70,
        lambda pipeline: (
            pipeline.an_image_is_uploaded(key="a.png", body=PICTURES[1], announced_after=0),
            pipeline.some_time_passes(seconds=60),
        ),
    ),
    mutants.takes_a_lease_that_is_held: (
        60,
        lambda pipeline: (
            # Otherwise the first run has nothing left to do before the second one switches anything.
            pipeline.calls_to_s3_are_refused(fault=Fault("s3", "CopyObject", "InternalError", 500)),
            pipeline.a_run_is_started(),
            pipeline.some_time_passes(seconds=240),
        ),
    ),
    mutants.gives_nothing_back: (
        60,
        lambda pipeline: (
            pipeline.calls_to_s3_are_refused(fault=Fault("s3", "CopyObject", "InternalError", 500)),
            pipeline.some_time_passes(seconds=60),
        ),
    ),
    mutants.has_a_watchdog_that_sleeps: (
        70,
        lambda pipeline: (
            pipeline.a_run_is_aborted(index=0),
            pipeline.much_time_passes(seconds=900),
        ),
    ),
}
# How many worlds the search takes for a mutant is luck, from four to more than a hundred: this one it finds soon.
SEARCHED = list(MUTANTS) if "SIMULATION_EXAMPLES" in os.environ else [mutants.claims_what_is_taken]


def play(make_world: Callable[..., World], seconds: int, order: Callable[[Pipeline], object]) -> None:
    pipeline = Pipeline(make_world, settles=False)
    try:
        images = [("a.png", PICTURES[0]), ("b c+d.png", PICTURES[1])]
        pipeline.a_run_has_begun(images=images, seconds=seconds, lag_seconds=0, versioned=True)
        order(pipeline)
        pipeline.holds()
    finally:
        pipeline.teardown()


@pytest.mark.parametrize("make_world", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_a_handler_that_does_it_wrong_is_found_out(make_world: Callable[..., World]) -> None:
    with pytest.raises(AssertionError, match=MUTANTS[make_world]):
        play(make_world, *ORDERS[make_world])
    # It is not the order that does it.
    play(World, *ORDERS[make_world])


@pytest.mark.parametrize("make_world", SEARCHED, ids=lambda mutant: mutant.__name__)
def test_the_search_finds_an_order_in_which_it_shows(make_world: Callable[..., World]) -> None:
    one_failure = settings(COMMON, max_examples=max(100, EXAMPLES), phases=[Phase.generate], report_multiple_bugs=False)
    with pytest.raises(AssertionError, match=MUTANTS[make_world]):
        run_state_machine_as_test(lambda: Pipeline(make_world, settles=False), settings=one_failure)
