"""Where the milliseconds of one image go: processor time of the analysis function, with the network taken away.

The real handler with real SDK clients, which build, sign and parse everything; only what would go over the wire is
answered at once. The same calls made directly, without our code, are what the SDK takes by itself.
"""

import cProfile
import io
import json
import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext
    from botocore.client import BaseClient
    from mypy_boto3_rekognition import RekognitionClient
    from mypy_boto3_rekognition.type_defs import ImageTypeDef
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CopySourceTypeDef

BATCH = 10
BATCHES = 60
SETTINGS = {
    "AWS_ACCESS_KEY_ID": "bench",
    "AWS_SECRET_ACCESS_KEY": "bench",
    "AWS_DEFAULT_REGION": "us-east-1",
    "DEAD_LETTER_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/123456789012/dead",
    "FINAL_BUCKET_NAME": "final-bucket",
    "IMAGE_SUFFIXES": '[".png"]',
    "POWERTOOLS_METRICS_NAMESPACE": "Bench",
    "POWERTOOLS_SERVICE_NAME": "analyze_image",
    "PROJECT_VERSION_ARN": "arn:aws:rekognition:us-east-1:123456789012:project/logos/version/logos.1/1700000000002",
    "QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/123456789012/images",
    "RUNS_TABLE_NAME": "runs",
    "SOURCE_BUCKET_NAME": "source-bucket",
}
ETAG, VERSION, SIZE = "5456fc54c74a297ce994998c2873b370", "v" * 32, 48211
LABELS = {"CustomLabels": [{"Name": "logo", "Confidence": 98.5, "Geometry": {"BoundingBox": {"Width": 0.5}}}] * 3}
RATE = {"images_per_second": {"N": "1000000"}, "concurrent_batches": {"N": "2"}}
LEASE = {"lease_owner": {"S": "run-1"}, "request_rate": {"M": RATE}}
XML = b'<?xml version="1.0"?><CopyObjectResult><ETag>"5456fc54c74a297ce994998c2873b370"</ETag></CopyObjectResult>'


class Wire:
    """Answers what an SDK client sends, and counts it."""

    def __init__(self) -> None:
        self.calls: dict[str, int] = defaultdict(int)
        self.lease: dict[str, Any] = LEASE

    def attach(self, client: "BaseClient") -> None:
        """Take the network away from a client."""
        # The stub does not know that what a hook returns is the answer.
        answer: Callable[..., Any] = self._answer
        client.meta.events.register_last("before-send", answer)

    def _answer(self, request: AWSPreparedRequest, event_name: str, **_: object) -> AWSResponse:
        operation = event_name.rsplit(".", 1)[1]
        self.calls[operation] += 1
        body = {"DetectCustomLabels": json.dumps(LABELS).encode(), "CopyObject": XML}.get(operation, b"")
        if operation in ("GetItem", "TransactWriteItems"):
            body = json.dumps({"Item": self.lease} if operation == "GetItem" else {}).encode()
        # The upload is there, and every name is free.
        is_source = SETTINGS["SOURCE_BUCKET_NAME"] in request.url
        status = 404 if operation in ("HeadObject", "GetObject") and not is_source else 200
        # AWSResponse takes any mapping for its headers; the stub knows one of them.
        headers: Any = {"ETag": f'"{ETAG}"', "Content-Length": str(SIZE), "x-amz-version-id": VERSION}
        return AWSResponse(request.url, status, headers, SimpleNamespace(stream=lambda: iter([body])))


def event(first: int) -> dict[str, Any]:
    """A batch as Lambda's poller hands it over."""
    keys = [f"folder/photo-{first + n}.png" for n in range(BATCH)]
    return {"Records": [_message(key) for key in keys]}


def _message(key: str) -> dict[str, Any]:
    entity = {"key": key, "eTag": ETAG, "size": SIZE, "versionId": VERSION}
    record = {
        "eventSource": "aws:s3",
        "eventName": "ObjectCreated:Put",
        "s3": {"bucket": {"name": "source-bucket"}, "object": entity},
    }
    return {
        "messageId": key,
        "receiptHandle": "r",
        "body": json.dumps({"Records": [record]}),
        "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": "1800000000000"},
        "messageAttributes": {},
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:images",
        "awsRegion": "us-east-1",
    }


def context() -> "LambdaContext":
    """What Lambda tells a function of its invocation."""
    told = SimpleNamespace(
        function_name="analyze",
        memory_limit_in_mb=512,
        invoked_function_arn="arn:aws:lambda:us-east-1:123456789012:function:analyze",
        aws_request_id="request",
        get_remaining_time_in_millis=lambda: 119_000,
    )
    return cast("LambdaContext", told)


@contextmanager
def _settings() -> Iterator[None]:
    before = dict(os.environ)
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ.update(SETTINGS)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _milliseconds(work: Callable[[int], None]) -> float:
    """Return the processor's milliseconds an image."""
    work(0)  # whatever is made at first use
    began = time.process_time()
    for number in range(1, BATCHES + 1):
        work(number * BATCH)
    return (time.process_time() - began) * 1000 / (BATCHES * BATCH)


def measure() -> tuple[list[str], Wire]:
    """Return the table, and what was called."""
    with _settings(), redirect_stdout(io.StringIO()):
        from analyze_image import handler as module
        from shared.run_record import BatchCounts

        analysis = module._analysis()
        rekognition, s3 = analysis.labelling._detector._rekognition, analysis.labelling._store._s3
        wire = Wire()
        for client in (rekognition, s3, analysis.queue._sqs, analysis.records._items._dynamodb):
            wire.attach(client)

        def whole(first: int) -> None:
            assert module.handler(event(first), context()) == {"batchItemFailures": []}

        def sdk(first: int) -> None:
            for message in event(first)["Records"]:
                _calls(rekognition, s3, message["messageId"])
            analysis.read_state()
            analysis.records.add_batch("run-1", BatchCounts(processed=BATCH))

        all_of_it, of_sdk = _milliseconds(whole), _milliseconds(sdk)
        wire.calls.clear()
        whole(0)
        calls = dict(wire.calls)
        # A number for images that were not labelled would be no number.
        assert calls["DetectCustomLabels"] == calls["DeleteObject"] == BATCH, calls
        # A profile sees one thread: without a pace, the images come one after the other.
        wire.lease = {"lease_owner": LEASE["lease_owner"]}
        profile = cProfile.Profile()
        with profile:
            for number in range(BATCHES):
                whole(number * BATCH)
    rows = ["| processor time of one image | ms |", "|---|---|"]
    rows += [f"| the handler | {all_of_it:.2f} |", f"| the same calls by the SDK alone | {of_sdk:.2f} |"]
    rows += [f"| **ours beyond the SDK** | **{all_of_it - of_sdk:.2f}** |"]
    rows += [f"| {name} (share of the profile) | {share:.0%} |" for name, share in _shares(profile)]
    each = ", ".join(f"{name} {count}" for name, count in sorted(calls.items()))
    rows.append(f"| calls for a batch of {BATCH} | {each} |")
    wire.calls = defaultdict(int, calls)
    return rows, wire


def _calls(rekognition: "RekognitionClient", s3: "S3Client", key: str) -> None:
    arn = SETTINGS["PROJECT_VERSION_ARN"]
    image: ImageTypeDef = {"S3Object": {"Bucket": "source-bucket", "Name": key, "Version": VERSION}}
    s3.head_object(Bucket="source-bucket", Key=key)
    found = rekognition.detect_custom_labels(ProjectVersionArn=arn, Image=image)
    body = json.dumps(found["CustomLabels"]).encode()
    for later_name in (f"{key}~1.json", f"{key}~2.json"):
        with suppress(ClientError):
            s3.get_object(Bucket="final-bucket", Key=f"processed/{later_name}")
    with suppress(ClientError):
        s3.head_object(Bucket="final-bucket", Key=f"processed/{key}")
    result = f"processed/{key}.json"
    s3.put_object(Bucket="final-bucket", Key=result, Body=body, ContentType="application/json", IfNoneMatch="*")
    source: CopySourceTypeDef = {"Bucket": "source-bucket", "Key": key, "VersionId": VERSION}
    s3.copy_object(Bucket="final-bucket", Key=f"processed/{key}", CopySource=source, CopySourceIfMatch=ETAG)
    s3.delete_object(Bucket="source-bucket", Key=key, VersionId=VERSION)


PACKAGES = {
    "/botocore/": "botocore",
    "/boto3/": "botocore",
    "/aws_lambda_powertools/": "Powertools: logs, metrics, batch",
    "/analyze_image/": "our code",
    "/shared/": "our code",
    "/json/": "json",
    "/logging/": "logging",
}


def _shares(profile: cProfile.Profile) -> list[tuple[str, float]]:
    """Return the packages and their share of the time spent in themselves, the largest first."""
    own: dict[str, float] = defaultdict(float)
    for entry in profile.getstats():
        # A function in C has a name alone.
        file = entry.code if isinstance(entry.code, str) else entry.code.co_filename
        name = next((title for part, title in PACKAGES.items() if part in file), "the standard library and the rest")
        own[name] += entry.inlinetime
    total = sum(own.values())
    return sorted(((name, seconds / total) for name, seconds in own.items()), key=lambda pair: -pair[1])
