"""The tools at the desk go through many items, and one bad item ends none of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from shared.dead_letter_queue import DeadLetterQueue
from tests.rig.stack.local_stack import REPOSITORY
from tests.unit.conftest import FINAL, SOURCE, aws_error
from tools.deployment import Deployment
from tools.desk import __main__ as desk
from tools.desk import backfill, options, redrive, runs, status

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


class Failing:
    """A client that refuses a method for what `is_bad` says of its parameters."""

    def __init__(self, real: Any, method: str, is_bad: Callable[[dict[str, Any]], bool]) -> None:  # noqa: ANN401
        self._real, self._method, self._is_bad = real, method, is_bad

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        real = getattr(self._real, name)

        def refuses(**parameters: Any) -> Any:  # noqa: ANN401
            if self._is_bad(parameters):
                raise aws_error("InvalidParameterValue", "refused", name)
            return real(**parameters)

        return refuses if name == self._method else real


def fill(sqs: Any, deployment: Deployment, *keys: str) -> None:  # noqa: ANN401
    for key in keys:
        record = {
            "eventSource": "aws:s3",
            "eventName": "ObjectCreated:Put",
            "s3": {"bucket": {"name": SOURCE}, "object": {"key": key, "size": 1, "eTag": "e"}},
        }
        sqs.send_message(QueueUrl=deployment.dead_letter_queue_url, MessageBody=json.dumps({"Records": [record]}))
    sqs.send_message(QueueUrl=deployment.dead_letter_queue_url, MessageBody="no event")


def visible(sqs: Any, url: str) -> int:  # noqa: ANN401
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])["Attributes"]
    return int(attributes["ApproximateNumberOfMessages"])


def test_a_dead_letter_that_cannot_be_moved_keeps_no_other_from_the_queue(sqs: Any, deployment: Deployment) -> None:  # noqa: ANN401
    fill(sqs, deployment, "a.jpg", "odd.jpg", "c.jpg")
    client = Failing(sqs, "send_message", lambda sent: "odd.jpg" in sent["MessageBody"])
    done = redrive.redriven(client, deployment, dry_run=False)
    assert sorted(letter.images[0] for letter in done.moved) == [f"s3://{SOURCE}/a.jpg", f"s3://{SOURCE}/c.jpg"]
    assert [letter.body for letter in done.kept] == ["no event"]
    ((images, reason),) = [(letter.images, letter.reason) for letter in done.refused]
    assert images == (f"s3://{SOURCE}/odd.jpg",)
    assert "refused" in reason
    # At once, and not after the ten minutes for which they were hidden.
    assert (visible(sqs, deployment.queue_url), visible(sqs, deployment.dead_letter_queue_url)) == (2, 2)


def test_a_redriven_message_starts_afresh_but_says_of_which_image_a_claim_lacks_the_copy(
    sqs: SQSClient, deployment: Deployment
) -> None:
    record = {
        "eventSource": "aws:s3",
        "eventName": "ObjectCreated:Put",
        "s3": {"bucket": {"name": SOURCE}, "object": {"key": "a.jpg", "size": 1, "eTag": "e"}},
    }
    DeadLetterQueue(sqs, deployment.dead_letter_queue_url).send(
        json.dumps({"Records": [record]}), code="AccessDenied", reason="no", run_id="run-1", uncopied="mark"
    )
    redrive.redriven(sqs, deployment, dry_run=False)
    [message] = sqs.receive_message(QueueUrl=deployment.queue_url, MessageAttributeNames=["All"])["Messages"]
    attributes = {name: value.get("StringValue") for name, value in message["MessageAttributes"].items()}
    assert attributes == {"redriven": "1", "uncopied": "mark"}


def test_dead_letters_are_there_again_when_the_queue_cannot_be_read_to_its_end(
    sqs: Any,  # noqa: ANN401
    deployment: Deployment,
) -> None:
    fill(sqs, deployment, *(f"{number}.jpg" for number in range(12)))
    calls: list[dict[str, Any]] = []

    def second(parameters: dict[str, Any]) -> bool:
        calls.append(parameters)
        return len(calls) > 1

    with pytest.raises(Exception, match="refused"):
        redrive.redriven(Failing(sqs, "receive_message", second), deployment, dry_run=True)
    assert visible(sqs, deployment.dead_letter_queue_url) == 13


def test_a_redrive_that_left_some_says_so_and_fails(
    sqs: Any,  # noqa: ANN401
    deployment: Deployment,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    fill(sqs, deployment, "a.jpg", "odd.jpg")
    monkeypatch.setattr(options.deployment, "find", lambda _: deployment)
    monkeypatch.setattr(redrive, "client", lambda _: Failing(sqs, "send_message", lambda sent: "odd" in str(sent)))
    assert desk.command(["redrive", "--name", "labels"]) == 1
    printed = capsys.readouterr()
    assert "1 image messages sent back, 1 kept." in printed.out
    assert f"not moved: s3://{SOURCE}/odd.jpg" in printed.err


def test_a_redrive_that_the_queue_denies_says_who_may(
    sqs: Any,  # noqa: ANN401
    deployment: Deployment,
) -> None:
    class Denied(Failing):
        def __getattr__(self, name: str) -> Any:  # noqa: ANN401
            if name == "send_message":
                raise aws_error("AccessDenied", "with an explicit deny in a resource-based policy", "SendMessage")
            return super().__getattr__(name)

    fill(sqs, deployment, "a.jpg")
    [refused] = redrive.redriven(Denied(sqs, "", lambda _: False), deployment, dry_run=False).refused
    assert "redrive_principal_arns" in refused.reason


def test_a_dead_letter_that_came_back_meanwhile_keeps_no_other_from_the_status(
    sqs: Any,  # noqa: ANN401
    deployment: Deployment,
) -> None:
    fill(sqs, deployment, "a.jpg", "b.jpg")
    client = Failing(sqs, "change_message_visibility_batch", lambda _: True)
    assert len(status._dead_letters(client, deployment)["messages"]) == 3


@pytest.mark.parametrize("body", ["not JSON", "[]", "{}", '{"model": null}', "\ud800".encode(errors="surrogatepass")])
def test_an_object_that_is_no_receipt_keeps_no_receipt_from_the_status(
    s3: Any,  # noqa: ANN401
    deployment: Deployment,
    body: str | bytes,
) -> None:
    receipt = {
        "run_id": "run-1",
        "outcome": "completed",
        "finished_at": "2026-01-31T08:00:00.000Z",
        "images": {"processed": 3, "failed": 0, "dead_lettered": 0},
        "model": {"running_seconds": 60.0, "cost_usd": 0.07},
        "error": None,
    }
    s3.put_object(Bucket=FINAL, Key="runs/run-1.json", Body=json.dumps(receipt))
    s3.put_object(Bucket=FINAL, Key="runs/odd.json", Body=body)
    shown = [fact.text for run in runs.latest(s3, deployment, 5) for fact in status.run_facts(run)]
    assert any("3 labelled" in line for line in shown)
    assert any(line.startswith("runs/odd.json is no receipt: ") for line in shown)


@pytest.mark.parametrize(
    ("waiting", "dead", "says"), [(0, 0, "2 images, no message"), (1, 0, "2 images"), (0, 1, "2 images")]
)
def test_the_status_says_how_to_queue_images_that_s3_did_not_tell_of(
    waiting: int,
    dead: int,
    says: str,
    s3: Any,  # noqa: ANN401
    deployment: Deployment,
) -> None:
    for key in ("a.jpg", "folder/", "folder/b.png", "folder/b.png.json"):
        s3.put_object(Bucket=SOURCE, Key=key)
    empty = {"waiting": 0, "in_flight": 0, "delayed": 0}
    found: Any = {
        "name": "labels",
        "source": status._source_images(s3, deployment),
        "queue": empty | {"delayed": waiting},
        "dead_letter_queue": empty | {"in_flight": dead},
        "unknown": {},
    }
    line = status._in_source(found)
    assert line.startswith(says)
    assert ("clb backfill --name labels --margin-minutes 0" in line) is (waiting + dead == 0)


TOPIC = "arn:aws:sns:us-east-1:123456789012:labels-alarms"


def heard(monkeypatch: pytest.MonkeyPatch, alarms: list[dict[str, Any]], *subscriptions: str) -> status.Alarms:
    """What the status finds; `subscriptions`: what SNS gives as their ARNs, a page each. moto has no DescribeAlarms."""

    class CloudWatch:
        def describe_alarms(self, *, AlarmNames: list[str]) -> dict[str, Any]:  # noqa: N803
            assert AlarmNames == ["labels-run-failed"]
            return {"MetricAlarms": alarms}

    class Sns:
        def get_paginator(self, operation: str) -> Any:  # noqa: ANN401
            assert operation == "list_subscriptions_by_topic"
            return self

        def paginate(self, *, TopicArn: str) -> list[dict[str, Any]]:  # noqa: N803
            assert TopicArn == TOPIC
            return [{"Subscriptions": [{"SubscriptionArn": arn}]} for arn in subscriptions] or [{"Subscriptions": []}]

    clients = {"cloudwatch": CloudWatch(), "sns": Sns()}
    monkeypatch.setattr(status.boto3, "client", lambda service, config: clients[service])  # noqa: ARG005
    return status.alarms_of("labels")


def test_the_status_says_that_nobody_hears_thealarms_of(monkeypatch: pytest.MonkeyPatch) -> None:
    found = heard(monkeypatch, [])
    assert status.heard(found) == "reach NOBODY: they have no topic; apply the module again"
    found = heard(monkeypatch, [{"AlarmActions": [TOPIC]}])
    assert status.heard(found) == f"reach NOBODY: nobody has subscribed to {TOPIC}"


def test_the_status_counts_who_hears_thealarms_of(monkeypatch: pytest.MonkeyPatch) -> None:
    found = heard(monkeypatch, [{"AlarmActions": [TOPIC]}], f"{TOPIC}:1", "PendingConfirmation", f"{TOPIC}:2")
    assert found == {"topics": [TOPIC], "subscribers": 2, "unconfirmed": 1, "unknown": None}
    assert status.heard(found) == f"reach 2 subscribers of {TOPIC} (1 not confirmed)"


def test_the_alarm_that_the_status_looks_at_is_in_every_deployment() -> None:
    module = (REPOSITORY / "terraform" / "modules" / "monitoring" / "main.tf").read_text()
    assert f'local.alarm_names["{status.ALARM}"]' in module


def test_an_address_that_did_not_confirm_hears_no_alarm() -> None:
    found: status.Alarms = {"topics": ["t"], "subscribers": 0, "unconfirmed": 2, "unknown": None}
    assert status.heard(found) == "reach NOBODY: nobody has subscribed to t (2 not confirmed)"


def test_whoever_may_not_list_the_subscribers_still_sees_the_status(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_: str, config: object) -> None:  # noqa: ARG001
        raise aws_error("AuthorizationError", "may not list them", "ListSubscriptionsByTopic")

    monkeypatch.setattr(status.boto3, "client", refused)
    assert status.heard(status.alarms_of("labels")).startswith("not known who hears them: ")


def run_backfill(
    monkeypatch: pytest.MonkeyPatch, deployment: Deployment, reports: Callable[[bool], dict[str, Any]]
) -> int:
    monkeypatch.setattr(options.deployment, "find", lambda _: deployment)
    monkeypatch.setattr(backfill, "reconciled", lambda *_, dry_run: reports(dry_run))
    return desk.command(["backfill", "--name", "labels", "--yes"])


@pytest.mark.parametrize("orphans", [0, 5])
def test_a_backfill_tells_of_images_that_are_refused(
    deployment: Deployment, orphans: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    report = {"orphans": orphans, "refused": 1, "refused_examples": [{"key": "odd.jpg", "reason": "403"}], "prefix": ""}
    assert run_backfill(monkeypatch, deployment, lambda dry_run: report | {"queued": 0 if dry_run else orphans}) == 0
    printed = capsys.readouterr().out
    assert "1 images are refused" in printed
    assert '"key": "odd.jpg"' in printed
    assert ("5 images queued" in printed) == (orphans == 5)


def test_a_backfill_that_aws_refuses_is_an_error_in_a_sentence(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(_: bool) -> dict[str, Any]:
        raise aws_error("AccessDeniedException", "may not start it", "StartExecution")

    assert run_backfill(monkeypatch, deployment, refused) == 1
    assert "error: " in (printed := capsys.readouterr().err)
    assert "may not start it" in printed
