"""Starts MiniStack with the gaps closed that would hide what AWS does. Runs in MiniStack's own environment.

Each gap is closed on one pinned version, and the start fails when that version or the text that is replaced is
another, so that an update is looked at by a person.
"""

import inspect
import json
import sys
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

from ministack.core import iam_actions, lambda_runtime
from ministack.services import lambda_svc, stepfunctions

PINNED = "1.5.33"

# Between them a worker hands the exception's name to the server; the character is in no message of ours.
MARK = "\x1f"


def expect(condition: bool, gap: str) -> None:
    """Stop with one clear line when MiniStack is not what the closing of `gap` was written for."""
    if not condition:
        sys.exit(f"error: MiniStack {version('ministack')} is not what {gap} was written for ({PINNED})")


def keep_exception_names() -> None:
    """Hand on the class name of an exception raised in a handler; MiniStack says Runtime.HandlerError for all.

    Lambda's errorType is that name, and Step Functions' Retry and Catch go by it.
    https://docs.aws.amazon.com/lambda/latest/dg/python-exceptions.html
    """
    plain = '{"status": "error", "error": str(e), "trace"'
    named = '{"status": "error", "error": "\\x1f" + type(e).__name__ + "\\x1f" + str(e), "trace"'
    script = lambda_runtime._PYTHON_WORKER_SCRIPT
    expect(script.count(plain) == 1, "keeping exceptions' names")
    lambda_runtime._PYTHON_WORKER_SCRIPT = script.replace(plain, named)

    execute = lambda_svc._execute_function_warm

    def execute_and_name(func: dict[str, Any], event: Any, request_id: str) -> dict[str, Any]:  # noqa: ANN401
        result = execute(func, event, request_id)
        body = result.get("body")
        if result.get("error") and isinstance(body, dict) and body.get("errorMessage", "").startswith(MARK):
            _, body["errorType"], body["errorMessage"] = body["errorMessage"].split(MARK, 2)
        return result

    lambda_svc._execute_function_warm = execute_and_name


def keep_tracing_configurations() -> None:
    """Answer a state machine's tracing configuration; MiniStack forgets it, and every plan would set it again.

    https://docs.aws.amazon.com/step-functions/latest/apireference/API_DescribeStateMachine.html
    """
    machines = stepfunctions._state_machines
    sources = (inspect.getsource(stepfunctions._create_state_machine), inspect.getsource(stepfunctions.handle_request))
    expect("tracingConfiguration" not in sources[0], "keeping tracing configurations")
    expect('"UpdateStateMachine": _update_state_machine' in sources[1], "keeping tracing configurations")

    def keeping(handle: Callable[[dict[str, Any]], Any]) -> Callable[[dict[str, Any]], Any]:
        def handle_and_keep(data: dict[str, Any]) -> Any:  # noqa: ANN401
            answer = handle(data)
            arn = data.get("stateMachineArn") or json.loads(answer[2]).get("stateMachineArn")
            if "tracingConfiguration" in data and arn in machines:
                machines[arn]["tracingConfiguration"] = data["tracingConfiguration"]
            return answer

        return handle_and_keep

    stepfunctions._create_state_machine = keeping(stepfunctions._create_state_machine)
    stepfunctions._update_state_machine = keeping(stepfunctions._update_state_machine)


def name_actions_on_one_mapping() -> None:
    """Check the right action for reading, updating or deleting one event source mapping; MiniStack checks the list's.

    https://docs.aws.amazon.com/service-authorization/latest/reference/list_awslambda.html
    """
    named = iam_actions._lambda_action
    one_mapping = "/2015-03-31/event-source-mappings/uuid"
    expect(named("GET", one_mapping) == "ListEventSourceMappings", "naming actions on one mapping")
    expect(named("PUT", one_mapping) is None, "naming actions on one mapping")
    verbs = {"GET": "Get", "PUT": "Update", "DELETE": "Delete"}

    def named_by_path(method: str, path: str) -> str | None:
        parts = [part for part in path.split("/") if part]
        if parts[1:2] == ["event-source-mappings"] and len(parts) == 3 and method in verbs:
            return f"{verbs[method]}EventSourceMapping"
        return named(method, path)

    iam_actions._lambda_action = named_by_path


if __name__ == "__main__":
    expect(version("ministack") == PINNED, "this launcher")
    keep_exception_names()
    keep_tracing_configurations()
    name_actions_on_one_mapping()
    from ministack.app import main

    main()
