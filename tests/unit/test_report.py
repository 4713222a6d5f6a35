"""What a report reads, what it says of what is not as expected, and that it never leaves half of itself."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from tests.browser.report_kit import (
    BUCKET,
    RUN_ID,
    STARTED_AT,
    Contents,
    Upload,
    at,
    failure,
    jpeg,
    label,
    receipt,
    result,
)
from tests.rig.quick_moto import client
from tests.rig.stack.local_stack import REPOSITORY
from tests.unit.conftest import aws_error
from tools.report import FinalBucket, OfRun, ReportError, Since, build, build_report, documents, images, page

PICTURE = jpeg(Image.new("RGB", (80, 80), "#22aa44"))
RUN = OfRun(RUN_ID)


def old_result(key: str, analyzed_at: str) -> Upload:
    """A result of schema "1", which names no run."""
    document = result(key, [label("logo", 98.5)], schema="1", analyzed_at=analyzed_at)
    for name in ("run_id", "thresholds"):
        del document[name]
    return Upload(document, PICTURE)


def written(s3: Any, contents: Contents, folder: Path, selection: Any = RUN, prefix: str = "") -> dict[str, Any]:  # noqa: ANN401
    """Build a report; what its data.json holds."""
    build_report(contents.put(s3, prefix), selection, folder, title="logos")
    data: dict[str, Any] = json.loads((folder / "data.json").read_text())
    return data


def keys(data: dict[str, Any]) -> list[str]:
    return [entry["document"]["source"]["key"] for entry in data["results"] + data["failures"]]


GOOD = Contents([Upload(result("a.jpg", [label("logo", 98.5)]), PICTURE)], [receipt(1, 0)])


@pytest.fixture
def s3(aws: None) -> Any:  # noqa: ANN401, ARG001
    return client("s3")


# --- what the functions write


@pytest.mark.parametrize("case", sorted((REPOSITORY / "tests/unit/results").glob("*.json")), ids=lambda path: path.stem)
def test_every_result_that_the_analysis_writes_is_read(case: Path) -> None:
    stored = json.loads(case.read_text())["result"]
    read = documents.document(stored["image"]["key"], json.dumps(stored).encode())
    labels = [*stored.get("CustomLabels", []), *stored.get("BelowThreshold", [])]
    assert [(each.name, each.confidence) for each in read.detections] == [
        (each["Name"], each["Confidence"]) for each in labels
    ]
    assert (read.failure is None) == ("error" not in stored)
    assert (read.run_id, read.min_confidence) == (stored.get("run_id"), stored["min_confidence"])


@pytest.mark.parametrize(
    "case", sorted((REPOSITORY / "tests/unit/receipts").glob("*.json")), ids=lambda path: path.stem
)
def test_every_receipt_that_a_run_writes_is_shown(case: Path) -> None:
    stored = json.loads(case.read_text())["receipt"]
    found = build.Found([], [], [documents.receipt(json.dumps(stored).encode())], [])
    drawn = page.data(page.Head("logos", "run", STARTED_AT, "s3://results/", ()), found, {})
    if stored["outcome"] in ("nothing_to_do", "waiting_for_more_images"):
        assert (drawn["runs"], drawn["idle_runs"]) == ([], 1)
        return
    [run] = drawn["runs"]
    assert run["phases"] == stored["phases"]
    assert (run["cost_usd"], run["processed"]) == (stored["model"]["cost_usd"], stored["images"]["processed"])


# --- what is selected


def test_a_run_has_the_results_that_name_it_and_older_ones_of_its_time(s3: Any, tmp_path: Path) -> None:  # noqa: ANN401
    contents = Contents(
        [
            *GOOD.uploads,
            Upload(result("other.jpg", [], run_id="run-2"), PICTURE),
            # Named in a batch that ended after the receipt.
            Upload(result("late.jpg", [], analyzed_at=at(900)), PICTURE),
            old_result("old.jpg", at(610)),
            old_result("before.jpg", at(-1)),
            old_result("after.jpg", at(900)),
            Upload(failure("bad.jpg", "ImageTooLargeException", "too large"), b"x"),
        ],
        [receipt(3, 1), receipt(1, 0, run_id="run-2")],
    )
    data = written(s3, contents, tmp_path / "report")
    assert sorted(keys(data)) == ["a.jpg", "bad.jpg", "late.jpg", "old.jpg"]
    assert [each["run_id"] for each in data["receipts"]] == [RUN_ID]
    assert data["notes"] == []
    assert data["results"][0]["document"] == GOOD.uploads[0].document


def test_since_has_what_was_analyzed_then_or_later_of_all_runs(s3: Any, tmp_path: Path) -> None:  # noqa: ANN401
    moment = STARTED_AT + timedelta(seconds=610)
    contents = Contents(
        [
            Upload(result("at.jpg", [], analyzed_at=at(610)), PICTURE),
            Upload(result("before.jpg", [], analyzed_at=at(609)), PICTURE),
            old_result("later.jpg", at(4000)),
        ],
        [receipt(1, 0), receipt(0, 0, run_id="run-0", started_at=at(0), finished_at=at(5), outcome="nothing_to_do")],
    )
    data = written(s3, contents, tmp_path / "report", Since(moment), "labels/")
    assert keys(data) == ["at.jpg", "later.jpg"]
    assert [each["run_id"] for each in data["receipts"]] == [RUN_ID]
    assert (data["final"], data["since"]) == (f"s3://{BUCKET}/labels/", moment.isoformat())


def test_a_run_that_goes_on_is_reported_without_its_receipt(s3: Any, tmp_path: Path) -> None:  # noqa: ANN401
    data = written(s3, Contents(GOOD.uploads), tmp_path / "report")
    assert data["notes"] == ["the run has left no receipt yet, so its phases and its cost are not known"]


# --- nothing to report


@pytest.mark.parametrize(
    ("contents", "selection", "said"),
    [
        (
            Contents([], [receipt(0, 0, outcome="waiting_for_more_images", reason="3 images wait")]),
            RUN,
            f"run {RUN_ID} labelled no image and failed none, so there is nothing to show: it ended as "
            "waiting_for_more_images (3 images wait)",
        ),
        (
            Contents([], [receipt(46, 2)]),
            RUN,
            f"run {RUN_ID} labelled 46 images and failed 2, and none of their results is in s3://results/ any more",
        ),
        (
            GOOD,
            OfRun("run-9"),
            "there is no run run-9 in s3://results/: it has no receipt s3://results/runs/run-9.json, and no result "
            "names it; give the name of an execution",
        ),
        (
            Contents(),
            Since(datetime(2026, 2, 1, tzinfo=UTC)),
            "no image was labelled or failed since 2026-02-01T00:00:00+00:00 in s3://results/; choose an earlier date",
        ),
    ],
)
def test_nothing_to_report_is_one_sentence_and_nothing_is_written(
    s3: Any,  # noqa: ANN401
    tmp_path: Path,
    contents: Contents,
    selection: Any,  # noqa: ANN401
    said: str,
) -> None:
    with pytest.raises(ReportError) as error:
        written(s3, contents, tmp_path / "report", selection)
    assert str(error.value) == said
    assert list(tmp_path.iterdir()) == []


def labelled(confidence: bytes) -> bytes:
    fields = b'{"source": {"key": "b"}, "analyzed_at": "2026-01-31", "CustomLabels": [{"Name": "x", "Confidence": '
    return fields + confidence + b"}]}"


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"{", "it is not JSON"),
        (b"\xff", "it is not JSON"),
        (b"[" * 100_000, "it is not JSON"),
        (b"[]", "it is not an object"),
        (b'{"source": {"key": 1}}', "source.key is not a text"),
        (b'{"source": {"key": "b"}, "analyzed_at": "soon"}', "analyzed_at is not a time"),
        (b'{"source": {"key": "b"}, "analyzed_at": "2026-01-31"}', "CustomLabels is not a list"),
        (labelled(b"NaN"), "it is not JSON"),
        (labelled(b"1e999"), "a label's Confidence is not a number"),
        (labelled(b"true"), "a label's Confidence is not a number"),
    ],
)
def test_what_is_no_result_is_left_out_and_named(s3: Any, tmp_path: Path, body: bytes, why: str) -> None:  # noqa: ANN401
    final = GOOD.put(s3)
    s3.put_object(Bucket=BUCKET, Key="processed/b.json", Body=body)
    made = build_report(final, RUN, tmp_path / "report", title="logos")
    assert (made.processed, made.notes) == (1, (f"s3://results/processed/b.json is no result, because {why}",))
    assert "b.json is no result" in made.index.read_text()


def test_an_image_that_is_gone_is_named_and_so_is_what_the_receipt_counts_more(s3: Any, tmp_path: Path) -> None:  # noqa: ANN401
    contents = Contents([*GOOD.uploads, Upload(result("gone.jpg", []), None)], [receipt(3, 0)])
    data = written(s3, contents, tmp_path / "report")
    assert data["notes"] == [
        "the receipt counts 3 images as processed, and 2 are here",
        "the image processed/gone.jpg is not there any more, or cannot be read",
    ]
    assert [each["thumbnail"] for each in data["results"]] == ["images/0.webp", None]


# --- the folder


def test_a_report_replaces_a_report_and_nothing_else(s3: Any, tmp_path: Path) -> None:  # noqa: ANN401
    final, folder = GOOD.put(s3), tmp_path / "deep" / "report"
    build_report(final, RUN, folder, title="first")
    build_report(final, RUN, folder, title="second")
    assert "second" in (folder / "index.html").read_text()
    assert [path.name for path in folder.parent.iterdir()] == ["report"]
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(ReportError, match="holds something else than a report, which is not overwritten"):
        build_report(final, RUN, folder, title="third")
    site = tmp_path / "site"
    site.mkdir()
    (site / "index.html").write_text("<!doctype html>")
    with pytest.raises(ReportError, match="holds something else than a report"):
        build_report(final, RUN, site, title="logos")
    with pytest.raises(ReportError, match="is not a folder; name another one"):
        build_report(final, RUN, site / "index.html", title="logos")
    with pytest.raises(ReportError, match="cannot be written"):
        build_report(final, RUN, site / "index.html" / "report", title="logos")
    assert [path.name for path in site.iterdir()] == ["index.html"]
    empty = tmp_path / "empty"
    empty.mkdir()
    build_report(final, RUN, empty, title="logos")


def test_what_fails_half_way_leaves_the_earlier_report(
    s3: Any,  # noqa: ANN401
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    final, folder = GOOD.put(s3), tmp_path / "report"
    build_report(final, RUN, folder, title="first")

    def denied(*asked: Any, **more: Any) -> None:  # noqa: ANN401, ARG001
        raise aws_error("AccessDenied")

    with monkeypatch.context() as patch:
        patch.setattr(images, "body", denied)
        with pytest.raises(ClientError, match="AccessDenied"):
            build_report(final, RUN, folder, title="second")
    rename = Path.rename

    def refused(path: Path, target: Path) -> Path:
        if path.name == "report" and path.parent != tmp_path:
            raise OSError(28, "No space left on device")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", refused)
    with pytest.raises(ReportError, match="No space left on device"):
        build_report(final, RUN, folder, title="third")
    assert [path.name for path in tmp_path.iterdir()] == ["report"]
    assert "first" in (folder / "index.html").read_text()


def test_a_bucket_that_is_not_there_is_no_empty_report(s3: Any, tmp_path: Path) -> None:  # noqa: ANN401
    with pytest.raises(ClientError, match="NoSuchBucket"):
        build_report(FinalBucket(s3, "nowhere"), Since(STARTED_AT), tmp_path / "report", title="logos")


# --- the page's data


def test_nothing_in_the_data_can_end_its_script() -> None:
    texts = ["</script>", "<!--", "<script", "&lt;", "\u2028\u2029", "\ud83c", "'\"`\\"]
    found = page.as_data(texts)
    assert not set("<>&\u2028\u2029") & set(found)
    assert json.loads(found.encode("utf-8", "backslashreplace")) == texts


@pytest.mark.parametrize(
    ("confidence", "kept"), [(70.1, 70100), (69.9996, 69999), (70.0, 70000), (98.54899597167969, 98548), (0, 0)]
)
def test_a_confidence_is_rounded_down_so_that_it_passes_no_threshold_that_it_misses(
    confidence: float, kept: int
) -> None:
    body = json.dumps(result("a.jpg", [label("logo", confidence)])).encode()
    found = build.Found([documents.document("processed/a.jpg", body)], [], [], [])
    head = page.Head("logos", "run", STARTED_AT, "s3://results/", ())
    [row] = page.data(head, found, {"processed/a.jpg": None})["results"]
    assert row[-1] == [[0, kept, 0]]


# --- the pictures


def thumbnail(body: bytes, tmp_path: Path, s3: Any) -> Image.Image | None:  # noqa: ANN401
    contents = Contents([Upload(result("a.jpg", []), body)], [receipt(1, 0)])
    data = written(s3, contents, tmp_path / "report")
    file = data["results"][0]["thumbnail"]
    return Image.open(tmp_path / "report" / file).convert("RGB") if file else None


def test_a_png_is_not_turned_because_rekognition_does_not_turn_it(s3: Any, tmp_path: Path) -> None:  # noqa: ANN401
    wide = Image.new("RGB", (120, 80), "#22aa44")
    exif = Image.Exif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    wide.save(buffer, "PNG", exif=exif, pnginfo=PngInfo())
    small = thumbnail(buffer.getvalue(), tmp_path, s3)
    assert small is not None
    assert small.size == (120, 80)


def test_a_large_jpeg_is_turned_and_bounded(s3: Any, tmp_path: Path) -> None:  # noqa: ANN401
    tall = Image.new("RGB", (1500, 3000), "#22aa44")
    tall.paste("#cc2222", (0, 0, 1500, 300))
    small = thumbnail(jpeg(tall, 6), tmp_path, s3)
    assert small is not None
    assert small.size == (320, 640)
    # The red end is on top again.
    assert small.getpixel((160, 20))[0] > 150
    assert small.getpixel((160, 600))[0] < 100


def test_what_is_no_picture_or_too_large_a_one_has_no_copy(
    s3: Any,  # noqa: ANN401
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert thumbnail(b"no image", tmp_path, s3) is None
    monkeypatch.setattr(images, "PIXELS_AT_MOST", 6399)
    assert thumbnail(PICTURE, tmp_path, s3) is None
