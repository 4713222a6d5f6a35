"""moto and boto3 without what they make anew for each test and each request. What they answer is the same.

Whoever uses moto takes `mock_aws` from here.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, Literal, overload

import boto3
import botocore.session
import moto
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from moto.backend_index import backend_url_patterns
from moto.core import base_backend, responses, serialize
from moto.core.model import StructureShape
from moto.core.utils import camelcase_to_underscores, method_names_from_class
from moto.dynamodb.parsing import ast_nodes, expressions
from moto.sqs import models as sqs

if TYPE_CHECKING:
    from botocore.client import BaseClient
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

SERVICES = {"dynamodb", "s3", "sqs"}

# Each request is held against the addresses of all services, and each test registers those of all for `requests`.
backend_url_patterns[:] = [(service, pattern) for service, pattern in backend_url_patterns if service in SERVICES]
# Each request composes the addresses of its service's operations, and imports S3's module again for that.
_urls: Any = vars(base_backend.BaseBackend)["urls"]
base_backend.BaseBackend.urls = property(lru_cache(16)(_urls.fget))  # type: ignore[assignment, method-assign]
# Each request looks for its operation's name among all members of a class, and spells out names letter by letter.
vars(responses)["method_names_from_class"] = cache(method_names_from_class)
vars(responses)["camelcase_to_underscores"] = vars(sqs)["camelcase_to_underscores"] = cache(camelcase_to_underscores)
# Each update is walked ten times, and each node of it asked for the kinds that the walk is about.
_walk: Any = vars(ast_nodes)["DepthFirstTraverser"]
_kinds = _walk.nodes_to_be_processed


def _kinds_of_a_walk(walk: Any) -> tuple[type, ...]:  # noqa: ANN401
    if "kinds" not in vars(walk):
        vars(walk)["kinds"] = _kinds(walk)
    kinds: tuple[type, ...] = vars(walk)["kinds"]
    return kinds


_walk.nodes_to_be_processed = _kinds_of_a_walk

# Each update parses its expression twice. Who changes what it was parsed to makes a copy first.
_parser: Any = vars(expressions)["UpdateExpressionParser"]
_parser.make = lru_cache(1000)(_parser.make)

Json = Any

_json: Any = serialize.JSONSerializer
_serialize_structure = _json._serialize_type_structure


def _serialize_type_structure(
    serializer: serialize.JSONSerializer, serialized: Json, value: Json, shape: StructureShape, key: str
) -> None:
    """Write an attribute of DynamoDB as it is stored: moto seeks each of ten types in it, under five names."""
    if shape.name == "AttributeValue" and key and type(value) is dict:
        serialized[serializer.get_serialized_name(shape, key)] = value
    else:
        _serialize_structure(serializer, serialized, value, shape, key)


_json._serialize_type_structure = _serialize_type_structure

# moto checks no signature, and each takes its time. The local stack, which is not at AWS's addresses, checks them.
_auth: Any = SigV4Auth
_canonical_request, _signature = _auth.canonical_request, _auth.signature


def _is_for_moto(request: AWSRequest) -> bool:
    return ".amazonaws.com" in str(request.url)


def _canonical_request_of(auth: Any, request: AWSRequest) -> Any:  # noqa: ANN401
    return "" if _is_for_moto(request) else _canonical_request(auth, request)


def _signature_of(auth: Any, string_to_sign: str, request: AWSRequest) -> Any:  # noqa: ANN401
    return "0" * 64 if _is_for_moto(request) else _signature(auth, string_to_sign, request)


_auth.canonical_request, _auth.signature = _canonical_request_of, _signature_of


def mock_aws() -> moto.core.models.MockAWS:
    """Return moto's, which leaves boto3's default session alone: it reads the services' models."""
    return moto.mock_aws(config={"core": {"reset_boto3_session": False}})


@cache
def session() -> boto3.Session:
    """Return the one session of the process, whose clients say shortly who asks: the long way is composed each time."""
    of_botocore = botocore.session.get_session()
    of_botocore.set_default_client_config(Config(user_agent="tests"))
    return boto3.Session(botocore_session=of_botocore)


@overload
def client(service: Literal["dynamodb"]) -> "DynamoDBClient": ...
@overload
def client(service: Literal["s3"]) -> "S3Client": ...
@overload
def client(service: Literal["sqs"]) -> "SQSClient": ...
@cache
def client(service: Literal["dynamodb", "s3", "sqs"]) -> "BaseClient":
    """Return the one client of a service in the process: moto answers each, however old, and has its data elsewhere."""
    return session().client(service)


@contextmanager
def listening(client: "BaseClient", event: str, listener: Callable[..., Any]) -> Iterator[None]:
    """Let a listener hear of a client's events meanwhile, for the client outlives the test."""
    client.meta.events.register(event, listener)
    try:
        yield
    finally:
        client.meta.events.unregister(event, listener)
