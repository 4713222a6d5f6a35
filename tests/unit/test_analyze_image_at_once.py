"""Several images of a batch are at work at once, with few calls, and what befalls one is no other's affair."""

import threading
from collections import Counter
from contextlib import ExitStack
from typing import Any

import pytest

from shared.request_rate import RequestRate
from tests.rig.quick_moto import listening
from tests.unit.analyze_image_kit import RUN, Pipeline, detect_error
from tests.unit.analyze_image_kit import pipeline as pipeline

NAMES = [f"{number}.jpg" for number in range(10)]


@pytest.fixture
def quick(pipeline: Pipeline) -> Pipeline:
    """A pipeline whose pace lets all ten images of a batch be at work at once."""
    pipeline.pace = RequestRate(images_per_second=10_000, concurrent_batches=2)
    return pipeline


def test_all_images_of_a_batch_are_at_work_at_once(quick: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    uploads = quick.upload(*NAMES)
    together = threading.Barrier(len(NAMES), timeout=20)
    answer = quick.rekognition._answer

    def answer_together(parameters: dict[str, Any]) -> dict[str, Any]:
        together.wait()
        return answer(parameters)

    monkeypatch.setattr(quick.rekognition, "_answer", answer_together)
    assert quick.invoke() == len(NAMES)
    assert (quick.record.processed, quick.failures) == (len(NAMES), [])
    quick.assert_nothing_lost_or_doubled(uploads)


def test_without_a_pace_they_go_one_by_one(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline.upload(*NAMES)
    threads: set[int] = set()
    answer = pipeline.rekognition._answer

    def answer_here(parameters: dict[str, Any]) -> dict[str, Any]:
        threads.add(threading.get_ident())
        return answer(parameters)

    monkeypatch.setattr(pipeline.rekognition, "_answer", answer_here)
    pipeline.invoke()
    assert threads == {threading.get_ident()}


def test_an_image_takes_seven_calls_and_a_batch_two_more(quick: Pipeline) -> None:
    """Beside the model: looks at names, JSON, copy, deletion. For a batch: the count. The kit plays the lease."""
    calls: Counter[str] = Counter()

    def count(model: Any, **_: Any) -> None:  # noqa: ANN401
        calls[model.name] += 1

    quick.upload(*NAMES)
    with ExitStack() as stack:
        for client in (quick.s3, quick.sqs, quick.records._items._dynamodb):
            stack.enter_context(listening(client, "before-call", count))
        quick.invoke()
    detections = len(quick.rekognition.calls)
    of_poller = {"ReceiveMessage": 1, "DeleteMessage": len(NAMES)}
    # The kit's Rekognition looks at the object, as the real one does by itself.
    of_model = {"HeadObject": detections}
    ours = calls - Counter(of_poller) - Counter(of_model)
    assert detections == len(NAMES)
    of_each_image = {"GetObject": 2, "HeadObject": 1, "PutObject": 1, "CopyObject": 1, "DeleteObject": 1}
    assert ours == {**{call: 10 * count for call, count in of_each_image.items()}, "TransactWriteItems": 1}


def test_a_poison_image_and_a_bad_one_cost_the_others_nothing(quick: Pipeline) -> None:
    uploads = quick.upload(*NAMES)
    quick.rekognition.errors["3.jpg"] = detect_error("InternalServerError")
    quick.rekognition.errors["7.jpg"] = detect_error("ImageTooLargeException")
    quick.invoke()
    assert (quick.record.processed, quick.record.failed) == (8, 1)
    assert [message["attributes"]["attempts"] for message in quick.messages()] == ["1"]
    quick.assert_nothing_lost_or_doubled(uploads)


def test_a_model_that_is_not_ready_sends_the_whole_batch_back_and_says_so_once_each(quick: Pipeline) -> None:
    uploads = quick.upload(*NAMES)
    quick.rekognition.error = detect_error("ResourceNotReadyException")
    quick.invoke()
    assert (quick.record.processed, quick.record.blocked) == (0, len(NAMES))
    assert len(quick.messages()) == len(NAMES)
    quick.assert_nothing_lost_or_doubled(uploads)


def test_refused_calls_and_the_first_and_last_answer_are_on_the_run(quick: Pipeline) -> None:
    quick.upload(*NAMES[:4])
    quick.rekognition.errors["1.jpg"] = detect_error("ProvisionedThroughputExceededException")
    quick.invoke()
    record = quick.records.read(RUN)
    assert record.throttled == 1
    assert record.first_detection_at is not None
    assert record.first_detection_at <= record.last_detection_at
