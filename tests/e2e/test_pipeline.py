"""The pipeline on the packaged zips. The tests share one stack and run in the order in which they stand here."""

import io
import json
import threading
import time
import urllib.request
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.corpus.pictures import BOX, LABEL, NOT_NOTIFIED, ODD_PICTURES, PROCESSED
from tests.e2e.conftest import Ledger
from tests.stack import invariants, logs, pictures, runs
from tests.stack.local_stack import LocalStack

pytestmark = pytest.mark.timeout(300)

ODD_FOLDER = "odd-pictures/"


def photo(shade: int) -> bytes:
    """A small PNG of its own for each shade."""
    buffer = io.BytesIO()
    Image.new("RGB", (96, 96), (shade, 255 - shade, 128)).save(buffer, "PNG")
    return buffer.getvalue()


def tell_emulator(stack: LocalStack, path: str, **body: Any) -> Any:  # noqa: ANN401
    """Do something to a model as somebody outside of the system."""
    request = urllib.request.Request(
        f"{stack.emulator_url}/_emulator/{path}", data=json.dumps(body).encode(), method="POST"
    )
    with urllib.request.urlopen(request, timeout=10) as response:
        return json.load(response)


def wait_until_status(stack: LocalStack, arn: str, status: str) -> None:
    deadline = time.monotonic() + 60
    while stack.emulator("models")["models"][arn]["status"] != status:
        assert time.monotonic() < deadline, f"{arn} did not become {status}"
        time.sleep(0.05)


def waits_between(stack: LocalStack, execution_arn: str, first: str, last: str) -> int:
    """Virtual seconds that the run waited by design from its first visit to one state until that to another."""
    history = stack.client("stepfunctions").get_paginator("get_execution_history")
    events = [event for page in history.paginate(executionArn=execution_arn) for event in page["events"]]
    names = [event.get("stateEnteredEventDetails", {}).get("name") for event in events]
    return sum(
        json.loads(event["taskSucceededEventDetails"]["output"])["Payload"].get("wait_seconds", 0)
        for event in events[names.index(first) : names.index(last)]
        if "taskSucceededEventDetails" in event
    )


def test_a_run_right_after_apply_acknowledges_the_test_events_and_starts_nothing(stack: LocalStack) -> None:
    assert invariants.messages(stack, "queue_url") > 0, "S3 sends a test event for each notification"
    execution = runs.run(stack)
    assert execution["status"] == "SUCCEEDED"
    assert runs.receipt(stack, execution)["outcome"] == "nothing_to_do"
    assert stack.meter()["starts"] == 0
    assert invariants.messages(stack, "queue_url") == 0


def test_a_batch_is_labelled_and_every_image_ends_once(stack: LocalStack, ledger: Ledger, tmp_path: Path) -> None:
    chosen = pictures.write_default_set(tmp_path)
    for picture in chosen:
        ledger.upload(picture.key, (tmp_path / picture.key).read_bytes())
    execution = runs.run(stack, "first-batch")
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
    assert receipt["images"] == {"processed": len(chosen) - broken, "failed": broken}
    assert receipt["model"]["running_seconds"] > 0
    assert receipt["model"]["cost_usd"] > 0
    assert invariants.messages(stack, "queue_url", "dead_letter_queue_url") == 0
    calls = dict(stack.meter()["answers"]["DetectCustomLabels"])
    # Refused as too fast: this stack's clock runs twentyfold, which makes a burst of what a second's pace allows.
    calls.pop("ProvisionedThroughputExceededException", None)
    assert calls == {"OK": len(chosen) - broken, "InvalidImageFormatException": broken}, "one answer an image"


def test_waiting_by_design_stays_under_three_minutes_of_model_time(stack: LocalStack, ledger: Ledger) -> None:
    ledger.upload("one.png", photo(1))
    execution = runs.run(stack)
    assert 60 <= waits_between(stack, execution["executionArn"], "Open the trigger", "Stop the model") < 180
    ledger.assert_invariants()


def test_two_uploads_under_one_key_and_redelivered_events_make_one_result_each(
    stack: LocalStack, ledger: Ledger
) -> None:
    first, second = ledger.upload("twice.png", photo(10)), ledger.upload("twice.png", photo(20))
    sqs, queue = stack.client("sqs"), stack.outputs["queue_url"]
    received = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, VisibilityTimeout=0, WaitTimeSeconds=1)
    for message in received["Messages"]:
        for _ in range(2):
            sqs.send_message(QueueUrl=queue, MessageBody=message["Body"])
    assert runs.run(stack)["status"] == "SUCCEEDED"
    ledger.assert_invariants()
    final = invariants.final_bucket(stack)
    assert sorted(final.documents_of(first) + final.documents_of(second)) in (
        sorted(["processed/twice.png", f"processed/twice~{second.etag[:8]}.png"]),
        sorted(["processed/twice.png", f"processed/twice~{first.etag[:8]}.png"]),
    )


def test_of_two_runs_at_once_one_works_and_the_other_ends_quietly(stack: LocalStack, ledger: Ledger) -> None:
    ledger.upload("rivals.png", photo(30))
    starts = stack.meter()["starts"]
    executions: list[dict[str, Any]] = []
    threads = [threading.Thread(target=lambda: executions.append(runs.run(stack))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [execution["status"] for execution in executions] == ["SUCCEEDED", "SUCCEEDED"]
    outcomes = sorted(runs.receipt(stack, execution)["outcome"] for execution in executions)
    assert outcomes == ["another_run_active", "completed"]
    assert stack.meter()["starts"] == starts + 1
    ledger.assert_invariants()


def test_a_message_that_is_no_event_ends_in_the_dead_letter_queue(stack: LocalStack, ledger: Ledger) -> None:
    stack.client("sqs").send_message(QueueUrl=stack.outputs["queue_url"], MessageBody="who sent this?")
    ledger.upload("beside-a-stranger.png", photo(40))
    execution = runs.run(stack)
    assert execution["status"] == "SUCCEEDED", execution
    assert invariants.messages(stack, "dead_letter_queue_url") == 1
    assert invariants.messages(stack, "queue_url") == 0
    ledger.assert_invariants()


def test_a_model_that_someone_else_started_is_used_and_left_running(stack: LocalStack, ledger: Ledger) -> None:
    arn = stack.model.version_arn
    tell_emulator(stack, "models/start", project_version_arn=arn)
    wait_until_status(stack, arn, "RUNNING")
    ledger.upload("guest.png", photo(50))
    execution = runs.run(stack)
    assert execution["status"] == "SUCCEEDED", execution
    assert stack.meter()["status"] == "RUNNING"
    receipt = runs.receipt(stack, execution)
    assert receipt["images"] == {"processed": 1, "failed": 0}
    assert receipt["model"]["cost_usd"] is None
    tell_emulator(stack, "models/stop", project_version_arn=arn)
    wait_until_status(stack, arn, "STOPPED")
    ledger.assert_invariants()


def test_a_run_waits_its_turn_while_other_models_have_the_accounts_quota(stack: LocalStack, ledger: Ledger) -> None:
    others = [f"{stack.model.version_arn[:-1]}{digit}" for digit in "78"]
    for arn in others:
        tell_emulator(stack, "models", project_arn=stack.model.project_arn, project_version_arn=arn)
        tell_emulator(stack, "models/start", project_version_arn=arn)
    ledger.upload("patient.png", photo(60))
    started = runs.start_run(stack)
    for arn in others:
        wait_until_status(stack, arn, "RUNNING")
        tell_emulator(stack, "models/stop", project_version_arn=arn)
    execution = runs.wait_for_run(stack, started, 120)
    assert execution["status"] == "SUCCEEDED", execution
    assert runs.states_entered(stack, started).count("Start the model") > 1
    refused = stack.meter()["answers"]["StartProjectVersion"]["LimitExceededException"]
    receipt = runs.receipt(stack, execution)
    assert (receipt["outcome"], receipt["images"]["processed"], refused > 0) == ("completed", 1, True)
    ledger.assert_invariants()
    assert invariants.messages(stack, "queue_url") == 0


def test_a_plan_after_runs_is_empty(stack: LocalStack) -> None:
    assert stack.terraform.planned_changes() == []


def test_a_function_may_do_nothing_beyond_its_role(stack: LocalStack) -> None:
    """The stack refuses what a role does not allow: without this the other tests would show nothing about IAM."""
    functions, iam, name = stack.client("lambda"), stack.client("iam"), f"{stack.name}-check-queue"

    def look() -> dict[str, Any]:
        payload = json.dumps({"run_id": "nobody", "phase": "before_start"})
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


def test_an_analysis_that_gets_nothing_done_stops_the_model_before_the_run_fails(
    stack: LocalStack, ledger: Ledger
) -> None:
    stack.client("lambda").put_function_concurrency(
        FunctionName=stack.outputs["analyze_function_name"], ReservedConcurrentExecutions=0
    )
    ledger.upload("unlucky.png", photo(70))
    try:
        execution = runs.run(stack)
    finally:
        stack.client("lambda").delete_function_concurrency(FunctionName=stack.outputs["analyze_function_name"])
    assert (execution["status"], execution["error"]) == ("FAILED", "NoProgress")
    states = runs.states_entered(stack, execution["executionArn"])
    assert states.index("Close the trigger") < states.index("Stop the model") < states.index("Run failed")
    assert runs.receipt(stack, execution)["error"]["code"] == "NoProgress"
    ledger.assert_invariants()
    assert runs.receipt(stack, runs.run(stack))["images"] == {"processed": 1, "failed": 0}
    ledger.assert_invariants()


def test_every_odd_picture_comes_to_the_end_that_the_table_says(stack: LocalStack, ledger: Ledger) -> None:
    s3, source = stack.client("s3"), stack.outputs["source_bucket_name"]
    left_out = [odd for odd in ODD_PICTURES if odd.end == NOT_NOTIFIED]
    uploaded = [odd for odd in ODD_PICTURES if odd.end != NOT_NOTIFIED]
    for odd in left_out:
        s3.put_object(Bucket=source, Key=ODD_FOLDER + odd.key, Body=odd.make())
    uploads = {odd.key: ledger.upload(ODD_FOLDER + odd.key, odd.make()) for odd in uploaded}
    execution = runs.run(stack, seconds=240)
    assert execution["status"] == "SUCCEEDED", execution
    ledger.assert_invariants()
    final = invariants.final_bucket(stack)
    ends = {}
    for odd in uploaded:
        [key] = final.documents_of(uploads[odd.key])
        document = final.documents[key]
        ends[odd.key] = document["error"]["code"] if "error" in document else PROCESSED
        folder = "processed" if ends[odd.key] == PROCESSED else "failed"
        assert key == f"{folder}/{ODD_FOLDER}{odd.key}"
        if ends[odd.key] == PROCESSED and odd.is_seen:
            seen = pictures.boxes(document["CustomLabels"], LABEL)
            assert max((pictures.overlap(BOX, box) for box in seen), default=0) > 0.8, odd.key
    assert ends == {odd.key: odd.end for odd in uploaded}
    receipt = runs.receipt(stack, execution)
    processed = sum(odd.end == PROCESSED for odd in uploaded)
    assert (receipt["outcome"], receipt["images"]) == (
        "completed",
        {"processed": processed, "failed": len(uploaded) - processed},
    )
    still_there = {key for key, _ in invariants.waiting_in_source(stack)}
    assert {ODD_FOLDER + odd.key for odd in left_out} <= still_there
    for odd in left_out:
        for version in s3.list_object_versions(Bucket=source, Prefix=ODD_FOLDER + odd.key).get("Versions", []):
            s3.delete_object(Bucket=source, Key=version["Key"], VersionId=version["VersionId"])


# --- what a run costs. From here on the stack has other settings.


@pytest.fixture(scope="module")
def thrifty(stack: LocalStack) -> LocalStack:
    """A slow estimate, so that 130 images are worth three units; a gate of five images; and a cap of an hour a day."""
    stack.apply(
        images_per_second_per_unit=1,
        max_inference_units=3,
        target_drain_minutes=1,
        min_batch_size=5,
        max_model_hours_per_day=1,
    )
    return stack


def test_few_images_wait_for_company_until_one_has_waited_long_enough(thrifty: LocalStack, ledger: Ledger) -> None:
    assert runs.receipt(thrifty, runs.run(thrifty))["outcome"] == "nothing_to_do"
    starts = thrifty.meter()["starts"]
    ledger.upload("lonely.png", photo(80))
    waiting = runs.run(thrifty)
    receipt = runs.receipt(thrifty, waiting)
    assert (waiting["status"], receipt["outcome"], receipt["error"]) == ("SUCCEEDED", "waiting_for_more_images", None)
    assert "1 images wait, fewer than min_batch_size (5)" in receipt["reason"]
    assert thrifty.meter()["starts"] == starts
    ledger.assert_invariants()
    runs.write_into_table(thrifty, "lease", "queue_empty_at", {"N": str(int(time.time()) - 4 * 3600)})
    assert runs.receipt(thrifty, runs.run(thrifty))["images"] == {"processed": 1, "failed": 0}
    ledger.assert_invariants()


def test_a_run_rents_what_the_backlog_needs_and_opens_the_trigger_as_wide(thrifty: LocalStack, ledger: Ledger) -> None:
    for number in range(130):
        ledger.upload(f"many/{number}.png", photo(90 + number))
    # The functions keep their pace by this machine's clock: three minutes without progress must be longer than a batch.
    with thrifty.set_wait_scale(0.2):
        receipt = runs.receipt(thrifty, runs.run(thrifty))
    assert (receipt["outcome"], receipt["images"]) == ("completed", {"processed": 130, "failed": 0})
    assert thrifty.meter()["runs"][-1]["units"] == receipt["model"]["inference_units"] == 3
    assert "130 images at 1 images a second and unit (an estimate)" in receipt["sizing"]["reason"]
    mapping = thrifty.client("lambda").get_event_source_mapping(UUID=thrifty.outputs["event_source_mapping_uuid"])
    assert mapping["ScalingConfig"] == {"MaximumConcurrency": 3}
    assert all(seconds is not None for seconds in receipt["phases"].values()), receipt["phases"]
    assert receipt["model"]["unit_seconds"] == pytest.approx(3 * receipt["model"]["running_seconds"])
    ledger.assert_invariants()


def test_at_the_daily_cap_images_wait_and_no_model_is_started(thrifty: LocalStack, ledger: Ledger) -> None:
    assert thrifty.outputs["max_model_usd_per_day"] == 1 * 3 * 4
    starts, today = thrifty.meter()["starts"], datetime.now(UTC).date().isoformat()
    runs.write_into_table(thrifty, f"day#{today}", "model_seconds", {"N": "3600"})
    for number in range(5):
        ledger.upload(f"tomorrow/{number}.png", photo(240 + number))
    execution = runs.run(thrifty)
    receipt = runs.receipt(thrifty, execution)
    assert (execution["status"], receipt["outcome"]) == ("SUCCEEDED", "daily_cap_reached")
    assert thrifty.meter()["starts"] == starts
    ledger.assert_invariants()
    runs.write_into_table(thrifty, f"day#{today}", "model_seconds", {"N": "0"})
    assert runs.receipt(thrifty, runs.run(thrifty))["outcome"] == "completed"
    ledger.assert_invariants()


def test_a_plan_after_runs_with_other_units_is_empty(thrifty: LocalStack) -> None:
    assert thrifty.terraform.planned_changes() == []


def test_the_functions_logs_hold_no_image_and_no_secret(stack: LocalStack) -> None:
    """Of everything that the tests before this one did."""
    s3, bucket = stack.client("s3"), stack.outputs["final_bucket_name"]
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
    keys = [entry["Key"] for page in pages for entry in page["Contents"] if not entry["Key"].endswith(".json")]
    images = [s3.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys]
    lines = logs.lines_of_functions(stack.log("MiniStack"))
    assert len(images) > 40
    assert len(lines) >= len(images)
    assert logs.leaks(lines, images) == []
