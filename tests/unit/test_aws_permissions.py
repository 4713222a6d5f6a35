"""The policy of whoever deploys: complete, on this deployment's names alone, and no larger than IAM takes."""

import io
import json
import re
from typing import Any

import pytest

from tests.permissions.review import lint
from tests.stack.local_stack import REPOSITORY
from tools import aws_permissions
from tools.aws_permissions import OF_TYPE, UnknownTypeError, planned, policy

PLACE = ("custom-labels-batch", "aws-cn", "cn-north-1", "123456789012")
MODEL = "arn:aws-cn:rekognition:cn-north-1:123456789012:project/logos/version/logos.1/1700000000001"


def of(*types: str, **values: Any) -> dict[str, Any]:  # noqa: ANN401
    return policy([{"type": each, "values": values} for each in types], *PLACE)


def actions(document: dict[str, Any]) -> set[str]:
    return {action for statement in document["Statement"] for action in statement["Action"]}


def test_every_resource_type_of_the_module_is_known_and_no_other() -> None:
    folders = [REPOSITORY / "terraform", *(REPOSITORY / "terraform" / "modules").iterdir()]
    sources = "\n".join(path.read_text() for folder in folders for path in folder.glob("*.tf"))
    assert set(re.findall(r'^resource "(\w+)"', sources, re.MULTILINE)) - OF_TYPE.keys() == set()


def test_a_type_that_is_not_known_is_named() -> None:
    with pytest.raises(UnknownTypeError, match="aws_instance"):
        of("aws_sqs_queue", "aws_instance")


def test_the_policy_of_everything_is_sound_and_fits_into_one() -> None:
    everything = of(*OF_TYPE, force_destroy=True)
    assert len("".join(json.dumps(everything).split())) < aws_permissions.MANAGED_POLICY_CHARACTERS_AT_MOST
    unknown = [line for line in lint("deployer", everything) if "UNKNOWN_" in line]
    assert unknown == []


def test_it_is_about_this_deployment_alone() -> None:
    # AWS names a mapping, and what is listed or tried out has no name yet.
    of_any = {"event-source-mapping:*", "*"}
    without_level = {"cloudwatch:DescribeAlarms", "logs:DescribeLogGroups", "states:ValidateStateMachineDefinition"}
    for statement in of(*OF_TYPE, force_destroy=True)["Statement"]:
        resource = statement["Resource"]
        assert "custom-labels-batch-" in resource or resource.split(":", 5)[-1] in of_any
        if resource == "*":
            assert "Condition" in statement or set(statement["Action"]) <= without_level


def test_what_is_the_estates_is_named_as_the_plan_names_it() -> None:
    key = "arn:aws-cn:kms:cn-north-1:123456789012:key/a"
    plan = [
        {"type": "aws_iam_role", "values": {"path": "/vision/"}},
        {"type": "aws_dynamodb_table", "values": {"server_side_encryption": [{"kms_key_arn": key}]}},
        {"type": "aws_lambda_function", "values": {"vpc_config": [{}], "s3_bucket": "zips", "s3_key": "v1/a.zip"}},
        {"type": "aws_s3_bucket_notification", "values": {"bucket": "photos"}},
    ]
    of_resource = {one["Resource"]: set(one["Action"]) for one in policy(plan, *PLACE)["Statement"]}
    assert "iam:PassRole" in of_resource["arn:aws-cn:iam::123456789012:role/vision/custom-labels-batch-*"]
    assert "kms:CreateGrant" in of_resource[key]
    assert "ec2:DescribeSubnets" in of_resource["*"]
    assert of_resource["arn:aws-cn:s3:::zips/v1/a.zip"] == {"s3:GetObject"}
    assert of_resource["arn:aws-cn:s3:::photos"] == {"s3:GetBucketNotification", "s3:PutBucketNotification"}


def test_a_plan_without_the_examples_variables_asks_for_them(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["aws_permissions", "--name", "logos"]
    for given, code in ((arguments, 1), ([*arguments, "--project-version-arn", MODEL], 0)):
        monkeypatch.setattr("sys.stdin", io.StringIO("{}"))
        monkeypatch.setattr("sys.argv", given)
        assert aws_permissions.main() == code
    assert "--project-version-arn" in capsys.readouterr().err


def test_objects_may_be_deleted_only_when_the_plan_says_so() -> None:
    assert "s3:DeleteObject" not in actions(of("aws_s3_bucket", force_destroy=False))
    assert {"s3:DeleteObject", "s3:DeleteObjectVersion"} <= actions(of("aws_s3_bucket", force_destroy=True))


def test_what_a_plan_would_destroy_is_counted_and_what_it_reads_is_not() -> None:
    changes = [
        {"mode": "managed", "type": "aws_sqs_queue", "change": {"before": {"name": "a"}, "after": None}},
        {"mode": "data", "type": "aws_region", "change": {"before": None, "after": {}}},
    ]
    assert planned({"resource_changes": changes}) == [{"type": "aws_sqs_queue", "values": {"name": "a"}}]


def test_the_policy_is_printed_for_the_name_and_the_model_of_the_plan(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    variables = {"name": {"value": "logos"}, "project_version_arn": {"value": MODEL}}
    change = {"mode": "managed", "type": "aws_sqs_queue", "change": {"before": None, "after": {"name": "logos-images"}}}
    plan = {"variables": variables, "resource_changes": [change]}
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(plan)))
    monkeypatch.setattr("sys.argv", ["aws_permissions"])
    assert aws_permissions.main() == 0
    [statement] = json.loads(capsys.readouterr().out)["Statement"]
    assert statement["Resource"] == "arn:aws-cn:sqs:cn-north-1:123456789012:logos-*"
