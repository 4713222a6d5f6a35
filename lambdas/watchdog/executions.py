"""The workflow's executions: whether the run that holds a lease still lives.

https://docs.aws.amazon.com/step-functions/latest/apireference/API_DescribeExecution.html
"""

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from shared.clients import error_code

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient

RUNNING = "RUNNING"
# Ours, for an execution that Step Functions does not know (any more).
UNKNOWN = "UNKNOWN"


class Executions:
    """The executions of one state machine; a run's id is its execution's name."""

    def __init__(self, step_functions: "SFNClient", state_machine_arn: str) -> None:
        self._step_functions = step_functions
        self._state_machine_arn = state_machine_arn
        # arn:PARTITION:states:REGION:ACCOUNT:stateMachine:NAME, and …:execution:NAME:EXECUTION
        self._prefix = state_machine_arn.replace(":stateMachine:", ":execution:", 1)

    def status(self, run_id: str) -> str:
        """Return the execution's status; UNKNOWN when there is none. Eventually consistent: RUNNING may be stale."""
        try:
            return self._step_functions.describe_execution(executionArn=self._arn(run_id))["status"]
        except ClientError as error:
            if error_code(error) != "ExecutionDoesNotExist":
                raise
            return UNKNOWN

    def any_running(self) -> bool:
        """Whether an execution is RUNNING. Eventually consistent: one that has just begun may be missing.

        https://docs.aws.amazon.com/step-functions/latest/apireference/API_ListExecutions.html
        """
        answer = self._step_functions.list_executions(
            stateMachineArn=self._state_machine_arn, statusFilter="RUNNING", maxResults=1
        )
        return bool(answer["executions"])

    def stop(self, run_id: str, cause: str) -> None:
        """Abort the execution; does nothing when it has ended or does not exist."""
        try:
            self._step_functions.stop_execution(executionArn=self._arn(run_id), error="Retired", cause=cause)
        except ClientError as error:
            # AWS does not document which of them it answers for an execution that has ended.
            if error_code(error) not in ("ExecutionDoesNotExist", "ValidationException"):
                raise

    def _arn(self, run_id: str) -> str:
        return f"{self._prefix}:{run_id}"
