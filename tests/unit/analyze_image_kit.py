"""What the tests of the analysis function share: faulty services, and the queue with Lambda's poller in front."""

import io
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote_plus
from uuid import uuid4

import pytest
from botocore.exceptions import ClientError

from analyze_image import handler as handler_module
from analyze_image.analysis import Analysis, has_labelled
from analyze_image.announcements import Announcements
from analyze_image.detector import Detector
from analyze_image.documents import InferenceSettings
from analyze_image.errors import is_throttle
from analyze_image.labelling import Labelling
from analyze_image.lines import Stream
from analyze_image.poison import PoisonDetector
from analyze_image.rate_limiter import AdaptiveRateLimiter
from analyze_image.requeued_messages import RequeuedMessages
from analyze_image.store import Store
from shared.clients import error_code
from shared.dead_letter_queue import DeadLetterQueue
from shared.events import EventBus
from shared.image_queue import ImageQueue
from shared.model_state import ModelState
from shared.owner import Owner
from shared.request_rate import RequestRate
from shared.run_record import RunRecord, RunRecords
from shared.s3_events import Source, Upload
from tests.rig.emulator import contract
from tests.rig.emulator.errors import ServiceError
from tests.rig.stack.local_stack import REPOSITORY
from tests.unit.conftest import FINAL, MODEL_ARN, SOURCE, aws_error

LABELS = [{"Name": "logo", "Confidence": 98.5, "Geometry": {"BoundingBox": {"Width": 0.5}}}]
RUN = "run-1"
VISIBILITY_SECONDS = 720
RECEIVES_AT_MOST = 6

# Lambda refuses a chain's next invocation after so many, unless Terraform allows it for the function.
# https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html
INVOCATIONS_OF_A_CHAIN = 16
MAY_LOOP = 'recursive_loop = "Allow"' in (REPOSITORY / "terraform" / "function_analyze_image.tf").read_text()


def detect_error(code: str, message: str = "said AWS") -> ClientError:
    return aws_error(code, message, "DetectCustomLabels")


class FakeRekognition:
    """Answers LABELS, or raises what it is told for all images or by key; looks at the object as Rekognition does."""

    def __init__(self, s3: Any, error: Exception | None = None) -> None:  # noqa: ANN401
        self.s3, self.error, self.calls = s3, error, []
        self.limiter = AdaptiveRateLimiter()
        self.errors: dict[str, Exception] = {}

    def detect_custom_labels(self, **parameters: Any) -> dict[str, Any]:  # noqa: ANN401
        """Answer, and tell the limiter of it as botocore's events do."""
        self.limiter.wait()
        try:
            answer = self._answer(parameters)
        except ClientError as error:
            self.limiter.throttled() if is_throttle(error_code(error)) else self.limiter.answered()
            raise
        self.limiter.answered()
        return answer

    def _answer(self, parameters: dict[str, Any]) -> dict[str, Any]:
        self.calls.append(parameters)
        s3_object = parameters["Image"]["S3Object"]
        error = self.errors.get(s3_object["Name"], self.error)
        try:
            contract.check_request("DetectCustomLabels", parameters)
        except ServiceError as refusal:
            raise detect_error(refusal.code, refusal.message) from None
        if error:
            raise error.with_traceback(None)  # or the traceback of an hour's errors is logged with each
        version = {"VersionId": s3_object["Version"]} if "Version" in s3_object else {}
        try:
            self.s3.head_object(Bucket=s3_object["Bucket"], Key=s3_object["Name"], **version)
        except ClientError:
            raise detect_error("InvalidS3ObjectException", "Unable to get object metadata from S3.") from None
        return {"CustomLabels": LABELS}

    def calls_for(self, key: str) -> int:
        return sum(call["Image"]["S3Object"]["Name"] == key for call in self.calls)


class Crash(BaseException):
    """The function is killed: nothing catches it."""


class CrashingS3:
    """Passes every call on and is killed before, or after, the n-th one."""

    def __init__(self, s3: Any, at: int, *, after: bool) -> None:  # noqa: ANN401
        self._s3, self._left, self._after = s3, at, after

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(**parameters: Any) -> Any:  # noqa: ANN401
            self._left -= 1
            if self._left == 0 and not self._after:
                raise Crash
            try:
                return getattr(self._s3, name)(**parameters)
            finally:
                if self._left == 0:
                    raise Crash

        return call


class AnnotatedS3:
    """S3 with annotations, which moto has not; the function is killed before the call `dies_at`, or after it.

    They are copied as S3 does it: by CopyObject, and not to what is put together from parts.
    """

    def __init__(self, s3: Any, dies_at: str = "", *, after: bool = False) -> None:  # noqa: ANN401
        self._s3, self._dies_at, self._after = s3, dies_at, after
        self.annotations: dict[tuple[str, str], dict[str, bytes]] = {}
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Callable[..., Any]:
        own = {"copy_object": self._copy} | {
            f"{verb}_object_annotation{'s' * (verb == 'list')}": getattr(self, f"_{verb}")
            for verb in ("list", "get", "put")
        }

        def call(**parameters: Any) -> Any:  # noqa: ANN401
            self.calls.append(name)
            if name == self._dies_at and not self._after:
                raise Crash
            answer = own.get(name, getattr(self._s3, name, None))(**parameters)
            if name == self._dies_at:
                raise Crash
            return answer

        return call

    def _copy(self, **parameters: Any) -> Any:  # noqa: ANN401
        source = parameters["CopySource"]
        answer = self._s3.copy_object(**parameters)
        self.annotations[parameters["Bucket"], parameters["Key"]] = dict(
            self.annotations.get((source["Bucket"], source["Key"]), {})
        )
        return answer

    def _list(self, ContinuationToken: str = "0", **place: Any) -> Any:  # noqa: ANN401, N803
        # One a page, so that no page is forgotten.
        names, number = sorted(self.annotations.get((place["Bucket"], place["Key"]), {})), int(ContinuationToken)
        more = {"NextContinuationToken": str(number + 1)} if number + 1 < len(names) else {}
        return {"Annotations": [{"AnnotationName": name} for name in names[number : number + 1]]} | more

    def _get(self, *, AnnotationName: str, **place: Any) -> Any:  # noqa: ANN401, N803
        return {"AnnotationPayload": io.BytesIO(self.annotations[place["Bucket"], place["Key"]][AnnotationName])}

    def _put(self, **sent: Any) -> None:  # noqa: ANN401
        assert sent["ObjectIfMatch"] == self._s3.head_object(Bucket=sent["Bucket"], Key=sent["Key"])["ETag"]
        of_object = self.annotations.setdefault((sent["Bucket"], sent["Key"]), {})
        of_object[sent["AnnotationName"]] = sent["AnnotationPayload"]


class Traced:
    """SQS as the function calls it: botocore sends the trace header of the invocation, which the message keeps."""

    def __init__(self, sqs: Any) -> None:  # noqa: ANN401
        self._sqs, self.invocations = sqs, 0

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        return getattr(self._sqs, name)

    def send_message(self, **parameters: Any) -> Any:  # noqa: ANN401
        header = {"DataType": "String", "StringValue": f"Root=1-5759e988-bd862e3f;Lineage=12326a9d:{self.invocations}"}
        return self._sqs.send_message(**parameters, MessageSystemAttributes={"AWSTraceHeader": header})


class Faulty:
    """A client whose calls fail as `faults` says, by the method's name; `after`: only when the call was carried out."""

    def __init__(self, client: Any) -> None:  # noqa: ANN401
        self._client = client
        self.faults: dict[str, BaseException] = {}
        self.after: dict[str, BaseException] = {}

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        def call(**parameters: Any) -> Any:  # noqa: ANN401
            if name in self.faults:
                raise self.faults[name].with_traceback(None)
            answer = getattr(self._client, name)(**parameters)
            if name in self.after:
                raise self.after[name].with_traceback(None)
            return answer

        return call


def put(s3: Any, key: str = "a/b.jpg", body: bytes = b"picture") -> Upload:  # noqa: ANN401
    answer = s3.put_object(Bucket=SOURCE, Key=key, Body=body)
    return Upload(SOURCE, key, answer["ETag"].strip('"'), answer.get("VersionId"), len(body))


def labelling(s3: Any, error: Exception | None = None, confidence: float | None = None) -> Labelling:  # noqa: ANN401
    return Labelling(
        Detector(FakeRekognition(s3, error), InferenceSettings(MODEL_ARN, confidence)), Store(s3, SOURCE, FINAL)
    )


def keys(s3: Any, bucket: str) -> list[str]:  # noqa: ANN401
    return sorted(item["Key"] for item in s3.list_objects_v2(Bucket=bucket).get("Contents", []))


def document(s3: Any, key: str) -> dict[str, Any]:  # noqa: ANN401
    return json.loads(s3.get_object(Bucket=FINAL, Key=key)["Body"].read())


def event(key: str = "a.jpg", bucket: str = SOURCE, **entity: object) -> dict[str, Any]:
    """One record of S3's event; `key` as S3 encodes it."""
    return {
        "eventSource": "aws:s3",
        "eventName": "ObjectCreated:Put",
        "s3": {"bucket": {"name": bucket}, "object": {"key": key, "eTag": "e", "size": 3, **entity}},
    }


def body(*records: dict[str, Any]) -> str:
    return json.dumps({"Records": list(records)})


def event_of(upload: Upload) -> dict[str, Any]:
    version = {"versionId": upload.version_id} if upload.version_id else {}
    return event(quote_plus(upload.key, safe="/"), eTag=upload.etag, size=upload.size, **version)


@dataclass
class Pipeline:
    """The buckets, the two queues, and the function behind Lambda's poller, by a clock of ours."""

    s3: Any
    sqs: Any
    records: RunRecords
    monkeypatch: pytest.MonkeyPatch
    milliseconds: float = 1_800_000_000_000.0
    run_id: str | None = RUN
    pace: RequestRate | None = None
    seconds_left: float = 119.0
    alert_labels: dict[str, float] = field(default_factory=dict)
    bus: EventBus | None = None
    stream: Stream | None = None
    # How the receive count of a message that is taken from the queue was at its highest, over all messages.
    most_receives: int = 0
    failures: list[str] = field(default_factory=list)
    # How often the function was invoked in one chain of requests.
    longest_chain: int = 0

    def __post_init__(self) -> None:
        self.monkeypatch.setattr("moto.sqs.models.unix_time", lambda: self.milliseconds / 1000)
        self.monkeypatch.setattr("moto.sqs.models.unix_time_millis", lambda: self.milliseconds)
        self.monkeypatch.setattr("analyze_image.analysis.time.sleep", lambda _: None)
        self.monkeypatch.setattr(handler_module.metrics, "namespace", "Tests")
        self.dead_letter_url = self.sqs.create_queue(QueueName="dead")["QueueUrl"]
        arn = self.sqs.get_queue_attributes(QueueUrl=self.dead_letter_url, AttributeNames=["QueueArn"])["Attributes"]
        redrive = {"deadLetterTargetArn": arn["QueueArn"], "maxReceiveCount": RECEIVES_AT_MOST}
        self.url = self.sqs.create_queue(
            QueueName="images",
            Attributes={"VisibilityTimeout": str(VISIBILITY_SECONDS), "RedrivePolicy": json.dumps(redrive)},
        )["QueueUrl"]
        self.rekognition = FakeRekognition(self.s3)
        self.traced_sqs = Traced(self.sqs)
        self.faulty_s3, self.faulty_sqs = Faulty(self.s3), Faulty(self.traced_sqs)
        self.start_environment()

    def start_environment(self) -> None:
        """A cold start: what an execution environment knew is forgotten."""
        analysis = Analysis(
            labelling=Labelling(
                Detector(self.rekognition, InferenceSettings(MODEL_ARN, None)), Store(self.faulty_s3, SOURCE, FINAL)
            ),
            queue=ImageQueue(self.faulty_sqs, self.url),
            requeued_messages=RequeuedMessages(self.records._items),
            dead_letters=DeadLetterQueue(self.faulty_sqs, self.dead_letter_url),
            poison=PoisonDetector(lambda run_id: has_labelled(self.records, run_id)),
            rate_limiter=self.rekognition.limiter,
            source=Source(SOURCE),
            announcements=Announcements(self.alert_labels, self.bus, self.stream),
            records=self.records,
            read_state=lambda: ModelState(
                owner=Owner.run(self.run_id) if self.run_id else None, request_rate=self.pace
            ),
        )
        self.monkeypatch.setattr(handler_module, "_analysis", lambda: analysis)

    # --- from outside

    def upload(self, *names: str, content: bytes = b"picture") -> list[Upload]:
        uploads = [put(self.s3, name, content) for name in names]
        for upload in uploads:
            self.send(body(event_of(upload)))
        return uploads

    def send(self, message: str, attributes: dict[str, Any] | None = None) -> None:
        self.sqs.send_message(QueueUrl=self.url, MessageBody=message, MessageAttributes=attributes or {})

    def pass_time(self, seconds: float) -> None:
        self.milliseconds += seconds * 1000

    # --- Lambda

    def invoke(self, *, can_delete: bool = True) -> int:
        """Receive a batch, handle it, and delete what is reported as done; return how many messages there were."""
        messages = self.sqs.receive_message(
            QueueUrl=self.url,
            MaxNumberOfMessages=10,
            AttributeNames=["All"],
            MessageAttributeNames=["All"],
            WaitTimeSeconds=0,
        ).get("Messages", [])
        if not messages:
            return 0
        self.most_receives = max(
            self.most_receives, *(int(message["Attributes"]["ApproximateReceiveCount"]) for message in messages)
        )
        chains = [message["Attributes"].get("AWSTraceHeader", ":0").rpartition(":")[2] for message in messages]
        self.traced_sqs.invocations = max(map(int, chains)) + 1
        self.longest_chain = max(self.longest_chain, self.traced_sqs.invocations)
        if self.traced_sqs.invocations > INVOCATIONS_OF_A_CHAIN and not MAY_LOOP:
            # RecursiveInvocationException: the messages wait for their visibility timeout.
            return len(messages)
        answer = handler_module.handler({"Records": [_for_lambda(message) for message in messages]}, self._context())
        failed = {item["itemIdentifier"] for item in answer["batchItemFailures"]}
        self.failures += failed
        for message in messages:
            if can_delete and message["MessageId"] not in failed:
                self.sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
        return len(messages)

    def drain(self) -> None:
        """Take what is visible now, once."""
        for _ in range(100):
            if not self.invoke():
                return
        raise AssertionError("the queue does not come to rest: a message loops without delay")

    def run_for(self, seconds: float, until: Callable[[], bool] = lambda: False) -> None:
        """Take messages whenever there are some, for a while."""
        end = self.milliseconds + seconds * 1000
        while True:
            self.drain()
            waits = [max(message["delay_seconds"], message["hidden_seconds"]) for message in self.messages()]
            # Messages come in batches: those of the next two seconds come together.
            next_batch = self.milliseconds + (min(waits, default=seconds) + 2) * 1000
            if until() or next_batch > end:
                break
            self.milliseconds = next_batch
        self.milliseconds = max(self.milliseconds, end)

    def _context(self) -> Any:  # noqa: ANN401
        return SimpleNamespace(
            function_name="analyze",
            memory_limit_in_mb=512,
            invoked_function_arn="arn:aws:lambda:us-east-1:123456789012:function:analyze",
            aws_request_id=str(uuid4()),
            get_remaining_time_in_millis=lambda: self.seconds_left * 1000,
        )

    # --- what became of it

    @property
    def record(self) -> RunRecord:
        return self.records.read(RUN)

    def messages(self, url: str | None = None) -> list[dict[str, Any]]:
        """What is in a queue, in whatever state: looked at from behind, so that nothing is received."""
        from moto.core import DEFAULT_ACCOUNT_ID
        from moto.sqs.models import sqs_backends

        queue = sqs_backends[DEFAULT_ACCOUNT_ID]["us-east-1"].get_queue((url or self.url).rsplit("/", 1)[1])
        return [
            {
                "body": message.body,
                "delay_seconds": max(0.0, (message.delayed_until - self.milliseconds) / 1000),
                "hidden_seconds": max(0.0, (message.visible_at - self.milliseconds) / 1000),
                "attributes": {name: value["StringValue"] for name, value in message.message_attributes.items()},
            }
            for message in queue._messages
        ]

    def dead_letters(self) -> list[dict[str, Any]]:
        return self.messages(self.dead_letter_url)

    def assert_nothing_lost_or_doubled(self, uploads: list[Upload]) -> None:
        """Each upload is finished once, or waits in the source bucket with a message in one of the queues."""
        final, source = keys(self.s3, FINAL), keys(self.s3, SOURCE)
        waiting = [
            told["s3"]
            for message in self.messages() + self.dead_letters()
            if message["body"].startswith('{"Records"')
            for told in json.loads(message["body"])["Records"]
        ]
        for upload in uploads:
            ended = [name for name in (f"processed/{upload.key}", f"failed/{upload.key}") if name in final]
            assert len(ended) + (upload.key in source) == 1, upload
            if ended:
                assert document(self.s3, ended[0] + ".json")["source"]["etag"] == upload.etag
            else:
                assert event_of(upload)["s3"] in waiting, upload


def _for_lambda(message: dict[str, Any]) -> dict[str, Any]:
    """A received message as Lambda's poller passes it on."""
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message["Attributes"],
        "messageAttributes": {
            name: {"stringValue": value.get("StringValue"), "dataType": value["DataType"]}
            for name, value in message.get("MessageAttributes", {}).items()
        },
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:images",
        "awsRegion": "us-east-1",
    }


@pytest.fixture
def pipeline(s3: Any, sqs: Any, records: RunRecords, monkeypatch: pytest.MonkeyPatch) -> Pipeline:  # noqa: ANN401
    return Pipeline(s3, sqs, records, monkeypatch)
