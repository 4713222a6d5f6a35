"""Label once, decide later: what a result holds from a confidence on is what a call with that confidence returns."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from analyze_image.detector import Detector
from analyze_image.documents import InferenceSettings, result_document
from shared.s3_events import Upload
from tests.rig.emulator.clock import ManualClock
from tests.rig.emulator.model import ModelSettings
from tests.rig.emulator.service import Service
from tests.unit.conftest import FINAL, MODEL_ARN, PROJECT_ARN, SOURCE

UPLOAD = Upload(SOURCE, "a.png", "e", None, 300)
NAMES = st.sampled_from(["rose", "Rose", "tulip", "face"])
# Few values, so that confidences and thresholds are often equal.
VALUES = [0.0, 0.1 + 0.2, 49.999999, 50.0, 55.0, 70.0, 99.9, 100.0]
CONFIDENCES = st.sampled_from(VALUES)
LABELS = st.lists(
    st.fixed_dictionaries({"Name": NAMES, "Confidence": CONFIDENCES}, optional={"Geometry": st.just({})}), max_size=8
)


class Emulated:
    """The emulator behind the analysis's own client; `seen` is what its model sees in every image."""

    def __init__(self) -> None:
        self.seen: list[dict[str, Any]] = []
        self._clock = ManualClock()
        self._service = Service(self._clock, SimpleNamespace())
        self._service._look = lambda _: sorted(self.seen, key=lambda label: -label["Confidence"])
        self._service.register(PROJECT_ARN, MODEL_ARN, ModelSettings(initial_status="RUNNING"))

    def detect_custom_labels(self, **request: Any) -> Any:  # noqa: ANN401
        self._clock.advance(1)
        return self._service.call("DetectCustomLabels", json.dumps(request).encode())

    def result(self, settings: InferenceSettings) -> dict[str, Any]:
        """Analyze the image: one call, and the document."""
        detection = Detector(self, settings).detect(UPLOAD, bool, bool)
        return result_document(UPLOAD, detection, settings, FINAL, "processed/a.png", "run-1")


@pytest.fixture(scope="module")
def emulated() -> Emulated:
    return Emulated()


@st.composite
def inference_settings(draw: st.DrawFn) -> InferenceSettings:
    thresholds = draw(st.dictionaries(NAMES, CONFIDENCES, max_size=3))
    return InferenceSettings(MODEL_ARN, draw(CONFIDENCES), thresholds, draw(st.none() | CONFIDENCES))


def of(labels: list[dict[str, Any]], name: str, confidence: float = 0) -> list[dict[str, Any]]:
    return [label for label in labels if label["Name"] == name and label["Confidence"] >= confidence]


@hypothesis_settings(max_examples=150, deadline=None)
@given(labels=LABELS, inference=inference_settings())
def test_a_result_from_a_confidence_on_is_what_a_call_with_it_returns(
    labels: list[dict[str, Any]], inference: InferenceSettings, emulated: Emulated
) -> None:
    emulated.seen = labels
    calls = {
        confidence: emulated.result(InferenceSettings(MODEL_ARN, confidence))["CustomLabels"] for confidence in VALUES
    }
    result = emulated.result(inference)
    # From here on, only what a reader of the JSON knows.
    passing, below = result["CustomLabels"], result.get("BelowThreshold", [])
    for name in ("rose", "Rose", "tulip", "face"):
        threshold = result["thresholds"].get(name, result["min_confidence"])
        candidate = result["candidate_min_confidence"]
        assert of(passing, name) == of(calls[threshold], name)
        kept_from = threshold if candidate is None else min(threshold, candidate)
        for confidence, fresh in calls.items():
            if confidence >= kept_from:
                assert of(passing, name, confidence) + of(below, name, confidence) == of(fresh, name)
        assert len(of(passing, name) + of(below, name)) == len(of(calls[kept_from], name)), (
            "nothing else, nothing twice"
        )
    assert ("BelowThreshold" in result) == (inference.candidate_min_confidence is not None)


def test_the_thresholds_of_training_are_left_to_rekognition(emulated: Emulated) -> None:
    emulated.seen = [{"Name": "face", "Confidence": 56.0}, {"Name": "rose", "Confidence": 56.0}]
    result = emulated.result(InferenceSettings(MODEL_ARN, None))
    assert result["CustomLabels"] == [{"Name": "face", "Confidence": 56.0}]
    assert (result["min_confidence"], result["thresholds"], result["candidate_min_confidence"]) == (None, {}, None)


def test_what_rekognition_returns_at_the_lowest_threshold_is_not_compared_again() -> None:
    # The API's numbers have 32 bits: 55.3 may come back as a little less.
    rounded = {"CustomLabels": [{"Name": "rose", "Confidence": 55.29999923706055}]}
    client: Any = SimpleNamespace(detect_custom_labels=lambda **_: rounded)
    for inference in (InferenceSettings(MODEL_ARN, 55.3), InferenceSettings(MODEL_ARN, 90.0, {"rose": 55.3})):
        result = result_document(
            UPLOAD, Detector(client, inference).detect(UPLOAD, bool, bool), inference, FINAL, "a", None
        )
        assert result["CustomLabels"] == rounded["CustomLabels"]
