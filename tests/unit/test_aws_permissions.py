"""The policy of whoever deploys: complete, on this deployment's names alone, and no larger than IAM takes."""

import io
import json
import re
from fnmatch import fnmatchcase
from typing import Any

import pytest

from tests.rig.permissions.review import lint
from tests.rig.stack.local_stack import REPOSITORY
from tools import aws_permissions
from tools.aws_permissions import OF_TYPE, UnknownTypeError, planned, policy

PLACE = ("custom-labels-batch", "aws-cn", "cn-north-1", "123456789012")
MODEL = "arn:aws-cn:rekognition:cn-north-1:123456789012:project/logos/version/logos.1/1700000000001"


def of(*types: str, **values: Any) -> dict[str, Any]:  # noqa: ANN401
    return policy([{"address": f"{each}.this", "type": each, "values": values} for each in types], *PLACE)


def change(address: str, before: Any, after: Any, after_unknown: Any = None) -> dict[str, Any]:  # noqa: ANN401
    """One entry of a plan's resource_changes."""
    [kind] = re.findall(r"(\w+)\.\w+(?:\[.*\])?$", address)
    what = {"before": before, "after": after, "after_unknown": after_unknown or {}}
    return {"address": address, "mode": "managed", "type": kind, "change": what}


def run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], changes: list[dict[str, Any]], *options: str
) -> tuple[int, str, str]:
    """Return the exit code and what was printed, for a plan of a root that has no variables of these names."""
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps({"resource_changes": changes})))
    named = ["--name", "logos", "--project-version-arn", MODEL]
    monkeypatch.setattr("sys.argv", ["aws_permissions", *named, *options])
    code = aws_permissions.main()
    return code, *capsys.readouterr()


def actions(document: dict[str, Any]) -> set[str]:
    return {action for statement in document["Statement"] for action in statement["Action"]}


def test_every_resource_type_of_the_module_is_known_and_no_other() -> None:
    folders = [REPOSITORY / "terraform", *(REPOSITORY / "terraform" / "modules").iterdir()]
    sources = "\n".join(path.read_text() for folder in folders for path in folder.glob("*.tf"))
    assert set(re.findall(r'^resource "(\w+)"', sources, re.MULTILINE)) - OF_TYPE.keys() == set()


def test_a_type_that_is_not_known_is_named() -> None:
    with pytest.raises(UnknownTypeError, match=r"these need: aws_instance\.this$"):
        of("aws_sqs_queue", "aws_instance")


OF_A_ROOT = [
    change("aws_kms_key.house", None, {}),
    change("aws_vpc.house", None, {}),
    change("module.network.aws_subnet.house", None, {}),
    change('module.labels["logos"].module.intake.aws_sqs_queue.image', None, {"name": "logos-images"}),
    change("module.labels_of_others.aws_s3_object.package", None, {}),
]


def test_of_a_root_with_more_than_the_module_nothing_is_left_out_in_silence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(monkeypatch, capsys, OF_A_ROOT)
    assert (code, out) == (1, "")
    assert "aws_kms_key.house, aws_vpc.house, module.network.aws_subnet.house" in err
    assert "give --module" in err


@pytest.mark.parametrize("module", ["module.labels", 'module.labels["logos"]', 'module.labels["logos"].module.intake'])
def test_a_module_of_a_root_is_looked_at_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], module: str
) -> None:
    code, out, err = run(monkeypatch, capsys, OF_A_ROOT, "--module", module)
    assert (code, err) == (0, "")
    [statement] = json.loads(out)["Statement"]
    assert statement["Resource"] == "arn:aws-cn:sqs:cn-north-1:123456789012:logos-*"


def test_a_type_that_is_not_known_is_an_error_inside_of_the_module_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(monkeypatch, capsys, OF_A_ROOT, "--module", "module.network")
    assert (code, out) == (1, "")
    assert "module.network.aws_subnet.house" in err
    assert "--module" not in err


@pytest.mark.parametrize("module", ["module.label", 'module.labels["log"]', "labels", "module.labels[0]"])
def test_a_module_that_the_plan_does_not_have_is_an_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], module: str
) -> None:
    assert run(monkeypatch, capsys, OF_A_ROOT, "--module", module) == (
        1,
        "",
        f"error: the plan has no resources in {module}\n",
    )


def test_of_many_that_are_not_known_the_first_are_named() -> None:
    plan = [{"address": f"aws_vpc.house[{index // 2}]", "type": "aws_vpc", "values": {}} for index in range(14)]
    with pytest.raises(UnknownTypeError, match=r"aws_vpc\.house\[0\], .*, aws_vpc\.house\[4\] and 2 more$"):
        policy(plan, *PLACE)


# With query_enabled the tool says that the policy has to be split in two.
WITHOUT_QUERIES = [each for each in OF_TYPE if not re.search("athena|firehose|glue", each)]


def test_the_policy_of_everything_is_sound_and_without_queries_fits_into_one() -> None:
    everything = of(*OF_TYPE, force_destroy=True)
    fitting = of(*WITHOUT_QUERIES, force_destroy=True)
    assert len("".join(json.dumps(fitting).split())) < aws_permissions.MANAGED_POLICY_CHARACTERS_AT_MOST
    unknown = [line for line in lint("deployer", everything) if "UNKNOWN_" in line]
    assert unknown == []


def test_what_changes_in_place_is_allowed_without_a_plan_of_the_change() -> None:
    allowed = actions(of(*OF_TYPE))
    of_kms_key_arn = {"logs:AssociateKmsKey", "logs:DisassociateKmsKey", "dynamodb:UpdateTable"}
    of_tags = {"iam:*TagRole", "sqs:*TagQueue", "events:*TagResource", "s3:PutBucketTagging"}
    of_the_rest = {"lambda:UpdateEventSourceMapping", "scheduler:UpdateSchedule", "states:UpdateStateMachine"}
    assert of_kms_key_arn | of_tags | of_the_rest <= allowed


BOUNDARY = "arn:aws-cn:iam::123456789012:policy/boundary"
POWER = {"iam:CreateRole", "iam:PutRolePolicy", "iam:DeleteRolePolicy", "iam:PutRolePermissionsBoundary"}


def with_roles(*states: tuple[Any, Any], after_unknown: Any = None) -> list[dict[str, Any]]:  # noqa: ANN401
    """Changes of a role from one boundary to another each; the role's policy stays."""
    roles = [
        change("aws_iam_role.this", *({"name": "logos-a", "permissions_boundary": one} for one in pair), after_unknown)
        for pair in states
    ]
    return [*roles, change("aws_iam_role_policy.this", None, {"name": "logos-a"})]


def test_with_a_boundary_no_role_without_it_gets_any_permission() -> None:
    for changes, named in (
        (with_roles((BOUNDARY, BOUNDARY)), BOUNDARY),
        (with_roles((BOUNDARY, BOUNDARY + "-new")), [BOUNDARY, BOUNDARY + "-new"]),
        (with_roles((BOUNDARY, None)), BOUNDARY),
    ):
        made = policy(planned({"resource_changes": changes}), *PLACE)
        giving = [one for one in made["Statement"] if POWER & set(one["Action"])]
        assert [set(one["Action"]) for one in giving] == [POWER]
        assert giving[0]["Condition"] == {"StringEquals": {"iam:PermissionsBoundary": named}}
        assert "iam:DeleteRolePermissionsBoundary" not in actions(made)


def test_a_boundary_that_is_not_there_yet_gives_no_permission_without_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    changes = with_roles((None, None), after_unknown={"permissions_boundary": True})[:1]
    changes[0]["change"]["before"] = None
    code, out, err = run(monkeypatch, capsys, changes)
    assert code == 0
    assert POWER & actions(json.loads(out)) == set()
    assert "boundary" in err
    assert "aws_iam_role.this" in err


def test_without_a_boundary_it_says_what_the_policy_is_worth(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "worth an administrator" in run(monkeypatch, capsys, with_roles((None, None)))[2]
    assert run(monkeypatch, capsys, with_roles((BOUNDARY, BOUNDARY)))[2] == ""
    assert "some roles of the plan have none" in run(monkeypatch, capsys, with_roles((BOUNDARY, None)))[2]


def test_a_role_is_passed_to_the_services_of_the_plan_alone() -> None:
    passing = [one for one in of(*OF_TYPE)["Statement"] if "iam:PassRole" in one["Action"]]
    assert [set(one["Action"]) for one in passing] == [{"iam:PassRole"}]
    assert passing[0]["Resource"] == "arn:aws-cn:iam::123456789012:role/custom-labels-batch-*"
    named = passing[0]["Condition"]["StringEquals"]["iam:PassedToService"]
    services = [f"{service}.amazonaws.com" for service in ("firehose", "lambda", "scheduler", "states")]
    assert named == sorted(services + [f"{service}.cn" for service in services])
    [alone] = policy([{"address": "a", "type": "aws_scheduler_schedule", "values": {}}], "a", "aws", *PLACE[2:])[
        "Statement"
    ][:1]
    assert alone["Condition"] == {"StringEquals": {"iam:PassedToService": "scheduler.amazonaws.com"}}


def test_a_mapping_of_another_function_may_not_be_touched() -> None:
    touching = [one for one in of("aws_lambda_event_source_mapping")["Statement"] if "Condition" in one]
    assert {action for one in touching for action in one["Action"]} == {
        f"lambda:{verb}EventSourceMapping" for verb in ("Create", "Delete", "Update")
    }
    ours = {
        "ArnLike": {"lambda:FunctionArn": "arn:aws-cn:lambda:cn-north-1:123456789012:function:custom-labels-batch-*"}
    }
    assert all(one["Condition"] == ours for one in touching)


def test_every_rule_of_the_deployment_is_covered() -> None:
    [rules] = of("aws_cloudwatch_event_rule")["Statement"]
    for name in ("custom-labels-batch-images", "custom-labels-batch-images-2", "custom-labels-batch-watchdog"):
        assert fnmatchcase(f"arn:aws-cn:events:cn-north-1:123456789012:rule/{name}", rules["Resource"])


def test_it_is_about_this_deployment_alone() -> None:
    # AWS names a mapping, and what is listed or tried out has no name yet.
    of_any = {"event-source-mapping:*", "*", "catalog"}
    without_level = {"cloudwatch:DescribeAlarms", "logs:DescribeLogGroups", "states:ValidateStateMachineDefinition"}
    without_level |= {f"sns:{action}" for action in ("GetSubscriptionAttributes", "SetSubscriptionAttributes")}
    without_level.add("sns:Unsubscribe")
    without_level |= {f"logs:{action}" for action in ("DeleteQueryDefinition", "PutQueryDefinition")}
    without_level.add("logs:DescribeQueryDefinitions")
    for statement in of(*OF_TYPE, force_destroy=True)["Statement"]:
        resources = statement["Resource"] if isinstance(statement["Resource"], list) else [statement["Resource"]]
        for resource in resources:
            is_own = re.search("custom-labels-batch-|(database|table)/custom_labels_batch_", resource)
            assert is_own or resource.split(":", 5)[-1] in of_any
            if resource == "*":
                assert "Condition" in statement or set(statement["Action"]) <= without_level


def test_what_is_the_estates_is_named_as_the_plan_names_it() -> None:
    key = "arn:aws-cn:kms:cn-north-1:123456789012:key/a"
    plan = [
        change("aws_iam_role.this", None, {"path": "/vision/"}),
        change("aws_dynamodb_table.run", None, {"server_side_encryption": [{"kms_key_arn": key}]}),
        change("aws_lambda_function.this", None, {"vpc_config": [{}], "s3_bucket": "zips", "s3_key": "v1/a.zip"}),
        change("aws_s3_bucket_notification.this", None, {"bucket": "photos"}),
    ]
    made = policy(planned({"resource_changes": plan}), *PLACE)
    of_resource = {
        resource: set(one["Action"])
        for one in made["Statement"]
        for resource in ([one["Resource"]] if isinstance(one["Resource"], str) else one["Resource"])
    }
    assert "iam:PassRole" in of_resource["arn:aws-cn:iam::123456789012:role/vision/custom-labels-batch-*"]
    assert "kms:CreateGrant" in of_resource[key]
    [of_key] = [one for one in made["Statement"] if one["Resource"] == key]
    assert of_key["Condition"] == {"StringEquals": {"kms:ViaService": "dynamodb.cn-north-1.amazonaws.com.cn"}}
    assert "ec2:DescribeSubnets" in of_resource["*"]
    assert of_resource["arn:aws-cn:s3:::zips/v1/a.zip"] == {"s3:GetObject"}
    assert of_resource["arn:aws-cn:s3:::photos"] == {"s3:GetBucketNotification", "s3:PutBucketNotification"}


def test_what_changes_is_counted_as_it_is_and_as_it_will_be() -> None:
    keys = [f"arn:aws-cn:kms:cn-north-1:123456789012:key/{key}" for key in "ab"]
    encrypted = [{"server_side_encryption": [{"kms_key_arn": key}]} for key in keys]
    changes = [
        change("aws_iam_role.this", {"path": "/"}, {"path": "/vision/"}),
        change("aws_dynamodb_table.run", *encrypted),
    ]
    made = policy(planned({"resource_changes": changes}), *PLACE)
    resources = [statement["Resource"] for statement in made["Statement"]]
    roles = "arn:aws-cn:iam::123456789012:role"
    assert [f"{roles}/custom-labels-batch-*", f"{roles}/vision/custom-labels-batch-*"] in resources
    assert keys in resources


def test_with_the_zips_in_s3_it_still_fits_into_one() -> None:
    zips = [
        {
            "address": f"aws_lambda_function.this[{index}]",
            "type": "aws_lambda_function",
            "values": {"s3_bucket": "releases-123456789012", "s3_key": f"labels/v0.1.0/package_{index}.zip"},
        }
        for index in range(8)
    ]
    everything = [
        {"address": f"{each}.this", "type": each, "values": {"force_destroy": True}} for each in WITHOUT_QUERIES
    ]
    made = policy([*everything, *zips], *PLACE)
    assert len("".join(json.dumps(made).split())) < aws_permissions.MANAGED_POLICY_CHARACTERS_AT_MOST
    [of_zips] = [one for one in made["Statement"] if one["Action"] == ["s3:GetObject"]]
    assert len(of_zips["Resource"]) == 8


def test_what_the_plan_cannot_name_yet_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    changes = [
        change(
            "module.labels.aws_dynamodb_table.run",
            None,
            {"name": "logos-runs", "server_side_encryption": [{"enabled": True}]},
            {"server_side_encryption": [{"kms_key_arn": True}]},
        ),
        # Of the provider's making, and so nothing that the policy lacks.
        change("module.labels.aws_dynamodb_table.other", None, {"name": "logos-b"}, {"server_side_encryption": True}),
        change("module.labels.aws_s3_bucket_versioning.this", None, {}, {"bucket": True, "id": True}),
        change(
            "module.labels.aws_lambda_function.this",
            None,
            {"function_name": "logos-a", "s3_bucket": "zips", "s3_key": "a.zip"},
            {"s3_object_version": True},
        ),
    ]
    code, out, err = run(monkeypatch, capsys, changes)
    assert code == 0
    assert re.findall(r"module\.\S+", err) == ["module.labels.aws_dynamodb_table.run;"]
    assert "known after apply" not in out
    assert "kms:" not in out
    assert "s3:GetObjectVersion" in actions(json.loads(out))


def test_what_is_named_otherwise_is_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    changes = [
        change("aws_s3_bucket.photos", None, {"bucket": "photos"}),
        change("aws_sqs_queue.old", {"name": "logo-images"}, None),
        change("aws_cloudwatch_log_group.this", None, {"name": "/aws/vendedlogs/states/logos-label-batch"}),
        change("aws_lambda_event_source_mapping.this", None, {"function_name": "arn:aws:lambda:x:1:function:logos-a"}),
        # The policy names its bucket.
        change("aws_s3_bucket_notification.this", None, {"bucket": "photos"}),
    ]
    code, out, err = run(monkeypatch, capsys, changes)
    assert code == 0
    assert "arn:aws-cn:s3:::photos" in out
    assert err.startswith("warning: not in the policy, as no name of theirs begins with logos-: ")
    assert err.endswith(": aws_s3_bucket.photos, aws_sqs_queue.old\n")


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
    read = change("data.aws_region.current", None, {}) | {"mode": "data"}
    changes = [change("aws_sqs_queue.image", {"name": "a"}, None), read]
    assert planned({"resource_changes": changes}) == [
        {"address": "aws_sqs_queue.image", "type": "aws_sqs_queue", "values": {"name": "a"}}
    ]


def test_the_policy_is_printed_for_the_name_and_the_model_of_the_plan(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    variables = {"name": {"value": "logos"}, "project_version_arn": {"value": MODEL}}
    queue = change("module.pipeline.module.intake.aws_sqs_queue.image", None, {"name": "logos-images"})
    plan = {"variables": variables, "resource_changes": [queue]}
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(plan)))
    monkeypatch.setattr("sys.argv", ["aws_permissions"])
    assert aws_permissions.main() == 0
    [statement] = json.loads(capsys.readouterr().out)["Statement"]
    assert statement["Resource"] == "arn:aws-cn:sqs:cn-north-1:123456789012:logos-*"
