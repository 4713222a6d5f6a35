"""The interpreter: what the specification of the States Language says, on definitions of a few states."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.rig.simulation import deployment
from tests.rig.simulation.states import EVENTS_AT_MOST, Execution, Machine, StateError, UnknownLanguageError

ARN = "arn:aws:states:us-east-1:123456789012:stateMachine:machine"
INVOKE = "arn:aws:states:::lambda:invoke"
PASS = {"Type": "Pass", "Next": "End"}
END = {"Type": "Succeed"}


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def machine(**states: dict[str, Any]) -> Machine:
    return Machine(ARN, {"QueryLanguage": "JSONata", "StartAt": next(iter(states)), "States": states})


def task(**fields: Any) -> dict[str, Any]:  # noqa: ANN401
    arguments = {"FunctionName": "function", "Payload": {"sent": "{% $states.context.Execution.Name %}"}}
    return {"Type": "Task", "Resource": INVOKE, "Arguments": arguments, "TimeoutSeconds": 60, "Next": "End", **fields}


def run(
    definition: Machine, invoke: Callable[[Any], Any] = lambda payload: payload, clock: Clock | None = None
) -> Execution:
    clock = clock or Clock()
    execution = Execution(definition, "one", lambda _run, _function, payload: invoke(payload), clock)
    while execution.is_living:
        clock.now = max(clock.now, execution.due)
        execution.step()
    return execution


class Failing:
    """Fails with one error after the other, and then succeeds."""

    def __init__(self, *errors: str) -> None:
        self.errors = list(errors)

    def __call__(self, payload: Any) -> Any:  # noqa: ANN401
        if self.errors:
            raise StateError(self.errors.pop(0), "why")
        return payload


def test_our_definition_is_understood() -> None:
    Machine.load(deployment.STATE_MACHINE_ARN, deployment.DEFINITION, deployment.PLACEHOLDERS)


def test_a_placeholder_that_nobody_fills_is_refused(tmp_path: Any) -> None:  # noqa: ANN401
    path = tmp_path / "machine.asl.json"
    path.write_text('{"StartAt": "${unknown}"}')
    with pytest.raises(KeyError):
        Machine.load(ARN, path, {})


@pytest.mark.parametrize(
    "state",
    [
        {"Type": "Map", "Next": "End"},
        {**PASS, "ResultPath": "$"},
        {**PASS, "End": True},
        {"Type": "Wait", "Timestamp": "2026-01-01T00:00:00Z", "Next": "End"},
        task(Resource="arn:aws:states:::dynamodb:putItem"),
        task(HeartbeatSeconds=5),
        task(Retry=[{"ErrorEquals": ["States.ALL"], "Unheard": 1}]),
        {**PASS, "Output": "{% $never closed"},
    ],
)
def test_what_it_does_not_know_it_refuses(state: dict[str, Any]) -> None:
    with pytest.raises(UnknownLanguageError):
        machine(Begin=state, End=END)


def test_a_result_is_assigned_and_a_task_counts_five_events() -> None:
    first = task(Assign={"sent": "{% $states.result.Payload.sent %}", "nothing": None}, Output="{% $states.input %}")
    done = run(machine(Begin=first, End={**END, "Output": {"a": "{% $sent %}", "b": "{% $nothing = null %}"}}))
    assert (done.status, done.output) == ("SUCCEEDED", {"a": "one", "b": True})
    assert sorted(done.events) == [
        "ExecutionStarted",
        "ExecutionSucceeded",
        "SucceedStateEntered",
        "SucceedStateExited",
        "TaskScheduled",
        "TaskStarted",
        "TaskStateEntered",
        "TaskStateExited",
        "TaskSucceeded",
    ]
    assert done.events.total() == 9


def test_assignments_see_the_values_of_before() -> None:
    swap = {**PASS, "Assign": {"a": "{% $b %}", "b": "{% $a %}"}}
    begin = {"Type": "Pass", "Assign": {"a": 1, "b": 2}, "Next": "Swap"}
    done = run(machine(Begin=begin, Swap=swap, End={**END, "Output": ["{% $a %}", "{% $b %}"]}))
    assert done.output == [2, 1]


def test_only_the_first_rule_that_holds_assigns_and_the_state_itself_only_by_default() -> None:
    def output(value: int) -> Any:  # noqa: ANN401
        choice = {
            "Type": "Choice",
            "Choices": [
                {"Condition": f"{{% {value} = 1 %}}", "Assign": {"way": "first"}, "Next": "End"},
                {"Condition": f"{{% {value} < 3 %}}", "Next": "End"},
            ],
            "Assign": {"way": "default"},
            "Default": "End",
        }
        begin = {"Type": "Pass", "Assign": {"way": "none"}, "Next": "Choose"}
        return run(machine(Begin=begin, Choose=choice, End={**END, "Output": "{% $way %}"})).output

    assert [output(value) for value in (1, 2, 3)] == ["first", "none", "default"]


def test_a_wait_takes_virtual_time_and_whole_seconds() -> None:
    clock = Clock()
    wait = {"Type": "Wait", "Seconds": "{% $states.input.x %}", "Next": "End"}
    begin = {"Type": "Pass", "Output": {"x": 90}, "Next": "Wait"}
    assert run(machine(Begin=begin, Wait=wait, End=END), clock=clock).status == "SUCCEEDED"
    assert clock.now == 90
    failed = run(machine(Begin={**begin, "Output": {"x": 1.5}}, Wait=wait, End=END))
    assert (failed.status, failed.error) == ("FAILED", "States.QueryEvaluationError")


def test_retries_wait_longer_and_longer_and_stop_at_their_number() -> None:
    clock = Clock()
    retry = {"ErrorEquals": ["States.ALL"], "IntervalSeconds": 2, "MaxAttempts": 4, "MaxDelaySeconds": 5}
    done = run(machine(Begin=task(Retry=[retry]), End=END), Failing("A", "B", "C", "D"), clock)
    assert (done.status, clock.now) == ("SUCCEEDED", 2 + 4 + 5 + 5)
    assert (done.events["TaskScheduled"], done.events["TaskFailed"]) == (5, 4)
    assert run(machine(Begin=task(Retry=[retry]), End=END), Failing(*"ABCDE")).error == "E"


def test_the_first_retrier_that_matches_decides_alone() -> None:
    retry = [{"ErrorEquals": ["Final"], "MaxAttempts": 0}, {"ErrorEquals": ["States.ALL"]}]
    failed = run(machine(Begin=task(Retry=retry), End=END), Failing("Final"))
    assert (failed.status, failed.error, failed.events["TaskScheduled"]) == ("FAILED", "Final", 1)


@pytest.mark.parametrize(
    ("names", "error", "is_caught"),
    [
        (["Named"], "Named", True),
        (["Named"], "Other", False),
        (["States.ALL"], "States.Timeout", True),
        (["States.TaskFailed"], "Other", True),
        (["States.TaskFailed"], "States.Timeout", False),
        (["States.ALL"], "States.Runtime", False),
    ],
)
def test_a_catcher_gets_what_it_names(names: list[str], error: str, is_caught: bool) -> None:
    assign = {"caught": "{% $states.errorOutput.Error & ': ' & $states.errorOutput.Cause %}"}
    catch = [{"ErrorEquals": names, "Assign": assign, "Next": "Caught"}]
    caught = {**END, "Output": "{% $caught %}"}
    done = run(machine(Begin=task(Catch=catch), End=END, Caught=caught), Failing(error))
    assert (done.status, done.output) == (("SUCCEEDED", f"{error}: why") if is_caught else ("FAILED", None))


def test_what_is_undefined_is_an_error_that_a_task_may_catch_and_another_state_may_not() -> None:
    undefined = {"a": "{% $states.result.Payload.missing %}"}
    catch = [{"ErrorEquals": ["States.QueryEvaluationError"], "Next": "End"}]
    assert run(machine(Begin=task(Assign=undefined, Catch=catch), End=END)).status == "SUCCEEDED"
    failed = run(machine(Begin={**PASS, "Assign": {"a": "{% $missing %}"}}, End=END))
    assert (failed.status, failed.error) == ("FAILED", "States.QueryEvaluationError")


def test_a_function_that_takes_too_long_is_a_timeout() -> None:
    clock = Clock()

    def slow(payload: Any) -> Any:  # noqa: ANN401
        clock.now += 61
        return payload

    failed = run(machine(Begin=task(), End=END), slow, clock)
    assert (failed.error, failed.events["TaskTimedOut"]) == ("States.Timeout", 1)


def test_the_end_as_a_failure_has_texts() -> None:
    fail = {"Type": "Fail", "Error": "{% 'Named' %}", "Cause": "{% $states.input.why %}"}
    failed = run(machine(Begin={**PASS, "Output": {"why": "because"}, "Next": "Fail"}, Fail=fail))
    assert (failed.status, failed.error, failed.cause) == ("FAILED", "Named", "because")
    failed = run(machine(Begin={**PASS, "Output": {"why": None}, "Next": "Fail"}, Fail=fail))
    assert failed.error == "States.QueryEvaluationError"


def test_one_event_too_many_ends_the_execution_past_every_catcher() -> None:
    loop = task(Next="Begin", Catch=[{"ErrorEquals": ["States.ALL"], "Next": "End"}])
    failed = run(machine(Begin=loop, End=END))
    assert (failed.status, failed.error) == ("FAILED", "States.Runtime")
    assert failed.events.total() == EVENTS_AT_MOST


def test_an_execution_can_be_aborted_between_steps_and_while_its_function_runs() -> None:
    calls: list[Any] = []
    definition = machine(Begin=task(Next="Again"), Again=task(), End=END)
    execution = Execution(definition, "one", lambda _run, _function, payload: calls.append(payload), Clock())
    while not calls:
        execution.step()
    execution.abort("Retired", "why")
    execution.step()
    assert (execution.status, execution.error, len(calls)) == ("ABORTED", "Retired", 1)

    def abort_meanwhile(run: Execution, _function: str, _payload: Any) -> dict[str, Any]:  # noqa: ANN401
        run.abort()
        return {}

    execution = Execution(definition, "two", abort_meanwhile, Clock())
    while execution.is_living:
        execution.step()
    assert (execution.status, json.dumps(execution.variables), execution.state) == ("ABORTED", "{}", "Begin")
