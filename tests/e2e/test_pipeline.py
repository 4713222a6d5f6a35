"""The pipeline on the packaged zips, with nothing in its way."""

import json
import os
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.e2e.conftest import FirstRun, Ledger
from tests.rig.stack import invariants, logs, pictures, runs
from tests.rig.stack.local_stack import REPOSITORY, LocalStack
from tests.rig.stack.pictures import photo
from tools import query

# One batch is enough for all that look at one.
pytestmark = pytest.mark.timeout(300)

TOO_FAST = "ProvisionedThroughputExceededException"


def waits_between(stack: LocalStack, execution_arn: str, first: str, last: str) -> int:
    """Virtual seconds that the run waited by design from its first visit to one state until that to another."""
    history = stack.client("stepfunctions").get_paginator("get_execution_history")
    events = [event for page in history.paginate(executionArn=execution_arn) for event in page["events"]]
    names = [event.get("stateEnteredEventDetails", {}).get("name") for event in events]
    return sum(
        (json.loads(event["taskSucceededEventDetails"]["output"])["Payload"] or {}).get("wait_seconds", 0)
        for event in events[names.index(first) : names.index(last)]
        if "taskSucceededEventDetails" in event
    )


@dataclass(frozen=True)
class Batch:
    """The demo's pictures, what became of their run, and how often the model gave each answer in it."""

    pictures: list[pictures.Picture]
    execution: dict[str, Any]
    answers: dict[str, int]


@pytest.fixture(scope="module")
def batch(stack: LocalStack, ledger: Ledger, tmp_path_factory: pytest.TempPathFactory) -> Batch:
    folder = tmp_path_factory.mktemp("pictures")
    chosen = pictures.write_default_set(folder)
    for picture in chosen:
        ledger.upload(picture.key, (folder / picture.key).read_bytes())
    before = answers(stack)
    execution = runs.run(stack, "first-batch")
    return Batch(chosen, execution, dict(answers(stack) - before))


def answers(stack: LocalStack) -> Counter[str]:
    return Counter(stack.meter()["answers"].get("DetectCustomLabels", {}))


def test_a_run_right_after_apply_acknowledges_the_test_events_and_starts_nothing(first_run: FirstRun) -> None:
    assert first_run.messages > 0, "S3 sends a test event for each notification"
    assert first_run.execution["status"] == "SUCCEEDED"
    assert first_run.receipt["outcome"] == "nothing_to_do"
    assert (first_run.starts, first_run.messages_after) == (0, 0)


def test_a_batch_is_labelled_and_every_image_ends_once(stack: LocalStack, ledger: Ledger, batch: Batch) -> None:
    chosen, execution = batch.pictures, batch.execution
    assert execution["status"] == "SUCCEEDED", execution
    ledger.assert_invariants()
    final = invariants.final_bucket(stack)
    for picture in chosen:
        if picture.kind == "broken":
            failure = final.documents[f"failed/{picture.key}"]
            assert failure["error"]["code"] == "InvalidImageFormatException"
            assert failure["error"]["message"]
            continue
        result = final.documents[f"processed/{picture.key}"]
        assert result["source"]["key"] == picture.key
        assert result["image"]["key"] == f"processed/{picture.key}"
        for label, box in picture.objects:
            found = pictures.boxes(result["CustomLabels"], label)
            assert max((pictures.overlap(box, candidate) for candidate in found), default=0) > 0.8, (picture.key, label)
    receipt = runs.receipt(stack, execution)
    broken = sum(picture.kind == "broken" for picture in chosen)
    assert receipt["run_id"] == "first-batch"
    assert receipt["outcome"] == "completed"
    assert receipt["images"] == {"processed": len(chosen) - broken, "failed": broken, "dead_lettered": 0}
    assert receipt["model"]["running_seconds"] > 0
    assert receipt["model"]["cost_usd"] > 0
    if invariants.messages(stack, "queue_url"):
        # A run ends with the last image, and perhaps before the last message.
        runs.run(stack)
    assert invariants.messages(stack, "queue_url", "dead_letter_queue_url") == 0
    # Refused as too fast: this stack's clock runs tenfold, which makes a burst of what a second's pace allows.
    given = {answer: count for answer, count in batch.answers.items() if answer != TOO_FAST}
    assert given == {"OK": len(chosen) - broken, "InvalidImageFormatException": broken}, "one answer an image"


def test_the_command_line_tells_of_the_batch(stack: LocalStack, batch: Batch, tmp_path: Path) -> None:
    def clb(*arguments: str, code: int = 0) -> dict[str, Any]:
        # Only by what Terraform put out, and from a folder that is no checkout.
        (tmp_path / "outputs.json").write_text(
            json.dumps({name: {"value": one} for name, one in stack.outputs.items()})
        )
        paths = os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "lambdas")])
        command = [sys.executable, "-m", "tools.desk", *arguments, "--outputs", "outputs.json", "--json"]
        environment = {**os.environ, "PYTHONPATH": paths, "FORCE_COLOR": "1", **stack.sdk_settings()}
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (code, "")
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    broken = next(picture for picture in batch.pictures if picture.kind == "broken")
    labelled = next(picture for picture in batch.pictures if picture.kind != "broken")
    assert clb("status")["model"]["status"] == "STOPPED"
    assert "first-batch" in [run["run_id"] for run in clb("runs")["runs"]]
    found = clb("why", labelled.key)
    assert (found["state"], found["result"]) == ("labelled", f"processed/{labelled.key}.json")
    found = clb("why", broken.key, code=3)
    assert (found["state"], found["error"]["code"]) == ("failed", "InvalidImageFormatException")
    assert clb("why", "nobody uploaded this.png", code=3)["state"] == "never_uploaded"


def test_the_model_stops_soon_after_the_last_image_and_the_trigger_is_closed_meanwhile(
    stack: LocalStack, ledger: Ledger
) -> None:
    ledger.upload("one.png", photo(1))
    execution = runs.run(stack)
    assert waits_between(stack, execution["executionArn"], "Open the trigger", "Stop the model") < 60
    states = runs.states_entered(stack, execution["executionArn"])
    assert states.index("Stop the model") < states.index("Close the trigger") < states.index("Write the receipt")
    assert runs.receipt(stack, execution)["end"]["proven"] is True
    ledger.assert_invariants()


def test_the_named_queries_say_of_the_stream_what_the_results_say(
    stack: LocalStack, batch: Batch, tmp_path: Path
) -> None:
    documents = invariants.final_bucket(stack).documents
    lines, results = tmp_path / "lines", tmp_path / "results"
    lines.mkdir()
    results.mkdir()
    query.download(stack.client("s3"), stack.outputs["final_bucket_name"], "", lines)
    for number, document in enumerate(documents.values()):
        (results / f"{number}.json").write_text(json.dumps(document))
    assert query.run("SELECT count(*) FROM images", lines).rows == [(len(documents),)]
    assert len(documents) >= len(batch.pictures)
    athena = stack.client("athena")
    kept = athena.list_named_queries(WorkGroup=stack.outputs["query_workgroup_name"])["NamedQueryIds"]
    named = [athena.get_named_query(NamedQueryId=each)["NamedQuery"] for each in kept]
    assert {each["Name"]: each["QueryString"] for each in named} == query.named_queries()
    for sql in query.named_queries().values():
        assert query.run(sql, lines).rows == query.run(sql, results).rows


def test_a_function_may_do_nothing_beyond_its_role(stack: LocalStack) -> None:
    """The stack refuses what a role does not allow: without this the other tests would show nothing about IAM."""
    functions, iam, name = stack.client("lambda"), stack.client("iam"), f"{stack.name}-check-queue"

    def look() -> dict[str, Any]:
        payload = json.dumps({"run_id": "nobody", "phase": "before_start", "scheduled": True})
        return json.load(functions.invoke(FunctionName=name, Payload=payload)["Payload"])

    role = functions.get_function_configuration(FunctionName=name)["Role"].rsplit("/", 1)[1]
    [policy] = iam.list_role_policies(RoleName=role)["PolicyNames"]
    document = iam.get_role_policy(RoleName=role, PolicyName=policy)["PolicyDocument"]
    lesser = [statement for statement in document["Statement"] if "dynamodb:UpdateItem" not in statement["Action"]]
    assert len(lesser) == len(document["Statement"]) - 1
    assert look()["errorType"] == "LeaseLost"
    try:
        iam.put_role_policy(
            RoleName=role, PolicyName=policy, PolicyDocument=json.dumps({**document, "Statement": lesser})
        )
        assert "not authorized to perform: dynamodb:UpdateItem" in look()["errorMessage"]
    finally:
        iam.put_role_policy(RoleName=role, PolicyName=policy, PolicyDocument=json.dumps(document))


def user(stack: LocalStack, name: str, *allowed: dict[str, Any]) -> tuple[str, str]:
    """Make an IAM user, and return its access key."""
    iam = stack.client("iam")
    iam.create_user(UserName=name)
    document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **each} for each in allowed]}
    iam.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=json.dumps(document))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return key["AccessKeyId"], key["SecretAccessKey"]


def test_a_right_to_send_to_every_queue_is_no_power_over_images(stack: LocalStack) -> None:
    """The functions may send: what they defer and dead-letter in the other tests shows it."""
    sqs = stack.connect("sqs", *user(stack, "sender", {"Action": "sqs:*", "Resource": "*"}))
    for queue in (stack.outputs["queue_url"], stack.outputs["dead_letter_queue_url"]):
        sqs.get_queue_attributes(QueueUrl=queue)
        with pytest.raises(ClientError, match="AccessDenied"):
            sqs.send_message(QueueUrl=queue, MessageBody="{}")


def test_a_role_is_passed_to_the_named_service_alone(stack: LocalStack) -> None:
    """The stack refuses it: without this the deploying user's apply would show nothing about iam:PassRole."""
    role = stack.client("lambda").get_function_configuration(FunctionName=f"{stack.name}-check-queue")["Role"]
    to_lambda = {"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}}
    key = user(
        stack,
        "passer",
        {"Action": ["lambda:*", "states:*"], "Resource": "*"},
        {"Action": "iam:PassRole", "Resource": role, "Condition": to_lambda},
    )
    definition = json.dumps({"StartAt": "A", "States": {"A": {"Type": "Pass", "End": True}}})
    with pytest.raises(ClientError, match="iam:PassRole"):
        stack.connect("stepfunctions", *key).create_state_machine(name="a", definition=definition, roleArn=role)
    functions = stack.connect("lambda", *key)
    functions.update_function_configuration(FunctionName=f"{stack.name}-check-queue", Role=role)
    other = role.replace("check-queue", "analyze-image")
    with pytest.raises(ClientError, match="iam:PassRole"):
        functions.update_function_configuration(FunctionName=f"{stack.name}-check-queue", Role=other)


def test_the_functions_logs_hold_no_image_and_no_secret(stack: LocalStack, batch: Batch) -> None:
    s3, bucket = stack.client("s3"), stack.outputs["final_bucket_name"]
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
    objects = [entry["Key"] for page in pages for entry in page["Contents"]]
    keys = [key for key in objects if key.startswith(("processed/", "failed/")) and not key.endswith(".json")]
    images = [s3.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys]
    lines = logs.lines_of_functions(stack.log("MiniStack"))
    assert len(images) >= len(batch.pictures) > 40
    assert len(lines) >= len(images)
    assert logs.leaks(lines, images) == []
