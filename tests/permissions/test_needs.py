"""Which actions on which resources a call asks for."""

from typing import Any

import pytest

from tests.rig.permissions.needs import Need, Place, UnknownCallError, of_calls
from tests.rig.stack.call_record import parameters_of, role_of

PLACE = Place("logos", "eu-west-1", "111122223333")
TABLE = "arn:aws:dynamodb:eu-west-1:111122223333:table/logos-runs"
KEY = {"model": {"S": "m"}, "item": {"S": "lease"}}
LEADING = (("dynamodb:leadingkeys", ("m",)),)
QUEUE = "arn:aws:sqs:eu-west-1:111122223333:logos-images"
VERSION = "arn:aws:rekognition:eu-west-1:111122223333:project/p/version/v/1"


def needs(service: str, operation: str, parameters: dict[str, Any]) -> list[Need]:
    call = {"role": "logos-a-eu-west-1", "service": service, "operation": operation, "parameters": parameters}
    return list(of_calls([call], PLACE, {"logos-runs": "model"}))


def s3(key: str, *, has_version: bool = False, **headers: str) -> dict[str, Any]:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return {"bucket": "b", "key": key, "has_version": has_version} | sent


@pytest.mark.parametrize(
    ("operation", "parameters", "asked"),
    [
        ("HeadObject", s3("k"), {"s3:GetObject": "b/k"}),
        ("HeadObject", s3("k", has_version=True), {"s3:GetObjectVersion": "b/k"}),
        ("PutObject", s3("k"), {"s3:PutObject": "b/k"}),
        ("PutObject", s3("k", x_amz_tagging="a=b"), {"s3:PutObject": "b/k", "s3:PutObjectTagging": "b/k"}),
        ("DeleteObject", s3("k", has_version=True), {"s3:DeleteObjectVersion": "b/k"}),
        ("DeleteObject", s3("k", if_match='"e"'), {"s3:DeleteObject": "b/k", "s3:GetObject": "b/k"}),
        ("GetObjectTagging", s3("k", has_version=True), {"s3:GetObjectVersionTagging": "b/k"}),
        ("ListObjectAnnotations", s3("k"), {"s3:ListObjectAnnotations": "b/k"}),
        (
            "GetObjectAnnotation",
            s3("k", has_version=True),
            {"s3:GetObjectAnnotation": "b/k", "s3:GetObjectVersionAnnotation": "b/k"},
        ),
        ("PutObjectAnnotation", s3("k"), {"s3:PutObjectAnnotation": "b/k"}),
        ("ListObjectsV2", s3(""), {"s3:ListBucket": "b"}),
        ("POST:Object:uploads", s3("k"), {"s3:PutObject": "b/k"}),
        ("DELETE:Object:uploadId", s3("k"), {"s3:AbortMultipartUpload": "b/k"}),
        (
            "CopyObject",
            s3("k", x_amz_copy_source="/from/a folder/x?versionId=7"),
            {
                "s3:PutObject": "b/k",
                "s3:PutObjectAnnotation": "b/k",
                "s3:PutObjectTagging": "b/k",
                "s3:GetObjectAnnotation": "from/a folder/x",
                "s3:GetObjectVersion": "from/a folder/x",
                "s3:GetObjectVersionAnnotation": "from/a folder/x",
                "s3:GetObjectVersionTagging": "from/a folder/x",
            },
        ),
        (
            "CopyObject",
            s3(
                "k",
                x_amz_copy_source="from/x",
                x_amz_tagging_directive="REPLACE",
                x_amz_object_annotation_directive="EXCLUDE",
            ),
            {"s3:PutObject": "b/k", "s3:GetObject": "from/x"},
        ),
    ],
)
def test_s3_asks_for_each_object_that_a_call_touches(
    operation: str, parameters: dict[str, Any], asked: dict[str, str]
) -> None:
    found = {need.action: need.resource for need in needs("s3", operation, parameters)}
    assert found == {action: f"arn:aws:s3:::{resource}" for action, resource in asked.items()}


def test_a_listing_asks_for_its_prefix() -> None:
    kept = parameters_of("s3", "/b", {}, b"", {"list-type": "2", "prefix": ["in/"]})
    [need] = needs("s3", "ListObjectsV2", kept)
    assert (need.action, need.context) == ("s3:ListBucket", (("s3:prefix", ("in/",)),))


def test_an_item_is_asked_for_by_its_leading_key_and_a_transaction_by_its_items() -> None:
    item = {"TableName": "logos-runs", "Key": KEY}
    [update] = needs("dynamodb", "UpdateItem", item)
    assert (update.subject, update.action, update.resource, update.context) == (
        "a",
        "dynamodb:UpdateItem",
        TABLE,
        LEADING,
    )
    members = needs("dynamodb", "TransactWriteItems", {"TransactItems": [{"Update": item}, {"ConditionCheck": item}]})
    assert [need.action for need in members] == ["dynamodb:UpdateItem", "dynamodb:ConditionCheckItem"]


def test_a_batch_asks_for_what_one_message_asks_for() -> None:
    found = needs("sqs", "SendMessageBatch", {"QueueUrl": "https://x/111122223333/logos-images"})
    assert [(need.action, need.resource) for need in found] == [("sqs:SendMessage", QUEUE)]


def test_rekognition_reads_the_image_as_its_caller() -> None:
    image = {"S3Object": {"Bucket": "b", "Name": "k", "Version": "7"}}
    found = needs("rekognition", "DetectCustomLabels", {"ProjectVersionArn": VERSION, "Image": image})
    assert [(need.action, need.resource) for need in found] == [
        ("rekognition:DetectCustomLabels", VERSION),
        ("s3:GetObjectVersion", "arn:aws:s3:::b/k"),
    ]


@pytest.mark.parametrize(
    ("service", "operation"),
    [("s3", "GetObjectAcl"), ("dynamodb", "Query"), ("monitoring", "GetMetricData"), ("sqs", "")],
)
def test_a_call_that_nobody_mapped_is_no_permission_that_nobody_needs(service: str, operation: str) -> None:
    with pytest.raises(UnknownCallError, match=rf"{service} {operation}.*needs\.py"):
        needs(service, operation, s3("k") | {"TableName": "logos-runs", "Key": KEY})


def test_a_record_keeps_no_message_and_no_expression() -> None:
    body = b'{"QueueUrl": "u", "MessageBody": "secret", "ReceiptHandle": "r"}'
    assert parameters_of("sqs", "/", {}, body, {}) == {"path": "/", "QueueUrl": "u"}
    items = b'{"TransactItems": [{"Update": {"TableName": "t", "Key": {}, "UpdateExpression": "SET a = :b"}}]}'
    kept = parameters_of("dynamodb", "/", {}, items, {})
    assert kept["TransactItems"] == [{"Update": {"TableName": "t", "Key": {}}}]
    assert parameters_of("s3", "/b/a%20b", {"if-match": "e", "x-amz-date": "d"}, b"image", {"versionId": ["1"]}) == {
        "bucket": "b",
        "key": "a b",
        "has_version": True,
        "if-match": "e",
    }


@pytest.mark.parametrize(
    ("arn", "role"),
    [("arn:aws:sts::1:assumed-role/logos-a/session", "logos-a"), ("arn:aws:iam::1:user/u", ""), ("", "")],
)
def test_a_session_is_its_roles(arn: str, role: str) -> None:
    assert role_of(arn) == role
