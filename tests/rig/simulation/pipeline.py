"""What may happen to a deployment, for Hypothesis to put in any order: tests have fixed seeds, `hunt` has any."""

import time
from collections.abc import Callable
from typing import Any

from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from tests.rig.emulator.errors import ServiceError
from tests.rig.simulation import deployment
from tests.rig.simulation.invariants import AT_REST, Upload
from tests.rig.simulation.pictures import BROKEN, PICTURES
from tests.rig.simulation.states import Execution
from tests.rig.simulation.world import Fault, World

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

    @rule(index=st.integers(0, 4), for_good=st.sampled_from([True, True, False]))
    def an_image_is_deleted_by_its_owner(self, index: int, for_good: bool) -> None:
        self.world.delete(self.uploads[index % len(self.uploads)], for_good=for_good)

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


# What writes, in the functions that switch the model and the trigger.
WRITES = ["UpdateItem", "StartProjectVersion", "StopProjectVersion", "UpdateEventSourceMapping", "PutObject"]


class HarshPipeline(Pipeline):
    """Also what is rare and expensive: calls that stall between two writes, lost answers, looks and ends that meet."""

    def _start_asked(self) -> Execution:
        """Start a run and let it go on until it asks for the model's start, or until it is clear that it does not."""
        world = self.world
        run, starts = world.start_run(), world.model_now.meter()["starts"]
        for _ in range(60):
            if not run.is_living or world.model_now.meter()["starts"] > starts:
                break
            world.step()
        return run

    @rule(after=st.sampled_from([0, 1, 5, 20]), looks=st.lists(st.sampled_from([0, 2, 3, 20]), max_size=3))
    def a_run_is_aborted_right_after_its_start(self, after: float, looks: list[float]) -> None:
        run = self._start_asked()
        self.world.advance(after)
        self.world.abort(run)
        for seconds in looks:
            self.world.look_later(seconds)

    @rule(seconds=st.lists(st.sampled_from([0, 0.005, 1, 15, 24]), min_size=2, max_size=3))
    def the_watchdog_looks_several_times_at_once(self, seconds: list[float]) -> None:
        for after in seconds:
            self.world.look_later(after)

    @rule(
        function=st.sampled_from(CONTROL_FUNCTIONS),
        write=st.sampled_from(WRITES),
        kind=st.sampled_from(["paused", "orphaned"]),
        seconds=st.sampled_from([3, 10, 24]),
    )
    def a_write_stalls(self, function: str, write: str, kind: str, seconds: float) -> None:
        self.world.disturb(function, write, kind, seconds)

    @rule(function=st.sampled_from(CONTROL_FUNCTIONS[:-1]), call=st.integers(1, 6), seconds=st.sampled_from([0, 3, 10]))
    def an_answer_is_lost_to_the_workflow(self, function: str, call: int, seconds: float) -> None:
        self.world.lose_answer(function)
        if seconds:
            self.world.disturb(function, call, "paused", seconds)

    @precondition(lambda self: self.world.has_watchdog)
    @rule()
    def the_table_is_made_anew(self) -> None:
        # A living run would lose the lease to another, and notice at its next step.
        for run in self.world.living:
            self.world.abort(run)
        self.world.make_table_anew()

    @precondition(lambda self: self.world.has_watchdog)
    @rule(after=st.sampled_from([0, 5, 30]), dies_at=st.sampled_from([0, 0, 0, 2, 3, 5, 9]))
    def terraform_retires_the_pipeline_in_the_middle_of_a_start(self, after: float, dies_at: int) -> None:
        world = self.world
        self._start_asked()
        world.advance(after)
        if dies_at:
            world.disturb("watchdog", dies_at, "killed before")
        if not world.retire():
            return
        # What Terraform removes now could stop nothing any more: what was under way has to have come to its end.
        world.advance(60)
        assert world.model_now.status in AT_REST or not world.started_by_us(), f"I3: {world.describe()}"
        world.resume()
