"""The model: a Rekognition Custom Labels project version, its status, its start and its stop.

https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/running-model.html
"""

from dataclasses import dataclass
from enum import Enum
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from shared.clients import client, error_code, error_message
from shared.telemetry import logger


class Phase(Enum):
    """What a status means to us, whatever its name."""

    STARTABLE = "startable"
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    FAILED = "failed"
    UNUSABLE = "unusable"
    UNKNOWN = "unknown"


# Every status of the API's ProjectVersionStatus; one that is not here is UNKNOWN.
PHASES = {
    "TRAINING_COMPLETED": Phase.STARTABLE,
    "STOPPED": Phase.STARTABLE,
    "COPYING_COMPLETED": Phase.STARTABLE,
    "STARTING": Phase.STARTING,
    "RUNNING": Phase.RUNNING,
    "STOPPING": Phase.STOPPING,
    # Whether a start from FAILED is accepted is not documented, so it is tried.
    "FAILED": Phase.FAILED,
    "TRAINING_IN_PROGRESS": Phase.UNUSABLE,
    "TRAINING_FAILED": Phase.UNUSABLE,
    "COPYING_IN_PROGRESS": Phase.UNUSABLE,
    "COPYING_FAILED": Phase.UNUSABLE,
    "DELETING": Phase.UNUSABLE,
    "DEPRECATED": Phase.UNUSABLE,
    "EXPIRED": Phase.UNUSABLE,
    # Ours, for a version that DescribeProjectVersions does not list.
    "DELETED": Phase.UNUSABLE,
}


@dataclass(frozen=True)
class Sighting:
    """One look at the model. `inference_units` is the fewest it was started with; None before a first start."""

    status: str
    message: str
    inference_units: int | None

    @property
    def phase(self) -> Phase:
        """What the status means to us."""
        return PHASES.get(self.status, Phase.UNKNOWN)


class ProjectVersion:
    """One model, addressed by the ARNs of its project and of its version."""

    def __init__(self, rekognition: Any, project_arn: str, version_arn: str) -> None:  # noqa: ANN401
        self._rekognition = rekognition
        self._project_arn = project_arn
        self.arn = version_arn

    @property
    def name(self) -> str:
        """The version's name: `…:project/NAME/version/VERSION/DIGITS`."""
        return self.arn.split("/")[3]

    def look(self) -> Sighting:
        """Return the model's status; status DELETED when the project no longer lists it."""
        try:
            answer = self._rekognition.describe_project_versions(ProjectArn=self._project_arn, VersionNames=[self.name])
        except ClientError as error:
            if error_code(error) != "ResourceNotFoundException":
                raise
            return Sighting(status="DELETED", message=error_message(error), inference_units=None)
        # Copies of a version may share its name, so the ARN decides.
        for version in answer["ProjectVersionDescriptions"]:
            if version["ProjectVersionArn"] == self.arn:
                return Sighting(
                    status=version["Status"],
                    message=version.get("StatusMessage", ""),
                    inference_units=version.get("MinInferenceUnits"),
                )
        return Sighting(status="DELETED", message="the project does not list this version", inference_units=None)

    def see(self) -> Sighting:
        """Return the model's status as far as it can be had: status NOT_SEEN, which may cost money, when it cannot."""
        try:
            return self.look()
        except (ClientError, BotoCoreError) as error:
            logger.exception("could not look at the model")
            return Sighting(status="NOT_SEEN", message=str(error), inference_units=None)

    def start(self, min_units: int, max_units: int | None) -> None:
        """Ask for a start with `min_units`. With `max_units` Rekognition may scale up to it by itself.

        Errors: ResourceInUseException (it is starting, running or stopping), LimitExceededException (the account's
        running models or the model's inference units), ResourceNotFoundException, AccessDeniedException.
        """
        scaling = {} if max_units is None else {"MaxInferenceUnits": max_units}
        self._rekognition.start_project_version(ProjectVersionArn=self.arn, MinInferenceUnits=min_units, **scaling)

    def stop(self) -> None:
        """Ask for a stop. Errors: ResourceInUseException while it starts, ResourceNotFoundException."""
        self._rekognition.stop_project_version(ProjectVersionArn=self.arn)


def connect(project_arn: str, version_arn: str) -> ProjectVersion:
    """Return the model behind a Rekognition client of this function.

    One attempt a call: a start or stop that was carried out and whose answer was lost would be refused the second
    time, as if it was somebody else's. The workflow tries again instead, and looks at the model first.
    """
    return ProjectVersion(client("rekognition", attempts=1), project_arn, version_arn)
