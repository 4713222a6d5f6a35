"""Requests and answers held against botocore's own model of the service.

botocore's validator checks members, types and minima (but not a blob's); maxima, patterns and enumerations
are in the model as well, but are left to the service, so they are checked here.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator
from datetime import datetime
from functools import cache
from typing import Any

import botocore.session
from botocore.model import ListShape, MapShape, OperationModel, ServiceModel, Shape, StringShape, StructureShape
from botocore.validate import ParamValidator

from tests.rig.emulator.errors import ServiceError

Json = Any

OPERATIONS = (
    "DescribeProjectVersions",
    "StartProjectVersion",
    "StopProjectVersion",
    "DetectCustomLabels",
    "TagResource",
    "UntagResource",
    "ListTagsForResource",
)
READS = ("DescribeProjectVersions", "ListTagsForResource")
"""Operations without an effect."""

COMMON_ERRORS = (
    "AccessDeniedException",
    "InternalServerError",
    "LimitExceededException",
    "ProvisionedThroughputExceededException",
    "ResourceInUseException",
    "ResourceNotFoundException",
    "ResourceNotReadyException",
    "ThrottlingException",
)
"""Errors that a test may have from any operation, because AWS's lists per operation need not be complete."""

NOT_IN_KEYS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
"""Control characters, and what Java takes for the end of a line besides."""

JSON_TYPES: dict[str, tuple[type, ...]] = {
    "structure": (dict,),
    "map": (dict,),
    "list": (list,),
    "string": (str,),
    "blob": (str,),
    "integer": (int,),
    "long": (int,),
    "float": (int, float),
    "double": (int, float),
    "boolean": (bool,),
}


class InvalidAnswerError(Exception):
    """The emulator made an answer that the service could not have made: a defect of the emulator."""


@cache
def service_model() -> ServiceModel:
    """The service as botocore describes it."""
    return botocore.session.get_session().get_service_model("rekognition")


@cache
def operation_model(operation: str) -> OperationModel:
    """One operation of the service; UnknownOperationException for any other than these."""
    if operation not in OPERATIONS:
        raise ServiceError("UnknownOperationException", f"The emulator does not know the operation {operation!r}.")
    return service_model().operation_model(operation)


@cache
def statuses() -> tuple[str, ...]:
    """Every status that a model version can have."""
    status = _output_shape("StopProjectVersion").members["Status"]
    assert isinstance(status, StringShape)
    return tuple(status.enum)


def _input_shape(operation: str) -> StructureShape:
    shape = operation_model(operation).input_shape
    assert shape, f"{operation} has parameters"
    return shape


def _output_shape(operation: str) -> StructureShape:
    shape = operation_model(operation).output_shape
    assert shape, f"{operation} has an answer"
    return shape


@cache
def errors(operation: str) -> tuple[str, ...]:
    """The codes of the errors that an operation can answer with: those it declares, and the common ones."""
    declared = {shape.name for shape in operation_model(operation).error_shapes}
    return tuple(sorted(declared.union(COMMON_ERRORS)))


def decode_request(operation: str, body: bytes) -> dict[str, Any]:
    """The parameters in a JSON body, binary members decoded; SerializationException when they cannot be."""
    shape = _input_shape(operation)
    try:
        document = json.loads(body, parse_constant=_refuse_constant)
        # Half of a surrogate pair, which JSON can spell, is no text.
        json.dumps(document, ensure_ascii=False).encode()
    except ValueError as error:
        raise ServiceError("SerializationException", "The body is not JSON.") from error
    parameters: dict[str, Any] = _from_json(shape, document, "the body")
    return parameters


def encode_answer(answer: dict[str, Any]) -> bytes:
    """An answer as the JSON protocol writes it: timestamps in seconds since 1970."""
    return json.dumps(answer, default=_timestamp).encode()


def check_request(operation: str, parameters: dict[str, Any]) -> None:
    """Raise ValidationException, with the service's wording, unless the parameters fit the model."""
    violations = _violations(_input_shape(operation), parameters)
    violations += _undocumented_violations(parameters) if operation == "DetectCustomLabels" and not violations else []
    if violations:
        noun = "error" if len(violations) == 1 else "errors"
        raise ServiceError(
            "ValidationException",
            f"{len(violations)} validation {noun} detected: {'; '.join(violations)}",
        )


def _undocumented_violations(parameters: dict[str, Any]) -> list[str]:
    """What the service refuses of a key, although no model says so.

    People met it with a line break; that all control and separating characters are refused is an assumption.
    """
    key = parameters["Image"].get("S3Object", {}).get("Name", "")
    if NOT_IN_KEYS.search(key):
        return [
            f"Value {key!r} at 'image.s3Object.name' failed to satisfy constraint: "
            "Member must satisfy regular expression pattern: .*"
        ]
    return []


def check_answer(operation: str, answer: dict[str, Any]) -> None:
    """Raise ``InvalidAnswerError`` unless the answer fits the model."""
    violations = _violations(_output_shape(operation), answer)
    if violations:
        raise InvalidAnswerError(f"{operation} answered what the model forbids: {'; '.join(violations)}")


def _from_json(shape: Shape, value: Json, where: str) -> Json:
    """Any JSON value by its shape. Members that the shape does not have stay, to be reported later."""
    if not _has_type(shape, value):
        raise ServiceError("SerializationException", f"{where} is not a {shape.type_name}.")
    if isinstance(shape, StructureShape):
        # A null member is an absent one in the JSON protocol.
        return {
            name: _from_json(shape.members[name], member, name) if name in shape.members else member
            for name, member in value.items()
            if member is not None
        }
    if isinstance(shape, ListShape):
        return [_from_json(shape.member, item, f"{where}[{i}]") for i, item in enumerate(value)]
    if isinstance(shape, MapShape):
        return {name: _from_json(shape.value, member, f"{where}.{name}") for name, member in value.items()}
    if shape.type_name == "blob":
        try:
            return base64.b64decode(value, validate=True)
        except binascii.Error as error:
            raise ServiceError("SerializationException", f"{where} is not base64.") from error
    return value


def _has_type(shape: Shape, value: object) -> bool:
    # To Python a bool is an int as well.
    is_one = isinstance(value, JSON_TYPES[shape.type_name])
    return is_one and (shape.type_name == "boolean" or not isinstance(value, bool))


def _refuse_constant(name: str) -> None:
    """Python reads NaN and Infinity, JSON has neither."""
    raise ValueError(f"{name} is not JSON")


def _timestamp(value: object) -> float:
    if isinstance(value, datetime):
        return value.timestamp()
    raise TypeError(f"a {type(value).__name__} has no place in an answer")


def _violations(shape: Shape, value: Json) -> list[str]:
    report = ParamValidator().validate(value, shape)
    if report.has_errors():
        return str(report.generate_report()).splitlines()
    return list(_further_violations(shape, value, ""))


def _further_violations(shape: Shape, value: Json, where: str) -> Iterator[str]:
    rules = shape.metadata
    measured = value if shape.type_name in ("integer", "long", "float", "double") else None
    if shape.type_name in ("string", "list", "map", "blob"):
        measured = len(value)
    prefix = f"Value at '{where}' failed to satisfy constraint: Member must"
    if shape.type_name == "blob" and measured < rules.get("min", 0):
        yield f"{prefix} have a length of at least {rules['min']}"
    if measured is not None and "max" in rules and measured > rules["max"]:
        yield f"{prefix} have a value or length of at most {rules['max']}"
    if "pattern" in rules and not re.fullmatch(_as_python(rules["pattern"]), value):
        yield f"{prefix} satisfy regular expression pattern: {rules['pattern']}"
    if "enum" in rules and value not in rules["enum"]:
        yield f"{prefix} satisfy enum value set: [{', '.join(rules['enum'])}]"
    if isinstance(shape, StructureShape):
        for name, member in value.items():
            yield from _further_violations(shape.members[name], member, f"{where}.{name}".lstrip("."))
    elif isinstance(shape, ListShape):
        for i, item in enumerate(value):
            yield from _further_violations(shape.member, item, f"{where}.{i + 1}.member")
    elif isinstance(shape, MapShape):
        for name, member in value.items():
            yield from _further_violations(shape.key, name, f"{where}.{name}.key")
            yield from _further_violations(shape.value, member, f"{where}.{name}.value")


def _as_python(pattern: str) -> str:
    """The pattern of a tag with its Unicode classes as Python spells them: letters, spaces, numbers."""
    return pattern.replace(r"\p{L}", r"\w").replace(r"\p{Z}", r"\s").replace(r"\p{N}", r"\d")
