"""An interpreter of the Amazon States Language, for what our definitions use of it, in virtual time.

An execution moves in steps. Between any two of them everything else may happen, and it may be aborted, also while a
function that it invoked is still running. What the interpreter does not know it refuses.

https://states-language.net/spec.html
"""

import json
import math
import re
from collections import Counter
from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jsonata import Jsonata
from jsonata.jexception import JException
from jsonata.utils import Utils

# https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html#service-limits-state-machine-executions
EVENTS_AT_MOST = 25_000
INVOKE = re.compile(r"arn:aws[a-z-]*:states:::lambda:invoke")

Json = Any

COMMON = {"Type", "Comment"}
FIELDS = {
    "Pass": COMMON | {"Assign", "Output", "Next"},
    "Task": COMMON | {"Resource", "Arguments", "TimeoutSeconds", "Retry", "Catch", "Assign", "Output", "Next"},
    "Choice": COMMON | {"Choices", "Default", "Assign", "Output"},
    "Wait": COMMON | {"Seconds", "Assign", "Output", "Next"},
    "Succeed": COMMON | {"Output"},
    "Fail": COMMON | {"Error", "Cause"},
}
PARTS = {
    "Choices": {"Comment", "Condition", "Next", "Assign", "Output"},
    "Retry": {
        "Comment",
        "ErrorEquals",
        "IntervalSeconds",
        "BackoffRate",
        "MaxAttempts",
        "MaxDelaySeconds",
        "JitterStrategy",
    },
    "Catch": {"Comment", "ErrorEquals", "Next", "Assign", "Output"},
}
# What a state does: it gives the time at which it goes on, and at its end the next state (None: none) and its output.
Steps = Generator[float, None, tuple[str | None, Json]]

# No wildcard catches these: they end the execution.
# https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html
TERMINAL_ERRORS = frozenset({"States.Runtime", "States.DataLimitExceeded"})


class UnknownLanguageError(Exception):
    """The definition uses something that this interpreter does not know."""


class StateError(Exception):
    """What a state reports when it fails, with its name and its cause as Step Functions shows them."""

    def __init__(self, name: str, cause: str) -> None:
        super().__init__(f"{name}: {cause}")
        self.name, self.cause = name, cause


class Machine:
    """One definition, looked through when it is loaded."""

    def __init__(self, arn: str, definition: dict[str, Any]) -> None:
        unknown = definition.keys() - {"Comment", "QueryLanguage", "StartAt", "States"}
        if unknown or definition.get("QueryLanguage") != "JSONata":
            raise UnknownLanguageError(f"only JSONata and none of {sorted(unknown)}")
        self.arn = arn
        self.start_at: str = definition["StartAt"]
        self.states: dict[str, dict[str, Any]] = definition["States"]
        for state_name, state in self.states.items():
            _refuse_unknown(state_name, state)
            _compile_all(state)

    @classmethod
    def load(cls, arn: str, path: Path, placeholders: dict[str, str]) -> "Machine":
        """Read a template and fill it as Terraform's templatefile does; KeyError for a placeholder not given."""
        text = re.sub(r"\$\{(\w+)\}", lambda found: placeholders[found[1]], path.read_text())
        return cls(arn, json.loads(text))


class Execution:
    """One execution of a machine: `step` does what is due, `due` says when that is, in seconds on `clock`."""

    def __init__(
        self,
        machine: Machine,
        name: str,
        invoke: Callable[["Execution", str, Any], Any],
        clock: Callable[[], float],
        document: dict[str, Any] | None = None,
    ) -> None:
        """`invoke` runs a function by name for this execution; StateError when it fails. `document` is its input."""
        self.machine, self.name, self.document = machine, name, document or {}
        self.arn = f"{machine.arn.replace(':stateMachine:', ':execution:', 1)}:{name}"
        self._invoke, self._clock = invoke, clock
        self.status = "RUNNING"
        self.error: str | None = None
        self.cause: str | None = None
        self.output: Any = None
        self.state = machine.start_at
        self.variables: dict[str, Any] = {}
        self.events: Counter[str] = Counter()
        self.entered: Counter[str] = Counter()
        self.started_at = self.due = clock()
        self.stopped_at: float | None = None
        self.busy = False
        self._retries = 0
        self._life = self._live()

    @property
    def is_living(self) -> bool:
        """Whether it goes on."""
        return self.status == "RUNNING"

    def step(self) -> None:
        """Do what is due."""
        self.busy = True
        try:
            self.due = next(self._life, math.inf)
        finally:
            self.busy = False
        if not self.is_living:
            # Aborted by somebody else while its function ran, or come to its end.
            self._life.close()
            self.due = math.inf

    def abort(self, error: str | None = None, cause: str | None = None) -> None:
        """Stop it as StopExecution does: nothing of it runs on but a function that it invoked before."""
        if self.is_living:
            self.events["ExecutionAborted"] += 1
            self._end("ABORTED", error, cause)

    def _live(self) -> Generator[float, None, None]:
        try:
            self._note("ExecutionStarted")
            following: str | None = self.machine.start_at
            data: Any = self.document
            while following is not None:
                yield self._clock()
                self.state = following
                self.entered[following] += 1
                state = self.machine.states[following]
                kind = state["Type"]
                self._note(f"{kind}StateEntered")
                self._retries = 0
                following, data = yield from getattr(self, f"_{kind.lower()}")(state, data)
                if kind != "Fail":
                    self._note(f"{kind}StateExited")
            self._note("ExecutionSucceeded")
            self.output = data
            self._end("SUCCEEDED", None, None)
        except StateError as error:
            self.events["ExecutionFailed"] += 1
            self._end("FAILED", error.name, error.cause)

    def _pass(self, state: dict[str, Any], data: Json) -> Steps:
        yield from ()
        return state["Next"], self._leave(state, data, default=data)

    def _wait(self, state: dict[str, Any], data: Json) -> Steps:
        seconds = self._evaluate(state["Seconds"], data)
        if not isinstance(seconds, int) or isinstance(seconds, bool) or seconds < 0:
            raise StateError("States.QueryEvaluationError", f"Seconds must be a whole number, 0 or more: {seconds!r}")
        yield self._clock() + seconds
        return state["Next"], self._leave(state, data, default=data)

    def _choice(self, state: dict[str, Any], data: Json) -> Steps:
        yield from ()
        for rule in state["Choices"]:
            holds = self._evaluate(rule["Condition"], data)
            if not isinstance(holds, bool):
                raise StateError("States.QueryEvaluationError", f"{rule['Condition']} is not a boolean: {holds!r}")
            if holds:
                return rule["Next"], self._leave(rule, data, default=data)
        if "Default" not in state:
            raise StateError("States.NoChoiceMatched", self.state)
        # As in the specification: the state's own Assign is for the default. (The developer guide says that it
        # applies whichever rule matches, so that a definition had better not depend on it.)
        return state["Default"], self._leave(state, data, default=data)

    def _succeed(self, state: dict[str, Any], data: Json) -> Steps:
        yield from ()
        return None, self._leave(state, data, default=data)

    def _fail(self, state: dict[str, Any], data: Json) -> Steps:
        yield from ()
        texts = [self._evaluate(state.get(field, ""), data) for field in ("Error", "Cause")]
        if not all(isinstance(text, str) for text in texts):
            raise StateError("States.QueryEvaluationError", f"Error and Cause must be texts: {texts!r}")
        raise StateError(*texts)

    def _task(self, state: dict[str, Any], data: Json) -> Steps:
        used: Counter[int] = Counter()
        while True:
            try:
                result = yield from self._attempt(state, data)
                return state["Next"], self._leave(state, data, default=result, result=result)
            except StateError as error:
                delay = _retry_delay(state.get("Retry", []), error.name, used)
                if delay is None:
                    return self._catch(state, data, error)
            self._retries += 1
            yield self._clock() + delay

    def _attempt(self, state: dict[str, Any], data: Json) -> Generator[float, None, Json]:
        arguments = self._evaluate(state["Arguments"], data)
        if arguments.keys() != {"FunctionName", "Payload"}:
            raise UnknownLanguageError(f"arguments of an invocation: {sorted(arguments)}")
        self._note("TaskScheduled")
        self._note("TaskStarted")
        began, failure, payload = self._clock(), None, None
        try:
            payload = self._invoke(self, arguments["FunctionName"], arguments["Payload"])
        except StateError as error:
            failure = error
        if self._clock() - began > state["TimeoutSeconds"]:
            failure = StateError("States.Timeout", "")
        # What the function did is done, and what follows from it is not.
        yield self._clock()
        if failure:
            self._note("TaskTimedOut" if failure.name == "States.Timeout" else "TaskFailed")
            raise failure
        self._note("TaskSucceeded")
        return {"ExecutedVersion": "$LATEST", "Payload": payload, "StatusCode": 200}

    def _catch(self, state: dict[str, Any], data: Json, error: StateError) -> tuple[str, Json]:
        for catcher in state.get("Catch", []):
            if _matches(error.name, catcher["ErrorEquals"]):
                # Without a cause, as after some time-outs on AWS, there is no such member.
                output = {"Error": error.name} | ({"Cause": error.cause} if error.cause else {})
                return catcher["Next"], self._leave(catcher, data, default=output, errorOutput=output)
        raise error

    def _leave(self, part: dict[str, Any], data: Json, *, default: Json, **known: Json) -> Json:
        """Assign the part's variables and return its output; all of them see the values of before."""
        assigned = {name: self._evaluate(value, data, **known) for name, value in part.get("Assign", {}).items()}
        output = self._evaluate(part["Output"], data, **known) if "Output" in part else default
        self.variables |= assigned
        return output

    def _evaluate(self, template: Json, data: Json, **known: Json) -> Json:
        context = {
            "Execution": {"Id": self.arn, "Name": self.name, "Input": self.document},
            "State": {"Name": self.state, "RetryCount": self._retries},
            "StateMachine": {"Id": self.machine.arn},
        }
        bindings = {**self.variables, "states": {"input": data, "context": context, **known}}
        try:
            return _fill(template, {name: _to_jsonata(value) for name, value in bindings.items()})
        except StateError:
            self._note("EvaluationFailed")
            raise

    def _note(self, event: str) -> None:
        """Count one event of the history; the execution dies of one too many, and nothing catches that.

        https://docs.aws.amazon.com/step-functions/latest/apireference/API_HistoryEvent.html
        """
        if self.events.total() >= EVENTS_AT_MOST - 1:
            raise StateError("States.Runtime", f"The execution reached the maximum of {EVENTS_AT_MOST} history events.")
        self.events[event] += 1

    def _end(self, status: str, error: str | None, cause: str | None) -> None:
        self.status, self.error, self.cause, self.stopped_at = status, error, cause, self._clock()
        self.due = math.inf


@dataclass(frozen=True)
class _Retrier:
    interval_seconds: int
    backoff_rate: float
    attempts_at_most: int
    delay_seconds_at_most: float

    def delay(self, attempt: int) -> float:
        # Jitter only shortens it.
        return min(self.interval_seconds * self.backoff_rate**attempt, self.delay_seconds_at_most)


def _retry_delay(retriers: list[dict[str, Any]], error: str, used: Counter[int]) -> float | None:
    """Seconds until the next attempt, or None; only the first retrier that matches has a say."""
    for index, fields in enumerate(retriers):
        if _matches(error, fields["ErrorEquals"]):
            retrier = _Retrier(
                fields.get("IntervalSeconds", 1),
                fields.get("BackoffRate", 2.0),
                fields.get("MaxAttempts", 3),
                fields.get("MaxDelaySeconds", math.inf),
            )
            if used[index] >= retrier.attempts_at_most:
                return None
            used[index] += 1
            return retrier.delay(used[index] - 1)
    return None


def _matches(error: str, names: list[str]) -> bool:
    if error in names:
        return True
    if error in TERMINAL_ERRORS:
        return False
    return "States.ALL" in names or ("States.TaskFailed" in names and error != "States.Timeout")


def _refuse_unknown(name: str, state: dict[str, Any]) -> None:
    kind = state["Type"]
    if kind not in FIELDS or state.keys() - FIELDS[kind]:
        raise UnknownLanguageError(f"{name}: {kind} with {sorted(state.keys() - FIELDS.get(kind, set()))}")
    for part, fields in PARTS.items():
        for item in state.get(part, []):
            if item.keys() - fields:
                raise UnknownLanguageError(f"{name}: {part} with {sorted(item.keys() - fields)}")
    if kind == "Task" and not INVOKE.fullmatch(state["Resource"]):
        raise UnknownLanguageError(f"{name}: resource {state['Resource']}")


def _expression(text: str) -> str | None:
    if not text.startswith("{%"):
        return None
    if not text.endswith("%}"):
        raise UnknownLanguageError(f"an expression that does not end: {text}")
    return text[2:-2].strip()


def _compile_all(template: Json) -> None:
    """Refuse a syntax error when the definition is loaded."""
    if isinstance(template, str) and (expression := _expression(template)) is not None:
        _compiled(expression)
    for part in template.values() if isinstance(template, dict) else template if isinstance(template, list) else ():
        _compile_all(part)


@cache
def _compiled(expression: str) -> Jsonata:
    compiled = Jsonata(expression)
    # Nothing and null are both None otherwise, and the first is an error in a state machine.
    compiled.output_convert_nulls = False
    return compiled


def _fill(template: Json, bindings: dict[str, Any]) -> Json:
    if isinstance(template, dict):
        return {name: _fill(value, bindings) for name, value in template.items()}
    if isinstance(template, list):
        return [_fill(value, bindings) for value in template]
    if not isinstance(template, str) or (expression := _expression(template)) is None:
        return template
    try:
        found = _compiled(expression).evaluate(None, bindings)
    except JException as error:
        raise StateError("States.QueryEvaluationError", f"{expression}: {error}") from error
    if found is None:
        raise StateError("States.QueryEvaluationError", f"{expression} returned nothing (undefined)")
    return _from_jsonata(found)


def _to_jsonata(value: Json) -> Json:
    if value is None:
        return Utils.NULL_VALUE
    if isinstance(value, dict):
        return {name: _to_jsonata(member) for name, member in value.items()}
    return [_to_jsonata(item) for item in value] if isinstance(value, list) else value


def _from_jsonata(value: Json) -> Json:
    if value is Utils.NULL_VALUE:
        return None
    if isinstance(value, dict):
        return {name: _from_jsonata(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_from_jsonata(item) for item in value]
    if not isinstance(value, (str, int, float, bool)):
        raise UnknownLanguageError(f"a JSONata value of type {type(value).__name__}")
    return value
