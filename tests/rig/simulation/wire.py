"""The one place that everything boto3 sends in this process comes to: no socket is opened.

moto answers S3, SQS and DynamoDB; who wires himself in decides about each request, and may answer it himself.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest import mock
from urllib.parse import unquote, urlsplit

from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from moto.core.botocore_stubber import BotocoreStubber, MockRawResponse

Json = Any

MOTO_SERVICES = frozenset({"s3", "sqs", "dynamodb"})


class UnplayedError(BaseException):
    """A call that the simulation does not know: nothing in a handler may catch it."""


@dataclass(frozen=True)
class Call:
    """One request, with the service's and the operation's names in botocore's spelling."""

    service: str
    operation: str
    request: AWSPreparedRequest

    @property
    def place(self) -> tuple[str, str]:
        """The bucket and the key of a call to S3."""
        url = urlsplit(self.request.url)
        return url.netloc.split(".s3.")[0], unquote(url.path[1:])

    @property
    def copy_source(self) -> tuple[str, str, str | None]:
        """The bucket, the key and the version that a CopyObject reads."""
        path, _, query = (self.header("x-amz-copy-source") or "").partition("?versionId=")
        bucket, _, key = unquote(path).lstrip("/").partition("/")
        return bucket, key, query or None

    @property
    def body(self) -> Json:
        """The JSON body of a JSON service."""
        return json.loads(self.sent or b"{}")

    @property
    def sent(self) -> bytes:
        """The body of a JSON service as it goes over the network."""
        body = self.request.body or b""
        assert isinstance(body, bytes), f"botocore sends {self.service}.{self.operation} as a {type(body).__name__}"
        return body

    def header(self, name: str) -> str | None:
        """A header's text."""
        # botocore's signer leaves bytes in some of them.
        value: object = self.request.headers.get(name)
        if isinstance(value, bytes):
            return value.decode()
        return None if value is None else str(value)

    def answer(self, body: bytes, status: int = 200, headers: dict[str, str] | None = None) -> AWSResponse:
        """An answer as it comes from the network."""
        # AWSResponse takes any mapping for its headers; the stub knows one of them.
        sent: Any = headers or {}
        return AWSResponse(self.request.url, status, sent, MockRawResponse(body))

    def refuse(self, code: str, status: int = 400, message: str = "refused by the simulation") -> AWSResponse:
        """An error in the service's protocol."""
        if self.service == "s3":
            body = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()
            return self.answer(b"" if self.request.method == "HEAD" else body, status)
        body = json.dumps({"__type": code, "message": message, "Message": message}).encode()
        return self.answer(body, status, {"x-amzn-errortype": code})


@contextmanager
def wired(play: Callable[[Call, Callable[[], AWSResponse]], AWSResponse]) -> Iterator[None]:
    """Let `play` answer every call; its second argument lets moto do it."""
    original = BotocoreStubber.__call__

    def send(stubber: BotocoreStubber, event_name: str, request: AWSPreparedRequest, **_: object) -> AWSResponse:
        _before_send, service, operation = event_name.split(".")
        call = Call(service, operation, request)

        def moto() -> AWSResponse:
            if service not in MOTO_SERVICES:
                raise UnplayedError(f"nobody plays {service}.{operation}")
            answer = original(stubber, event_name, request)
            if answer is None:
                raise UnplayedError(f"moto does not answer {service}.{operation}, which would go to AWS")
            return answer

        return play(call, moto)

    with mock.patch.object(BotocoreStubber, "__call__", send):
        yield
