"""What lies beside a need is allowed to nobody, and a statement that allows it is named: by the evaluator itself."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.permissions.test_check import SAMPLE, WHOLE
from tests.rig.permissions import check, policies
from tests.rig.permissions.check import WILDCARDS, Evidence, findings
from tests.rig.permissions.definitions import Applied
from tests.rig.permissions.needs import Need
from tests.rig.permissions.neighbours import Asked, Folders, of_arn, of_needs

Json = Any

ACCOUNT = "us-east-1:000000000000"
FINAL, SOURCE = (f"arn:aws:s3:::e2e-{bucket}-000000000000-us-east-1" for bucket in ("final", "source"))
QUEUE, TABLE = f"arn:aws:sqs:{ACCOUNT}:e2e-images", f"arn:aws:dynamodb:{ACCOUNT}:table/e2e-runs"
MODEL = f"arn:aws:rekognition:{ACCOUNT}:project/shapes/version/shapes.2026-01-01/1700000000002"
NAMES = [record["name"] for record in SAMPLE]


def planted(change: Callable[[str, Json], Json], stack: str = "e2e") -> list[str]:
    """Return what is found when each statement of a stack's policies is `change(subject, statement)`."""
    number = NAMES.index(stack)
    place, [resources] = check.place_of(SAMPLE[number]), SAMPLE[number]["applied"]
    before: list[tuple[str, Json]] = list(policies.documents(Applied(resources, place)))
    after = [(subject, {"Statement": [change(subject, one) for one in text["Statement"]]}) for subject, text in before]
    assert [text["Statement"] for _, text in before] != [text["Statement"] for _, text in after]
    grants = [grant for subject, text in after for grant in policies.grants(subject, text)]
    edited = replace(WHOLE, needs=[WHOLE.needs[number]], grants=[grants], folders=[WHOLE.folders[number]])
    return findings(edited, (), check.match)


def edit(subject: str, sid: str, **changes: Json) -> Callable[[str, Json], Json]:
    """Return a change of one statement."""

    def change(of: str, statement: Json) -> Json:
        return statement | changes if (of, statement["Sid"]) == (subject, sid) else statement

    return change


@pytest.mark.parametrize(
    ("subject", "sid", "actions"),
    [
        ("watchdog", "ReadWriteRunItems", ["dynamodb:*Item"]),
        ("analyze-image", "PollQueue", ["sqs:Get*", "sqs:Rec*"]),
        ("analyze-image", "ReadAndDeleteImages", ["s3:GetObject", "s3:DeleteObject*"]),
        ("check-queue", "PeekQueue", ["sqs:?eceiveMessage"]),
        ("stop-model", "StopModel", ["rekognition:*"]),
        ("start-model", "StartModel", ["*"]),
        # What may stand in one statement may not in another.
        ("record-run", "WriteReceipts", ["kms:ReEncrypt*"]),
    ],
)
def test_an_action_with_a_wildcard_is_found(subject: str, sid: str, actions: list[str]) -> None:
    found = planted(edit(subject, sid, Action=actions))
    for action in actions:
        line = f"{subject}: statement {sid} allows {action}: name each action"
        assert (line in found) == bool({"*", "?"} & set(action)), found


def test_the_wildcards_that_may_stand_are_in_use() -> None:
    every = [grant for stack in WHOLE.grants for grant in stack if grant.effect == "Allow"]
    assert {(grant.sid, grant.action) for grant in every if "*" in grant.action} == set(WILDCARDS)


# One of each service and of each thing that a request may differ in: what the statement is given, and what it then
# allows besides what it was there for.
@pytest.mark.parametrize(
    ("subject", "sid", "changes", "neighbour"),
    [
        ("record-run", "WriteReceipts", {"Resource": f"{FINAL}/*"}, f"s3:PutObject on the neighbour {FINAL}/zz-n"),
        ("watchdog", "WriteReceipts", {"Resource": f"{FINAL}/runs*"}, f"s3:PutObject on the neighbour {FINAL}/runs-n"),
        (
            "record-run",
            "WriteReceipts",
            {"Resource": [f"{FINAL}/runs/*", f"{FINAL}/processed/*"]},
            f"s3:PutObject on the neighbour {FINAL}/processed/zz-n",
        ),
        (
            "analyze-image",
            "WithdrawClaims",
            {"Resource": [f"{FINAL}/processed/*", f"{FINAL}/failed/*.json"]},
            f"s3:DeleteObject on the neighbour {FINAL}/processed/zz-n",
        ),
        (
            "analyze-image",
            "ReadAndDeleteImages",
            {"Resource": "arn:aws:s3:::e2e-source-*"},
            f"s3:GetObjectVersion on the neighbour {SOURCE}-n",
        ),
        (
            "reconcile-states",
            "ListSourceBucket",
            {"Resource": f"{SOURCE}*"},
            f"s3:ListBucket on the neighbour {SOURCE}-n",
        ),
        ("analyze-image", "PollQueue", {"Resource": f"{QUEUE}*"}, f"sqs:ReceiveMessage on the neighbour {QUEUE}-n"),
        (
            "toggle-trigger",
            "ToggleTrigger",
            {"Resource": f"arn:aws:lambda:{ACCOUNT}:event-source-mapping:*"},
            f"lambda:UpdateEventSourceMapping on the neighbour arn:aws:lambda:{ACCOUNT}:event-source-mapping:",
        ),
        (
            "label-batch-states",
            "InvokeFunctions",
            {"Resource": f"arn:aws:lambda:{ACCOUNT}:function:e2e-*"},
            f"lambda:InvokeFunction on the neighbour arn:aws:lambda:{ACCOUNT}:function:e2e-",
        ),
        (
            "label-batch-schedule",
            "CallTarget",
            {"Resource": f"arn:aws:states:{ACCOUNT}:stateMachine:*"},
            f"states:StartExecution on the neighbour arn:aws:states:{ACCOUNT}:stateMachine:e2e-label-batch-n",
        ),
        (
            "watchdog",
            "DescribeAndStopRuns",
            {"Resource": f"arn:aws:states:{ACCOUNT}:execution:*"},
            f"states:StopExecution on the neighbour arn:aws:states:{ACCOUNT}:execution:e2e-label-batch-n",
        ),
        (
            "stop-model",
            "StopModel",
            {"Resource": f"arn:aws:rekognition:{ACCOUNT}:project/shapes/version/*"},
            f"rekognition:StopProjectVersion on the neighbour {MODEL}-n",
        ),
        (
            "start-model",
            "StartModel",
            {"Resource": MODEL.replace("project/shapes/", "project/*/")},
            f"rekognition:StartProjectVersion on the neighbour {MODEL.replace('shapes/v', 'shapes-neighbour/v')}",
        ),
        (
            "record-run",
            "WriteLogs",
            {"Resource": f"arn:aws:logs:{ACCOUNT}:log-group:/aws/lambda/*"},
            f"logs:PutLogEvents on the neighbour arn:aws:logs:{ACCOUNT}:log-group:/aws/lambda/e2e-record-run-n",
        ),
        ("watchdog", "ReadWriteRunItems", {"Resource": f"{TABLE}*"}, f"dynamodb:UpdateItem on the neighbour {TABLE}-n"),
        (
            "watchdog",
            "ReadWriteRunItems",
            {"Condition": {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": f"{MODEL.rpartition('/')[0]}/*"}}},
            f"dynamodb:GetItem on the neighbour {TABLE}, dynamodb:leadingkeys {MODEL}-n",
        ),
        (
            # A scan has no leading key, so that all of the keys that it has are the model's.
            "watchdog",
            "ReadWriteRunItems",
            {"Action": ["dynamodb:GetItem", "dynamodb:UpdateItem", "dynamodb:Scan"]},
            f"dynamodb:Scan on the neighbour {TABLE}, dynamodb:leadingkeys absent",
        ),
        (
            "queue images",
            "ReceiveBucketNotifications",
            {"Condition": {"StringEquals": {"aws:SourceAccount": "000000000000"}}},
            f"sqs:SendMessage on the neighbour {QUEUE}, aws:sourcearn {SOURCE}-n",
        ),
        (
            "queue images",
            "ReceiveBucketNotifications",
            {"Principal": {"Service": ["s3.amazonaws.com", "zz-neighbour.amazonaws.com"]}},
            f"sqs:SendMessage on the neighbour {QUEUE}, principal zz-n",
        ),
        (
            "topic alarms",
            "PublishAlarms",
            {"Condition": {"ArnLike": {"aws:SourceArn": f"arn:aws:cloudwatch:{ACCOUNT}:alarm:*"}}},
            f"sns:Publish on the neighbour arn:aws:sns:{ACCOUNT}:e2e-alarms, aws:sourceaccount ",
        ),
        (
            "trust of label-batch-states",
            "StepFunctionsRunsTheStateMachine",
            {"Condition": {"StringEquals": {"aws:SourceAccount": "000000000000"}}},
            f"sts:AssumeRole on the neighbour *, aws:sourcearn arn:aws:states:{ACCOUNT}:stateMachine:e2e-label-batch-n",
        ),
        (
            "function watchdog",
            "EventBridgeReportsEndedRuns",
            {"Condition": {"ArnLike": {"AWS:SourceArn": f"arn:aws:events:{ACCOUNT}:rule/*"}}},
            f"lambda:InvokeFunction on the neighbour arn:aws:lambda:{ACCOUNT}:function:e2e-watchdog, aws:sourcearn ",
        ),
    ],
)
def test_a_neighbour_that_a_statement_allows_is_found(
    subject: str, sid: str, changes: dict[str, Json], neighbour: str
) -> None:
    found = planted(edit(subject, sid, **changes))
    assert [line for line in found if line.startswith(f"{subject}: statement {sid} allows {neighbour}")], found


def test_items_without_the_condition_on_their_model_are_found_in_every_role() -> None:
    of_items: set[tuple[str, str]] = set()

    def change(subject: str, statement: Json) -> Json:
        if "dynamodb:LeadingKeys" in str(statement.get("Condition")):
            of_items.add((subject, statement["Sid"]))
            return statement | {"Condition": {}}
        return statement

    found = [line for line in planted(change) if f", dynamodb:leadingkeys {MODEL}-neighbour" in line]
    assert {tuple(line.split()[:3:2]) for line in found} == {(f"{subject}:", sid) for subject, sid in of_items}
    assert {subject for subject, _ in of_items} >= {"analyze-image", "check-queue", "record-run", "stop-model"}


@pytest.mark.parametrize(
    ("changes", "neighbour"),
    [
        ({"Condition": {}}, ", kms:viaservice "),
        ({"Resource": f"arn:aws:kms:{ACCOUNT}:key/*"}, "-neighbour"),
    ],
)
def test_a_key_for_more_than_the_table_is_found(changes: dict[str, Json], neighbour: str) -> None:
    found = planted(edit("stop-model", "UseTable", **changes), "e2e-house")
    start = f"stop-model: statement UseTable allows kms:Decrypt on the neighbour arn:aws:kms:{ACCOUNT}:key/"
    assert [line for line in found if line.startswith(start) and neighbour in line], found


# Of a deployment that shares its bucket, as terraform/examples/one-bucket.
SHARED = Folders(frozenset({"arn:aws:s3:::b/in/"}), frozenset({"arn:aws:s3:::b/labels/"}))


def beside(action: str, resource: str, *others: Need) -> set[str]:
    need = Need("a", action, resource)
    asked = Asked.of([([need, *others], SHARED)])
    return {each.need.resource.removeprefix("arn:aws:s3:::") for each in of_needs([need], SHARED, asked)}


def test_uploads_below_a_prefix_have_neighbours_in_their_bucket() -> None:
    found = beside("s3:DeleteObject", "arn:aws:s3:::b/in/c/x.png")
    assert found == {"b/zz-neighbour/x.png", "b/in-neighbour/x.png", "b-neighbour/in/c/x.png"}


def test_results_have_neighbours_beside_their_folder_and_in_others_folders() -> None:
    other = Need("b", "s3:PutObject", "arn:aws:s3:::b/labels/runs/r.json")
    assert beside("s3:PutObject", "arn:aws:s3:::b/labels/failed/c/x.png", other) == {
        "b/zz-neighbour/x.png",
        "b/labels/zz-neighbour/x.png",
        "b/labels/failed-neighbour/x.png",
        "b/labels/runs/zz-neighbour/x.png",
        "b-neighbour/labels/failed/c/x.png",
    }


def test_one_object_stands_for_all_of_its_folder() -> None:
    needs = [Need("a", "s3:GetObject", f"arn:aws:s3:::b/in/{number}.png") for number in range(9)]
    asked = Asked.of([(needs, SHARED)])
    assert len(of_needs(needs, SHARED, asked)) == len(of_needs(needs[:1], SHARED, asked))


def test_what_nobody_names_in_advance_has_no_neighbour() -> None:
    execution = f"arn:aws:states:{ACCOUNT}:execution:e2e-label-batch"
    assert next(of_arn(f"{execution}:run-1")) == f"{execution}-neighbour:run-1"
    assert not [one for one in of_arn(f"{execution}:run-1") if one.startswith(f"{execution}:")]
    assert list(of_arn("*")) == []


@pytest.mark.parametrize(
    ("subject", "sid", "condition", "is_found"),
    [
        ("reconcile-states", "ListSourceBucket", {}, True),
        ("reconcile-states", "ListSourceBucket", {"StringLike": {"s3:prefix": "in/*"}}, False),
        ("reconcile", "ListSourceBucket", {}, False),
        ("reconcile", "Others", {}, True),
    ],
)
def test_a_listing_of_more_than_the_prefix_is_found(subject: str, sid: str, condition: Json, is_found: bool) -> None:
    """But in the one statement that answers for objects that are gone."""
    need = Need(subject, "s3:ListBucket", "arn:aws:s3:::b", (("s3:prefix", ("in/",)),))
    statement = {"Sid": sid, "Effect": "Allow", "Action": need.action, "Resource": need.resource}
    grants = list(policies.grants(subject, {"Statement": [statement | {"Condition": condition}]}))
    found = findings(Evidence([[need]], [grants], [SHARED]), (), check.match)
    assert found == (
        [f"{subject}: statement {sid} allows s3:ListBucket on the neighbour arn:aws:s3:::b, s3:prefix zz-neighbour-in/"]
        if is_found
        else []
    )


def test_a_neighbour_that_another_statement_denies_is_not_allowed() -> None:
    """As an upload below the prefix, of a role whose other statement keeps it to that."""
    need = Need("a", "s3:GetObject", "arn:aws:s3:::b/in/x.png")
    allow = {"Sid": "All", "Effect": "Allow", "Action": need.action, "Resource": "arn:aws:s3:::b/*"}
    deny = {"Sid": "Rest", "Effect": "Deny", "Action": need.action, "NotResource": "arn:aws:s3:::b/in/*"}

    def found(*statements: Json) -> list[str]:
        grants = list(policies.grants("a", {"Statement": list(statements)}))
        return findings(Evidence([[need]], [grants], [SHARED]), (), check.match)

    assert found(allow, deny) == []
    assert found(allow) == ["a: statement All allows s3:GetObject on the neighbour arn:aws:s3:::b/zz-neighbour/x.png"]
