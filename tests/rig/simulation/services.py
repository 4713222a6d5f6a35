"""The services that moto does not play: the model, the trigger and the executions, each in virtual time."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypedDict

from botocore.awsrequest import AWSResponse
from moto.s3.models import FakeDeleteMarker, FakeKey, s3_backends

from tests.rig.emulator.contract import encode_answer
from tests.rig.emulator.errors import ServiceError
from tests.rig.emulator.images import check_size
from tests.rig.emulator.service import Service
from tests.rig.simulation import deployment
from tests.rig.simulation.states import Execution
from tests.rig.simulation.wire import Call, UnplayedError


def stored_object(bucket: str, key: str, version: str | None = None) -> FakeKey | None:
    """An object in moto's S3, without a request."""
    versions = s3_backends[deployment.ACCOUNT]["aws"].buckets[bucket].keys.getlist(key) or []
    found = [item for item in versions if version is None or item.version_id == version]
    return found[-1] if found and not isinstance(found[-1], FakeDeleteMarker) else None


def fails_copy_condition(call: Call) -> bool:
    """Whether a copy's condition on its source does not hold, which moto does not check and S3 does.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html
    """
    wanted = call.header("x-amz-copy-source-if-match")
    if call.operation != "CopyObject" or wanted is None:
        return False
    source = stored_object(*call.copy_source)
    return source is not None and source.etag.strip('"') != wanted.strip('"')


class Version(TypedDict, total=False):
    """Which version a call to S3 means; empty in a bucket without versions."""

    VersionId: str


class BucketImages:
    """The images in moto's S3, as the emulator's ImageStore."""

    @dataclass(frozen=True)
    class _Image:
        digest: str
        _object: FakeKey

        def read(self) -> bytes:
            return self._object.value

    def find(self, bucket: str, key: str, version: str | None, limit_bytes: int) -> "BucketImages._Image":
        """The object; InvalidS3ObjectException when it is not there."""
        found = stored_object(bucket, key, version)
        if found is None:
            raise ServiceError("InvalidS3ObjectException")
        check_size(found.size, limit_bytes)
        return self._Image(found.etag, found)


def rekognition(service: Service, call: Call) -> AWSResponse:
    """Let the emulator's core answer."""
    try:
        return call.answer(encode_answer(service.call(call.operation, call.sent)))
    except ServiceError as error:
        return call.refuse(error.code, error.http_status, error.message)


class Mapping:
    """The event source mapping: switching takes time, and an update during a change is refused.

    https://docs.aws.amazon.com/lambda/latest/api/API_UpdateEventSourceMapping.html
    """

    def __init__(self, clock: Callable[[], float], switch_seconds: float) -> None:
        self._clock = clock
        self.switch_seconds = switch_seconds
        self.concurrent_batches = deployment.CONCURRENT_BATCHES
        self._is_enabled, self._wanted, self._settles_at = False, False, 0.0

    @property
    def state(self) -> str:
        """The state now."""
        if self._wanted != self._is_enabled:
            if self._clock() < self._settles_at:
                return "Enabling" if self._wanted else "Disabling"
            self._is_enabled = self._wanted
        return "Enabled" if self._is_enabled else "Disabled"

    @property
    def settles_at(self) -> float | None:
        """When a change that is under way ends."""
        return self._settles_at if self.state in ("Enabling", "Disabling") else None

    def switch(self, *, enable: bool) -> None:
        """Begin to switch it, in whatever state it is."""
        self._wanted = enable
        self._settles_at = self._clock() + self.switch_seconds

    def answer(self, call: Call) -> AWSResponse:
        """Answer Lambda's operations on one mapping."""
        if not call.request.url.endswith(f"/event-source-mappings/{deployment.MAPPING_UUID}"):
            return call.refuse("ResourceNotFoundException", 404)
        if call.operation == "UpdateEventSourceMapping":
            if call.body.keys() - {"ScalingConfig"} != {"Enabled"}:
                raise UnplayedError(f"an update of the trigger with {sorted(call.body)}")
            if self.state in ("Enabling", "Disabling"):
                return call.refuse("ResourceInUseException")
            self.switch(enable=call.body["Enabled"])
            scaling = call.body.get("ScalingConfig", {})
            self.concurrent_batches = scaling.get("MaximumConcurrency", self.concurrent_batches)
        elif call.operation != "GetEventSourceMapping":
            raise UnplayedError(f"nobody plays lambda.{call.operation}")
        described = {"UUID": deployment.MAPPING_UUID, "BatchSize": deployment.BATCH_SIZE, "State": self.state}
        return call.answer(json.dumps(described).encode())


def executions(
    runs: dict[str, Execution],
    stop: Callable[[Execution, str | None, str | None], None],
    call: Call,
    *,
    seen_at: float,
    epoch: float,
) -> AWSResponse:
    """Answer Step Functions' operations on executions, which are given by their ARNs, as they were at `seen_at`.

    It is in virtual seconds, which begin at `epoch`.
    """
    parameters: dict[str, Any] = call.body
    if call.operation not in ("DescribeExecution", "ListExecutions", "StopExecution"):
        raise UnplayedError(f"nobody plays states.{call.operation}")
    if call.operation == "ListExecutions":
        assert (parameters["stateMachineArn"], parameters["statusFilter"]) == (
            deployment.STATE_MACHINE_ARN,
            "RUNNING",
        ), f"nobody plays {parameters}"
        listed = [_described(run, seen_at, epoch) for run in runs.values() if run.started_at <= seen_at]
        newest_first = [run for run in reversed(listed) if run["status"] == "RUNNING"]
        assert len(newest_first) <= parameters["maxResults"], "nobody plays further pages"
        return call.answer(json.dumps({"executions": newest_first}).encode())
    run = runs.get(parameters["executionArn"])
    if run is None:
        return call.refuse("ExecutionDoesNotExist")
    if call.operation == "StopExecution":
        stop(run, parameters.get("error"), parameters.get("cause"))
        return call.answer(json.dumps({"stopDate": datetime.now(UTC).timestamp()}).encode())
    return call.answer(json.dumps(_described(run, seen_at, epoch)).encode())


def _described(run: Execution, seen_at: float, epoch: float) -> dict[str, Any]:
    has_ended = run.stopped_at is not None and run.stopped_at <= seen_at
    return {
        "executionArn": run.arn,
        "stateMachineArn": deployment.STATE_MACHINE_ARN,
        "name": run.name,
        "status": run.status if has_ended else "RUNNING",
        "startDate": epoch + run.started_at,
        **({"stopDate": epoch + run.stopped_at} if has_ended and run.stopped_at is not None else {}),
    }
