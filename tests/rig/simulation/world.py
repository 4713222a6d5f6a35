"""Everything around the handlers, in virtual time: a world in which one thing happens after the other, and any order
of things can be had.

    with World() as world:
        world.upload("a.png")
        world.start_run()
        world.advance(3600)
        assert world.violations() == []
"""

import importlib
import itertools
import json
import logging
import math
import os
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from types import ModuleType, TracebackType
from typing import TYPE_CHECKING, Any, Self
from unittest import mock
from urllib.parse import quote_plus

import boto3
import time_machine
from aws_lambda_powertools import Metrics
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ReadTimeoutError
from moto.moto_api._internal import mock_random
from moto.sqs.models import Queue

from shared.items import Items
from shared.model_state import ModelStates
from shared.owner import OwnerKind
from tests.rig.emulator.clock import ManualClock
from tests.rig.emulator.model import Model, ModelSettings
from tests.rig.emulator.service import Service
from tests.rig.quick_moto import client, mock_aws, session
from tests.rig.simulation import deployment, services
from tests.rig.simulation.fibers import Fiber
from tests.rig.simulation.invariants import (
    AT_REST,
    Images,
    ModelOwners,
    Overwrites,
    Running,
    Upload,
    counted_twice,
    messages,
)
from tests.rig.simulation.services import stored_object
from tests.rig.simulation.states import Execution, Json, Machine, StateError
from tests.rig.simulation.wire import Call, wired

if TYPE_CHECKING:
    from mypy_boto3_sqs.type_defs import MessageTypeDef

EPOCH = 1_800_000_000
OURS = "StartProjectVersion"

# What a call takes, in virtual seconds. With two batches at a time the model is never asked for more than it does.
CALL_SECONDS = {"DetectCustomLabels": 0.25}
OTHER_CALL_SECONDS = 0.01


class OneAfterTheOther:
    """In place of a pool of threads: what is handed in happens at once, in order."""

    def __init__(self, _: int) -> None:
        pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def map(self, function: Callable[[Any], Any], things: list[Any]) -> Iterator[Any]:
        """Call the function for each."""
        return map(function, things)


class Cut(BaseException):
    """The function's process ends at this call. Nothing in it can catch that."""


@dataclass(frozen=True)
class Fault:
    """Calls that are refused, until the fault is taken away. Operation "*": all of the service's."""

    service: str
    operation: str
    code: str
    status: int = 400

    def applies_to(self, call: Call) -> bool:
        """Whether the call is refused."""
        return call.service == self.service and self.operation in ("*", call.operation)

    @property
    def excuses_a_running_model(self) -> bool:
        """Whether nobody can be asked to stop the model meanwhile."""
        unasked = ("DescribeProjectVersions", "StopProjectVersion")
        return self.service == "sfn" or self.operation in unasked


@dataclass(frozen=True)
class Disturbance:
    """What happens, once, at a function's n-th call of an invocation, or at its first call of an operation.

    `kind`: "killed before" or "killed after" the call; "lost": it is carried out and its answer never comes; "paused":
    `seconds` pass before it, in which everything else goes on; "orphaned": likewise, after its run was aborted.
    """

    function: str
    call: int | str
    kind: str
    seconds: float = 0.0

    def applies_to(self, invocation: "Invocation", call: Call) -> bool:
        """Whether it happens at this call."""
        return self.function == invocation.function_name and self.call in (invocation.calls, call.operation)


@dataclass
class Invocation:
    """One invocation of a function, which is the Lambda context that its handler gets."""

    function_name: str
    aws_request_id: str
    deadline: float
    clock: Callable[[], float]
    run: Execution | None
    calls: int = 0
    memory_limit_in_mb: int = 256

    @property
    def invoked_function_arn(self) -> str:
        """As Lambda gives it."""
        return f"arn:aws:lambda:{deployment.REGION}:{deployment.ACCOUNT}:function:{self.function_name}"

    def get_remaining_time_in_millis(self) -> int:
        """As Lambda gives it."""
        return max(0, int((self.deadline - self.clock()) * 1000))


@dataclass
class Task:
    """Something that happens at a time, once or again and again; or something under way, which goes on then."""

    due: float
    action: Callable[[], object] | Fiber
    every: float | None = None


@dataclass(frozen=True)
class Metric:
    """A value that a function reported, for the alarms."""

    at: float
    name: str
    unit: str
    value: float


@dataclass
class World:
    """One deployment with an empty queue and a model at rest. A context manager, one at a time in a process.

    `orphan_seconds`: how long the model may run without a living owner (I3), while nothing is refused.
    `watchdog`: called with an event as the function would be; None when there is none.
    """

    versioned: bool = True
    model: ModelSettings = field(default_factory=lambda: ModelSettings(start_seconds=60, stop_seconds=30))
    switch_seconds: float = 20.0
    orphan_seconds: float = math.inf
    schedule_seconds: float | None = None
    watchdog_seconds: float | None = 60.0
    environment: dict[str, str] = field(default_factory=dict)
    # How old the queue's counts and the executions' status may be that AWS answers with.
    lag_seconds: float = 0.0
    # Sees each call of a handler before AWS does: it may change it, or answer in AWS's place.
    between: Callable[[Call], AWSResponse | None] | None = None
    # Sees each answer of a handler, by the function's name, and returns what becomes of it.
    spoil_answer: Callable[[str, Any], Any] | None = None
    # What a call takes whose operation is not in CALL_SECONDS.
    other_call_seconds: float = OTHER_CALL_SECONDS

    def __enter__(self) -> Self:
        """Make moto's AWS, stop the clock, and forget what handlers kept from the last world."""
        self.clock = ManualClock()
        self.runs: dict[str, Execution] = {}
        self.steps: Counter[str] = Counter()
        self.faults: set[Fault] = set()
        self.disturbances: list[Disturbance] = []
        # Functions whose next invocation for a run goes on while Step Functions has lost sight of it.
        self.unheard: list[str] = []
        self.metrics: list[Metric] = []
        # Whether Lambda's poller can delete the messages of a batch that is done.
        self.can_delete_messages = True
        # What is under way, and in each what it is at, the innermost last; None for what the world does by itself.
        self._fiber: Fiber | None = None
        self._fibers: dict[Fiber | None, list[Invocation | None]] = {None: []}
        self._instances: set[tuple[str, int]] = set()
        self._environments: dict[str, dict[str, str]] = {}
        self._tasks: list[Task] = []
        self._polls, self._no_poll_before = 0, 0.0
        self._counts: list[tuple[float, tuple[int, int, int]]] = []
        self._calm_since, self._idle_ticks = 0.0, 0
        # Whether anything was written since the watchdog last looked and had nothing to write.
        self._is_touched = True
        self._knows_counted = True
        self._open = ExitStack()
        try:
            self._begin()
        except BaseException:
            self._open.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the process its own time and network back."""
        self._open.close()

    def _begin(self) -> None:
        settings = {
            "AWS_DEFAULT_REGION": deployment.REGION,
            "AWS_ACCESS_KEY_ID": "simulation",
            "AWS_SECRET_ACCESS_KEY": "simulation",
        }
        self._open.enter_context(mock.patch.dict(os.environ, settings))
        for name in list(os.environ):
            # An endpoint may be set for one service too, as AWS_ENDPOINT_URL_S3.
            if name in ("AWS_PROFILE", "AWS_CA_BUNDLE") or name.startswith("AWS_ENDPOINT_URL"):
                del os.environ[name]
        mock_random.seed(1)
        self._time = self._open.enter_context(time_machine.travel(EPOCH, tick=False))
        self._open.enter_context(mock.patch("time.sleep", self._sleep))
        # moto waits for messages in wall time.
        self._open.enter_context(mock.patch.object(Queue, "wait_for_messages", lambda _, seconds: self._sleep(seconds)))
        # One thing happens after the other, in a batch too.
        self._open.enter_context(mock.patch("concurrent.futures.ThreadPoolExecutor", OneAfterTheOther))
        self._open.enter_context(mock_aws())
        self._open.enter_context(mock.patch.object(boto3, "DEFAULT_SESSION", session()))
        self._open.enter_context(wired(self._play))
        # Logs are no part of this, and metrics are kept: most of what is printed would be theirs.
        self._open.enter_context(mock.patch.object(Metrics, "add_metric", self._note_metric))
        self._open.enter_context(warnings.catch_warnings())
        warnings.filterwarnings("ignore", message="No application metrics to publish")
        self._open.callback(_forget_compositions)
        _forget_compositions()
        self._open.callback(logging.disable, logging.root.manager.disable)
        logging.disable(logging.CRITICAL)

        self.emulator = Service(self.clock, services.BucketImages())
        self.emulator.register(deployment.PROJECT_ARN, deployment.MODEL_ARN, self.model)
        self.mapping = services.Mapping(self.clock.now, self.switch_seconds)
        self.images, self.overwrites = Images(), Overwrites()
        self.owners = ModelOwners(self.clock.now, deployment.LEASE_SECONDS)
        self.machine = Machine.load(deployment.STATE_MACHINE_ARN, deployment.DEFINITION, deployment.PLACEHOLDERS)
        self._make_resources()
        if self.schedule_seconds:
            self.every(self.schedule_seconds, lambda: self.start_run(deployment.SCHEDULE_INPUT))
        self.has_watchdog = False
        if self.watchdog_seconds is not None and deployment.HAS_WATCHDOG:
            self.has_watchdog = True
            self.every(self.watchdog_seconds, self._tick_watchdog)
        self._open.callback(self._close_fibers)

    def _make_resources(self) -> None:
        self.s3, self.sqs = client("s3"), client("sqs")
        for bucket in (deployment.SOURCE, deployment.FINAL):
            self.s3.create_bucket(Bucket=bucket)
        if self.versioned:
            self.s3.put_bucket_versioning(Bucket=deployment.SOURCE, VersioningConfiguration={"Status": "Enabled"})
        fourteen_days = str(14 * 24 * 3600)
        self.sqs.create_queue(QueueName=deployment.DEAD_LETTERS, Attributes={"MessageRetentionPeriod": fourteen_days})
        redrive = {
            "deadLetterTargetArn": f"arn:aws:sqs:{deployment.REGION}:{deployment.ACCOUNT}:{deployment.DEAD_LETTERS}",
            "maxReceiveCount": deployment.RECEIVES_AT_MOST,
        }
        self.sqs.create_queue(
            QueueName=deployment.QUEUE,
            Attributes={
                "MessageRetentionPeriod": fourteen_days,
                "VisibilityTimeout": str(deployment.VISIBILITY_TIMEOUT_SECONDS),
                "ReceiveMessageWaitTimeSeconds": str(deployment.RECEIVE_WAIT_SECONDS),
                "RedrivePolicy": json.dumps(redrive),
            },
        )
        _make_table()
        # As Terraform's first call of the watchdog leaves it.
        self._states().record_watched()

    def _states(self) -> ModelStates:
        return ModelStates(Items(client("dynamodb"), deployment.TABLE, deployment.MODEL_ARN))

    # -----------------------------------------------------------------------------------------------------------------
    # What a test does
    # -----------------------------------------------------------------------------------------------------------------

    @property
    def now(self) -> float:
        """Virtual seconds since the world began."""
        return self.clock.now()

    @property
    def model_now(self) -> Model:
        """The emulator's model."""
        return self.emulator._models[deployment.MODEL_ARN]

    @property
    def living(self) -> list[Execution]:
        """Executions that go on, oldest first."""
        return [run for run in self.runs.values() if run.is_living]

    def upload(self, key: str, body: bytes = b"", *, announced_after: float = 0.0) -> Upload:
        """Put an image into the source bucket; S3's message comes `announced_after` seconds."""
        answer = self.s3.put_object(Bucket=deployment.SOURCE, Key=key, Body=body)
        upload = Upload(key, answer["ETag"].strip('"'), answer.get("VersionId"), body)
        self.images.add(upload)
        self.announce(upload, after=announced_after)
        return upload

    def announce(self, upload: Upload, *, after: float = 0.0) -> None:
        """Send S3's message about an upload, which S3 may do more than once."""
        self.steps["message"] += 1
        body = json.dumps({"Records": [_s3_event(upload, self.steps["message"], self.now)]})
        if not after:
            self.send(body)
            return
        self.images.announced.append(body)

        def arrive() -> None:
            self.images.announced.remove(body)
            self.send(body)

        self.later(after, arrive)

    def delete(self, upload: Upload, *, for_good: bool = True) -> None:
        """Let the owner of an image delete it from the source bucket: its version, or all that its key then hides."""
        waiting = self.images.waiting()
        if upload.identity not in waiting:
            return
        is_version = for_good and upload.version_id is not None
        version: services.Version = {"VersionId": str(upload.version_id)} if is_version else {}
        deleted = {upload.identity} if is_version else {identity for identity in waiting if identity[0] == upload.key}
        self.images.given_up |= deleted
        self.s3.delete_object(Bucket=deployment.SOURCE, Key=upload.key, **version)

    def send(self, body: str) -> None:
        """Send any message to the image queue."""
        self.sqs.send_message(QueueUrl=deployment.queue_url(deployment.QUEUE), MessageBody=body)

    def start_run(self, document: dict[str, Any] | None = None) -> Execution:
        """Start the workflow with an input, as a person does; what the schedule gives it is in `deployment`."""
        name = f"run-{len(self.runs) + 1}"
        run = Execution(self.machine, name, self._invoke_for_run, self.clock.now, document)
        self.runs[run.name] = run
        return run

    def abort(self, run: Execution) -> None:
        """Abort a run where it is, as StopExecution does."""
        if run.is_living:
            run.abort()
            self._ended(run)
            self._look()

    def drop_batch(self) -> int:
        """Receive a batch as the trigger's poller does, and lose it: its messages come back by themselves."""
        return len(self._receive())

    def hold_batch(self, seconds: float) -> None:
        """Receive a batch as the trigger's poller does, and label it later, whatever becomes of the trigger."""
        if batch := self._receive():
            self.later(seconds, lambda: self._label(batch))

    def retire(self) -> bool:
        """Let Terraform take the pipeline out of use; whether it may go on to remove it."""
        try:
            self.invoke("watchdog", {"tf": {"action": "delete"}})
        except StateError:
            return False
        finally:
            owner = self._states().read().owner
            if owner is not None and owner.kind is not OwnerKind.RUN:
                self.owners.retired()
        return True

    def remove(self) -> None:
        """Let Terraform remove the pipeline, after `retire`: what is under way then still does what it is at."""
        self._tasks = [task for task in self._tasks if isinstance(task.action, Fiber)]
        self.has_watchdog = False
        for run in self.living:
            run.abort()

    def resume(self) -> None:
        """Let Terraform put the pipeline into use again."""
        self.invoke("watchdog", {"tf": {"action": "create"}})

    def deploy(self, *functions: str, **environment: str) -> None:
        """Give functions other variables, as an apply does that comes no further than to these."""
        for function in functions:
            self._environments[function] = self._environments.get(function, {}) | environment
            _forget_compositions(function)

    def make_table_anew(self) -> None:
        """Let somebody delete the table, and an apply that calls no function make an empty one in its place."""
        client("dynamodb").delete_table(TableName=deployment.TABLE)
        _make_table()
        self._is_touched = True
        # Which images were counted was in the old one.
        self._knows_counted = False

    def look_later(self, seconds: float) -> None:
        """Let the schedule of the watchdog fall in so many seconds, besides its own minutes."""
        if self.has_watchdog:
            self.later(seconds, lambda: self._watch({"source": "schedule"}))

    def receipt(self, run: Execution | str) -> dict[str, Any]:
        """Return the receipt of a run as it is now; {} when there is none."""
        found = stored_object(deployment.FINAL, f"runs/{run if isinstance(run, str) else run.name}.json")
        return {} if found is None else json.loads(found.value)

    def later(self, seconds: float, action: Callable[[], object]) -> None:
        """Let something happen once, in so many seconds."""
        self._tasks.append(Task(self.now + seconds, action))

    def every(self, seconds: float, action: Callable[[], object]) -> None:
        """Let something happen again and again, for the first time in so many seconds."""
        self._tasks.append(Task(self.now + seconds, action, seconds))

    def set_faults(self, *faults: Fault) -> None:
        """Refuse these calls from now on, and no others."""
        was_excused = any(fault.excuses_a_running_model for fault in self.faults)
        self.faults = set(faults)
        if any(fault.excuses_a_running_model for fault in self.faults):
            self._calm_since = math.inf
        elif was_excused:
            self._calm_since = self.now

    def disturb(self, function: str, call: int | str, kind: str, seconds: float = 0.0) -> None:
        """Let something happen at the n-th call (from 1) of the function's next invocation that makes so many.

        Or at its next call of an operation, by the operation's name.
        """
        self.disturbances.append(Disturbance(function, call, kind, seconds))

    def lose_answer(self, function: str) -> None:
        """Let Step Functions lose the answer of the function's next invocation for a run, which goes on unheard."""
        self.unheard.append(function)

    def trouble_model(self, **settings: object) -> None:
        """Let the model go wrong, by the names in the emulator's ModelSettings, until everything is healed."""
        self.emulator.configure(deployment.MODEL_ARN, **settings)

    def handle_model(self, action: str) -> None:
        """Let somebody else `start` or `stop` the model, or let it `fail`; ServiceError when it cannot be."""
        match action:
            case "start":
                self.emulator.start(deployment.MODEL_ARN, 1, "somebody else started it")
            case "stop":
                self.emulator.stop(deployment.MODEL_ARN, "somebody else stopped it")
            case "fail":
                self.emulator.fail(deployment.MODEL_ARN)

    def heal(self) -> None:
        """Let everything work again, as it does when people look after it."""
        self.disturbances.clear()
        self.unheard.clear()
        self.can_delete_messages = True
        self.set_faults()
        as_registered = {name: value for name, value in vars(self.model).items() if name != "initial_status"}
        self.emulator.configure(deployment.MODEL_ARN, **as_registered)
        status = self.model_now.status
        if status == "RUNNING" and not self.started_by_us():
            self.handle_model("stop")
        elif status == "FAILED":
            # The emulator does not start it from there, and AWS does not say that it would.
            self.emulator.reset(deployment.MODEL_ARN)

    def advance(self, seconds: float) -> None:
        """Let time pass, with everything that comes due, in order."""
        until = self.now + seconds
        if self._fiber is not None:
            self._tasks.append(Task(until, self._fiber))
            self._fiber.pause()
            return
        while (due := self._next_due()) <= until:
            self._step_at(due)
        self._pass(until - self.now)
        self._look()

    def step(self) -> None:
        """Let the one thing happen that comes due next."""
        if (due := self._next_due()) < math.inf:
            self._step_at(due)

    def settle(self, hours: float = 24) -> None:
        """Heal everything, and go on, with a run an hour, until nothing is left to do or the hours are over."""
        self.heal()
        until = self.now + hours * 3600
        while not self.is_quiet and self.now < until:
            if not self.living and messages(deployment.QUEUE):
                self.start_run()
            self.advance(600)
            self.heal()

    @property
    def is_quiet(self) -> bool:
        """Whether nothing goes on and nothing waits outside the dead-letter queue."""
        return self.is_at_rest and not messages(deployment.QUEUE) and not self.images.announced

    @property
    def is_at_rest(self) -> bool:
        """Whether no run goes on, the trigger is closed and the model costs nothing."""
        return not self.living and self.mapping.state == "Disabled" and self.model_now.status in AT_REST

    def describe(self) -> str:
        """Say in a line where everything is."""
        runs = {run.name: run.state for run in self.living}
        queued, dead = (len(messages(queue)) for queue in (deployment.QUEUE, deployment.DEAD_LETTERS))
        return (
            f"{self.now:.0f} s, runs {runs}, model {self.model_now.status}, trigger {self.mapping.state}, "
            f"{queued} messages and {dead} dead letters, {len(self.images.waiting())} images waiting"
        )

    def violations(self) -> list[str]:
        """Sentences about broken invariants, I1 to I4 and I7; none is what everybody wants."""
        found = [*self.images.violations(at_rest=self.is_quiet), *self.overwrites.found, *self.owners.found]
        return found + (counted_twice() if self._knows_counted else [])

    # -----------------------------------------------------------------------------------------------------------------
    # Time
    # -----------------------------------------------------------------------------------------------------------------

    def _pass(self, seconds: float) -> None:
        """Let time pass, and nothing else."""
        if seconds > 0:
            self.clock.advance(seconds)
            self._time.move_to(EPOCH + self.now, tick=False)

    def _sleep(self, seconds: float) -> None:
        """What a function sleeps goes by for everybody."""
        if self._under_way and seconds >= 1:
            self.advance(seconds)
        else:
            # Never nothing at all: who waits in a loop until enough time has passed must get there.
            self._pass(max(seconds, 0.001))

    def _next_due(self) -> float:
        dues = [run.due for run in self.runs.values() if not run.busy]
        dues += [task.due for task in self._tasks]
        return min([*dues, self._next_poll()], default=math.inf)

    def _step_at(self, due: float) -> None:
        self._pass(due - self.now)
        run = next((run for run in self.runs.values() if not run.busy and run.due <= due), None)
        task = next((task for task in self._tasks if task.due <= due), None)
        if task is not None and run is None and isinstance(task.action, Fiber):
            self._tasks.remove(task)
            self._go_on(task.action)
        elif run is not None:
            self._begin_work(lambda: self._do_step(run), waits=False)
        elif task is not None:
            self._begin_work(self._begin_task(task), waits=False)
        else:
            self._begin_work(self._poll, waits=True)
        self._look()

    def _begin_work(self, work: Callable[[], object], *, waits: bool) -> None:
        """Begin something. Only what may wait in the middle gets a thread of its own, because threads take their time.

        Batches wait for the model, and anything may wait for what a test has in store. Whatever else waits is short
        (the look into the queue), so that what comes due meanwhile may begin and end within it.
        """
        if waits or self.disturbances or self.unheard:
            self._go_on(Fiber(work))
            return
        with self.by_itself():
            work()

    def _go_on(self, fiber: Fiber, how: Callable[[], None] | None = None) -> None:
        """Let something go on until it waits or ends; meanwhile the calls that are made are its own."""
        before, self._fiber = self._fiber, fiber
        under_way = self._fibers.setdefault(fiber, [])
        if under_way and (invocation := under_way[-1]):
            self._set_environment(invocation.function_name)
        try:
            (how or fiber.resume)()
        finally:
            self._fiber = before
            if fiber.is_over:
                del self._fibers[fiber]

    def _close_fibers(self) -> None:
        for fiber in list(self._fibers):
            if fiber is not None:
                self._go_on(fiber, fiber.close)

    @property
    def _under_way(self) -> list[Invocation | None]:
        return self._fibers[self._fiber]

    @contextmanager
    def by_itself(self) -> Iterator[None]:
        """What happens in here is no function's doing, also in the middle of an invocation."""
        self._under_way.append(None)
        try:
            yield
        finally:
            self._under_way.pop()

    def _do_step(self, run: Execution) -> None:
        self.steps["state"] += 1
        was_living = run.is_living
        run.step()
        if was_living and run.status in ("SUCCEEDED", "FAILED"):
            self._ended(run)

    def _begin_task(self, task: Task) -> Callable[[], object]:
        self.steps["task"] += 1
        assert not isinstance(task.action, Fiber)
        if task.every is None:
            self._tasks.remove(task)
        else:
            task.due += task.every
        return task.action

    def _look(self) -> None:
        if self.lag_seconds:
            queued = messages(deployment.QUEUE)
            delayed = sum(message.delayed for message in queued)
            hidden = sum(not message.visible for message in queued)
            self._counts.append((self.now, (len(queued) - hidden - delayed, hidden, delayed)))
        self.owners.look(self._running(), limit_seconds=self.orphan_seconds, calm_since=self._calm_since)

    def _running(self) -> list[Running]:
        """When the model ran that this system had started, also between two looks."""
        times: list[Running] = []
        is_ours = False
        self.model_now.status  # noqa: B018 - enters what has come due
        for change in self.model_now._history:
            if times and times[-1].until is None:
                times[-1] = Running(times[-1].since, change.at)
            if change.status == "STARTING":
                is_ours = change.cause == OURS
            if change.status == "RUNNING" and is_ours:
                times.append(Running(change.at, None))
        return times

    def started_by_us(self) -> bool:
        """Whether this system started the model that runs or starts now."""
        starts = [change.cause for change in self.model_now._history if change.status == "STARTING"]
        return bool(starts) and starts[-1] == OURS

    # -----------------------------------------------------------------------------------------------------------------
    # Functions
    # -----------------------------------------------------------------------------------------------------------------

    def _invoke_for_run(self, run: Execution, function: str, payload: Json) -> Json:
        if function in self.unheard:
            # https://docs.aws.amazon.com/step-functions/latest/dg/bp-lambda-serviceexception.html
            self.unheard.remove(function)
            self.later(0, lambda: self._invoke_unheard(run, function, payload))
            raise StateError("Lambda.SdkClientException", "the simulation lost the answer")
        return self.invoke(function, payload, run)

    def _invoke_unheard(self, run: Execution, function: str, payload: Json) -> None:
        try:
            self.invoke(function, payload, run)
        except StateError as error:
            self.steps[f"unheard: {error.name}"] += 1

    def invoke(self, function: str, payload: Json, run: Execution | None = None) -> Json:
        """Run a handler as Lambda does; StateError, as Step Functions reports it, when it fails."""
        timeout = deployment.TIMEOUT_SECONDS.get(function, deployment.CONTROL_TIMEOUT_SECONDS)
        self.steps[function] += 1
        request_id = f"00000000-0000-4000-8000-{sum(self.steps.values()):012}"
        invocation = Invocation(function, request_id, self.now + timeout, self.clock.now, run)
        instance = next(number for number in itertools.count() if (function, number) not in self._instances)
        self._instances.add((function, instance))
        self._set_environment(function)
        self._under_way.append(invocation)
        try:
            handler = _handler_module(function, instance).handler
            answer = json.loads(json.dumps(handler(json.loads(json.dumps(payload)), invocation)))
        except Cut as cut:
            raise _failed(str(cut), f"RequestId: {request_id} Error: the process ended") from cut
        except Exception as error:
            raise _failed(type(error).__name__, str(error)) from error
        finally:
            self._under_way.pop()
            self._instances.remove((function, instance))
        if self.now > invocation.deadline:
            raise _failed("Sandbox.Timedout", f"RequestId: {request_id} Error: Task timed out")
        return self.spoil_answer(function, answer) if self.spoil_answer else answer

    def _set_environment(self, function: str) -> None:
        os.environ.update(
            deployment.ENVIRONMENT
            | self.environment
            | self._environments.get(function, {})
            | {"POWERTOOLS_SERVICE_NAME": function}
        )

    def _tick_watchdog(self) -> None:
        # Where the last look wrote nothing, nobody has written since and all is at rest, the next look would do the
        # same, which is most of the time: every tenth is enough.
        self._idle_ticks = self._idle_ticks + 1 if self.is_at_rest and not self._is_touched else 0
        if self._idle_ticks % 10 == 0:
            self._is_touched = False
            self._watch({"source": "schedule"})

    def _note_metric(self, name: str, unit: Any, value: float, *_: Any, **__: Any) -> None:  # noqa: ANN401
        self.metrics.append(Metric(self.now, name, str(getattr(unit, "value", unit)), value))

    def _watch(self, event: dict[str, Any]) -> None:
        try:
            self.invoke("watchdog", event)
        except StateError as error:
            # Lambda would try twice more; the next tick comes anyway.
            self.steps[f"watchdog failed: {error.name}"] += 1

    def _ended(self, run: Execution) -> None:
        if self.has_watchdog:
            detail = {"executionArn": run.arn, "name": run.name, "status": run.status}
            self.later(1, lambda: self._watch({"source": "aws.states", "detail": detail}))

    # -----------------------------------------------------------------------------------------------------------------
    # The trigger's poller
    # -----------------------------------------------------------------------------------------------------------------

    def _next_poll(self) -> float:
        if self._polls >= self.mapping.concurrent_batches:
            return math.inf
        state = self.mapping.state
        if state == "Enabling":
            return self.mapping.settles_at or math.inf
        if state == "Disabled":
            return math.inf
        # moto's messages are visible a moment after the time that they carry, which is in milliseconds.
        visible = min((max(m.visible_at, m.delayed_until) for m in messages(deployment.QUEUE)), default=math.inf)
        due = max(self._no_poll_before, visible / 1000 - EPOCH + 0.002)
        # While it is being disabled it goes on, and not a moment longer.
        return due if state == "Enabled" or due < (self.mapping.settles_at or 0) else math.inf

    def _receive(self) -> list["MessageTypeDef"]:
        answer = self.sqs.receive_message(
            QueueUrl=deployment.queue_url(deployment.QUEUE),
            MaxNumberOfMessages=deployment.BATCH_SIZE,
            AttributeNames=["All"],
            MessageAttributeNames=["All"],
            WaitTimeSeconds=0,
        )
        return answer.get("Messages", [])

    def _poll(self) -> None:
        """Take one batch as Lambda's poller does.

        https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
        """
        self.steps["poll"] += 1
        # It opens a moment after the time at which it is due, which is also when nothing else is.
        self._no_poll_before = self.now + 1
        if self.mapping.state not in ("Enabled", "Disabling") or not (batch := self._receive()):
            return
        self._label(batch)

    def _label(self, batch: list["MessageTypeDef"]) -> None:
        self._polls += 1
        try:
            answer = self.invoke("analyze_image", {"Records": [_sqs_record(message) for message in batch]})
        except StateError as error:
            self.steps[f"batch failed: {error.name}"] += 1
            return
        finally:
            self._polls -= 1
        failed = {item["itemIdentifier"] for item in answer["batchItemFailures"]}
        known = {message["MessageId"] for message in batch}
        if not failed <= known:
            return
        done = [message for message in batch if message["MessageId"] not in failed]
        for message in done if self.can_delete_messages else ():
            self.sqs.delete_message(
                QueueUrl=deployment.queue_url(deployment.QUEUE), ReceiptHandle=message["ReceiptHandle"]
            )

    # -----------------------------------------------------------------------------------------------------------------
    # The network
    # -----------------------------------------------------------------------------------------------------------------

    def _play(self, call: Call, moto: Callable[[], AWSResponse]) -> AWSResponse:
        invocation = self._under_way[-1] if self._under_way else None
        if invocation is None:
            return moto()
        invocation.calls += 1
        self.steps["call"] += 1
        self._is_touched = self._is_touched or not call.operation.startswith(("Get", "Describe", "Head", "List"))
        self._pass(CALL_SECONDS.get(call.operation, self.other_call_seconds))
        disturbance = self._take_disturbance(invocation, call)
        kind = disturbance.kind if disturbance else None
        if kind == "orphaned" and invocation.run:
            self.abort(invocation.run)
        if disturbance and kind in ("orphaned", "paused"):
            self.advance(min(disturbance.seconds, invocation.deadline - self.now + 0.1))
        if kind == "killed before":
            raise Cut("Runtime.ExitError")
        if self.now > invocation.deadline:
            raise Cut("Sandbox.Timedout")
        # In an order that a seed repeats.
        for fault in sorted(self.faults, key=str):
            if fault.applies_to(call):
                return call.refuse(fault.code, fault.status)
        if self.between and (answer := self.between(call)):
            return answer
        self.owners.called(invocation.run, invocation.function_name, call)
        check = self.overwrites.before(call)
        answer = self._answer(call, moto)
        if check:
            check()
        if kind == "killed after":
            raise Cut("Runtime.ExitError")
        if kind == "lost":
            raise ReadTimeoutError(endpoint_url=call.request.url)
        return answer

    def _answer(self, call: Call, moto: Callable[[], AWSResponse]) -> AWSResponse:
        if call.operation == "GetQueueAttributes" and self.lag_seconds:
            return self._count_late(call)
        if call.service == "s3" and services.fails_copy_condition(call):
            return call.refuse("PreconditionFailed", 412)
        match call.service:
            case "rekognition":
                return services.rekognition(self.emulator, call)
            case "lambda" if call.operation == "Invoke":
                return self._invoke_for_function(call)
            case "eventbridge":
                # Nobody listens.
                entries = [{"EventId": str(number)} for number, _ in enumerate(call.body["Entries"])]
                return call.answer(json.dumps({"FailedEntryCount": 0, "Entries": entries}).encode())
            case "lambda":
                return self.mapping.answer(call)
            case "sfn":
                runs = {run.arn: run for run in self.runs.values()}
                return services.executions(runs, self._stop, call, seen_at=self.now - self.lag_seconds, epoch=EPOCH)
        return moto()

    def _invoke_for_function(self, call: Call) -> AWSResponse:
        caller = self._under_way[-1]
        assert caller is not None
        function = call.request.url.split("/functions/")[1].split("/")[0]
        try:
            return call.answer(json.dumps(self.invoke(function, call.body)).encode())
        except StateError as error:
            return call.answer(error.cause.encode(), headers={"x-amz-function-error": "Unhandled"})
        finally:
            self._set_environment(caller.function_name)

    def _count_late(self, call: Call) -> AWSResponse:
        seen = next((counts for at, counts in reversed(self._counts) if at <= self.now - self.lag_seconds), None)
        names = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
        counts = dict(zip((*names, "ApproximateNumberOfMessagesDelayed"), seen or (0, 0, 0), strict=True))
        return call.answer(json.dumps({"Attributes": {name: str(count) for name, count in counts.items()}}).encode())

    def _stop(self, run: Execution, error: str | None, cause: str | None) -> None:
        if run.is_living:
            run.abort(error, cause)
            self._ended(run)

    def _take_disturbance(self, invocation: Invocation, call: Call) -> Disturbance | None:
        for disturbance in self.disturbances:
            if disturbance.applies_to(invocation, call):
                self.disturbances.remove(disturbance)
                return disturbance
        return None


def _make_table() -> None:
    client("dynamodb").create_table(
        TableName=deployment.TABLE,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "model", "KeyType": "HASH"}, {"AttributeName": "item", "KeyType": "RANGE"}],
        AttributeDefinitions=[
            {"AttributeName": "model", "AttributeType": "S"},
            {"AttributeName": "item", "AttributeType": "S"},
        ],
    )


def _failed(name: str, message: str) -> StateError:
    """A function's failure as Step Functions hands it on.

    https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html
    """
    return StateError(name, json.dumps({"errorMessage": message, "errorType": name, "stackTrace": []}))


_LOADED: dict[tuple[str, int], ModuleType] = {}


def _handler_module(function: str, instance: int) -> ModuleType:
    """A function's handler module; a further instance of its own for an invocation while another one goes on."""
    if (function, instance) not in _LOADED:
        own = {name: sys.modules.pop(name) for name in list(sys.modules) if name.split(".")[0] == function}
        try:
            _LOADED[function, instance] = importlib.import_module(f"{function}.handler")
        finally:
            sys.modules.update(own)
    return _LOADED[function, instance]


def _forget_compositions(function: str | None = None) -> None:
    """Let every handler, or a function's, compose itself anew, with clients and variables of its world."""
    for (name, _), module in _LOADED.items():
        for member in vars(module).values() if function in (None, name) else ():
            if hasattr(member, "cache_clear"):
                member.cache_clear()


def _s3_event(upload: Upload, sequence: int, now: float) -> dict[str, Any]:
    """One record of an event.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
    """
    version = {} if upload.version_id is None else {"versionId": upload.version_id}
    return {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": deployment.REGION,
        "eventTime": f"{EPOCH + now:.0f}",
        "eventName": "ObjectCreated:Put",
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": "image-0",
            "bucket": {"name": deployment.SOURCE, "arn": f"arn:aws:s3:::{deployment.SOURCE}"},
            "object": {
                "key": quote_plus(upload.key, safe="/"),
                "size": len(upload.body),
                "eTag": upload.etag,
                **version,
                "sequencer": f"{sequence:018X}",
            },
        },
    }


def _sqs_record(message: "MessageTypeDef") -> dict[str, Any]:
    """https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html"""
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message["Attributes"],
        "messageAttributes": {
            name: {"stringValue": value["StringValue"], "dataType": value["DataType"]}
            for name, value in message.get("MessageAttributes", {}).items()
        },
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": f"arn:aws:sqs:{deployment.REGION}:{deployment.ACCOUNT}:{deployment.QUEUE}",
        "awsRegion": deployment.REGION,
    }
