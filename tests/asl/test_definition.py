"""The state machines' definitions: valid, complete, and in step with the functions' named errors."""

import inspect
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from jsonata import Jsonata

from check_queue import waiting_images
from reconcile import errors as reconcile_errors
from reconcile.dead_letters import HIDDEN_SECONDS, WHAT_FOLLOWS
from shared import errors
from tests.asl.named_errors import raised_by
from tests.rig.stack.local_stack import REPOSITORY
from tools.desk import evidence, redrive, status

TERRAFORM = REPOSITORY / "terraform"
DEFINITIONS = sorted((TERRAFORM / "statemachines").glob("*.asl.json"))
VALIDATOR = REPOSITORY / ".venv" / "asl" / "node_modules" / ".bin" / "asl-validator"
PLACEHOLDER = re.compile(r"\$\{([a-z_]+)\}")

# Where each definition's placeholders are filled.
FILLED_IN = {"label_batch": "workflow.tf", "reconcile": "reconcile.tf"}

# An Express execution, as which a child of the Distributed Map runs, may last this long.
EXPRESS_SECONDS = 300


# What a workflow may catch. Step Functions names no cause for some errors, such as a time-out.
# https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html
CAUGHT = [{"Error": "States.Timeout"}, {"Error": "NoProgress", "Cause": "because"}, {"Error": "Odd", "Cause": ""}]


def name_of(path: Path) -> str:
    return path.name.removesuffix(".asl.json")


def states(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text())["States"]


def levels(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield where a level starts and its states: the machine's own, and those inside each Map."""
    open_levels = [json.loads(path.read_text())]
    while open_levels:
        level = open_levels.pop()
        yield level["StartAt"], level["States"]
        open_levels += [state["ItemProcessor"] for state in level["States"].values() if state["Type"] == "Map"]


def all_states(path: Path) -> dict[str, Any]:
    return {name: state for _, level in levels(path) for name, state in level.items()}


def tasks(path: Path) -> dict[str, Any]:
    return {name: state for name, state in all_states(path).items() if state["Type"] == "Task"}


def maps(path: Path) -> dict[str, Any]:
    return {name: state for name, state in all_states(path).items() if state["Type"] == "Map"}


def targets(state: dict[str, Any]) -> list[str]:
    found = [state[field] for field in ("Next", "Default") if field in state]
    found += [choice["Next"] for choice in state.get("Choices", [])]
    return found + [catcher["Next"] for catcher in state.get("Catch", [])]


def final_errors(module: ModuleType) -> frozenset[str]:
    """The names of the errors of a module that another attempt would only repeat."""
    return frozenset(
        name
        for name, member in inspect.getmembers(module, inspect.isclass)
        if issubclass(member, errors.NotRetriedError) and member is not errors.NotRetriedError
    )


def function_of(task: dict[str, Any]) -> str:
    """The function that a task calls."""
    function = re.fullmatch(r"\$\{([a-z_]+)_function_arn\}", task["Arguments"]["FunctionName"])
    assert function, task["Arguments"]
    return function[1]


def errors_of(task: dict[str, Any]) -> set[str]:
    """The named errors that a task's function may raise."""
    final = final_errors(errors) | final_errors(reconcile_errors)
    return raised_by(function_of(task), final, task["Arguments"]["Payload"].get("action"))


def function_timeout_seconds(task: dict[str, Any]) -> int:
    """The timeout of the function that a task calls, from the Terraform file of that function."""
    set_there = re.search(
        r"^\s*timeout_seconds\s*=\s*(\d+)", (TERRAFORM / f"function_{function_of(task)}.tf").read_text(), re.MULTILINE
    )
    # The default of modules/function.
    return int(set_there[1]) if set_there else 30


@pytest.fixture(params=DEFINITIONS, ids=name_of)
def definition(request: pytest.FixtureRequest) -> Path:
    return request.param


@pytest.fixture
def label_batch() -> Path:
    return TERRAFORM / "statemachines" / "label_batch.asl.json"


@pytest.fixture
def reconcile() -> Path:
    return TERRAFORM / "statemachines" / "reconcile.asl.json"


def test_there_is_a_definition_of_each() -> None:
    assert [name_of(path) for path in DEFINITIONS] == sorted(FILLED_IN)


def test_the_validator_accepts_it(definition: Path, tmp_path: Path) -> None:
    filled_in = {"partition": "aws", "max_concurrency": "2"}
    rendered = PLACEHOLDER.sub(lambda found: filled_in.get(found[1], "arn:aws:x"), definition.read_text())
    target = tmp_path / definition.name
    target.write_text(rendered)
    done = subprocess.run([str(VALIDATOR), "--json-path", str(target)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_validator_refuses_a_broken_one(definition: Path, tmp_path: Path) -> None:
    broken = json.loads(definition.read_text())
    broken["States"][broken["StartAt"]]["Next"] = "No such state"
    target = tmp_path / "broken.asl.json"
    target.write_text(json.dumps(broken))
    done = subprocess.run([str(VALIDATOR), "--json-path", str(target)], capture_output=True, text=True, check=False)
    assert done.returncode != 0


def test_every_task_is_bounded_and_retried(definition: Path) -> None:
    for name, task in tasks(definition).items():
        assert task["TimeoutSeconds"] > function_timeout_seconds(task), f"{name} gives up before its function does"
        assert task["Retry"][-1]["ErrorEquals"] == ["States.ALL"], name


def test_every_task_and_every_map_of_the_machine_is_caught(definition: Path) -> None:
    # What fails inside a Map fails the Map.
    for name, state in states(definition).items():
        if state["Type"] in ("Task", "Map"):
            assert state["Catch"][-1]["ErrorEquals"] == ["States.ALL"], name


def test_no_handler_hides_behind_states_all(definition: Path) -> None:
    for name, state in all_states(definition).items():
        for handlers in (state.get("Retry", []), state.get("Catch", [])):
            assert all("States.ALL" not in handler["ErrorEquals"] for handler in handlers[:-1]), name


def test_a_retry_leaves_out_the_errors_that_the_tasks_function_names_and_no_others(definition: Path) -> None:
    for name, task in tasks(definition).items():
        assert set(task["Retry"][0]["ErrorEquals"]) == errors_of(task), name
        assert task["Retry"][0]["MaxAttempts"] == 0, name


def test_every_named_error_is_raised_by_some_function(label_batch: Path, reconcile: Path) -> None:
    assert set().union(*(errors_of(task) for task in tasks(label_batch).values())) == final_errors(errors)
    raised = set().union(*(errors_of(task) for task in tasks(reconcile).values()))
    assert raised == {"ConfigurationError"} | final_errors(reconcile_errors)


def test_what_a_function_raises_is_read_from_its_code() -> None:
    final = final_errors(errors)
    assert raised_by("toggle_trigger", final) == {"ConfigurationError", "LeaseLost", "TriggerNotSettled"}
    # Both actions may meet LeaseLost, and catch it.
    assert raised_by("record_run", final) == {"ConfigurationError"}
    of_reconcile = frozenset({"ConfigurationError", "TooManyDeadLetters", "InputInvalid"})
    assert raised_by("reconcile", of_reconcile) == raised_by("reconcile", of_reconcile, "plan") == of_reconcile
    assert raised_by("reconcile", of_reconcile, "report") == {"ConfigurationError"}


def test_the_machine_stays_small_enough_to_read(label_batch: Path) -> None:
    assert len(states(label_batch)) <= 24
    assert len(label_batch.read_text().splitlines()) <= 600


def test_every_state_is_reached_and_exists(definition: Path) -> None:
    for start, level in levels(definition):
        reached, open_ends = set(), [start]
        while open_ends:
            name = open_ends.pop()
            if name not in reached:
                reached.add(name)
                open_ends += targets(level[name])
        assert reached == set(level)


def test_names_are_unique_and_fit_the_console(definition: Path) -> None:
    names = [name for _, level in levels(definition) for name in level]
    assert len(names) == len(set(names))
    assert all(len(name) <= 80 for name in names)


def test_placeholders_are_those_that_terraform_fills(definition: Path) -> None:
    filled = (TERRAFORM / FILLED_IN[name_of(definition)]).read_text()
    assert definition.name in filled
    for placeholder in set(PLACEHOLDER.findall(definition.read_text())):
        assert re.search(rf"^\s*{placeholder}\s*=", filled, re.MULTILINE), placeholder


def test_every_variable_that_is_read_is_assigned_somewhere(definition: Path) -> None:
    for _, level in levels(definition):
        # A child of a Distributed Map sees its input and none of the variables around it.
        assigned: set[str] = set()
        for state in level.values():
            for part in (state, *state.get("Choices", []), *state.get("Catch", [])):
                assigned |= set(part.get("Assign", {}))
        for name, state in level.items():
            own = {field: value for field, value in state.items() if field != "ItemProcessor"}
            read = set(re.findall(r"\$(?!states\b)([a-z_]+)\b(?!\()", json.dumps(own)))
            assert read <= assigned, f"{name} reads {read - assigned}"


def test_after_the_model_may_run_every_way_out_leads_past_the_stop(label_batch: Path) -> None:
    guarded = {"Start the model", "Open the trigger", "Watch the queue drain"}
    for name in guarded | {"Check the queue once more"}:
        for catcher in states(label_batch)[name]["Catch"]:
            allowed = "Write the receipt" if catcher["ErrorEquals"] == ["LeaseLost"] else "Close the trigger"
            assert catcher["Next"] == allowed, name
    for name in ("Close the trigger", "Make sure the trigger is closed"):
        assert states(label_batch)[name]["Catch"][-1]["Next"] == "Stop the model"


def test_where_nothing_waits_the_model_stops_first_and_the_trigger_is_closed_before_the_lease_is_free(
    label_batch: Path,
) -> None:
    level = states(label_batch)
    proven = next(choice for choice in level["Is the queue drained?"]["Choices"] if "nothing_waits" in str(choice))
    assert proven["Next"] == "Stop the model"
    assert level["Open the trigger"]["Assign"] == {"trigger_to_close": True}
    # Whether the stop goes on or was given up: first the trigger.
    ways = [level["Stop the model"]["Next"], level["Stop the model"]["Catch"][-1]["Next"]]
    assert ways == ["Is the model stopped?"] * 2
    assert level["Is the model stopped?"]["Choices"][0] == {
        "Condition": "{% $trigger_to_close %}",
        "Next": "Close the trigger",
    }
    closing = level["Close the trigger"]
    assert closing["Assign"] == {"trigger_to_close": False}
    # A trigger that cannot be closed is not tried for ever.
    assert closing["Catch"][-1]["Assign"]["trigger_to_close"] is False
    assert level["Did the queue drain without an error?"]["Choices"][0] == {
        "Condition": "{% $stop_over != null %}",
        "Next": "Is the model stopped?",
    }
    lost = [level[name]["Catch"][0]["ErrorEquals"] for name in ("Stop the model", "Close the trigger")]
    assert lost == [["LeaseLost"]] * 2, "only who has lost the lease leaves the trigger to another"


def test_the_stop_is_tried_for_longer_than_anything_else(label_batch: Path) -> None:
    attempts = {name: task["Retry"][-1]["MaxAttempts"] for name, task in tasks(label_batch).items()}
    assert attempts["Stop the model"] >= 30
    assert max(attempts, key=lambda name: attempts[name]) == "Stop the model"


def test_every_end_of_a_reconcile_leads_past_its_report(reconcile: Path) -> None:
    for name, state in states(reconcile).items():
        for catcher in state.get("Catch", []):
            assert catcher["Next"] == ("Did it succeed?" if name == "Write the report" else "Write the report"), name
    before_the_end = {name for name, state in states(reconcile).items() if "Did it succeed?" in targets(state)}
    assert before_the_end == {"Write the report"}


def longest_pauses_seconds(retrier: dict[str, Any]) -> float:
    pauses = [
        retrier.get("IntervalSeconds", 1) * retrier.get("BackoffRate", 2) ** number
        for number in range(retrier["MaxAttempts"])
    ]
    return sum(min(pause, retrier.get("MaxDelaySeconds", pause)) for pause in pauses)


def test_a_child_has_time_for_all_of_its_attempts(reconcile: Path) -> None:
    for name, state in maps(reconcile).items():
        assert state["ItemProcessor"]["ProcessorConfig"] == {"Mode": "DISTRIBUTED", "ExecutionType": "EXPRESS"}
        for task in state["ItemProcessor"]["States"].values():
            assert task["Retry"][-1]["MaxAttempts"] >= 1
            # A throttled call fails at once, and any other may take as long as it is waited for.
            attempts = 1 + task["Retry"][-1]["MaxAttempts"]
            pauses = sum(longest_pauses_seconds(retrier) for retrier in task["Retry"])
            assert attempts * task["TimeoutSeconds"] + pauses < EXPRESS_SECONDS, name


def test_a_bucket_is_listed_as_a_prefix_is_and_no_prefix_is_empty(reconcile: Path) -> None:
    bucket, prefix = maps(reconcile)["List the bucket"], maps(reconcile)["List the prefix"]
    assert prefix["ItemReader"]["Arguments"].pop("Prefix") == "{% $prefix %}"
    assert "Prefix" not in bucket["ItemReader"]["Arguments"]
    labels = [each.pop("Label") for each in (bucket, prefix)]
    for each in (bucket, prefix):
        # The names of states are unique in the whole machine.
        processor = each["ItemProcessor"]
        processor["States"], processor["StartAt"] = list(processor["States"].values()), ""
        each.pop("Comment")
    assert bucket == prefix
    written = re.search(r"distributed_map_labels *= *(\[.*\])", (TERRAFORM / "reconcile.tf").read_text())
    assert written
    assert json.loads(written[1]) == labels == ["bucket", "prefix"]
    choices = states(reconcile)["Any images to queue?"]["Choices"]
    for prefix_of_it, state in {"": "List the bucket", "a/": "List the prefix"}.items():
        variables = {"decision": "list", "prefix": prefix_of_it}
        assert next(each["Next"] for each in choices if evaluated(each["Condition"], **variables)) == state
        assert not any(evaluated(each["Condition"], **variables | {"decision": "nothing_to_do"}) for each in choices)


def test_dead_letters_stay_hidden_while_they_are_read_and_are_waited_for_when_the_reader_died(reconcile: Path) -> None:
    check = tasks(reconcile)["Check for images without a message"]
    assert function_timeout_seconds(check) < HIDDEN_SECONDS
    (busy,) = (retrier for retrier in check["Retry"] if retrier["ErrorEquals"] == ["DeadLetterQueueBusy"])
    assert "each minute, up to twelve times" in WHAT_FOLLOWS
    assert (busy["IntervalSeconds"], busy["BackoffRate"], busy["MaxAttempts"]) == (60, 1, 12)
    readers = [waiting_images.HIDDEN_SECONDS, status.HIDDEN_SECONDS, evidence.HIDDEN_SECONDS, redrive.HIDDEN_SECONDS]
    assert busy["IntervalSeconds"] * busy["MaxAttempts"] > max(HIDDEN_SECONDS, *readers)


def test_the_largest_batch_fits_into_the_input_of_a_child(reconcile: Path) -> None:
    # https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
    longest_item = {
        "Etag": '"' + 32 * "0" + '-10000"',
        "Key": 1024 * "k",
        "LastModified": "2026-09-12T03:57:02.000000Z",
        "Size": 5 * 1024**4,
        "StorageClass": "INTELLIGENT_TIERING",
    }
    common = {"reconcile_id": 80 * "r", "uploaded_before": 10**10, "dry_run": False, "dead_lettered_key": 120 * "k"}
    for name, state in maps(reconcile).items():
        assert state["ItemBatcher"]["BatchInput"].keys() == common.keys()
        batch = {"Items": [longest_item] * state["ItemBatcher"]["MaxItemsPerBatch"], "BatchInput": common}
        largest = state["ItemBatcher"]["MaxInputBytesPerBatch"]
        assert len(json.dumps(batch, separators=(",", ":"))) <= largest <= 256 * 1024, name


def test_what_the_children_return_goes_to_the_final_bucket_and_not_into_the_state(reconcile: Path) -> None:
    # 500,000 answers do not fit into the 256 KiB of a state's output, not even when it is thrown away.
    for name, state in maps(reconcile).items():
        writer = state["ResultWriter"]
        prefix = "{% '${final_prefix}reconcile/' & $reconcile_id %}"
        assert writer["Arguments"] == {"Bucket": "${final_bucket_name}", "Prefix": prefix}, name
        # COMPACT: without the children's inputs, which are the whole listing.
        assert writer["WriterConfig"] == {"OutputType": "JSONL", "Transformation": "COMPACT"}, name
        assert state["Output"] == {}, name
        # One batch that fails is not to be overlooked among many.
        assert state["ToleratedFailurePercentage"] == 0, name


@pytest.mark.parametrize("failure", CAUGHT)
@pytest.mark.parametrize("definition", DEFINITIONS, ids=name_of)
def test_the_name_of_an_error_survives_a_missing_cause(definition: Path, failure: dict[str, str]) -> None:
    """A Fail state whose cause is undefined ends as States.QueryEvaluationError, and nobody learns what happened."""
    fails = [state for state in all_states(definition).values() if state["Type"] == "Fail"]
    assert fails
    for state in fails:
        texts = {field: evaluated(state[field], failure=failure) for field in ("Error", "Cause")}
        assert texts["Error"] == failure["Error"]
        assert isinstance(texts["Cause"], str)


@pytest.mark.parametrize("before", [None, {"Error": "NoProgress", "Cause": "stuck"}])
def test_a_stop_that_fails_is_the_error_also_after_another_failure(
    label_batch: Path, before: dict[str, str] | None
) -> None:
    """A model that runs on costs money, and the stop's error says how to stop it."""
    caught = states(label_batch)["Stop the model"]["Catch"][-1]["Assign"]
    now = {"Error": "ModelStopTimedOut", "Cause": "stop it by hand"}
    seen = evaluated(caught["failure"], states={"errorOutput": now}, failure=before)
    assert {name: seen.get(name) for name in (*now, "Before")} == {**now, "Before": before}


def evaluated(template: str, **variables: Any) -> Any:  # noqa: ANN401
    return Jsonata(template.removeprefix("{%").removesuffix("%}")).evaluate(None, variables)
