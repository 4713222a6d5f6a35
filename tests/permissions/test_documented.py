"""What the texts of botocore say about permissions is what the check asks for, or somebody has said why not.

When a newer lock file brings a new demand, a test here fails. Then add it to tests/rig/permissions/needs.py and to the
policies, or say here why no function needs it.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.permissions.test_needs import KEY, PLACE, QUEUE, VERSION
from tests.rig.permissions import documented, keys
from tests.rig.permissions.needs import of_calls

# The sentences that name no action, by operation: read by a person, and nothing follows that the actions do not say.
READ = json.loads(Path(__file__).with_name("documented.json").read_text())

STATES = "arn:aws:states:eu-west-1:111122223333"
SOURCE, TARGET = PLACE.s3("from"), PLACE.s3("b")
KMS_KEY = "arn:aws:kms:eu-west-1:111122223333:key/k"
OF_PARTS = {
    "AbortMultipartUpload": "DELETE:Object:uploadId",
    "CompleteMultipartUpload": "POST:Object:uploadId",
    "CreateMultipartUpload": "POST:Object:uploads",
    "UploadPartCopy": "PUT:Object:partNumber,uploadId",
}

NOT_THERE = "s3:ListBucket is granted, and check.py excuses it: it turns a 403 into a 404"
KMS_OF_WRITES = "S3 asks it of writes alone"
# What a text names and no call of ours is checked for.
EXPLAINED = {
    ("s3 CompleteMultipartUpload", "kms:Decrypt"): "who copies in parts reads results too, under the same key",
    ("s3 CreateMultipartUpload", "kms:Decrypt"): "the same",
    ("s3 CreateMultipartUpload", "kms:GenerateDataKey*"): "kms:GenerateDataKey by another name",
    ("s3 DeleteObject", "s3:BypassGovernanceRetention"): "no call bypasses a retention",
    ("s3 DeleteObject", "s3:PutLifeCycleConfiguration"): "about who should be kept from deleting",
    ("s3 GetObject", "kms:GenerateDataKey"): KMS_OF_WRITES,
    ("s3 GetObject", "s3:ListBucket"): NOT_THERE,
    ("s3 HeadObject", "kms:Decrypt"): "only for a checksum, without which large_copies.py copies too",
    ("s3 HeadObject", "kms:GenerateDataKey"): "the same",
    ("s3 HeadObject", "s3:ListBucket"): NOT_THERE,
    ("s3 PutObject", "kms:Decrypt"): "only for an upload in parts",
    ("s3 PutObject", "s3:PutObjectAcl"): "no call sends an access control list",
    ("stepfunctions DescribeExecution", "kms:Decrypt"): "the state machines have no key of the customer",
}


def calls_of(service: str, operation: str) -> list[dict[str, Any]]:
    """The calls of an operation, as a record has them: of an object and of a version."""
    match service:
        case "s3":
            target = {"bucket": "b", "key": "k", "x-amz-tagging": "a=b"}
            copies = {"x-amz-copy-source": "/from/x"} if "Copy" in operation else {}
            versions = {"x-amz-copy-source": "/from/x?versionId=7"} if "Copy" in operation else {}
            parameters: list[Any] = [
                target | {"has_version": False} | copies,
                target | {"has_version": True} | versions,
            ]
        case "rekognition":
            named = {"ResourceArn": VERSION} if "Tag" in operation else {"ProjectVersionArn": VERSION}
            parameters = [named | {"ProjectArn": VERSION}]
        case "stepfunctions":
            arns = {"executionArn": f"{STATES}:execution:m:e", "stateMachineArn": f"{STATES}:stateMachine:m"}
            service, parameters = "states", [arns]
        case _:
            item = {"TableName": "logos-runs", "Key": KEY}
            queue = {"QueueUrl": f"https://x/{QUEUE.rsplit(':', 1)[1]}", "path": "/2015-03-31/event-source-mappings/u"}
            parameters = [{**item, **queue, "TransactItems": [{"Update": item}]}]
    named = OF_PARTS.get(operation, operation)
    return [{"role": "a", "service": service, "operation": named, "parameters": each} for each in parameters]


def asked(service: str, operation: str) -> set[str]:
    """The actions that the check asks for on such calls, those on keys included."""
    needs = list(of_calls(calls_of(service, operation), PLACE, {"logos-runs": "model"}))
    of_keys = keys.of_needs(needs, {SOURCE: KMS_KEY, TARGET: KMS_KEY}, PLACE)
    return {need.action for need in [*needs, *of_keys]}


@pytest.mark.parametrize("operation", documented.operations(), ids=" ".join)
def test_each_action_that_a_text_names_is_asked_for_or_explained(operation: tuple[str, str]) -> None:
    explained = {action for name, action in EXPLAINED if name == " ".join(operation)}
    assert documented.actions(*operation) - asked(*operation) - explained == set()
    assert explained <= documented.actions(*operation) - asked(*operation), "an explanation is stale"


@pytest.mark.parametrize("operation", documented.operations(), ids=" ".join)
def test_each_demand_without_an_action_was_read_by_a_person(operation: tuple[str, str]) -> None:
    assert sorted(documented.unnamed(*operation)) == sorted(READ.get(" ".join(operation), []))


def test_every_operation_that_the_code_calls_has_its_needs() -> None:
    operations = documented.operations()
    assert len(operations) > 25
    assert {("s3", "CopyObject"), ("s3", "PutObjectAnnotation"), ("sqs", "ReceiveMessage")} <= set(operations)
    for operation in operations:
        assert asked(*operation), f"{operation} asks for nothing"
    assert {name for name, _ in EXPLAINED} | READ.keys() <= {" ".join(each) for each in operations}
