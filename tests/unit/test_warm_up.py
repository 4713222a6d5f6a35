"""The functions that the first image needs are warm when the model is RUNNING."""

import importlib
import json
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from shared import warm_up
from shared.warm_up import EVENT, WarmUp, is_due
from start_model.logic import poll_seconds
from tests.unit.conftest import aws_error


class Functions:
    """A Lambda client that notes what it is asked for, and may refuse it."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.invoked: list[tuple[str, str, Any]] = []

    def invoke(self, *, FunctionName: str, InvocationType: str, Payload: bytes) -> None:  # noqa: N803
        self.invoked.append((FunctionName, InvocationType, json.loads(Payload)))
        if self.error:
            raise self.error


@pytest.mark.parametrize("error", [None, aws_error("AccessDeniedException"), EndpointConnectionError(endpoint_url="x")])
def test_each_function_is_called_without_waiting_for_it_whatever_comes_of_it(error: Exception | None) -> None:
    functions = Functions(error)
    WarmUp(functions, ["analyze", "toggle"]).send()  # type: ignore[arg-type]
    assert functions.invoked == [("analyze", "Event", EVENT), ("toggle", "Event", EVENT)]


@pytest.mark.parametrize("units", [1, 5])
def test_however_long_a_start_takes_a_warm_up_was_minutes_ago_at_most(units: int) -> None:
    waited, warm_at = 0, []
    while waited < 2700:
        wait = poll_seconds(units, waited)
        if is_due(waited, wait):
            warm_at.append(waited)
        waited += wait
    assert warm_at[0] == 0
    gaps = [later - earlier for earlier, later in zip(warm_at, [*warm_at[1:], waited], strict=True)]
    assert max(gaps) <= warm_up.EVERY_SECONDS + 20
    assert len(warm_at) <= 2700 / warm_up.EVERY_SECONDS + 1


@pytest.mark.filterwarnings("ignore:No application metrics")
@pytest.mark.parametrize("function", ["analyze_image", "toggle_trigger"])
def test_a_function_that_is_only_warmed_up_does_nothing(function: str, monkeypatch: pytest.MonkeyPatch) -> None:
    handler = importlib.import_module(f"{function}.handler")

    def refuse() -> None:
        raise AssertionError("it made its adapters")

    monkeypatch.setattr(handler, {"analyze_image": "_analysis", "toggle_trigger": "_trigger"}[function], refuse)
    context = type("Context", (), dict.fromkeys(("function_name", "memory_limit_in_mb", "aws_request_id"), "1"))()
    context.invoked_function_arn = "arn:aws:lambda:us-east-1:123456789012:function:f"
    assert handler.handler(EVENT, context) == ({"batchItemFailures": []} if function == "analyze_image" else None)
