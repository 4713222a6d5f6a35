"""I1 to I4 hold whatever happens, in whatever order: hypothesis looks for an order in which they do not.

SIMULATION_EXAMPLES=1000 looks longer; -s shows how fast.
"""

import os
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.rig.emulator.errors import ServiceError
from tests.rig.simulation import deployment, mutants
from tests.rig.simulation.invariants import AT_REST, Upload
from tests.rig.simulation.mutants import MUTANTS
from tests.rig.simulation.pictures import BROKEN, PICTURES
from tests.rig.simulation.world import Fault, World

EXAMPLES = int(os.environ.get("SIMULATION_EXAMPLES", "8"))

SCHEDULE_SECONDS = 3600
# The watchdog needs a few minutes; without one the next run that finds the lease expired cleans up.
ORPHAN_SECONDS = 600 if deployment.HAS_WATCHDOG else deployment.LEASE_SECONDS + SCHEDULE_SECONDS + 1200

S3_FAULTS = [
    Fault("s3", "GetObject", "SlowDown", 503),
    Fault("s3", "PutObject", "SlowDown", 503),
    Fault("s3", "PutObject", "ConditionalRequestConflict", 409),
    Fault("s3", "CopyObject", "InternalError", 500),
    Fault("s3", "CopyObject", "AccessDenied", 403),
    Fault("s3", "DeleteObject", "SlowDown", 503),
    Fault("s3", "DeleteObject", "AccessDenied", 403),
]
OTHER_FAULTS = [
    Fault("rekognition", "DetectCustomLabels", "ProvisionedThroughputExceededException"),
    Fault("rekognition", "DetectCustomLabels", "InternalServerError", 500),
    Fault("rekognition", "DetectCustomLabels", "AccessDeniedException"),
    Fault("rekognition", "DescribeProjectVersions", "ThrottlingException"),
    Fault("rekognition", "StartProjectVersion", "LimitExceededException"),
    Fault("rekognition", "StartProjectVersion", "InternalServerError", 500),
    Fault("rekognition", "StopProjectVersion", "InternalServerError", 500),
    Fault("rekognition", "StopProjectVersion", "ResourceInUseException"),
    Fault("sqs", "GetQueueAttributes", "RequestThrottled", 403),
    Fault("sqs", "SendMessage", "InternalFailure", 500),
    Fault("sqs", "ChangeMessageVisibility", "InternalFailure", 500),
    Fault("dynamodb", "GetItem", "InternalServerError", 500),
    Fault("dynamodb", "UpdateItem", "ProvisionedThroughputExceededException"),
    Fault("dynamodb", "TransactWriteItems", "InternalServerError", 500),
    Fault("lambda", "GetEventSourceMapping", "TooManyRequestsException", 429),
    Fault("lambda", "UpdateEventSourceMapping", "ServiceException", 500),
    Fault("sfn", "DescribeExecution", "ThrottlingException"),
]
MODEL_TROUBLES: list[dict[str, Any]] = [
    {"start_ends": "FAILED"},
    {"start_ends": "NEVER"},
    {"stop_ends": "RUNNING"},
    {"stop_ends": "NEVER"},
    {"description_lag_seconds": 10},
    {"stop_during_starting": "accepted"},
]
CONTROL_FUNCTIONS = ["record_run", "check_queue", "start_model", "stop_model", "toggle_trigger", "watchdog"]
KINDS = ["killed before", "killed after", "lost", "paused"]
FOREIGN = ["not JSON", '{"Records": [{"eventSource": "aws:sns"}]}', '{"Event": "s3:TestEvent"}']
SPEED = {"worlds": 0, "steps": 0, "seconds": 0.0}

keys = st.sampled_from(["a.png", "b c+d.png"])
bodies = st.sampled_from([*PICTURES, BROKEN])


class Pipeline(RuleBasedStateMachine):
    """One deployment, and everything that may happen to it."""

    def __init__(self, make_world: Callable[..., World] = World, *, settles: bool = True) -> None:
        """`settles`: in the end all is healed and has to come to rest, which takes as long as what went before."""
        super().__init__()
        self.settles = settles
        self.began = time.perf_counter()
        self.make_world = make_world
        self.uploads: list[Upload] = []
        self.is_sound = True

    @initialize(
        versioned=st.sampled_from([True, True, False]),
        lag_seconds=st.sampled_from([0, 0, 45]),
        images=st.lists(st.tuples(keys, bodies), min_size=2, max_size=4),
        seconds=st.sampled_from([0, 60, 70, 95]),
    )
    def a_run_has_begun(
        self, images: list[tuple[str, bytes]], seconds: float, lag_seconds: float, versioned: bool
    ) -> None:
        self.world = self.make_world(
            orphan_seconds=ORPHAN_SECONDS,
            schedule_seconds=SCHEDULE_SECONDS,
            versioned=versioned,
            lag_seconds=lag_seconds,
        ).__enter__()
        for key, body in images:
            self.upload(key, body)
        self.world.start_run()
        self.world.advance(seconds)

    def upload(self, key: str, body: bytes, announced_after: float = 0) -> None:
        self.uploads.append(self.world.upload(key, body, announced_after=announced_after))

    @rule(key=keys, body=bodies, announced_after=st.sampled_from([0, 0, 60, 900]))
    def an_image_is_uploaded(self, key: str, body: bytes, announced_after: float) -> None:
        self.upload(key, body, announced_after)

    @rule(index=st.integers(0, 4))
    def an_image_is_deleted_by_its_owner(self, index: int) -> None:
        self.world.delete(self.uploads[index % len(self.uploads)])

    @rule(index=st.integers(0, 4), after=st.sampled_from([0, 60, 900]))
    def a_message_comes_twice(self, index: int, after: float) -> None:
        self.world.announce(self.uploads[index % len(self.uploads)], after=after)

    @rule()
    def a_run_is_started(self) -> None:
        self.world.start_run()

    @precondition(lambda self: self.world.living)
    @rule(index=st.integers(0, 2))
    def a_run_is_aborted(self, index: int) -> None:
        self.world.abort(self.world.living[index % len(self.world.living)])

    @rule(seconds=st.sampled_from([10, 30, 60, 120, 240]))
    def some_time_passes(self, seconds: float) -> None:
        self.world.advance(seconds)

    @rule(seconds=st.sampled_from([900, 3600]))
    def much_time_passes(self, seconds: float) -> None:
        self.world.advance(seconds)

    @rule(count=st.integers(1, 20))
    def a_few_things_happen(self, count: int) -> None:
        for _ in range(count):
            self.world.step()

    @rule(fault=st.sampled_from([*S3_FAULTS, None]))
    def calls_to_s3_are_refused(self, fault: Fault | None) -> None:
        others = self.world.faults.difference(S3_FAULTS)
        self.world.set_faults(*others, *([fault] if fault else []))

    @rule(faults=st.lists(st.sampled_from(OTHER_FAULTS), max_size=2))
    def other_calls_are_refused(self, faults: list[Fault]) -> None:
        self.world.set_faults(*self.world.faults.intersection(S3_FAULTS), *faults)

    @rule(call=st.integers(1, 8), kind=st.sampled_from(KINDS))
    def the_analysis_is_disturbed(self, call: int, kind: str) -> None:
        self.world.disturb("analyze_image", call, kind, 25)

    @rule(
        function=st.sampled_from(CONTROL_FUNCTIONS), call=st.integers(1, 6), kind=st.sampled_from([*KINDS, "orphaned"])
    )
    def a_function_is_disturbed(self, function: str, call: int, kind: str) -> None:
        self.world.disturb(function, call, kind, 25)

    @rule(what=st.sampled_from([*FOREIGN, 0, 30, 300]))
    def something_odd_happens_to_the_queue(self, what: str | int) -> None:
        if isinstance(what, str):
            self.world.send(what)
        elif what:
            self.world.hold_batch(what)
        else:
            self.world.drop_batch()

    @precondition(lambda self: self.world.has_watchdog)
    @rule()
    def terraform_retires_the_pipeline_and_makes_it_anew(self) -> None:
        if self.world.retire():
            assert self.world.model_now.status in AT_REST or not self.world.started_by_us(), self.world.describe()
            self.world.resume()

    @rule(what=st.sampled_from([*MODEL_TROUBLES, "start", "stop", "fail"]))
    def the_model_has_a_life_of_its_own(self, what: dict[str, Any] | str) -> None:
        if isinstance(what, dict):
            self.world.trouble_model(**what)
            return
        try:
            self.world.handle_model(what)
        except ServiceError as error:
            note(f"refused: {error}")

    @invariant()
    def holds(self) -> None:
        violations = self.world.violations()
        self.is_sound = self.is_sound and not violations
        assert not violations, "; ".join(violations)

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        world = self.world
        try:
            if self.is_sound and self.settles:
                world.settle()
                self.holds()
                assert world.is_quiet, f"after a day without faults: {world.describe()}"
        finally:
            world.__exit__(None, None, None)
            SPEED["worlds"] += 1
            SPEED["steps"] += world.steps.total()
            SPEED["seconds"] += time.perf_counter() - self.began


COMMON = settings(
    derandomize=True,
    database=None,
    deadline=None,
    stateful_step_count=20,
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.long
def test_the_invariants_hold_in_any_order_of_things() -> None:
    run_state_machine_as_test(Pipeline, settings=settings(COMMON, max_examples=EXAMPLES))
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
        70,
        lambda pipeline: (
            pipeline.a_run_is_started(),
            pipeline.some_time_passes(seconds=60),
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
