"""boto3 clients with bounded waiting.

With botocore's defaults (legacy retries, 60 s read time-out) one call may outlive a function. In `standard` mode
throttles, 5xx answers and lost connections are retried with exponential back-off and jitter.
https://docs.aws.amazon.com/boto3/latest/guide/retries.html
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal, TypedDict, Unpack, overload

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_firehose import FirehoseClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_rekognition import RekognitionClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_stepfunctions import SFNClient

CONNECT_TIMEOUT_SECONDS = 3

# S3's codes for an object or a version that is not there. HeadObject's answer has no body, so its code is the status.
# https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html
NOT_FOUND = frozenset({"404", "NoSuchKey", "NoSuchVersion", "NotFound"})


class Bounds(TypedDict, total=False):
    """The bounds of a client's calls; `attempts` includes the first."""

    read_timeout_seconds: float
    attempts: int
    connections: int


@overload
def client(service: Literal["dynamodb"], **bounds: Unpack[Bounds]) -> "DynamoDBClient": ...
@overload
def client(service: Literal["events"], **bounds: Unpack[Bounds]) -> "EventBridgeClient": ...
@overload
def client(service: Literal["firehose"], **bounds: Unpack[Bounds]) -> "FirehoseClient": ...
@overload
def client(service: Literal["lambda"], **bounds: Unpack[Bounds]) -> "LambdaClient": ...
@overload
def client(service: Literal["rekognition"], **bounds: Unpack[Bounds]) -> "RekognitionClient": ...
@overload
def client(service: Literal["s3"], **bounds: Unpack[Bounds]) -> "S3Client": ...
@overload
def client(service: Literal["sqs"], **bounds: Unpack[Bounds]) -> "SQSClient": ...
@overload
def client(service: Literal["stepfunctions"], **bounds: Unpack[Bounds]) -> "SFNClient": ...
def client(service: str, **bounds: Unpack[Bounds]) -> object:
    """Return a client of `service` whose calls are bounded.

    With the defaults a call that never gets an answer ends after about 27 s, within a control function's 30 s.
    """
    config = Config(
        connect_timeout=CONNECT_TIMEOUT_SECONDS,
        read_timeout=bounds.get("read_timeout_seconds", 5),
        retries={"mode": "standard", "total_max_attempts": bounds.get("attempts", 3)},
        max_pool_connections=bounds.get("connections", 10),
    )
    make: Callable[..., object] = boto3.client
    return make(service, config=config)


def error_code(error: ClientError) -> str:
    """Return AWS's code of a ClientError, such as ThrottlingException."""
    return str(error.response.get("Error", {}).get("Code", ""))


def error_message(error: ClientError) -> str:
    """Return AWS's message of a ClientError."""
    return str(error.response.get("Error", {}).get("Message", ""))


@contextmanager
def calling(operation: str, thing: str) -> Iterator[None]:
    """Note on an error of the calls inside which operation failed and on what: see `call_of`.

    botocore's errors do not name the object of a call, and connection errors not even the operation.
    """
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        error.__notes__ = [f"{operation} {thing}"]
        raise


def call_of(error: Exception) -> str:
    """Return which operation failed and on what, such as "CopyObject s3://bucket/key"; empty when unknown."""
    notes = getattr(error, "__notes__", None)
    if notes:
        return str(notes[-1])
    return error.operation_name if isinstance(error, ClientError) else ""
