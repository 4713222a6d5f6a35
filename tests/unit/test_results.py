"""From Rekognition's answer to the JSON beside the image: a result, or a failure with its reason.

Each file in results holds an upload, the request that Rekognition gets (null: none), its answer, and the JSON.
"""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import time_machine

from analyze_image.detector import Detector
from analyze_image.documents import InferenceSettings, result_document
from analyze_image.names import FAILED, PROCESSED, candidates
from shared.s3_events import Upload
from tests.unit.analyze_image_kit import RUN, Pipeline, detect_error, document
from tests.unit.analyze_image_kit import pipeline as pipeline

FILES = sorted((Path(__file__).parent / "results").glob("*.json"))


@pytest.mark.parametrize("case", FILES, ids=lambda path: path.stem)
@time_machine.travel("2026-01-31T12:00:00Z", tick=False)
def test_the_answer_of_rekognition_is_written_beside_the_image(case: Path) -> None:
    expected = json.loads(case.read_text())
    requests: list[dict[str, Any]] = []

    def detect_custom_labels(**request: Any) -> dict[str, Any]:  # noqa: ANN401 - as boto3's
        requests.append(request)
        answer: dict[str, Any] = expected["answer"]
        if error := answer.get("Error"):
            raise detect_error(error["Code"], error["Message"])
        return answer

    upload = Upload(**expected["upload"])
    model_arn = expected["result"]["model"]["project_version_arn"]
    inference = InferenceSettings(
        model_arn,
        expected["min_confidence"],
        expected.get("label_thresholds", {}),
        expected.get("candidate_min_confidence"),
    )
    client: Any = SimpleNamespace(detect_custom_labels=detect_custom_labels)
    detection = Detector(client, inference).detect(upload, bool, lambda: expected.get("breaks_limits", False))
    name = candidates(FAILED if detection.failure else PROCESSED, upload)[0]
    result = result_document(upload, detection, inference, "results", name, "run-1")
    assert requests == ([expected["request"]] if expected["request"] else [])
    # As text, because a reader relies on the order of the members and on numbers that are numbers.
    assert json.dumps(result) == json.dumps(expected["result"])


@pytest.mark.parametrize("run_id", [RUN, None])
def test_a_result_and_a_failure_name_the_run_that_made_them(pipeline: Pipeline, run_id: str | None) -> None:
    pipeline.run_id = run_id
    pipeline.upload("good.jpg")
    pipeline.upload("empty.jpg", content=b"")
    pipeline.drain()
    stored = [document(pipeline.s3, key) for key in ("processed/good.jpg.json", "failed/empty.jpg.json")]
    assert [(result["schema"], result["run_id"]) for result in stored] == [("2", run_id)] * 2
