"""The state machine's definition: valid, complete, and in step with the functions' named errors."""

import inspect
import json
import re
import subprocess
from typing import Any

import pytest

from shared import errors
from tests.stack.local_stack import REPOSITORY

DEFINITIONS = sorted((REPOSITORY / "terraform" / "statemachines").glob("*.asl.json"))
VALIDATOR = REPOSITORY / ".venv" / "asl" / "node_modules" / ".bin" / "asl-validator"
PLACEHOLDER = re.compile(r"\$\{([a-z_]+)\}")


def states(path: Any) -> dict[str, Any]:  # noqa: ANN401
    return json.loads(path.read_text())["States"]


def tasks(path: Any) -> dict[str, Any]:  # noqa: ANN401
    return {name: state for name, state in states(path).items() if state["Type"] == "Task"}


def targets(state: dict[str, Any]) -> list[str]:
    found = [state[field] for field in ("Next", "Default") if field in state]
    found += [choice["Next"] for choice in state.get("Choices", [])]
    return found + [catcher["Next"] for catcher in state.get("Catch", [])]


@pytest.fixture(params=DEFINITIONS, ids=lambda path: path.stem)
def definition(request: pytest.FixtureRequest) -> Any:  # noqa: ANN401
    return request.param


def test_there_is_a_definition() -> None:
    assert [path.name for path in DEFINITIONS] == ["label_batch.asl.json"]


def test_the_validator_accepts_it(definition: Any, tmp_path: Any) -> None:  # noqa: ANN401
    rendered = PLACEHOLDER.sub(lambda found: "aws" if found[1] == "partition" else "arn:aws:x", definition.read_text())
    target = tmp_path / definition.name
    target.write_text(rendered)
    done = subprocess.run([str(VALIDATOR), "--json-path", str(target)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_validator_refuses_a_broken_one(definition: Any, tmp_path: Any) -> None:  # noqa: ANN401
    broken = json.loads(definition.read_text())
    broken["States"]["Begin the run"]["Next"] = "No such state"
    target = tmp_path / "broken.asl.json"
    target.write_text(json.dumps(broken))
    done = subprocess.run([str(VALIDATOR), "--json-path", str(target)], capture_output=True, text=True, check=False)
    assert done.returncode != 0


def test_every_task_is_bounded_retried_and_caught(definition: Any) -> None:  # noqa: ANN401
    for name, task in tasks(definition).items():
        assert task["TimeoutSeconds"] > 30, f"{name} gives up before its function does"
        assert task["Retry"][-1]["ErrorEquals"] == ["States.ALL"], name
        assert task["Catch"][-1]["ErrorEquals"] == ["States.ALL"], name
        for handlers in (task["Retry"], task["Catch"]):
            assert all("States.ALL" not in handler["ErrorEquals"] for handler in handlers[:-1]), name


def test_what_the_functions_call_final_is_not_retried(definition: Any) -> None:  # noqa: ANN401
    final = {
        name
        for name, member in inspect.getmembers(errors, inspect.isclass)
        if issubclass(member, errors.NotRetriedError) and member is not errors.NotRetriedError
    }
    assert "LeaseLost" in final
    for name, task in tasks(definition).items():
        assert set(task["Retry"][0]["ErrorEquals"]) == final, name
        assert task["Retry"][0]["MaxAttempts"] == 0, name


def test_every_state_is_reached_and_exists(definition: Any) -> None:  # noqa: ANN401
    document = json.loads(definition.read_text())
    reached, open_ends = set(), [document["StartAt"]]
    while open_ends:
        name = open_ends.pop()
        if name not in reached:
            reached.add(name)
            open_ends += targets(document["States"][name])
    assert reached == set(document["States"])


def test_after_the_model_may_run_every_way_out_leads_past_the_stop(definition: Any) -> None:  # noqa: ANN401
    all_states = states(definition)
    guarded = {"Start the model", "Open the trigger", "Watch the queue drain"}
    for name in guarded | {"Look at the queue once more"}:
        for catcher in all_states[name]["Catch"]:
            allowed = "Write the receipt" if catcher["ErrorEquals"] == ["LeaseLost"] else "Close the trigger"
            assert catcher["Next"] == allowed, name
    for name in ("Close the trigger", "Make sure the trigger is closed"):
        assert all_states[name]["Catch"][-1]["Next"] == "Stop the model"


def test_the_stop_is_tried_for_longer_than_anything_else(definition: Any) -> None:  # noqa: ANN401
    attempts = {name: task["Retry"][-1]["MaxAttempts"] for name, task in tasks(definition).items()}
    assert attempts["Stop the model"] >= 30
    assert max(attempts, key=lambda name: attempts[name]) == "Stop the model"


def test_names_fit_the_console_and_placeholders_are_those_that_terraform_fills(definition: Any) -> None:  # noqa: ANN401
    assert all(len(name) <= 80 for name in states(definition))
    filled = (REPOSITORY / "terraform" / "workflow.tf").read_text()
    for placeholder in set(PLACEHOLDER.findall(definition.read_text())):
        assert re.search(rf"^\s*{placeholder}\s*=", filled, re.MULTILINE), placeholder


def test_every_variable_that_is_read_is_assigned_somewhere(definition: Any) -> None:  # noqa: ANN401
    assigned: set[str] = set()
    for state in states(definition).values():
        for part in (state, *state.get("Choices", []), *state.get("Catch", [])):
            assigned |= set(part.get("Assign", {}))
    for name, state in states(definition).items():
        read = set(re.findall(r"\$(?!states\b)([a-z_]+)", json.dumps(state)))
        assert read <= assigned, f"{name} reads {read - assigned}"
