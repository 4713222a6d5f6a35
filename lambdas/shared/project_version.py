"""The model: a Rekognition Custom Labels project version, its status, its start and its stop.

https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/running-model.html
"""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from shared.clients import client, error_code, error_message
from shared.telemetry import logger
from shared.timestamps import format_rfc3339, now, parse_rfc3339

if TYPE_CHECKING:
    from mypy_boto3_rekognition import RekognitionClient
    from mypy_boto3_rekognition.type_defs import StartProjectVersionRequestTypeDef


class Phase(Enum):
    """What a status means to us, whatever its name."""

    STARTABLE = "startable"
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    FAILED = "failed"
    UNUSABLE = "unusable"
    UNKNOWN = "unknown"


# Every status of the API's ProjectVersionStatus. Any other is UNKNOWN.
PHASES = {
    "TRAINING_COMPLETED": Phase.STARTABLE,
    "STOPPED": Phase.STARTABLE,
    "COPYING_COMPLETED": Phase.STARTABLE,
    "STARTING": Phase.STARTING,
    "RUNNING": Phase.RUNNING,
    "STOPPING": Phase.STOPPING,
    # AWS does not document whether a start from FAILED is accepted, so it is tried.
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


# What the project was made for; a description without it is of an older model.
# https://docs.aws.amazon.com/rekognition/latest/APIReference/API_ProjectVersionDescription.html
CUSTOM_LABELS = "CUSTOM_LABELS"

# Ours, for a model that could not be described.
STATUS_UNAVAILABLE = "STATUS_UNAVAILABLE"


@dataclass(frozen=True)
class ModelDescription:
    """What Rekognition says of the model. `inference_units` is its minimum; None before the first start."""

    status: str
    message: str
    inference_units: int | None
    feature: str = CUSTOM_LABELS

    @property
    def phase(self) -> Phase:
        """What the status means to us."""
        return PHASES.get(self.status, Phase.UNKNOWN)

    @property
    def is_stopped(self) -> bool:
        """Whether the model costs nothing in this status."""
        return self.phase in (Phase.STARTABLE, Phase.FAILED, Phase.UNUSABLE)


class ProjectVersion:
    """One model, addressed by the ARNs of its project and of its version.

    While the deployment `deployment` has marked the model as started in its table, the model carries a tag that says
    so. The tag is for when the table cannot be used: it tells our model from one that someone else started.
    https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/tm-tagging-model.html
    """

    def __init__(
        self, rekognition: "RekognitionClient", project_arn: str, version_arn: str, *, deployment: str
    ) -> None:
        self._rekognition = rekognition
        self._project_arn = project_arn
        self._tag = f"started-by/{deployment}"
        self.arn = version_arn

    @property
    def name(self) -> str:
        """The version's name: `…:project/NAME/version/VERSION/DIGITS`."""
        return self.arn.split("/")[3]

    def describe(self) -> ModelDescription:
        """Return the model's status; status DELETED when the project no longer lists it."""
        try:
            answer = self._rekognition.describe_project_versions(ProjectArn=self._project_arn, VersionNames=[self.name])
        except ClientError as error:
            if error_code(error) != "ResourceNotFoundException":
                raise
            return ModelDescription(status="DELETED", message=error_message(error), inference_units=None)
        # Copies of a version may share its name, so the ARN decides.
        for version in answer["ProjectVersionDescriptions"]:
            if version["ProjectVersionArn"] == self.arn:
                return ModelDescription(
                    status=version["Status"],
                    message=version.get("StatusMessage", ""),
                    inference_units=version.get("MinInferenceUnits"),
                    feature=version.get("Feature", CUSTOM_LABELS),
                )
        return ModelDescription(
            status="DELETED", message="the project does not list this version", inference_units=None
        )

    def describe_or_unknown(self) -> ModelDescription:
        """Return the model's status; status STATUS_UNAVAILABLE, which may cost money, when the call fails."""
        try:
            return self.describe()
        except (ClientError, BotoCoreError) as error:
            logger.exception("could not read the model's status; treating the model as running")
            return ModelDescription(status=STATUS_UNAVAILABLE, message=str(error), inference_units=None)

    def start(self, min_units: int, max_units: int | None) -> None:
        """Ask for a start with `min_units`. With `max_units` Rekognition may scale up to it by itself.

        Errors: ResourceInUseException (it is starting, running or stopping), LimitExceededException (the account's
        running models or the model's inference units), ResourceNotFoundException, AccessDeniedException.
        """
        request: StartProjectVersionRequestTypeDef = {"ProjectVersionArn": self.arn, "MinInferenceUnits": min_units}
        if max_units is not None:
            request["MaxInferenceUnits"] = max_units
        self._rekognition.start_project_version(**request)

    def tag(self) -> None:
        """Tag the model as started by this deployment, now. A repeated call replaces the time."""
        self._rekognition.tag_resource(ResourceArn=self.arn, Tags={self._tag: format_rfc3339(now())})

    def untag(self) -> None:
        """Remove the tag; does nothing when there is none."""
        self._rekognition.untag_resource(ResourceArn=self.arn, TagKeys=[self._tag])

    def tagged_at(self) -> datetime | None:
        """Return when this deployment last asked for a start that it has not seen stopped; None: it did not."""
        value = self._rekognition.list_tags_for_resource(ResourceArn=self.arn)["Tags"].get(self._tag)
        return None if value is None else parse_rfc3339(value)

    def stop(self) -> None:
        """Ask for a stop. Errors: ResourceInUseException while it starts, ResourceNotFoundException."""
        self._rekognition.stop_project_version(ProjectVersionArn=self.arn)


def connect(project_arn: str, version_arn: str, deployment: str) -> ProjectVersion:
    """Return the model behind a Rekognition client of this function.

    One attempt a call: if the answer to a start or stop was lost, Rekognition would reject the second attempt as if
    someone else had made the first. The workflow tries again instead, and describes the model first.
    """
    return ProjectVersion(client("rekognition", attempts=1), project_arn, version_arn, deployment=deployment)
