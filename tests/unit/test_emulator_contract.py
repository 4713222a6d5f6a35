"""Requests and answers are held against botocore's model of the service."""

import base64
import json
import re
from datetime import UTC, datetime

import pytest

from tests.rig.emulator import contract
from tests.rig.emulator.contract import InvalidAnswerError
from tests.rig.emulator.errors import ServiceError

PROJECT = "arn:aws:rekognition:eu-west-1:123456789012:project/beetles/1700000000001"
VERSION = "arn:aws-cn:rekognition:cn-north-1:123456789012:project/beetles/version/v.1/1700000000002"


def refusal(operation: str, parameters: dict) -> ServiceError:
    with pytest.raises(ServiceError) as caught:
        contract.check_request(operation, parameters)
    return caught.value


@pytest.mark.parametrize(
    ("operation", "parameters"),
    [
        ("DescribeProjectVersions", {"ProjectArn": PROJECT, "VersionNames": ["v.1"], "MaxResults": 100}),
        ("StartProjectVersion", {"ProjectVersionArn": VERSION, "MinInferenceUnits": 1}),
        ("StopProjectVersion", {"ProjectVersionArn": VERSION}),
        (
            "DetectCustomLabels",
            {
                "ProjectVersionArn": VERSION,
                "Image": {"S3Object": {"Bucket": "bucket", "Name": "写真/a b.jpg", "Version": "null"}},
                "MinConfidence": 0,
                "MaxResults": 0,
            },
        ),
    ],
)
def test_requests_that_fit_the_model_pass(operation: str, parameters: dict) -> None:
    contract.check_request(operation, parameters)


@pytest.mark.parametrize(
    ("operation", "parameters", "about"),
    [
        ("StopProjectVersion", {}, "ProjectVersionArn"),
        ("StopProjectVersion", {"ProjectVersionArn": VERSION, "Force": True}, "Force"),
        ("StopProjectVersion", {"ProjectVersionArn": PROJECT}, "regular expression pattern"),
        ("StopProjectVersion", {"ProjectVersionArn": VERSION + "\n"}, "regular expression pattern"),
        ("StopProjectVersion", {"ProjectVersionArn": "arn:aws"}, "length"),
        ("StopProjectVersion", {"ProjectVersionArn": VERSION + "1" * 2048}, "2048"),
        ("StartProjectVersion", {"ProjectVersionArn": VERSION}, "MinInferenceUnits"),
        ("StartProjectVersion", {"ProjectVersionArn": VERSION, "MinInferenceUnits": 0}, "MinInferenceUnits"),
        ("StartProjectVersion", {"ProjectVersionArn": VERSION, "MinInferenceUnits": "1"}, "MinInferenceUnits"),
        ("DescribeProjectVersions", {"ProjectArn": PROJECT, "MaxResults": 101}, "MaxResults"),
        ("DescribeProjectVersions", {"ProjectArn": PROJECT, "VersionNames": []}, "VersionNames"),
        ("DescribeProjectVersions", {"ProjectArn": PROJECT, "VersionNames": ["v"] * 11}, "VersionNames"),
        ("DescribeProjectVersions", {"ProjectArn": PROJECT, "VersionNames": ["a b"]}, r"VersionNames\.1"),
        ("DetectCustomLabels", {"ProjectVersionArn": VERSION}, "Image"),
        (
            "DetectCustomLabels",
            {"ProjectVersionArn": VERSION, "Image": {"Bytes": b"x"}, "MinConfidence": 101},
            "MinConfidence",
        ),
        ("DetectCustomLabels", {"ProjectVersionArn": VERSION, "Image": {"Bytes": b""}}, "Bytes"),
        (
            "DetectCustomLabels",
            {"ProjectVersionArn": VERSION, "Image": {"Bytes": bytes(5242881)}},
            r"Image\.Bytes",
        ),
        (
            "DetectCustomLabels",
            {"ProjectVersionArn": VERSION, "Image": {"S3Object": {"Bucket": "a/b", "Name": "k"}}},
            r"Image\.S3Object\.Bucket",
        ),
    ],
)
def test_requests_that_do_not_fit_the_model_name_what_is_wrong(operation: str, parameters: dict, about: str) -> None:
    error = refusal(operation, parameters)
    assert (error.code, error.http_status) == ("ValidationException", 400)
    assert re.search(about, error.message)


@pytest.mark.parametrize("key", ["a\nb.jpg", "a\r.jpg", "a\x00b", "a\x85b", "\u2028", "a\tb.jpg"])
def test_a_key_with_a_line_break_or_a_control_character_is_refused_by_its_member(key: str) -> None:
    image = {"S3Object": {"Bucket": "bucket", "Name": key}}
    error = refusal("DetectCustomLabels", {"ProjectVersionArn": VERSION, "Image": image})
    assert (error.code, error.http_status) == ("ValidationException", 400)
    assert "at 'image.s3Object.name' failed to satisfy constraint" in error.message


def test_all_violations_are_reported_at_once() -> None:
    error = refusal("DescribeProjectVersions", {"ProjectArn": VERSION, "MaxResults": 101})
    assert error.message.startswith("2 validation errors detected")


@pytest.mark.parametrize("operation", ["DetectLabels", "CreateProject", "", "Nonsense"])
def test_other_operations_are_unknown_even_when_the_service_has_them(operation: str) -> None:
    with pytest.raises(ServiceError) as caught:
        contract.decode_request(operation, b"{}")
    assert caught.value.code == "UnknownOperationException"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not json",
        b"\xff",
        b"[]",
        b'"text"',
        b'{"MinConfidence": NaN}',
        b'{"MinConfidence": "80"}',
        b'{"MaxResults": 1.5}',
        b'{"MaxResults": true}',
        b'{"ProjectVersionArn": 5}',
        b'{"Image": []}',
        b'{"Image": {"Bytes": "not base64!"}}',
        b'{"Image": {"S3Object": {"Name": "half of a pair: \\ud800"}}}',
    ],
)
def test_a_body_of_the_wrong_types_is_a_serialization_error(body: bytes) -> None:
    with pytest.raises(ServiceError) as caught:
        contract.decode_request("DetectCustomLabels", body)
    assert (caught.value.code, caught.value.http_status) == ("SerializationException", 400)


def test_binary_members_are_decoded_and_nulls_are_absent() -> None:
    body = {"Image": {"Bytes": base64.b64encode(b"\x00\xff").decode()}, "MaxResults": None}
    decoded = contract.decode_request("DetectCustomLabels", json.dumps(body).encode())
    assert decoded == {"Image": {"Bytes": b"\x00\xff"}}


@pytest.mark.parametrize(
    ("operation", "answer"),
    [
        ("StopProjectVersion", {"Status": "GONE"}),
        ("StopProjectVersion", {"State": "STOPPED"}),
        ("StartProjectVersion", {"Status": 1}),
        ("DetectCustomLabels", {"CustomLabels": [{"Name": "x", "Confidence": 101.0}]}),
        ("DescribeProjectVersions", {"ProjectVersionDescriptions": [{"ProjectVersionArn": PROJECT}]}),
        ("DescribeProjectVersions", {"ProjectVersionDescriptions": [{"MinInferenceUnits": 0}]}),
    ],
)
def test_an_answer_that_the_model_forbids_is_a_defect(operation: str, answer: dict) -> None:
    with pytest.raises(InvalidAnswerError, match=operation):
        contract.check_answer(operation, answer)


def test_an_answer_that_fits_passes_and_its_timestamps_are_seconds() -> None:
    moment = datetime(2024, 1, 1, tzinfo=UTC)
    answer = {"ProjectVersionDescriptions": [{"CreationTimestamp": moment, "Status": "RUNNING"}]}
    contract.check_answer("DescribeProjectVersions", answer)
    [written] = json.loads(contract.encode_answer(answer))["ProjectVersionDescriptions"]
    assert written["CreationTimestamp"] == 1704067200


def test_the_statuses_are_those_of_the_service() -> None:
    assert {"RUNNING", "STOPPED", "COPYING_COMPLETED", "EXPIRED"} <= set(contract.statuses())
