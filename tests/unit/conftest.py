"""In-process AWS for the fast tests: moto for S3, SQS and DynamoDB, and a scripted model."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from shared.events import EventBus
from shared.items import Items
from shared.lease import Lease
from shared.model_state import ModelStates, StartMark
from shared.owner import Owner
from shared.project_version import ProjectVersion
from shared.receipts import Receipts
from shared.run_record import RunRecords
from tests.rig.quick_moto import client, listening, mock_aws

TABLE = "runs"
RUN_0, RUN, RUN_2, RUN_3 = (Owner.run(f"run-{number}") for number in range(4))
SOURCE, FINAL = "source-bucket", "final-bucket"
PROJECT_ARN = "arn:aws:rekognition:us-east-1:123456789012:project/logos/1700000000001"
MODEL_ARN = "arn:aws:rekognition:us-east-1:123456789012:project/logos/version/logos.1/1700000000002"


def aws_error(code: str, message: str = "said AWS", operation: str = "Operation") -> ClientError:
    """An error as botocore raises it."""
    return ClientError({"Error": {"Code": code, "Message": message}}, operation)


@dataclass
class ScriptedModel:
    """A Rekognition client for one model: answers a list of statuses, the last one again and again."""

    statuses: list[str]
    start_error: Exception | None = None
    stop_error: Exception | None = None
    tag_error: Exception | None = None
    units: int | None = 1
    feature: str | None = None
    tags: dict[str, str] = field(default_factory=dict)
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def describe_project_versions(self, **parameters: Any) -> dict[str, Any]:  # noqa: ANN401
        assert parameters == {"ProjectArn": PROJECT_ARN, "VersionNames": ["logos.1"]}
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        if status == "not listed":
            return {"ProjectVersionDescriptions": []}
        if status == "not found":
            raise aws_error("ResourceNotFoundException")
        if status == "throttled":
            raise aws_error("ThrottlingException")
        described = {"ProjectVersionArn": MODEL_ARN, "Status": status, "StatusMessage": f"is {status}"}
        if self.units is not None:
            described["MinInferenceUnits"] = self.units
        if self.feature is not None:
            described["Feature"] = self.feature
        return {"ProjectVersionDescriptions": [{"ProjectVersionArn": MODEL_ARN + "0", "Status": "RUNNING"}, described]}

    def start_project_version(self, **parameters: Any) -> None:  # noqa: ANN401
        self.calls.append(("start", parameters))
        if self.start_error:
            raise self.start_error

    def stop_project_version(self, **parameters: Any) -> None:  # noqa: ANN401
        self.calls.append(("stop", parameters))
        if self.stop_error:
            raise self.stop_error

    def tag_resource(self, *, ResourceArn: str, Tags: dict[str, str]) -> None:  # noqa: N803 - AWS's names
        assert ResourceArn == MODEL_ARN
        if self.tag_error:
            raise self.tag_error
        self.tags |= Tags

    def untag_resource(self, *, ResourceArn: str, TagKeys: list[str]) -> None:  # noqa: N803
        assert ResourceArn == MODEL_ARN
        if self.tag_error:
            raise self.tag_error
        for key in TagKeys:
            self.tags.pop(key, None)

    def list_tags_for_resource(self, *, ResourceArn: str) -> dict[str, Any]:  # noqa: N803
        assert ResourceArn == MODEL_ARN
        return {"Tags": dict(self.tags)}

    def model(self) -> ProjectVersion:
        return ProjectVersion(self, PROJECT_ARN, MODEL_ARN, deployment="logos")


def ask_for_start(states: ModelStates, owner: Owner, call: str = "t1", at: int = 1_800_000_000) -> StartMark:
    """Mark a call for the model's start, which may be made yet."""
    mark = StartMark(owner.id, asked_at=at)
    states.record_start_asked(owner, call, mark)
    return mark


def accept_start(states: ModelStates, owner: Owner, call: str = "t1", at: int = 1_800_000_000) -> None:
    """Mark a call for the model's start that Rekognition accepted at once."""
    states.record_start_ended(call, replace(ask_for_start(states, owner, call, at), ended_at=at, accepted=True))


@dataclass
class FakeEvents:
    """EventBridge: takes events as AWS does, and refuses what it is told; each answer is one call's."""

    answers: list[Exception | list[str | None]] = field(default_factory=list)
    sent: list[dict[str, Any]] = field(default_factory=list)
    calls: int = 0

    def put_events(self, Entries: list[dict[str, str]]) -> dict[str, Any]:  # noqa: N803 - as boto3's
        self.calls += 1
        assert 1 <= len(Entries) <= 10
        answer = self.answers.pop(0) if self.answers else [None] * len(Entries)
        if isinstance(answer, Exception):
            raise answer
        assert len(answer) == len(Entries), "the test knows how many events are sent"
        for entry, code in zip(Entries, answer, strict=True):
            assert entry.keys() == {"Source", "DetailType", "Detail"}
            if code is None:
                self.sent.append({**entry, "Detail": json.loads(entry["Detail"])})
        codes = [{"ErrorCode": code} if code else {"EventId": "x"} for code in answer]
        return {"FailedEntryCount": sum(map(bool, answer)), "Entries": codes}


class Clock:
    """Epoch seconds that a test sets."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE", "AWS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with mock_aws():
        yield


@pytest.fixture
def dynamodb(aws: None) -> Any:  # noqa: ANN401, ARG001
    dynamodb = client("dynamodb")
    dynamodb.create_table(
        TableName=TABLE,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "model", "KeyType": "HASH"}, {"AttributeName": "item", "KeyType": "RANGE"}],
        AttributeDefinitions=[
            {"AttributeName": "model", "AttributeType": "S"},
            {"AttributeName": "item", "AttributeType": "S"},
        ],
    )
    return dynamodb


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def items(dynamodb: Any) -> Items:  # noqa: ANN401
    return Items(dynamodb, TABLE, MODEL_ARN)


@pytest.fixture
def lease(items: Items, clock: Clock) -> Lease:
    return Lease(items, 900, clock)


@pytest.fixture
def states(items: Items) -> ModelStates:
    return ModelStates(items)


@pytest.fixture
def records(items: Items) -> RunRecords:
    return RunRecords(items)


@pytest.fixture
def s3(aws: None) -> Any:  # noqa: ANN401, ARG001
    s3 = client("s3")
    s3.create_bucket(Bucket=SOURCE)
    s3.create_bucket(Bucket=FINAL)
    return s3


@pytest.fixture
def sqs(aws: None) -> Iterator[Any]:  # noqa: ARG001
    """A client that does not wait for messages: nobody sends any meanwhile, and moto waits in wall time."""

    def wait_no_time(params: dict[str, Any], **_: object) -> None:
        params["WaitTimeSeconds"] = 0

    with listening(client("sqs"), "provide-client-params.sqs.ReceiveMessage", wait_no_time):
        yield client("sqs")


@pytest.fixture
def events() -> FakeEvents:
    return FakeEvents()


@pytest.fixture
def receipts(records: RunRecords, s3: Any, events: FakeEvents) -> Receipts:  # noqa: ANN401
    return Receipts(records, s3, EventBus(events, "logos"), FINAL, MODEL_ARN, unit_hour_usd=4)
