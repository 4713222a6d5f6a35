"""What the launcher adds to MiniStack: faults of its services, killed functions, distributed maps with batches."""

import io
import json
import time
import zipfile
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.rig.stack.local_stack import LocalStack, RefusedError
from tests.rig.stack.object_copies import of_copy
from tests.rig.stack.service_faults import ROOT, Call, Rule, Rules, s3_operation

BUCKET, ROLE = "some-bucket", "arn:aws:iam::000000000000:role/worker"
FUNCTION = """
import boto3
from botocore.exceptions import ClientError

s3, sqs = boto3.client("s3"), boto3.client("sqs")

def handler(event, context):
    for message in event.get("Records", []):
        chain, number = message["body"].split()
        s3.put_object(Bucket="some-bucket", Key=f"{chain}/{number}", Body=b"")
        if int(number) < 20:
            url = sqs.get_queue_url(QueueName=message["eventSourceARN"].rpartition(":")[2])["QueueUrl"]
            sqs.send_message(QueueUrl=url, MessageBody=f"{chain} {int(number) + 1}")
    if "put" not in event:
        return event
    try:
        s3.put_object(Bucket="some-bucket", Key=event["put"], Body=b"")
    except ClientError as error:
        return [error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"]]
"""


def call(**members: str) -> Call:
    usual = {"service": "s3", "operation": "PutObject", "resource": "bucket/processed/a.png", "caller": "analyze-image"}
    return Call(**(usual | members))


def rule(**members: Any) -> Rule:  # noqa: ANN401
    return Rule(**({"service": "s3", "error": "SlowDown"} | members))


@pytest.mark.parametrize(
    ("members", "other"),
    [
        ({}, {"service": "sqs"}),
        ({"operation": "PutObject|CopyObject"}, {"operation": "PutObjectTagging"}),
        ({"resource": r"^bucket/processed/.*\.png$"}, {"resource": "bucket/failed/a.png"}),
        ({"caller": "analyze"}, {"caller": "record-run"}),
        ({}, {"caller": ROOT}),
    ],
)
def test_a_rule_is_about_the_requests_that_it_names_and_never_about_root_unless_it_says_so(
    members: dict[str, Any], other: dict[str, str]
) -> None:
    assert rule(**members).matches(call())
    assert not rule(**members).matches(call(**other))
    assert rule(caller=ROOT).matches(call(caller=ROOT))


def test_a_rule_skips_what_comes_before_its_turn_and_ends_when_it_is_spent() -> None:
    rules = Rules()
    for added in ({"after": 1, "times": 2}, {"error": "InternalError", "times": None}):
        assert rules.control("POST", json.dumps({"service": "s3", "error": "SlowDown"} | added).encode())[0] == 200
    applied = [rules.due(call()) for _ in range(4)]
    assert [each and each.error for each in applied] == ["InternalError", "SlowDown", "SlowDown", "InternalError"]
    _, listed = rules.control("GET", b"")
    assert [(each["matched"], each["applied"]) for each in listed["faults"]] == [(4, 2), (2, 2)]
    rules.control("DELETE", b"")
    assert not rules


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"service": "s3"}, "needs error, hang_seconds or kill"),
        ({"service": "s3", "eror": "SlowDown"}, "unknown: eror"),
        ({"error": "SlowDown"}, "'service'"),
        ({"service": "s3", "error": "SlowDown", "resource": "("}, "missing )"),
        ({"service": "s3", "hang_seconds": 1, "carried_out": True}, "always carried out"),
        ({"service": "s3", "error": "SlowDown", "details": {"a": 1}}, "XML"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(members: dict[str, Any], reason: str) -> None:
    status, answer = Rules().control("POST", json.dumps(members).encode())
    assert status == 400
    assert reason in answer["error"]


@pytest.mark.parametrize(
    ("request_line", "headers", "operation"),
    [
        ("PUT /bucket/a/b.png", {}, "PutObject"),
        ("PUT /bucket/a/b.png", {"x-amz-copy-source": "source/b.png"}, "CopyObject"),
        ("HEAD /bucket/a", {}, "HeadObject"),
        ("GET /bucket/a", {}, "GetObject"),
        ("GET /bucket/a?tagging", {}, "GetObjectTagging"),
        ("DELETE /bucket/a?versionId", {}, "DeleteObject"),
        ("GET /bucket?list-type", {}, "ListObjectsV2"),
        ("GET /bucket?versions", {}, "ListObjectVersions"),
        ("POST /bucket?delete", {}, "DeleteObjects"),
        ("PUT /bucket?policy", {}, "PUT:Bucket:policy"),
    ],
)
def test_operations_of_s3_are_told_by_their_request(request_line: str, headers: dict[str, str], operation: str) -> None:
    method, target = request_line.split()
    path, _, query = target.partition("?")
    assert s3_operation(method, path, headers, {query: [""]} if query else {}) == operation


@pytest.fixture(scope="module")
def stack() -> Iterator[LocalStack]:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("index.py", FUNCTION)
    with LocalStack("faults") as local:
        local.client("s3").create_bucket(Bucket=BUCKET)
        local.client("lambda").create_function(
            FunctionName="worker",
            Runtime="python3.13",
            Handler="index.handler",
            Role=ROLE,
            Code={"ZipFile": packed.getvalue()},
        )
        yield local


@pytest.fixture(autouse=True)
def _no_fault_is_left(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "stack" in request.fixturenames:
        request.getfixturevalue("stack").clear_faults()


def put(stack: LocalStack, key: str) -> Any:  # noqa: ANN401
    """What a function answers that puts an object."""
    answer = stack.client("lambda").invoke(FunctionName="worker", Payload=json.dumps({"put": key}))
    return json.load(answer["Payload"])


def keys(stack: LocalStack, prefix: str) -> list[str]:
    return [
        entry["Key"] for entry in stack.client("s3").list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])
    ]


def test_a_function_sees_an_error_instead_of_its_request_or_after_it(stack: LocalStack) -> None:
    stack.add_fault(service="s3", operation="PutObject", resource="not-there", error="PreconditionFailed")
    stack.add_fault(service="s3", operation="PutObject", resource="there", error="AccessDenied", carried_out=True)
    stack.client("s3").put_object(Bucket=BUCKET, Key="error/by-root", Body=b"")
    assert put(stack, "error/not-there") == ["PreconditionFailed", 412]
    assert put(stack, "error/there") == ["AccessDenied", 403]
    assert put(stack, "error/afterwards") is None
    assert keys(stack, "error/") == ["error/afterwards", "error/by-root", "error/there"]
    assert [fault["applied"] for fault in stack.faults()] == [1, 1]


def test_a_request_can_hang(stack: LocalStack) -> None:
    stack.add_fault(service="s3", operation="PutObject", hang_seconds=0.5)
    began = time.monotonic()
    assert put(stack, "hang") is None
    assert time.monotonic() - began > 0.5


@pytest.mark.parametrize("carried_out", [True, False])
def test_a_function_is_killed_at_a_request_and_the_next_call_works(stack: LocalStack, carried_out: bool) -> None:
    stack.add_fault(service="s3", operation="PutObject", kill=True, carried_out=carried_out)
    assert put(stack, f"kill/{carried_out}")["errorType"] == "Runtime.ExitError"
    assert bool(keys(stack, f"kill/{carried_out}")) is carried_out
    assert put(stack, "kill/next") is None


def test_s3_can_be_told_to_send_no_events_yet(stack: LocalStack) -> None:
    sqs, s3 = stack.client("sqs"), stack.client("s3")
    url = sqs.create_queue(QueueName="events")["QueueUrl"]
    queue = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    s3.create_bucket(Bucket="notifies")
    to_queue = {"QueueArn": queue, "Events": ["s3:ObjectCreated:*"]}
    s3.put_bucket_notification_configuration(
        Bucket="notifies", NotificationConfiguration={"QueueConfigurations": [to_queue]}
    )
    stack.add_fault(service="s3", operation="Notify", resource="notifies/", error="NotYet", times=None)
    s3.put_object(Bucket="notifies", Key="early", Body=b"")
    deadline = time.monotonic() + 10
    while stack.faults()[0]["applied"] < 1 and time.monotonic() < deadline:
        time.sleep(0.05)
    stack.clear_faults()
    s3.put_object(Bucket="notifies", Key="late", Body=b"")
    bodies = ""
    while "late" not in bodies and time.monotonic() < deadline:
        received = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
        bodies += "".join(message["Body"] for message in received)
    assert '"late"' in bodies
    assert '"early"' not in bodies


def test_a_message_that_a_function_sends_to_its_own_queue_is_refused_at_the_17th_invocation(stack: LocalStack) -> None:
    functions, sqs = stack.client("lambda"), stack.client("sqs")
    url = sqs.create_queue(QueueName="loop")["QueueUrl"]
    queue = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    functions.create_event_source_mapping(EventSourceArn=queue, FunctionName="worker")

    def invocations(chain: str, at_least: int) -> int:
        sqs.send_message(QueueUrl=url, MessageBody=f"{chain} 1")
        deadline = time.monotonic() + 20
        while len(keys(stack, chain)) < at_least and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(0.3)
        return len(keys(stack, chain))

    assert invocations("refused", 16) == 16
    functions.put_function_recursion_config(FunctionName="worker", RecursiveLoop="Allow")
    assert invocations("allowed", 20) == 20


def test_what_is_refused_says_why(stack: LocalStack) -> None:
    with pytest.raises(RefusedError, match="unknown: eror"):
        stack.add_fault(service="s3", eror="SlowDown")
    with pytest.raises(RefusedError, match="missing: project_arn"):
        stack.post_emulator("models")
    with stack.set_wait_scale(0), pytest.raises(RefusedError), stack.set_wait_scale(-1):
        pass


def test_a_distributed_map_hands_a_bucket_to_a_function_in_batches(stack: LocalStack) -> None:
    for number in range(25):
        stack.client("s3").put_object(Bucket=BUCKET, Key=f"map/{number:02}.png", Body=b"x" * number)
    invoke = {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Arguments": {"FunctionName": "worker", "Payload": "{% $states.input %}"},
        "Output": "{% $states.result.Payload %}",
        "End": True,
    }
    batches = {
        "Type": "Map",
        "ItemReader": {
            "Resource": "arn:aws:states:::s3:listObjectsV2",
            "Arguments": {"Bucket": BUCKET, "Prefix": "{% $prefix %}"},
        },
        "ItemBatcher": {
            "MaxItemsPerBatch": 10,
            "MaxInputBytesPerBatch": 1100,
            "BatchInput": {"run_id": "{% $states.context.Execution.Name %}"},
        },
        "MaxConcurrency": 2,
        "ItemProcessor": {
            "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "EXPRESS"},
            "StartAt": "Invoke",
            "States": {"Invoke": invoke},
        },
        "End": True,
    }
    first = {"Type": "Pass", "Assign": {"prefix": "{% $states.input.prefix %}"}, "Next": "Map"}
    definition = {"QueryLanguage": "JSONata", "StartAt": "First", "States": {"First": first, "Map": batches}}
    machines = stack.client("stepfunctions")
    machine = machines.create_state_machine(name="batches", roleArn=ROLE, definition=json.dumps(definition))

    def run(name: str, prefix: str) -> dict[str, Any]:
        started = machines.start_execution(
            stateMachineArn=machine["stateMachineArn"], name=name, input=json.dumps({"prefix": prefix})
        )
        while (execution := machines.describe_execution(executionArn=started["executionArn"]))["status"] == "RUNNING":
            time.sleep(0.05)
        return execution

    refused = run("all", "")
    assert (refused["status"], refused["error"]) == ("FAILED", "States.ItemReaderFailed"), "an empty prefix is none"
    execution = run("run", "map/")
    assert execution["status"] == "SUCCEEDED", execution
    output = json.loads(execution["output"])
    items = [item for batch in output for item in batch["Items"]]
    assert [item["Key"] for item in items] == [f"map/{number:02}.png" for number in range(25)]
    assert all(len(json.dumps(batch, separators=(",", ":"))) <= 1100 for batch in output)
    assert len(output) > 3, "a batch is full in bytes before it has ten objects"
    assert all(batch["BatchInput"] == {"run_id": "run"} for batch in output)
    last = output[-1]["Items"][-1]
    assert sorted(last) == ["Etag", "Key", "LastModified", "Size", "StorageClass"]
    assert (last["Key"], last["Size"]) == ("map/24.png", 24)
    shapes = {(item["Etag"].startswith('"'), type(item["LastModified"])) for item in items}
    assert shapes == {(True, int), (False, str)}, "as one page of AWS has them, and as another"


def test_a_copy_on_condition_overwrites_nothing(stack: LocalStack) -> None:
    s3, source = stack.client("s3"), {"Bucket": BUCKET, "Key": "copy/from"}
    for key in ("copy/from", "copy/taken"):
        s3.put_object(Bucket=BUCKET, Key=key, Body=key.encode())
    s3.copy_object(Bucket=BUCKET, Key="copy/free", CopySource=source, IfNoneMatch="*")
    with pytest.raises(ClientError, match="PreconditionFailed"):
        s3.copy_object(Bucket=BUCKET, Key="copy/taken", CopySource=source, IfNoneMatch="*")
    assert s3.get_object(Bucket=BUCKET, Key="copy/taken")["Body"].read() == b"copy/taken"


@pytest.mark.parametrize("version", ["", "7"])
def test_a_copy_asks_for_what_it_takes_along(version: str) -> None:
    def asked(**directives: str) -> set[str]:
        headers = {f"x-amz-{name.replace('_', '-')}-directive": value for name, value in directives.items()}
        return {action for action, _ in of_copy("/b/k", headers, "arn:aws:s3:::from/x", version)}

    of_version = {"s3:GetObjectVersionTagging", "s3:GetObjectVersionAnnotation"} if version else {"s3:GetObjectTagging"}
    written = {"s3:PutObjectTagging", "s3:PutObjectAnnotation"}
    assert asked() == written | of_version | {"s3:GetObjectAnnotation"}
    assert asked(tagging="REPLACE", object_annotation="EXCLUDE") == set()
