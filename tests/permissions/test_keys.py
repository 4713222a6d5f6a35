"""What calls ask of the keys that encrypt what they touch."""

from typing import Any

import pytest

from tests.rig.permissions.definitions import Applied
from tests.rig.permissions.keys import keys_of, moved, of_needs
from tests.rig.permissions.needs import Need, Place

PLACE = Place("logos", "eu-west-1", "111122223333")
KEY = "arn:aws:kms:eu-west-1:111122223333:key/a"
QUEUE, TABLE = PLACE.arn("sqs", "logos-images"), PLACE.arn("dynamodb", "table/logos-runs")
BUCKET, OBJECT = "arn:aws:s3:::logos-final", "arn:aws:s3:::logos-final/processed/a b.png"
KEYS = {QUEUE: KEY, TABLE: KEY, BUCKET: KEY}


def asked(action: str, resource: str, because: str = "a call", principal: str = "") -> dict[str, str]:
    need = Need("a", action, resource, principal=principal, because=because)
    found = list(of_needs([need], KEYS, PLACE))
    assert {one.resource for one in found} <= {KEY}
    return {one.action: dict(one.context)["kms:viaservice"][0] for one in found}


@pytest.mark.parametrize(
    ("action", "resource", "of_key"),
    [
        ("sqs:SendMessage", QUEUE, {"kms:Decrypt", "kms:GenerateDataKey"}),
        ("sqs:ReceiveMessage", QUEUE, {"kms:Decrypt"}),
        ("sqs:DeleteMessage", QUEUE, set()),
        ("s3:PutObject", OBJECT, {"kms:GenerateDataKey"}),
        ("s3:GetObjectVersion", OBJECT, {"kms:Decrypt"}),
        ("s3:ListBucket", BUCKET, set()),
        ("s3:GetObject", "arn:aws:s3:::plain/a", set()),
        ("rekognition:DetectCustomLabels", "arn:aws:rekognition:…", set()),
    ],
)
def test_a_key_is_asked_through_the_service_for_what_the_call_does(
    action: str, resource: str, of_key: set[str]
) -> None:
    found = asked(action, resource)
    assert set(found) == of_key
    assert set(found.values()) <= {f"{action.split(':')[0]}.eu-west-1.amazonaws.com"}


def test_a_table_asks_for_all_that_dynamodb_does_with_its_key() -> None:
    assert {"kms:ReEncryptTo", "kms:GenerateDataKey", "kms:DescribeKey"} <= asked("dynamodb:GetItem", TABLE).keys()


def test_a_look_at_an_object_reads_nothing_that_is_encrypted() -> None:
    assert asked("s3:GetObject", OBJECT, because="s3 HeadObject") == {}
    assert asked("s3:GetObject", OBJECT, because="s3 GetObject") != {}


def test_a_services_own_use_is_for_the_keys_policy() -> None:
    assert asked("sqs:SendMessage", QUEUE, principal="s3.amazonaws.com") == {}


def test_the_keys_are_those_that_were_applied() -> None:
    rule = {"apply_server_side_encryption_by_default": [{"kms_master_key_id": KEY}]}
    plain = {"apply_server_side_encryption_by_default": [{"kms_master_key_id": ""}]}
    configuration = "aws_s3_bucket_server_side_encryption_configuration"
    resources: list[dict[str, Any]] = [
        {"type": "aws_sqs_queue", "values": {"name": "logos-images", "kms_master_key_id": KEY}},
        {"type": "aws_sqs_queue", "values": {"name": "plain", "kms_master_key_id": ""}},
        {
            "type": "aws_dynamodb_table",
            "values": {"name": "logos-runs", "server_side_encryption": [{"kms_key_arn": KEY}]},
        },
        {"type": configuration, "values": {"bucket": "logos-final", "rule": [rule]}},
        {"type": configuration, "values": {"bucket": "plain", "rule": [plain]}},
    ]
    assert keys_of(Applied(resources, PLACE)) == KEYS


def test_what_one_stack_shows_holds_in_another_by_its_names() -> None:
    there = Place("house", "eu-west-1", "111122223333")
    resources = [
        need.resource for need in moved([Need("a", "x", each) for each in (QUEUE, TABLE, OBJECT)], PLACE, there)
    ]
    assert resources == [each.replace("logos-", "house-") for each in (QUEUE, TABLE, OBJECT)]
