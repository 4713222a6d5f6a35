"""The workflow's executions: whether the run that holds a lease still lives.

https://docs.aws.amazon.com/step-functions/latest/apireference/API_DescribeExecution.html
"""

from datetime import datetime
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from shared.clients import error_code

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient

RUNNING = "RUNNING"
# Executions are listed newest first, so many of them hide older ones. So many at once can only be runs that fail.
MAX_LISTED = 5000
EXECUTIONS_PER_CALL = 1000

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

    def any_running_since(self, instant: datetime) -> bool:
        """Whether an execution that began before `instant` is RUNNING. One that has just begun may be missing.

        https://docs.aws.amazon.com/step-functions/latest/apireference/API_ListExecutions.html
        """
        pages = self._step_functions.get_paginator("list_executions").paginate(
            stateMachineArn=self._state_machine_arn,
            statusFilter="RUNNING",
            PaginationConfig={"MaxItems": MAX_LISTED, "PageSize": EXECUTIONS_PER_CALL},
        )
        return any(execution["startDate"] < instant for page in pages for execution in page["executions"])

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
