"""One deployment of the module, found by its name: what its functions are told, anybody may read there.

The SDK's own settings say where: credentials and region for an account, AWS_ENDPOINT_URL for a local stack.
"""

import json
from dataclasses import dataclass

from botocore.exceptions import ClientError

from shared.clients import client, error_code
from shared.s3_events import Source
from tools.desk.errors import NotFoundError

# Between them the functions know every part of a deployment.
FUNCTIONS = ("analyze-image", "reconcile", "watchdog")


@dataclass(frozen=True)
class Deployment:
    """The names of a deployment's parts."""

    name: str
    project_arn: str
    project_version_arn: str
    source: Source
    final_bucket: str
    final_prefix: str
    queue_url: str
    dead_letter_queue_url: str
    runs_table: str
    state_machine_arn: str
    event_source_mapping_uuid: str
    unit_hour_usd: float

    @property
    def reconcile_state_machine_arn(self) -> str:
        """The workflow that looks for images without a message."""
        return self.state_machine_arn.removesuffix("label-batch") + "reconcile"

    @property
    def log_group(self) -> str:
        """Where the function logs that labels the images."""
        return f"/aws/lambda/{self.name}-analyze-image"

    def execution_arn(self, run_id: str) -> str:
        """Return the ARN of a run's execution."""
        return f"{self.state_machine_arn.replace(':stateMachine:', ':execution:', 1)}:{run_id}"


def find(name: str) -> Deployment:
    """Return the deployment called `name`. Errors: NotFoundError, botocore's."""
    functions = client("lambda")
    told: dict[str, str] = {}
    for function in FUNCTIONS:
        try:
            configuration = functions.get_function_configuration(FunctionName=f"{name}-{function}")
        except ClientError as error:
            # A name with a slash or a blank is none that a function can have.
            if error_code(error) not in ("ResourceNotFoundException", "ValidationException"):
                raise
            raise NotFoundError(
                f"there is no function {name}-{function} in region {functions.meta.region_name}: give the module's "
                "name (--name, CLB_NAME, or NAME= for make), and check the region and the account of your credentials"
            ) from error
        # A function may have no environment.
        told |= configuration.get("Environment", {}).get("Variables", {})
    try:
        return _deployment(name, told)
    except KeyError as missing:
        *first, last = (f"{name}-{function}" for function in FUNCTIONS)
        raise NotFoundError(
            f"the functions {', '.join(first)} and {last} have no {missing.args[0]}: another version of the module "
            "made them, or something else did"
        ) from missing


def _deployment(name: str, told: dict[str, str]) -> Deployment:
    return Deployment(
        name=name,
        project_arn=told["PROJECT_ARN"],
        project_version_arn=told["PROJECT_VERSION_ARN"],
        source=Source(
            told["SOURCE_BUCKET_NAME"],
            told.get("SOURCE_PREFIX", ""),
            tuple(json.loads(told["IMAGE_SUFFIXES"])),
        ),
        final_bucket=told["FINAL_BUCKET_NAME"],
        final_prefix=told.get("FINAL_PREFIX", ""),
        queue_url=told["QUEUE_URL"],
        dead_letter_queue_url=told["DEAD_LETTER_QUEUE_URL"],
        runs_table=told["RUNS_TABLE_NAME"],
        state_machine_arn=told["STATE_MACHINE_ARN"],
        event_source_mapping_uuid=told["EVENT_SOURCE_MAPPING_UUID"],
        unit_hour_usd=float(told["INFERENCE_UNIT_HOUR_USD"]),
    )
