"""The stack that faults happen to, and the scene that each test plays on it."""

import json
import os
import re
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.e2e.conftest import HAS_FAILED, Ledger
from tests.rig.permissions import record
from tests.rig.stack import invariants, runs, snapshot
from tests.rig.stack.invariants import Uploaded
from tests.rig.stack.local_stack import REPOSITORY, LocalStack, Model
from tests.rig.stack.pictures import photo

# Wall seconds. A function that was killed leaves its messages hidden for twelve minutes, which no test waits for.
SHORT_VISIBILITY_SECONDS = 5
PATIENCE_SECONDS = 180
# Well below the ten that the analysis function's SDK waits for an answer of the model, also on a busy machine.
SLOW_CALL_SECONDS = 5


class Shared:
    """The worker's own copy for faults, and all uploads to it. After a test that failed, the next one gets another."""

    def __init__(self, copies: ExitStack) -> None:
        self._copies = copies
        self._copy: tuple[LocalStack, Ledger] | None = None
        self.is_spoiled = False

    def take(self) -> tuple[LocalStack, Ledger]:
        if self._copy is None or self.is_spoiled:
            # Not when the test failed: its report shows what the stack's parts printed last.
            self._copies.close()
            local = self._copies.enter_context(_copy())
            self._copy, self.is_spoiled = (local, Ledger(local)), False
        return self._copy


@pytest.fixture(scope="session")
def shared() -> Iterator[Shared]:
    with ExitStack() as copies:
        yield Shared(copies)


@contextmanager
def _copy() -> Iterator[LocalStack]:
    with snapshot.copy() as local:
        # S3's test events, which its first run would find.
        local.client("sqs").purge_queue(QueueUrl=local.outputs["queue_url"])
        yield local
        record.keep(local)


@dataclass
class Scene:
    """What a test does to the pipeline, and what it sees of it."""

    stack: LocalStack
    ledger: Ledger
    name: str
    executions: list[str] = field(default_factory=list)
    is_gone: bool = False

    def upload(self, count: int = 1, prefix: str = "good") -> list[Uploaded]:
        shade = len(self.ledger.uploads)
        return [self.ledger.upload(f"{self.name}/{prefix}-{n}.png", photo(shade + n)) for n in range(count)]

    def upload_bytes(self, key: str, body: bytes) -> Uploaded:
        return self.ledger.upload(f"{self.name}/{key}", body)

    def start(self) -> str:
        arn = runs.start_run(self.stack, f"{self.name[:40]}-{uuid.uuid4().hex[:8]}")
        self.executions.append(arn)
        return arn

    def wait(self, arn: str) -> dict[str, Any]:
        return runs.wait_for_run(self.stack, arn, PATIENCE_SECONDS)

    def run(self) -> dict[str, Any]:
        return self.wait(self.start())

    def receipt(self, execution: dict[str, Any]) -> dict[str, Any]:
        return runs.receipt(self.stack, execution)

    def receipt_of(self, arn: str) -> dict[str, Any]:
        name = arn.rsplit(":", 1)[1]
        self.until(lambda: self._has_receipt(name), f"run {name} left no receipt")
        return runs.receipt(self.stack, {"name": name})

    def _has_receipt(self, name: str) -> bool:
        bucket = self.stack.outputs["final_bucket_name"]
        return "Contents" in self.stack.client("s3").list_objects_v2(Bucket=bucket, Prefix=f"runs/{name}.json")

    def until(
        self, holds: Callable[[], Any], otherwise: str | Callable[[], str], seconds: float = PATIENCE_SECONDS
    ) -> None:
        """Wait until something holds. `otherwise`: what to say if it does not, where it tells of the end as a function.

        Never wait for a number of messages: an image may have two for as long as it waits, as SQS delivers at least
        once. An answer of SendMessage that comes late is enough.
        """
        deadline = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < deadline, otherwise() if callable(otherwise) else otherwise
            time.sleep(0.2)

    def until_state(self, arn: str, state: str) -> None:
        self.until(lambda: state in runs.states_entered(self.stack, arn), f"the run did not reach {state!r}")

    def until_model(self, *statuses: str) -> None:
        self.until(
            lambda: self.model_status() in statuses, lambda: f"the model is not {statuses} but {self.model_status()}"
        )

    def model_status(self) -> str:
        return self.stack.meter()["status"]

    def is_running(self, arn: str) -> bool:
        return self.stack.client("stepfunctions").describe_execution(executionArn=arn)["status"] == "RUNNING"

    def abort(self, arn: str) -> None:
        states = self.stack.client("stepfunctions")
        # It may have ended meanwhile.
        with suppress(states.exceptions.ValidationException):
            states.stop_execution(executionArn=arn, cause="a test")

    def break_model(self, **settings: Any) -> None:  # noqa: ANN401
        self.stack.post_emulator("models/settings", project_version_arn=self.stack.model.version_arn, **settings)

    @contextmanager
    def short_visibility(self) -> Iterator[None]:
        """Let the messages of a function that is killed come back after five seconds."""
        queue = {"QueueUrl": self.stack.outputs["queue_url"]}
        sqs = self.stack.client("sqs")
        before = sqs.get_queue_attributes(**queue, AttributeNames=["VisibilityTimeout"])["Attributes"]
        sqs.set_queue_attributes(**queue, Attributes={"VisibilityTimeout": str(SHORT_VISIBILITY_SECONDS)})
        try:
            yield
        finally:
            sqs.set_queue_attributes(**queue, Attributes=before)

    @contextmanager
    def slow_run(self) -> Iterator[str]:
        """Begin a run that outlasts whatever happens meanwhile, and goes on as fast as it can after that.

        Its two batches of ten images at once take five wall seconds. Its waits are hardly shortened, because a run
        whose clock outruns its images ends as `NoProgress`.
        """
        self.break_call("DetectCustomLabels", delay_wall_seconds=SLOW_CALL_SECONDS)
        self.upload(200)
        with self.stack.set_wait_scale(0.5):
            arn = self.start()
            self.until_state(arn, "Watch the queue drain")
            yield arn
        self.stack.clear_emulator_faults()

    @contextmanager
    def uploads_go_on(self) -> Iterator[None]:
        """Keep a run busy for however long something else takes, with as few images as do.

        Each takes SLOW_CALL_SECONDS, so that some wait at any moment.
        """
        is_over = threading.Event()

        def upload() -> None:
            while not is_over.wait(1):
                self.upload(2, f"later-{len(self.ledger.uploads)}")

        with ThreadPoolExecutor(1) as thread:
            uploading = thread.submit(upload)
            try:
                yield
            finally:
                is_over.set()
            uploading.result()

    @contextmanager
    def uploads_in_a_loop(self) -> Iterator[list[int]]:
        """Upload one image after the other, with a breath between them, in which a run can find the bucket empty."""
        is_over, late = threading.Event(), []

        def upload() -> None:
            while not is_over.wait(0.3):
                self.upload(1, f"late-{len(late)}")
                late.append(len(late))

        with ThreadPoolExecutor(1) as thread:
            uploading = thread.submit(upload)
            try:
                yield late
            finally:
                is_over.set()
            uploading.result()

    def change_model(self) -> None:
        """Apply the stack for another version of the model, which is the stack's from then on."""
        model = Model(version_arn=self.stack.model.version_arn.replace("2026-01-01", "2026-02-02"))
        self.stack.add_model(model)
        self.stack.apply(project_version_arn=model.version_arn)
        self.stack.model = model

    def break_call(self, operation: str, error: str | None = None, **limits: Any) -> None:  # noqa: ANN401
        members = {"operation": operation, "error": error, **limits}
        self.stack.post_emulator("faults", project_version_arn=self.stack.model.version_arn, **members)

    def tell_model(self, what: str, **members: Any) -> None:  # noqa: ANN401
        """Do something to the model as somebody outside of the system."""
        self.stack.post_emulator(f"models/{what}", project_version_arn=self.stack.model.version_arn, **members)

    def start_with_old_tag(self) -> None:
        """Let the model run with a tag that says that this deployment started it, long ago."""
        self.tell_model("start")
        self.until(lambda: self.model_status() == "RUNNING", "the model did not start")
        tag = {f"started-by/{self.stack.name}": "2020-01-01T00:00:00.000Z"}
        self.stack.client("rekognition").tag_resource(ResourceArn=self.stack.model.version_arn, Tags=tag)

    def invoke(self, function: str, event: dict[str, Any]) -> Any:  # noqa: ANN401
        answer = self.stack.client("lambda").invoke(
            FunctionName=f"{self.stack.name}-{function}", Payload=json.dumps(event)
        )
        payload = json.load(answer["Payload"])
        assert "FunctionError" not in answer, payload
        return payload

    def tick(self) -> Any:  # noqa: ANN401
        """Do what the watchdog's schedule does each minute."""
        return self.invoke("watchdog", {"source": "schedule"})

    def at_rest(self) -> bool:
        """Whether nothing is left over for anybody."""
        return not {"lease_owner", "clean_up"} & self.lease().keys() and not self.starters()

    def starters(self) -> list[str]:
        """The runs that asked for a start of the model which is not seen stopped again."""
        return [mark["M"]["run_id"]["S"] for mark in self._starts().values()]

    def _starts(self) -> dict[str, Any]:
        return self.lease().get("model_starts", {"M": {}})["M"]

    def lease(self) -> dict[str, Any]:
        return self._item("lease")

    def record(self, arn: str) -> dict[str, Any]:
        return self._item(f"run#{arn.rsplit(':', 1)[1]}")

    def _item(self, item: str) -> dict[str, Any]:
        place = self._place_of(item)
        return self.stack.client("dynamodb").get_item(**place, ConsistentRead=True).get("Item", {})

    def forget(self, item: str) -> None:
        """Remove an item, as a table that is made anew has it no more."""
        self.stack.client("dynamodb").delete_item(**self._place_of(item))

    def _place_of(self, item: str) -> dict[str, Any]:
        key = {"model": {"S": self.stack.model.version_arn}, "item": {"S": item}}
        return {"TableName": self.stack.outputs["runs_table_name"], "Key": key}

    def tick_until_at_rest(self) -> None:
        def ticked_to_rest() -> bool:
            self.tick()
            return self.at_rest() and self.model_status() in ("STOPPED", "FAILED", "TRAINING_COMPLETED")

        self.until(ticked_to_rest, lambda: f"the watchdog did not bring {self.lease()} to rest; {self.model_status()}")

    def detections(self, key: str) -> int:
        """Calls of the model for one image."""
        requests = self.stack.emulator("requests")
        return sum(key in json.dumps(r) for r in requests if r["operation"] == "DetectCustomLabels")

    def waiting(self) -> int:
        return invariants.messages(self.stack, "queue_url")

    def dead_letters(self) -> list[dict[str, Any]]:
        """Return the messages of the dead-letter queue, which stay there."""
        sqs, url = self.stack.client("sqs"), self.stack.outputs["dead_letter_queue_url"]
        found: dict[str, dict[str, Any]] = {}
        for _ in range(3):
            answer = sqs.receive_message(
                QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=0, MessageAttributeNames=["All"]
            )
            found |= {message["MessageId"]: message for message in answer.get("Messages", [])}
        return list(found.values())

    def why(self, key: str) -> str:
        """Return where `clb why` says that an image is."""
        found: dict[str, Any] = json.loads(self.desk("why", key, "--json", exits=(0, 3)))
        return str(found["state"])

    def desk(self, tool: str, *arguments: str, exits: tuple[int, ...] = (0,)) -> str:
        """Run one of the desk's commands as `make` does, and return what it prints."""
        command = [sys.executable, "-m", "tools.desk", tool, "--name", self.stack.name, *arguments]
        environment = {**os.environ, "PYTHONPATH": "lambdas", **self.stack.sdk_settings()}
        done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode in exits, done.stdout + done.stderr
        return done.stdout

    def redrive(self) -> int:
        """Put the dead-letter queue back; return how many images went."""
        printed = self.desk("redrive")
        return int(re.search(r"^(\d+) image messages sent back", printed, re.MULTILINE)[1])

    def run_until_done(self) -> None:
        """Run as often as the schedule has to, until no message waits: a run ends when no image does."""
        # SQS holds requeued messages back in wall time, which the waits of a run would outrun.
        self.until(lambda: not self._delayed(), "messages are still delayed")
        self.until(
            lambda: not self.waiting() or (self.run()["status"] == "SUCCEEDED" and not self.waiting()),
            lambda: f"{self.waiting()} messages still wait",
            120,
        )

    def _delayed(self) -> int:
        name = "ApproximateNumberOfMessagesDelayed"
        url = self.stack.outputs["queue_url"]
        answer = self.stack.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=[name])
        return int(answer["Attributes"][name])

    def clear_queues(self) -> None:
        """Take what waits out of the way of the next test: its object, its messages, and the memory of it."""
        source = invariants.waiting_in_source(self.stack)
        waiting = [upload for upload in self.ledger.uploads if (upload.key, upload.etag) in source]
        if not waiting and not self.waiting() and not self.dead_letters():
            return
        for upload in waiting:
            self.stack.client("s3").delete_object(
                Bucket=self.stack.outputs["source_bucket_name"], Key=upload.key, VersionId=upload.version_id
            )
            self.ledger.uploads.remove(upload)
        for queue in ("queue_url", "dead_letter_queue_url"):
            self.stack.client("sqs").purge_queue(QueueUrl=self.stack.outputs[queue])

    @contextmanager
    def without_watchdog(self) -> Iterator[None]:
        """Let no invocation of the watchdog through meanwhile."""
        functions, name = self.stack.client("lambda"), f"{self.stack.name}-watchdog"
        functions.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
        try:
            yield
        finally:
            functions.delete_function_concurrency(FunctionName=name)

    def expire_lease(self) -> None:
        """Let a quarter of an hour pass for the lease alone."""
        runs.write_into_table(self.stack, "lease", "lease_expires_at", {"N": "1"})

    def expire_starts(self) -> None:
        """Let two minutes pass for the starts alone, after which none of them can start the model any more."""
        for token in self._starts():
            runs.write_into_table(self.stack, "lease", f"model_starts.{token}.ended_at", {"N": "1"})

    def backdate(self, arn: str, *, hours: int) -> None:
        """Let a run have begun so long ago, and its model too if it runs."""
        began = {"S": (datetime.now(UTC) - timedelta(hours=hours)).isoformat(timespec="milliseconds")}
        for attribute in {"started_at", "model_running_at"} & self.record(arn).keys():
            runs.write_into_table(self.stack, f"run#{arn.rsplit(':', 1)[1]}", attribute, began)

    def heal(self) -> None:
        """Take all faults away, and let the pipeline come to rest by itself."""
        self.stack.clear_faults()
        self.stack.post_emulator("models/reset", project_version_arn=self.stack.model.version_arn)
        for arn in self.executions:
            if self.is_running(arn):
                self.abort(arn)
        self.tick_until_at_rest()


@pytest.fixture
def scene(shared: Shared, request: pytest.FixtureRequest) -> Iterator[Scene]:
    """A scene after which everything is at rest, and every image is a result, a failure, or waits with its message."""
    stack, ledger = shared.take()
    shared.is_spoiled = True
    with _played(stack, ledger, request.node.name) as played:
        yield played
    shared.is_spoiled = request.node.stash.get(HAS_FAILED, False)


@pytest.fixture
def lone_scene(request: pytest.FixtureRequest) -> Iterator[Scene]:
    """The same on a copy that no other test sees, for what Terraform does to it."""
    with _copy() as local, _played(local, Ledger(local), request.node.name) as played:
        yield played


@contextmanager
def _played(stack: LocalStack, ledger: Ledger, test: str) -> Iterator[Scene]:
    scene = Scene(stack, ledger, test.removeprefix("test_").replace("[", "-").rstrip("]"))
    yield scene
    if scene.is_gone:
        return
    try:
        scene.heal()
        ledger.assert_invariants()
    finally:
        # What one test leaves behind is no other test's failure.
        scene.clear_queues()
