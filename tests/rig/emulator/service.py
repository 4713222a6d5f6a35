"""The operations on plain dicts, for the models of one account and region.

Reference: https://docs.aws.amazon.com/rekognition/latest/APIReference/API_Operations_Amazon_Rekognition.html
"""

from __future__ import annotations

import base64
import hashlib
import logging
import re
import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tests.rig.emulator import contract, vision
from tests.rig.emulator.clock import Clock
from tests.rig.emulator.errors import ServiceError
from tests.rig.emulator.faults import AddedFault, Fault, Faults
from tests.rig.emulator.images import MAX_INLINE_BYTES, MAX_S3_BYTES, check_size, decode
from tests.rig.emulator.meter import Meter
from tests.rig.emulator.model import DELETED, OCCUPIED, Model, ModelSettings, status_message
from tests.rig.emulator.objects import ImageStore

LOG = logging.getLogger(__name__)

PROJECT_ARN = re.compile(
    r"(?P<place>arn:aws[a-z-]*:rekognition:[a-z\d-]+:\d{12}:project/[a-zA-Z0-9_.\-]{1,255})/[0-9]+"
)
PROJECT_VERSION_ARN = re.compile(
    r"(?P<place>arn:aws[a-z-]*:rekognition:[a-z\d-]+:\d{12}:project/[a-zA-Z0-9_.\-]{1,255})"
    r"/version/[a-zA-Z0-9_.\-]{1,255}/[0-9]+"
)

CACHED_IMAGES = 1024
LOGGED_REQUESTS = 100_000
# https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/tm-tagging-model.html
MAX_TAGS = 50


@dataclass(frozen=True)
class Quotas:
    """What the account may have at once.

    https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/limits.html
    """

    running_models: int = 2
    inference_units_per_model: int = 5


class Service:
    """Custom Labels in one account. Thread-safe; a model's state changes under one lock, vision does not."""

    def __init__(self, clock: Clock, store: ImageStore, quotas: Quotas | None = None) -> None:
        self.clock = clock
        self._store = store
        self._quotas = quotas or Quotas()
        self._models: dict[str, Model] = {}
        self._tags: dict[str, dict[str, str]] = {}
        self._faults = Faults(clock)
        self._requests: deque[dict[str, Any]] = deque(maxlen=LOGGED_REQUESTS)
        self._seen: OrderedDict[str, list[dict[str, Any]] | ServiceError] = OrderedDict()
        self._lock = threading.RLock()
        self._operations: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
            "DescribeProjectVersions": self._describe_project_versions,
            "StartProjectVersion": self._start_project_version,
            "StopProjectVersion": self._stop_project_version,
            "DetectCustomLabels": self._detect_custom_labels,
            "TagResource": self._tag_resource,
            "UntagResource": self._untag_resource,
            "ListTagsForResource": self._list_tags_for_resource,
        }

    def register(self, project_arn: str, project_version_arn: str, settings: ModelSettings) -> None:
        """Add a trained model; ``ValueError`` for a malformed ARN or status, or a model that is there."""
        project = PROJECT_ARN.fullmatch(project_arn)
        if not project:
            raise ValueError(f"not the ARN of a Custom Labels project: {project_arn!r}")
        version = PROJECT_VERSION_ARN.fullmatch(project_version_arn)
        if not version:
            raise ValueError(f"not the ARN of a Custom Labels project version: {project_version_arn!r}")
        if project["place"] != version["place"]:
            raise ValueError(f"{project_version_arn} is not a version of {project_arn}")
        if settings.initial_status not in contract.statuses():
            raise ValueError(f"not a status of a project version: {settings.initial_status!r}")
        with self._lock:
            if project_version_arn in self._models:
                raise ValueError(f"there is already a model {project_version_arn}")
            self._models[project_version_arn] = Model(
                project_arn, project_version_arn, settings, self.clock, created_at=datetime.now(UTC)
            )

    def call(
        self,
        operation: str,
        body: bytes,
        wait: Callable[[float], object] | None = None,
        access_key_id: str | None = None,
    ) -> dict[str, Any]:
        """Answer one request, given its JSON body; ``ServiceError`` as AWS documents, and nothing else.

        An answer that the service model forbids is a defect of the emulator: InternalServerError, and a
        traceback in the log.

        A fault's delay is left to ``wait``, which is given its wall seconds after the call took effect and was
        recorded, and before it is answered: over HTTP it sleeps. Without one, as in a simulation in this process, a
        delay is ignored; one that raises its client's time-out instead makes the answer as lost as it would be.

        ``access_key_id`` is who signed the request, for the log: nothing is refused for it.
        """
        parameters: dict[str, Any] = {}
        outcome = "OK"
        fault = None
        try:
            parameters = contract.decode_request(operation, body)
            contract.check_request(operation, parameters)
            fault = self._take_fault(operation, parameters)
            return self._answer(operation, parameters, fault.fault if fault else None)
        except ServiceError as error:
            outcome = error.code
            raise
        except Exception as error:
            outcome = "InternalServerError"
            LOG.exception("DEFECT OF THE EMULATOR in %s", operation)
            raise ServiceError(outcome, f"The emulator failed: {error}") from error
        finally:
            self._record(operation, parameters, outcome, fault, access_key_id)
            if fault and fault.fault.delay_wall_seconds and wait:
                wait(fault.fault.delay_wall_seconds)

    def add_fault(self, fault: Fault) -> int:
        """Let calls go wrong from now on; answers the fault's id. ResourceNotFoundException: no such model."""
        with self._lock:
            self._model(fault.project_version_arn)
            return self._faults.add(fault)

    def clear_faults(self, fault_id: int | None = None) -> int:
        """Remove the fault with this id, or all; answers how many there were."""
        with self._lock:
            return self._faults.remove(fault_id=fault_id)

    def faults(self) -> list[dict[str, Any]]:
        """Every fault that was not removed, as JSON, with its id and how often it was applied."""
        with self._lock:
            return self._faults.listed()

    def configure(self, project_version_arn: str, **settings: object) -> ModelSettings:
        """Change how a model behaves from now on, by the names in ``ModelSettings``; answers all its settings.

        ``ValueError``: a value that is not allowed, or another initial_status. ``TypeError``: no such setting.
        """
        with self._lock:
            return self._model(project_version_arn).configure(**settings)

    def fail(self, project_version_arn: str) -> str:
        """Let a RUNNING model go to FAILED now; answers its status."""
        with self._lock:
            return self._model(project_version_arn).fail("made to fail")

    def delete(self, project_version_arn: str) -> str:
        """Delete a model in whatever status: the operations know it no more, the meter does; answers its status."""
        with self._lock:
            return self._model(project_version_arn).delete("deleted")

    def reset(self, project_version_arn: str) -> str:
        """Put a model to rest now, with the settings of its registration and no faults; answers its status.

        A deleted one is there again. The meter goes on.
        """
        with self._lock:
            status = self._model(project_version_arn, or_deleted=True).reset("reset")
            self._faults.remove(project_version_arn=project_version_arn)
            self._tags.pop(project_version_arn, None)
            return status

    def start(self, project_version_arn: str, min_inference_units: int, cause: str) -> str:
        """Start a model within the quotas, as StartProjectVersion does; answers its status."""
        return self._start(project_version_arn, min_inference_units, None, cause)

    def stop(self, project_version_arn: str, cause: str) -> str:
        """Stop a model, as StopProjectVersion does; answers its status."""
        with self._lock:
            return self._model(project_version_arn).stop(cause)

    def meters(self) -> dict[str, Meter]:
        """Each model's meter, by project version ARN."""
        with self._lock:
            return {arn: model.meter() for arn, model in self._models.items()}

    def requests(self) -> list[dict[str, Any]]:
        """The latest calls, oldest first: operation, parameters without image bytes, moment and outcome.

        ``fault`` is the id of the fault that was applied, if one was.
        """
        with self._lock:
            return list(self._requests)

    def _answer(self, operation: str, parameters: dict[str, Any], fault: Fault | None) -> dict[str, Any]:
        if fault is not None and fault.answered_error is not None:
            if fault.takes_effect:
                # A refusal is lost like any other answer.
                with suppress(ServiceError):
                    self._operations[operation](parameters)
            raise ServiceError(fault.answered_error)
        answer = self._operations[operation](parameters)
        contract.check_answer(operation, answer)
        # After the check, because a status that a test wants to show need not be one of the API's.
        for description in answer.get("ProjectVersionDescriptions", []):
            shown = self._models[description["ProjectVersionArn"]].settings.shown_status
            if shown is not None:
                description.update(Status=shown, StatusMessage=status_message(shown))
        return answer

    def _take_fault(self, operation: str, parameters: dict[str, Any]) -> AddedFault | None:
        key = parameters.get("Image", {}).get("S3Object", {}).get("Name")
        with self._lock:
            arns = [model.project_version_arn for model in self._models_of(operation, parameters)]
            return self._faults.take(operation, arns, key)

    def _record(
        self,
        operation: str,
        parameters: dict[str, Any],
        outcome: str,
        fault: AddedFault | None,
        access_key_id: str | None,
    ) -> None:
        shown = dict(parameters)
        image = shown.get("Image")
        if isinstance(image, dict) and "Bytes" in image:
            shown["Image"] = {**image, "Bytes": f"<{len(image['Bytes'])} bytes>"}
        entry = {
            "operation": operation,
            "parameters": shown,
            "virtual_seconds": self.clock.now(),
            "outcome": outcome,
        }
        if fault is not None:
            entry["fault"] = fault.id
        if access_key_id is not None:
            entry["access_key_id"] = access_key_id
        with self._lock:
            self._requests.append(entry)
            for model in self._models_of(operation, parameters):
                model.count(operation, outcome)

    def _models_of(self, operation: str, parameters: dict[str, Any]) -> list[Model]:
        """The models that a call is about."""
        return [
            model
            for model in self._models.values()
            if model.project_version_arn in (parameters.get("ProjectVersionArn"), parameters.get("ResourceArn"))
            or (
                operation == "DescribeProjectVersions"
                and parameters.get("ProjectArn") == model.project_arn
                and model.version_name in (parameters.get("VersionNames") or [model.version_name])
            )
        ]

    def _model(self, project_version_arn: str, *, or_deleted: bool = False) -> Model:
        model = self._models.get(project_version_arn)
        if model is None or (model.status == DELETED and not or_deleted):
            raise ServiceError(
                "ResourceNotFoundException", f"The project version {project_version_arn} does not exist."
            )
        return model

    def _describe_project_versions(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """https://docs.aws.amazon.com/rekognition/latest/APIReference/API_DescribeProjectVersions.html.

        A deleted version that is asked for by its name is an empty list, because AWS's own example waits for that:
        https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/tm-delete-model.html
        """
        project_arn = parameters["ProjectArn"]
        with self._lock:
            models = [model for model in self._models.values() if model.project_arn == project_arn]
            if not models:
                raise ServiceError("ResourceNotFoundException", f"The project {project_arn} does not exist.")
            if "VersionNames" in parameters:
                unknown = set(parameters["VersionNames"]) - {model.version_name for model in models}
                if unknown:
                    raise ServiceError(
                        "ResourceNotFoundException",
                        f"The project has no version {', '.join(sorted(unknown))}.",
                    )
                models = [model for model in models if model.version_name in parameters["VersionNames"]]
            # AWS lists the latest first.
            descriptions = [found for model in reversed(models) if (found := model.describe()) is not None]
            begin = _offset(parameters.get("NextToken"), project_arn)
            end = begin + parameters.get("MaxResults", 100)
            answer: dict[str, Any] = {"ProjectVersionDescriptions": descriptions[begin:end]}
            if end < len(descriptions):
                answer["NextToken"] = _token(end, project_arn)
            return answer

    def _start_project_version(self, parameters: dict[str, Any]) -> dict[str, Any]:
        status = self._start(
            parameters["ProjectVersionArn"],
            parameters["MinInferenceUnits"],
            parameters.get("MaxInferenceUnits"),
            "StartProjectVersion",
        )
        return {"Status": status}

    def _start(self, arn: str, min_units: int, max_units: int | None, cause: str) -> str:
        if max_units is not None and max_units < min_units:
            raise ServiceError(
                "InvalidParameterException", "MaxInferenceUnits must not be less than MinInferenceUnits."
            )
        quota = self._quotas.inference_units_per_model
        with self._lock:
            model = self._model(arn)
            if max(min_units, max_units or 0) > quota:
                raise ServiceError("LimitExceededException", f"A model may have at most {quota} inference units.")
            occupied = sum(other.status in OCCUPIED for other in self._models.values())
            if model.status not in OCCUPIED and occupied >= self._quotas.running_models:
                raise ServiceError(
                    "LimitExceededException",
                    f"The account may run at most {self._quotas.running_models} models at a time.",
                )
            return model.start(min_units, max_units, cause)

    def _stop_project_version(self, parameters: dict[str, Any]) -> dict[str, Any]:
        return {"Status": self.stop(parameters["ProjectVersionArn"], "StopProjectVersion")}

    def _detect_custom_labels(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """https://docs.aws.amazon.com/rekognition/latest/APIReference/API_DetectCustomLabels.html."""
        image = parameters["Image"]
        place = image.get("S3Object")
        # The model leaves every member optional; the service needs one source, and all of it.
        if len(image) != 1 or (place is not None and not {"Bucket", "Name"} <= place.keys()):
            raise ServiceError("InvalidParameterException")
        with self._lock:
            model = self._model(parameters["ProjectVersionArn"])
            run = model.admit()
        try:
            found = self._look(image)
        finally:
            with self._lock:
                model.answered(run)
        chosen = [item for item in found if item["Confidence"] >= _threshold(item, parameters)]
        return {"CustomLabels": chosen[: parameters.get("MaxResults")]}

    def _tag_resource(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """https://docs.aws.amazon.com/rekognition/latest/APIReference/API_TagResource.html."""
        with self._lock:
            tags = self._tags_of(parameters) | parameters["Tags"]
            if len(tags) > MAX_TAGS:
                raise ServiceError("ServiceQuotaExceededException")
            self._tags[parameters["ResourceArn"]] = tags
        return {}

    def _untag_resource(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """https://docs.aws.amazon.com/rekognition/latest/APIReference/API_UntagResource.html."""
        with self._lock:
            for key in parameters["TagKeys"]:
                self._tags_of(parameters).pop(key, None)
        return {}

    def _list_tags_for_resource(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """https://docs.aws.amazon.com/rekognition/latest/APIReference/API_ListTagsForResource.html."""
        with self._lock:
            return {"Tags": dict(self._tags_of(parameters))}

    def _tags_of(self, parameters: dict[str, Any]) -> dict[str, str]:
        arn = parameters["ResourceArn"]
        # Refuses a model that does not exist.
        return self._tags.setdefault(self._model(arn).project_version_arn, {})

    def _look(self, image: dict[str, Any]) -> list[dict[str, Any]]:
        if "Bytes" in image:
            data: bytes = image["Bytes"]
            check_size(len(data), MAX_INLINE_BYTES)
            return self._labels(hashlib.sha256(data).hexdigest(), lambda: data)
        place = image["S3Object"]
        stored = self._store.find(place["Bucket"], place["Name"], place.get("Version"), MAX_S3_BYTES)
        return self._labels(stored.digest, stored.read)

    def _labels(self, digest: str, read: Callable[[], bytes]) -> list[dict[str, Any]]:
        """What is in an image, looked at once for all equal images: a test labels the same set many times."""
        with self._lock:
            seen = self._seen.get(digest)
        if seen is None:
            data = read()
            try:
                seen = vision.detect(decode(data, vision.WORKING_SIDE_PIXELS))
            except ServiceError as error:
                seen = error
            with self._lock:
                self._seen[digest] = seen
                if len(self._seen) > CACHED_IMAGES:
                    self._seen.popitem(last=False)
        if isinstance(seen, ServiceError):
            raise ServiceError(seen.code, seen.message, seen.http_status)
        return seen


def _threshold(item: dict[str, Any], parameters: dict[str, Any]) -> float:
    threshold: float = parameters.get("MinConfidence", vision.learnt_threshold(item["Name"]))
    return threshold


def _token(offset: int, project_arn: str) -> str:
    return base64.urlsafe_b64encode(f"{offset} {project_arn}".encode()).decode()


def _offset(token: str | None, project_arn: str) -> int:
    """Where a page begins; InvalidPaginationTokenException for a token that was not given for this."""
    if token is None:
        return 0
    try:
        offset, arn = base64.urlsafe_b64decode(token).decode().split(" ")
        if arn == project_arn and offset.isdigit():
            return int(offset)
    except ValueError:
        LOG.info("not a token of this service: %r", token)
    raise ServiceError("InvalidPaginationTokenException")
