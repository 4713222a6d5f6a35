"""SQL over the results: the lines that the analysis sends, and the named queries, against a recount from the JSON."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError

from analyze_image.announcements import Announcements, Told
from analyze_image.documents import Detection, FailureReason, InferenceSettings, result_document
from analyze_image.lines import MAX_LINE_BYTES, Stream, line_of
from shared.events import EventBus
from shared.retry_state import mark_of
from shared.s3_events import Upload
from tests.unit.analyze_image_kit import RECEIVES_AT_MOST, VISIBILITY_SECONDS, Pipeline, detect_error, document
from tests.unit.analyze_image_kit import pipeline as pipeline
from tests.unit.conftest import FINAL, MODEL_ARN, SOURCE, FakeEvents, aws_error
from tools.query import COLUMNS, QueryError, Rows, download, named_queries, run

Document = dict[str, Any]


class FakeFirehose:
    """Takes lines as AWS does, and refuses what it is told; each answer is one call's."""

    def __init__(self) -> None:
        self.lines: list[Document] = []
        self.answers: list[Exception | list[str | None]] = []
        self.calls = 0

    def put_record_batch(self, DeliveryStreamName: str, Records: list[dict[str, bytes]]) -> Document:  # noqa: N803
        self.calls += 1
        assert DeliveryStreamName == "stream"
        assert sum(len(record["Data"]) for record in Records) <= 4 * 1024**2
        answer = self.answers.pop(0) if self.answers else [None] * len(Records)
        if isinstance(answer, Exception):
            raise answer
        for record, code in zip(Records, answer, strict=True):
            assert record["Data"].endswith(b"\n")
            if code is None:
                self.lines.append(json.loads(record["Data"]))
        codes = [{"ErrorCode": code} if code else {"RecordId": "x"} for code in answer]
        return {"FailedPutCount": sum(map(bool, answer)), "RequestResponses": codes}


@pytest.fixture
def firehose(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> FakeFirehose:
    monkeypatch.setattr("shared.outbox.time.sleep", lambda _: None)
    firehose = FakeFirehose()
    pipeline.stream = Stream(firehose, "stream")
    pipeline.start_environment()
    return firehose


# --- the stream


def test_a_batch_is_one_call_and_a_line_is_its_result(pipeline: Pipeline, firehose: FakeFirehose) -> None:
    pipeline.rekognition.errors["9.jpg"] = detect_error("ImageTooLargeException")
    uploads = pipeline.upload(*(f"{number}.jpg" for number in range(10)))
    pipeline.invoke()
    assert firehose.calls == 1
    assert {line["id"] for line in firehose.lines} == {mark_of(upload) for upload in uploads}
    [failed] = [line for line in firehose.lines if line["outcome"] == "failed"]
    assert failed == line_of(mark_of(uploads[9]), document(pipeline.s3, "failed/9.jpg.json"))
    assert all(line.keys() == COLUMNS.keys() for line in firehose.lines)


def test_a_redelivery_sends_no_second_line(pipeline: Pipeline, firehose: FakeFirehose) -> None:
    pipeline.upload("a.jpg")
    pipeline.invoke(can_delete=False)
    pipeline.pass_time(VISIBILITY_SECONDS + 1)
    pipeline.drain()
    assert len(firehose.lines) == 1


@pytest.mark.parametrize(
    ("answers", "sent"),
    [
        ([[None, "ServiceUnavailableException"], [None]], 2),
        ([[None, "ServiceUnavailableException"], ["ServiceUnavailableException"]], 1),
        ([aws_error("AccessDeniedException")] * 2, 0),
        ([ReadTimeoutError(endpoint_url="https://x")] * 2, 0),
    ],
)
def test_a_refused_line_is_tried_once_more_and_fails_no_image(
    answers: list[Exception | list[str | None]], sent: int, pipeline: Pipeline, firehose: FakeFirehose
) -> None:
    firehose.answers = list(answers)
    uploads = pipeline.upload("a.jpg", "b.jpg")
    pipeline.invoke()
    assert len(firehose.lines) == sent
    assert firehose.answers == pipeline.messages() == pipeline.dead_letters() == []
    assert (pipeline.record.processed, pipeline.most_receives) == (2, 1)
    assert RECEIVES_AT_MOST > 1
    pipeline.assert_nothing_lost_or_doubled(uploads)


def test_a_line_with_more_labels_than_it_holds_keeps_the_surest(firehose: FakeFirehose) -> None:
    labels = [{"Name": "logo", "Confidence": number / 100} for number in range(9000)]
    made = result_document(Upload(SOURCE, "a", "e", None, 1), Detection(labels), SETTINGS, FINAL, "a", None)
    Stream(firehose, "stream").send([line_of("u", made)])
    kept = firehose.lines[0]["labels"]
    assert 1000 < len(kept) < 9000
    assert len(json.dumps(firehose.lines[0])) <= MAX_LINE_BYTES * 1.1
    assert max(label["confidence"] for label in kept) == 89.99


# --- queries

SETTINGS = InferenceSettings(MODEL_ARN, 70.0, {"rose": 40.0}, 0.0)
DAYS = ("2026-01-30", "2026-01-31")


def documents() -> Iterator[tuple[str, Document]]:
    """Results and failures of two days and three runs: keys that break careless code, labels of all confidences."""
    dice = random.Random(7)  # noqa: S311 - the same each time
    for number in range(60):
        upload = Upload(SOURCE, f"käfer/{number} +%20'\".jpg", f"etag{number}", dice.choice([None, "v"]), number)
        failure = FailureReason(dice.choice(["ImageTooLargeException", "InvalidImageFormatException"]), "it's bad")
        labels = [
            {"Name": dice.choice(["rose", "tulip"]), "Confidence": dice.randrange(0, 10001) / 100}
            | ({"Geometry": {"BoundingBox": {"Left": 0.5}}} if dice.random() < 0.5 else {})
            for _ in range(dice.randrange(4))
        ]
        detection = Detection(failure=failure) if dice.random() < 0.2 else Detection(labels)
        made = result_document(upload, detection, SETTINGS, FINAL, f"processed/{upload.key}", f"run-{number % 3}")
        instant = f"{DAYS[number % 2]}T{number % 24:02}:{number:02}:00.250Z"
        yield mark_of(upload), json.loads(json.dumps(made)) | {"analyzed_at": instant}


@pytest.fixture(scope="module")
def found() -> list[Document]:
    return [made for _, made in documents()]


@pytest.mark.parametrize(
    "odd",
    [
        {"model": None, "CustomLabels": {"logo": 99.0}},
        {"CustomLabels": [{"Name": "logo"}]},
        {"CustomLabels": [{"Name": "\ud800", "Confidence": 99}]},
    ],
)
def test_an_odd_result_loses_its_own_line_and_event_and_no_others(
    odd: dict[str, Any], firehose: FakeFirehose, caplog: pytest.LogCaptureFixture
) -> None:
    labels, events = [{"Name": "logo", "Confidence": 99.0}], FakeEvents()
    sound, other = (
        result_document(Upload(SOURCE, key, "e", None, 1), Detection(labels), SETTINGS, FINAL, key, None)
        for key in ("sound.png", "odd.png")
    )
    announcements = Announcements({"logo": 90}, EventBus(events, "logos"), Stream(firehose, "stream"))
    announcements.tell([Told("1", {**other, **odd}), Told("2", sound)])
    assert [line["id"] for line in firehose.lines] == ["2"]
    assert [event["Detail"]["id"] for event in events.sent] == ["2"]
    assert {vars(record)["source"]["key"] for record in caplog.records} == {"odd.png"}


@pytest.fixture(scope="module", params=["stream", "documents"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same results as the stream's lines, of which some came twice, and as JSON files."""
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "documents":
        for number, (_, made) in enumerate(documents()):
            (folder / f"{number}.json").write_text(json.dumps(made))
        (folder / "somebody else's.json").write_text('{"source": []}')
        return folder
    lines = [json.dumps(line_of(upload_id, made)) + "\n" for upload_id, made in documents()]
    for name, part in (("a", lines[:40]), ("b", lines[30:] + lines[5:9])):
        target = folder / "arrived=2026-01-31" / f"{name}.jsonl"
        target.parent.mkdir(exist_ok=True)
        target.write_text("".join(part))
    return folder


def labels_of(made: Document, *lists: str) -> list[Document]:
    return [label for name in lists for label in made.get(name, [])]


def ask(name: str, folder: Path) -> Rows:
    return run(named_queries()[name], folder)


def test_there_are_six_named_queries_and_each_is_recounted() -> None:
    tests = {name.removeprefix("test_named_") for name in globals() if name.startswith("test_named_")}
    assert set(named_queries()) == tests
    assert len(tests) == 6


def test_named_labels_per_day(folder: Path, found: list[Document]) -> None:
    labels = Counter((made["analyzed_at"][:10], label["Name"]) for made in found for label in labels_of(made, PASSES))
    images = Counter(
        (made["analyzed_at"][:10], name)
        for made in found
        for name in {label["Name"] for label in labels_of(made, PASSES)}
    )
    answer = ask("labels_per_day", folder)
    assert answer.columns == ["day", "label", "labels", "images", "average_confidence"]
    assert [row[:4] for row in answer.rows] == [(*key, labels[key], images[key]) for key in sorted(labels)]
    day, name, *_, average = answer.rows[0]
    confidences = [
        label["Confidence"]
        for made in found
        for label in labels_of(made, PASSES)
        if (made["analyzed_at"][:10], label["Name"]) == (day, name)
    ]
    assert average == pytest.approx(sum(confidences) / len(confidences), abs=0.006)


def test_named_images_without_a_label(folder: Path, found: list[Document]) -> None:
    keys = {made["source"]["key"] for made in found if made.get(PASSES) == []}
    assert keys
    assert {row[2] for row in ask("images_without_a_label", folder).rows} == keys


def test_named_labels_to_look_at(folder: Path, found: list[Document]) -> None:
    unsure = sorted(
        (label["Confidence"], label["Name"], name == PASSES)
        for made in found
        for name in (PASSES, BELOW)
        for label in labels_of(made, name)
        if 60 <= label["Confidence"] < 80
    )
    assert {passes for *_, passes in unsure} == {True, False}
    assert sorted(row[:3] for row in ask("labels_to_look_at", folder).rows) == unsure


def test_named_failures_by_reason(folder: Path, found: list[Document]) -> None:
    reasons = Counter(made["error"]["code"] for made in found if "error" in made)
    assert {row[0]: row[1] for row in ask("failures_by_reason", folder).rows} == reasons


def test_named_labels_by_threshold(folder: Path, found: list[Document]) -> None:
    labels: Counter[tuple[str, int]] = Counter()
    images: Counter[tuple[str, int]] = Counter()
    for made in found:
        for threshold in (50, 60, 70, 80, 90, 95):
            names = [item["Name"] for item in labels_of(made, PASSES, BELOW) if item["Confidence"] >= threshold]
            labels.update((name, threshold) for name in names)
            images.update((name, threshold) for name in set(names))
    rows = ask("labels_by_threshold", folder).rows
    assert rows == [(*key, labels[key], images[key]) for key in sorted(labels)]


def test_named_images_per_run(folder: Path, found: list[Document]) -> None:
    for run_id, images, failed, first, last, seconds in ask("images_per_run", folder).rows:
        own = [made for made in found if made["run_id"] == run_id]
        times = sorted(made["analyzed_at"] for made in own)
        assert (images, failed) == (len(own), sum("error" in made for made in own))
        assert (first, last) == (times[0], times[-1])
        assert seconds == (datetime.fromisoformat(last) - datetime.fromisoformat(first)).total_seconds()


PASSES, BELOW = "CustomLabels", "BelowThreshold"


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("labels per day, please", "cannot be run"),
        ("SELECT * FROM nowhere", "nowhere"),
        ("", "cannot be run"),
        ("SELECT * FROM read_text('/etc/hostname')", "disabled"),
    ],
)
def test_what_is_no_query_is_refused_in_one_line(sql: str, reason: str, folder: Path) -> None:
    with pytest.raises(QueryError, match=reason) as caught:
        run(sql, folder)
    assert "\n" not in str(caught.value)


def test_a_folder_without_results_is_named(tmp_path: Path) -> None:
    with pytest.raises(QueryError, match="no results in"):
        run("SELECT 1", tmp_path)


def test_lines_are_fetched_or_else_results_of_either_schema(s3: Any, tmp_path: Path) -> None:  # noqa: ANN401
    with pytest.raises(QueryError, match="no results below s3://"):
        download(s3, FINAL, "out/", tmp_path)
    [(upload_id, made), *_] = documents()
    old = {key: value for key, value in made.items() if key not in ("run_id", "thresholds", BELOW)} | {"schema": "1"}
    s3.put_object(Bucket=FINAL, Key="out/processed/a.jpg.json", Body=json.dumps(old).encode())
    s3.put_object(Bucket=FINAL, Key="out/processed/a.jpg", Body=b"picture")
    for folder, images in ((tmp_path / "documents", 1), (tmp_path / "lines", 2)):
        folder.mkdir()
        download(s3, FINAL, "out/", folder)
        assert run("SELECT count(*), min(run_id) FROM images", folder).rows == [(images, None if images == 1 else "r")]
        for name in ("x", "y"):
            line = json.dumps(line_of(f"{upload_id}{name}", {**made, "run_id": "r"})).encode()
            s3.put_object(Bucket=FINAL, Key=f"out/stream/lines/arrived=2026-01-31/{name}.jsonl", Body=line)
    # What was labelled before the stream was applied is in the files alone.
    folder = tmp_path / "files"
    folder.mkdir()
    assert download(s3, FINAL, "out/", folder, files=True) == 1
    assert run("SELECT count(*) FROM images", folder).rows == [(1,)]
