"""boto3 clients with bounded waiting.

botocore's defaults (legacy retries, 60 s read time-out) let one call outlive a function. In `standard` mode
throttles, 5xx answers and lost connections are tried again with exponential back-off and jitter.
https://docs.aws.amazon.com/boto3/latest/guide/retries.html
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

CONNECT_TIMEOUT_SECONDS = 3


def client(
    service: str,
    *,
    read_timeout_seconds: float = 5,
    attempts: int = 3,
    connections: int = 10,
) -> Any:  # noqa: ANN401 - boto3 makes its clients at run time
    """Return a client of `service` that makes at most `attempts` attempts, the first included.

    With the defaults a call that never gets an answer ends after about 27 s, within a control function's 30 s.
    """
    return boto3.client(
        service,
        config=Config(
            connect_timeout=CONNECT_TIMEOUT_SECONDS,
            read_timeout=read_timeout_seconds,
            retries={"mode": "standard", "total_max_attempts": attempts},
            max_pool_connections=connections,
        ),
    )


def error_code(error: ClientError) -> str:
    """Return AWS's code of a ClientError, such as ThrottlingException."""
    return str(error.response.get("Error", {}).get("Code", ""))


def error_message(error: ClientError) -> str:
    """Return AWS's message of a ClientError."""
    return str(error.response.get("Error", {}).get("Message", ""))


@contextmanager
def calling(operation: str, thing: str) -> Iterator[None]:
    """Let an error of the calls made herein say what was asked of AWS: see `call_of`.

    botocore's errors do not say what a call was about; those of a connection not even which operation it was.
    """
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        error.__notes__ = [f"{operation} {thing}"]
        raise


def call_of(error: Exception) -> str:
    """Return which operation failed and on what, such as "CopyObject s3://bucket/key"; empty when nobody knows."""
    notes = getattr(error, "__notes__", None)
    if notes:
        return str(notes[-1])
    return error.operation_name if isinstance(error, ClientError) else ""
