"""What the demo takes, and that what it says at its end is what was seen."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.browser import report_kit
from tests.rig.stack.invariants import FinalBucket
from tools.demo import report
from tools.demo.__main__ import prepare, report_on
from tools.demo.report import Costs, Run, Seen


def run(processed: int = 0, failed: int = 0, units: int | None = 1, **execution: str) -> Run:
    receipt: dict[str, Any] = {
        "outcome": "completed" if processed else "nothing_to_do",
        "images": {"processed": processed, "failed": failed},
        "model": {"inference_units": units, "running_seconds": 9.7},
    }
    return Run({"status": "SUCCEEDED", **execution}, receipt)


def result(key: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401
    return {"source": {"key": key}, **more}


GOOD = Seen(
    run=run(1, 1),
    second=run(units=None),
    queued=0,
    states=10,
    starts=0,
    waiting=[],
    final=FinalBucket(
        {
            "processed/a.jpg": result("a.jpg"),
            "failed/b.jpg": result("b.jpg", error={"code": "ImageTooLargeException", "message": "too large"}),
        },
        {},
    ),
    costs=Costs(running_seconds=198, unit_seconds=198, receipt_seconds=194, starting_seconds=600, units=1),
    broken=[],
)


def test_when_all_went_well_that_is_said_and_nothing_else() -> None:
    assert report.faults(GOOD) == []
    assert report.second_run(GOOD) == (
        "Started it once more, over an empty queue: it entered 10 states and started no model."
    )
    assert report.verdict([]) == [
        "Checked: nothing lost (I1), nothing doubled (I2), no model left running (I3).",
    ]
    assert report.failures(GOOD.final) == ["  failed: b.jpg: ImageTooLargeException: too large"]


@pytest.mark.parametrize(
    ("seen", "said", "fault"),
    [
        (
            replace(GOOD, queued=2, starts=1),
            "with 2 messages in the queue: it entered 10 states and started the model 1 times.",
            "the run left 2 messages in the queue",
        ),
        (
            replace(GOOD, starts=1),
            "over an empty queue: it entered 10 states and started the model 1 times.",
            "I5: a run over an empty queue started the model",
        ),
        (
            replace(GOOD, second=run(units=None, status="FAILED", error="NoProgress", cause="nothing done")),
            "it entered 10 states, ended FAILED: NoProgress: nothing done and started no model.",
            "the second run ended FAILED: NoProgress: nothing done",
        ),
    ],
)
def test_what_became_of_the_second_run_is_what_was_seen(seen: Seen, said: str, fault: str) -> None:
    assert report.second_run(seen).endswith(said)
    assert fault in report.faults(seen)


@pytest.mark.parametrize(
    ("seen", "fault"),
    [
        (replace(GOOD, broken=["I1: a.jpg ended 0 times"]), "I1: a.jpg ended 0 times"),
        (replace(GOOD, run=run(1, 1, status="TIMED_OUT")), "the run ended TIMED_OUT"),
        (
            replace(GOOD, waiting=list("abcdefg")),
            "7 images were neither labelled nor failed: a, b, c, d, e and 2 more; ",
        ),
        (replace(GOOD, run=replace(GOOD.run, receipt=None)), "I7: the run left no receipt"),
        (
            replace(GOOD, run=run(2, 1)),
            "I7: the receipts say that 2 images were processed, and the final bucket holds 1",
        ),
        (replace(GOOD, run=run(1, 0)), "I7: the receipts say that 0 images were failed, and the final bucket holds 1"),
        (replace(GOOD, run=run(1, 1, units=3)), "I7: the model ran with 1 inference units, and the receipt says 3"),
        (
            replace(GOOD, costs=replace(GOOD.costs, receipt_seconds=None)),
            "I7: the model ran for 198 s, and the receipt says 0 s",
        ),
    ],
)
def test_a_promise_that_was_not_kept_is_named_and_nothing_is_said_to_be_checked(seen: Seen, fault: str) -> None:
    found = report.faults(seen)
    assert any(each.startswith(fault) for each in found), found
    assert report.verdict(found) == [f"BROKEN {each}" for each in found]


def test_images_that_a_second_run_had_to_label_are_counted_too() -> None:
    late = replace(GOOD, run=run(0, 1), second=run(1), queued=1, starts=1)
    assert report.faults(late) == ["the run left 1 messages in the queue"]


def test_the_table_counts_what_the_bucket_holds_and_makes_up_no_receipt() -> None:
    rows = dict(line.strip().rsplit("  ", 1) for line in report.table(replace(GOOD, run=Run({}, None))))
    assert {name.strip(): value for name, value in rows.items()}["images labelled"] == "1"
    assert {name.strip(): value for name, value in rows.items()}["outcome of the run"] == "no receipt"
    silent = replace(GOOD, costs=replace(GOOD.costs, receipt_seconds=None))
    assert report.table(silent)[5].endswith("nothing")


def test_pictures_that_the_demo_would_delete_are_refused(tmp_path: Path) -> None:
    """An earlier demo's failures, say, to be tried again."""
    failed = tmp_path / "failed" / "deep"
    failed.mkdir(parents=True)
    (failed / "a.jpg").write_bytes(b"x")
    with pytest.raises(ValueError, match=r"The demo empties .*: copy the pictures elsewhere"):
        prepare(failed, tmp_path)
    assert [picture.key for picture in prepare(failed, tmp_path / "elsewhere")[1]] == ["a.jpg"]


def test_the_demo_ends_with_where_its_report_is_or_why_there_is_none(s3: Any, tmp_path: Path) -> None:  # noqa: ANN401
    stack: Any = SimpleNamespace(client=lambda service: s3, outputs={"final_bucket_name": report_kit.BUCKET})  # noqa: ARG005
    uploads = [report_kit.Upload(report_kit.result("a.jpg", []), None)]
    report_kit.Contents(uploads, [report_kit.receipt(1, 0)]).put(s3)
    seen = replace(GOOD, run=run(1, name=report_kit.RUN_ID))
    assert report_on(stack, seen, tmp_path / "report") == f"Report: {tmp_path / 'report' / 'index.html'}"
    assert "by 20" in (tmp_path / "report" / "index.html").read_text()
    nothing = replace(GOOD, run=run(name="run-0"))
    assert report_on(stack, nothing, tmp_path / "none").startswith("There is no report: there is no run run-0 in ")
