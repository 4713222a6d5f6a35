"""Who is told: an event for each finished run, and for each upload with an alert label, once."""

from __future__ import annotations

import re
from typing import Any

import pytest
from botocore.exceptions import ConnectTimeoutError

from analyze_image.announcements import Told, alert_of
from shared.events import ALERT_LABEL_FOUND, RUN_FINISHED, SEND_EVENTS_SECONDS, EventBus
from shared.outcome import Outcome
from shared.project_version import ProjectVersion
from shared.receipts import Receipts
from shared.retry_state import mark_of
from shared.run_record import BatchCounts, CountedImage, RunRecords
from tests.rig.stack.local_stack import REPOSITORY
from tests.unit.analyze_image_kit import (
    RUN,
    VISIBILITY_SECONDS,
    Crash,
    CrashingS3,
    Pipeline,
    body,
    detect_error,
    document,
    event_of,
    keys,
)
from tests.unit.analyze_image_kit import pipeline as pipeline
from tests.unit.conftest import FINAL, FakeEvents, aws_error

# A killed function has no metrics to tell.
pytestmark = pytest.mark.filterwarnings("ignore:No application metrics")

THROTTLED = "ThrottlingException"


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.outbox.time.sleep", lambda _: None)


@pytest.fixture
def alerting(pipeline: Pipeline, events: FakeEvents) -> Pipeline:
    """A pipeline that tells of images with a logo from 90 on: LABELS has one of 98.5."""
    pipeline.alert_labels, pipeline.bus = {"logo": 90.0}, EventBus(events, "logos")
    pipeline.start_environment()
    return pipeline


def come_again(pipeline: Pipeline) -> None:
    pipeline.pass_time(VISIBILITY_SECONDS + 1)
    pipeline.drain()


def kill(pipeline: Pipeline) -> None:
    with pytest.raises(Crash):
        pipeline.invoke()
    pipeline.start_environment()


# --- runs


def test_a_finished_run_is_an_event_whose_detail_is_its_receipt(
    receipts: Receipts, records: RunRecords, events: FakeEvents
) -> None:
    records.open(RUN)
    written = receipts.write(RUN, Outcome.COMPLETED, None)
    assert events.sent == [
        {"Source": "custom-labels-batch.logos", "DetailType": RUN_FINISHED, "Detail": written},
    ]
    receipts.write(RUN, Outcome.COMPLETED, None)
    assert len(events.sent) == 1, "a repeated closing finds the run closed"


def test_a_closing_that_is_killed_before_it_closes_the_run_sends_the_event_again(
    receipts: Receipts, records: RunRecords, events: FakeEvents, monkeypatch: pytest.MonkeyPatch
) -> None:
    records.open(RUN)
    with monkeypatch.context() as patch:
        patch.setattr(RunRecords, "close", _crash)
        with pytest.raises(Crash):
            receipts.write(RUN, Outcome.COMPLETED, None)
    receipts.write(RUN, Outcome.COMPLETED, None)
    assert [sent["Detail"]["run_id"] for sent in events.sent] == [RUN, RUN]


@pytest.mark.parametrize("error", [aws_error("AccessDeniedException"), ConnectTimeoutError(endpoint_url="https://x")])
def test_a_run_is_closed_although_its_event_is_refused(
    error: Exception, receipts: Receipts, records: RunRecords, events: FakeEvents
) -> None:
    events.answers = [error, error]
    records.open(RUN)
    receipts.write(RUN, Outcome.COMPLETED, None)
    assert records.read(RUN).finished_at is not None
    assert events.calls == 2


def test_permissions_name_events_and_the_models_tag_as_the_code_does() -> None:
    source = (REPOSITORY / "terraform" / "locals.tf").read_text()
    named = dict(re.findall(r'^ +(\w+) += "(.*)"$', source, re.MULTILINE))
    name: Any = "${var.name}"
    assert named["event_source"] == EventBus(FakeEvents(), name).source
    assert (named["run_finished"], named["alert_label_found"]) == (RUN_FINISHED, ALERT_LABEL_FOUND)
    assert named["model_tag"] == ProjectVersion(name, name, name, deployment=name)._tag


# --- alerts


def test_an_image_with_an_alert_label_is_told_of_and_no_other(alerting: Pipeline, events: FakeEvents) -> None:
    alerting.rekognition.errors["bad.jpg"] = detect_error("ImageTooLargeException")
    [upload, _] = alerting.upload("a b/é.jpg", "bad.jpg")
    alerting.drain()
    [sent] = events.sent
    result = document(alerting.s3, "processed/a b/é.jpg.json")
    assert (sent["Source"], sent["DetailType"]) == ("custom-labels-batch.logos", ALERT_LABEL_FOUND)
    assert sent["Detail"] == {
        "schema": "1",
        "id": mark_of(upload),
        **{name: result[name] for name in ("run_id", "source", "image", "model", "analyzed_at")},
        "alerts": {"logo": 98.5},
        "labels": {"logo": 98.5},
    }


def test_a_batch_is_one_call(alerting: Pipeline, events: FakeEvents) -> None:
    alerting.upload(*(f"{number}.jpg" for number in range(10)))
    alerting.invoke()
    assert (len(events.sent), events.calls) == (10, 1)


def test_a_message_of_many_images_is_told_of_in_calls_of_ten(alerting: Pipeline, events: FakeEvents) -> None:
    uploads = [alerting.upload(f"{number}.jpg")[0] for number in range(12)]
    alerting.sqs.purge_queue(QueueUrl=alerting.url)
    alerting.send(body(*map(event_of, uploads)))
    alerting.drain()
    assert {sent["Detail"]["id"] for sent in events.sent} == {mark_of(upload) for upload in uploads}
    assert (len(events.sent), events.calls) == (12, 2)


def test_nobody_is_told_without_alert_labels(pipeline: Pipeline) -> None:
    pipeline.upload("a.jpg")
    pipeline.seconds_left = 96
    pipeline.drain()
    assert pipeline.record.processed == 1


LABELLED: dict[str, Any] = {
    "CustomLabels": [{"Name": "logo", "Confidence": 80.0}, {"Name": "logo", "Confidence": 95.5}],
    "BelowThreshold": [{"Name": "logo", "Confidence": 40.0}, {"Name": "Logo", "Confidence": 39.0}],
}


@pytest.mark.parametrize(
    ("alert_labels", "alerts"),
    [
        ({"logo": 95.5}, {"logo": 95.5}),
        ({"logo": 95.6}, None),
        ({"logo": 0.0, "Logo": 39.0, "rose": 0.0}, {"logo": 95.5, "Logo": 39.0}),
        ({"LOGO": 0.0}, None),
    ],
)
def test_an_alert_is_a_label_at_its_confidence_and_the_maps_hold_the_highest(
    alert_labels: dict[str, float], alerts: dict[str, float] | None
) -> None:
    detail = alert_of(Told("u", LABELLED), alert_labels)
    assert (detail and detail["alerts"]) == alerts
    assert detail is None or detail["labels"] == {"logo": 95.5, "Logo": 39.0}


def test_an_image_without_labels_is_no_alert() -> None:
    assert alert_of(Told("u", {"CustomLabels": []}), {"logo": 0.0}) is None
    assert alert_of(Told("u", {"error": {"code": "x"}}), {"logo": 0.0}) is None


# --- once for each upload


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("call", range(1, 7))
def test_killed_at_any_call_to_s3_an_upload_is_told_of_once(
    call: int, after: bool, alerting: Pipeline, events: FakeEvents
) -> None:
    alerting.upload("a.jpg")
    alerting.faulty_s3._client = CrashingS3(alerting.s3, call, after=after)
    kill(alerting)
    assert events.sent == []
    alerting.faulty_s3._client = alerting.s3
    come_again(alerting)
    assert len(events.sent) == 1
    come_again(alerting)
    assert len(events.sent) == alerting.record.processed == 1


def test_a_message_whose_deletion_failed_is_told_of_once(alerting: Pipeline, events: FakeEvents) -> None:
    alerting.upload("a.jpg")
    alerting.invoke(can_delete=False)
    come_again(alerting)
    assert alerting.messages() == []
    assert len(events.sent) == 1


def test_killed_between_the_event_and_the_count_an_upload_is_told_of_twice_with_one_id(
    alerting: Pipeline, events: FakeEvents, monkeypatch: pytest.MonkeyPatch
) -> None:
    [upload] = alerting.upload("a.jpg")
    with monkeypatch.context() as patch:
        patch.setattr(RunRecords, "add_batch", _crash)
        kill(alerting)
    come_again(alerting)
    come_again(alerting)
    assert [sent["Detail"]["id"] for sent in events.sent] == [mark_of(upload)] * 2


def test_without_time_to_tell_the_message_comes_again_and_nothing_is_counted_before(
    alerting: Pipeline, events: FakeEvents, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: list[list[CountedImage]] = []
    add = RunRecords.add_batch

    def noted(records: RunRecords, run_id: str, counts: BatchCounts, images: list[CountedImage]) -> None:
        counted.append(images)
        add(records, run_id, counts, images)

    monkeypatch.setattr(RunRecords, "add_batch", noted)
    alerting.upload("a.jpg")
    label = alerting.rekognition._answer

    def slowly(parameters: dict[str, Any]) -> dict[str, Any]:
        alerting.seconds_left = SEND_EVENTS_SECONDS + 10
        return label(parameters)

    monkeypatch.setattr(alerting.rekognition, "_answer", slowly)
    alerting.drain()
    assert (events.sent, [images for images in counted if images]) == ([], [])
    assert len(alerting.messages()) == 1
    alerting.seconds_left = 119
    come_again(alerting)
    assert len(events.sent) == alerting.record.processed == 1


# --- what EventBridge refuses


@pytest.mark.parametrize(
    ("answers", "told"),
    [
        ([[None, THROTTLED], [None]], {"a.jpg", "b.jpg"}),
        ([[None, THROTTLED], [THROTTLED]], {"a.jpg"}),
        ([aws_error("InternalException"), [None, None]], {"a.jpg", "b.jpg"}),
        ([aws_error("AccessDeniedException")] * 2, set()),
        ([ConnectTimeoutError(endpoint_url="https://x")] * 2, set()),
        ([RuntimeError("a defect of ours")], set()),
    ],
)
def test_a_refused_event_is_tried_once_more_and_fails_no_image(
    answers: list[Exception | list[str | None]],
    told: set[str],
    alerting: Pipeline,
    events: FakeEvents,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    events.answers = list(answers)
    alerting.upload("a.jpg", "b.jpg")
    alerting.invoke()
    assert {sent["Detail"]["source"]["key"] for sent in events.sent} == told
    assert events.answers == alerting.messages() == alerting.dead_letters() == []
    assert alerting.record.processed == 2
    assert len(keys(alerting.s3, FINAL)) == 4
    lost = {vars(record)["lost"]["source"]["key"] for record in caplog.records if "lost" in vars(record)}
    is_ours = isinstance(answers[0], RuntimeError)
    assert lost == (set() if is_ours else {"a.jpg", "b.jpg"} - told)
    assert bool(lost) == ("NotificationsLost" in capsys.readouterr().out)


def test_after_ten_lost_events_the_others_are_not_tried(events: FakeEvents) -> None:
    events.answers = [aws_error("AccessDeniedException")] * 9
    EventBus(events, "logos").send(RUN_FINISHED, [{"n": number} for number in range(25)])
    assert events.calls == 2


def _crash(*_: object) -> None:
    raise Crash
