"""Runs of the workflow on a local stack, as a person starts them."""

import json
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.rig.stack.local_stack import LocalStack

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions.type_defs import DescribeExecutionOutputTypeDef

POLL_SECONDS = 0.25


@dataclass(frozen=True)
class Progress:
    """One look at a run that goes on."""

    state: str
    model_status: str
    images_done: int
    virtual_seconds: float


def start_run(stack: LocalStack, run_id: str | None = None) -> str:
    """Start a run as a person does, which waits for nothing after failed ones, and return the execution's ARN."""
    group, name = stack.outputs["schedule_arn"].split(":schedule/", 1)[1].split("/")
    target = stack.client("scheduler").get_schedule(GroupName=group, Name=name)["Target"]
    started = stack.client("stepfunctions").start_execution(
        stateMachineArn=target["Arn"], name=run_id or f"run-{uuid.uuid4()}", input="{}"
    )
    return started["executionArn"]


def wait_for_run(
    stack: LocalStack, execution_arn: str, seconds: float, watch: Callable[[Progress], None] | None = None
) -> "DescribeExecutionOutputTypeDef":
    """Wait until the run has ended and return its description; TimeoutError when it has not within `seconds`."""
    machines = stack.client("stepfunctions")
    deadline = time.monotonic() + seconds
    while True:
        execution = machines.describe_execution(executionArn=execution_arn)
        if watch:
            watch(look(stack, execution_arn))
        if execution["status"] != "RUNNING":
            return execution
        if time.monotonic() > deadline:
            machines.stop_execution(executionArn=execution_arn)
            raise TimeoutError(f"run {execution['name']} did not end within {seconds:.0f} s\n{stack.log_tail()}")
        time.sleep(POLL_SECONDS)


def run(stack: LocalStack, run_id: str | None = None, seconds: float = 120) -> "DescribeExecutionOutputTypeDef":
    """Run the workflow to its end and return the execution's description."""
    return wait_for_run(stack, start_run(stack, run_id), seconds)


def write_into_table(stack: LocalStack, item: str, attribute: str, value: dict[str, str]) -> None:
    """Write an attribute of one of the model's items, as time or another run would have done: lease, run#…, day#…."""
    stack.client("dynamodb").update_item(
        TableName=stack.outputs["runs_table_name"],
        Key={"model": {"S": stack.model.version_arn}, "item": {"S": item}},
        UpdateExpression=f"SET {attribute} = :value",
        ExpressionAttributeValues={":value": value},
    )


def states_entered(stack: LocalStack, execution_arn: str) -> list[str]:
    """Return the names of the states that the run has entered so far, in order."""
    history = stack.client("stepfunctions").get_paginator("get_execution_history")
    return [
        event["stateEnteredEventDetails"]["name"]
        for page in history.paginate(executionArn=execution_arn)
        for event in page["events"]
        if "stateEnteredEventDetails" in event
    ]


def look(stack: LocalStack, execution_arn: str) -> Progress:
    """Return where the run is: its state, its model, and the images done so far."""
    entered = [state for state in states_entered(stack, execution_arn) if not state.endswith("?")]
    record = stack.client("dynamodb").get_item(
        TableName=stack.outputs["runs_table_name"],
        Key={
            "model": {"S": stack.model.version_arn},
            "item": {"S": f"run#{execution_arn.rsplit(':', 1)[1]}"},
        },
    )
    counters = record.get("Item", {})
    everything = stack.emulator("models")
    return Progress(
        state=entered[-1] if entered else "starting",
        model_status=everything["models"][stack.model.version_arn]["status"],
        images_done=sum(int(counters.get(name, {}).get("N", 0)) for name in ("images_processed", "images_failed")),
        virtual_seconds=everything["virtual_seconds"],
    )


def receipt(stack: LocalStack, execution: "DescribeExecutionOutputTypeDef", final_prefix: str = "") -> dict[str, Any]:
    """Return the receipt of a run."""
    stored = stack.client("s3").get_object(
        Bucket=stack.outputs["final_bucket_name"], Key=f"{final_prefix}runs/{execution['name']}.json"
    )
    found: dict[str, Any] = json.loads(stored["Body"].read())
    return found
