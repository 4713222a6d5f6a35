"""The workflow's executions: whether the run behind a lease still lives.

https://docs.aws.amazon.com/step-functions/latest/apireference/API_DescribeExecution.html
"""

from typing import Any

from botocore.exceptions import ClientError

from shared.clients import error_code

RUNNING = "RUNNING"
# Ours, for an execution that Step Functions does not know (any more).
UNKNOWN = "UNKNOWN"


class Executions:
    """The executions of one state machine; a run's id is its execution's name."""

    def __init__(self, states: Any, state_machine_arn: str) -> None:  # noqa: ANN401
        self._states = states
        # arn:PARTITION:states:REGION:ACCOUNT:stateMachine:NAME, and …:execution:NAME:EXECUTION
        self._prefix = state_machine_arn.replace(":stateMachine:", ":execution:", 1)

    def status(self, run_id: str) -> str:
        """Return the execution's status; UNKNOWN when there is none. Eventually consistent: RUNNING may be old."""
        try:
            return str(self._states.describe_execution(executionArn=self._arn(run_id))["status"])
        except ClientError as error:
            if error_code(error) != "ExecutionDoesNotExist":
                raise
            return UNKNOWN

    def stop(self, run_id: str, cause: str) -> None:
        """Abort the execution; does nothing when it has ended or is not there."""
        try:
            self._states.stop_execution(executionArn=self._arn(run_id), error="Retired", cause=cause)
        except ClientError as error:
            # Which of them an execution that has ended is answered with is not documented.
            if error_code(error) not in ("ExecutionDoesNotExist", "ValidationException"):
                raise

    def _arn(self, run_id: str) -> str:
        return f"{self._prefix}:{run_id}"
