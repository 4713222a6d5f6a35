"""The emulator over HTTP, driven by the SDK and by plain requests."""

import http.client
import io
import json
import logging
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ReadTimeoutError

from tests.rig.emulator.clock import ManualClock
from tests.rig.emulator.model import ModelSettings
from tests.rig.emulator.server import bind, running
from tests.rig.emulator.service import Service
from tests.rig.stack.pictures import DRAWINGS, draw

Client = Any
# boto3 makes its clients' classes at run time: there is no static type.

PROJECT = "arn:aws:rekognition:eu-west-1:123456789012:project/beetles/1700000000001"
VERSION = "arn:aws:rekognition:eu-west-1:123456789012:project/beetles/version/v.1/1700000000002"
OTHER = VERSION.replace("v.1", "v.2")


class NoStore:
    """These tests send their images inline."""

    def find(self, *_: object) -> None:
        raise AssertionError("nothing here is in S3")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def url(clock: ManualClock) -> Iterator[str]:
    service = Service(clock, NoStore())
    service.register(PROJECT, VERSION, ModelSettings(start_seconds=600, images_per_second_per_unit=1000))
    with running(service) as url:
        yield url


@pytest.fixture
def client(url: str) -> Client:
    return make_client(url)


def make_client(url: str, **options: object) -> Client:
    return boto3.client(
        "rekognition",
        endpoint_url=url,
        region_name="eu-west-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"total_max_attempts": 1}, parameter_validation=False, **options),
    )


def control(url: str, path: str, body: object = None, method: str | None = None) -> tuple[int, Any]:
    data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(url + path, data, method=method)) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def picture() -> bytes:
    buffer = io.BytesIO()
    draw(DRAWINGS[0])[0].save(buffer, "PNG")
    return buffer.getvalue()


def test_the_sdk_takes_a_model_through_its_life(client: Client, clock: ManualClock) -> None:
    assert client.start_project_version(ProjectVersionArn=VERSION, MinInferenceUnits=1)["Status"] == "STARTING"
    with pytest.raises(client.exceptions.ResourceNotReadyException):
        client.detect_custom_labels(ProjectVersionArn=VERSION, Image={"Bytes": picture()})
    clock.advance(600)
    client.get_waiter("project_version_running").wait(ProjectArn=PROJECT, VersionNames=["v.1"])
    answer = client.detect_custom_labels(ProjectVersionArn=VERSION, Image={"Bytes": picture()})
    assert [label["Name"] for label in answer["CustomLabels"]] == ["red-circle"]
    assert client.stop_project_version(ProjectVersionArn=VERSION)["Status"] == "STOPPING"
    clock.advance(120)
    [seen] = client.describe_project_versions(ProjectArn=PROJECT)["ProjectVersionDescriptions"]
    assert seen["Status"] == "STOPPED"
    assert abs(seen["CreationTimestamp"].timestamp() - time.time()) < 60


def test_the_sdks_paginator_gets_every_version(client: Client, url: str) -> None:
    control(url, "/_emulator/models", {"project_arn": PROJECT, "project_version_arn": OTHER})
    pages = client.get_paginator("describe_project_versions").paginate(
        ProjectArn=PROJECT, PaginationConfig={"PageSize": 1}
    )
    arns = [item["ProjectVersionArn"] for page in pages for item in page["ProjectVersionDescriptions"]]
    assert arns == [OTHER, VERSION]


@pytest.mark.parametrize(
    ("operation", "parameters", "code"),
    [
        ("stop_project_version", {"ProjectVersionArn": VERSION}, "InvalidParameterException"),
        ("stop_project_version", {"ProjectVersionArn": OTHER}, "ResourceNotFoundException"),
        ("stop_project_version", {"ProjectVersionArn": "nonsense"}, "ValidationException"),
        ("start_project_version", {"ProjectVersionArn": VERSION, "MinInferenceUnits": 6}, "LimitExceededException"),
        ("detect_labels", {"Image": {"Bytes": b"x"}}, "UnknownOperationException"),
    ],
)
def test_the_sdk_sees_the_documented_errors(client: Client, operation: str, parameters: dict, code: str) -> None:
    with pytest.raises(ClientError) as caught:
        getattr(client, operation)(**parameters)
    response = caught.value.response
    assert response["Error"]["Code"] == code
    assert response["Error"]["Message"]
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert response["ResponseMetadata"]["RequestId"]
    assert response["ResponseMetadata"]["HTTPHeaders"]["x-amzn-errortype"] == code


def test_an_image_that_cannot_succeed_is_the_images_fault(client: Client, url: str) -> None:
    control(url, "/_emulator/models", running_model())
    with pytest.raises(client.exceptions.InvalidImageFormatException):
        client.detect_custom_labels(ProjectVersionArn=OTHER, Image={"Bytes": b"minutes of a meeting"})


def running_model() -> dict:
    return {
        "project_arn": PROJECT,
        "project_version_arn": OTHER,
        "initial_status": "RUNNING",
        "images_per_second_per_unit": 2,
    }


def a_fault() -> dict:
    return {"project_version_arn": VERSION, "operation": "StartProjectVersion", "error": "InternalServerError"}


def test_calls_above_the_capacity_are_told_so_and_counted(client: Client, url: str) -> None:
    control(url, "/_emulator/models", running_model())
    for _ in range(2):
        client.detect_custom_labels(ProjectVersionArn=OTHER, Image={"Bytes": picture()})
    with pytest.raises(client.exceptions.ProvisionedThroughputExceededException):
        client.detect_custom_labels(ProjectVersionArn=OTHER, Image={"Bytes": picture()})
    meter = control(url, "/_emulator/models")[1]["models"][OTHER]
    assert meter["answers"]["DetectCustomLabels"] == {"OK": 2, "ProvisionedThroughputExceededException": 1}


def test_the_emulator_says_that_it_is_up(url: str) -> None:
    assert control(url, "/_emulator/health") == (200, {"status": "ok"})


def test_the_models_come_with_their_meters_and_the_virtual_time(url: str, clock: ManualClock) -> None:
    clock.advance(42)
    status, answer = control(url, "/_emulator/models")
    assert status == 200
    assert answer["virtual_seconds"] == 42
    assert answer["time_scale"] == 0
    assert list(answer["models"]) == [VERSION]
    assert answer["models"][VERSION]["status"] == "TRAINING_COMPLETED"


def test_someone_else_can_start_and_stop_the_model(url: str, client: Client, clock: ManualClock) -> None:
    body = {"project_version_arn": VERSION}
    assert control(url, "/_emulator/models/start", {**body, "min_inference_units": 2})[1] == {"status": "STARTING"}
    with pytest.raises(client.exceptions.ResourceInUseException):
        client.start_project_version(ProjectVersionArn=VERSION, MinInferenceUnits=1)
    status, answer = control(url, "/_emulator/models/stop", body)
    assert (status, answer["code"]) == (409, "ResourceInUseException")
    clock.advance(600)
    assert control(url, "/_emulator/models/stop", body) == (200, {"status": "STOPPING"})
    meter = control(url, "/_emulator/models")[1]["models"][VERSION]
    assert meter["units"] == 2
    assert [entry["cause"] for entry in meter["history"]] == [
        "initial",
        "someone else started it",
        "start completed",
        "someone else stopped it",
    ]
    assert [entry["operation"] for entry in control(url, "/_emulator/requests")[1]] == ["StartProjectVersion"]


@pytest.mark.parametrize(
    ("path", "body", "status", "message"),
    [
        ("/_emulator/models", b"{", 400, "not JSON"),
        ("/_emulator/models", [], 400, "not a JSON object"),
        ("/_emulator/models", {"project_arn": PROJECT}, 400, "missing: project_version_arn"),
        ("/_emulator/models", {**running_model(), "start_secs": 1}, 400, "unknown: start_secs"),
        ("/_emulator/models", {**running_model(), "start_seconds": -1}, 400, "start_seconds"),
        ("/_emulator/models", {**running_model(), "initial_status": 5}, 400, "not a status"),
        ("/_emulator/models", {**running_model(), "project_arn": 5}, 400, "project_arn must be a string"),
        ("/_emulator/models/start", {"project_version_arn": VERSION, "min_inference_units": "1"}, 400, "whole"),
        ("/_emulator/models/start", {"project_version_arn": OTHER}, 409, "does not exist"),
        ("/_emulator/models/settings", {"project_version_arn": VERSION, "start_secs": 1}, 400, "unknown: start_secs"),
        ("/_emulator/models/settings", {"project_version_arn": VERSION, "start_ends": "LATE"}, 400, "start_ends"),
        ("/_emulator/models/settings", {"project_version_arn": OTHER}, 409, "does not exist"),
        ("/_emulator/models/fail", {"project_version_arn": VERSION}, 409, "not RUNNING"),
        ("/_emulator/models/delete", {"project_version_arn": OTHER}, 409, "does not exist"),
        ("/_emulator/models/reset", b"", 400, "missing: project_version_arn"),
        ("/_emulator/faults", {"project_version_arn": VERSION}, 400, "missing: operation"),
        ("/_emulator/faults", {**a_fault(), "id": 1}, 400, "unknown: id"),
        ("/_emulator/faults", {**a_fault(), "times": 0}, 400, "times"),
        ("/_emulator/faults", {**a_fault(), "project_version_arn": OTHER}, 409, "does not exist"),
        ("/_emulator/nothing", {}, 404, "there is no POST /_emulator/nothing"),
    ],
)
def test_a_control_request_that_cannot_be_met_says_why(
    url: str, path: str, body: object, status: int, message: str
) -> None:
    actual, answer = control(url, path, body)
    assert actual == status
    assert message in answer["error"]


def test_faults_come_and_go_over_http(client: Client, url: str) -> None:
    assert control(url, "/_emulator/faults", {**a_fault(), "times": 1, "carried_out": True}) == (200, {"id": 1})
    assert control(url, "/_emulator/faults", {**a_fault(), "error": "ThrottlingException"}) == (200, {"id": 2})
    with pytest.raises(client.exceptions.InternalServerError) as caught:
        client.start_project_version(ProjectVersionArn=VERSION, MinInferenceUnits=1)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 500
    assert control(url, "/_emulator/models")[1]["models"][VERSION]["status"] == "STARTING"
    listed = control(url, "/_emulator/faults")[1]
    assert [(item["id"], item["error"], item["applied"]) for item in listed] == [
        (1, "InternalServerError", 1),
        (2, "ThrottlingException", 0),
    ]
    [request] = control(url, "/_emulator/requests")[1]
    assert (request["outcome"], request["fault"]) == ("InternalServerError", 1)
    assert control(url, "/_emulator/faults?id=2", method="DELETE") == (200, {"removed": 1})
    with pytest.raises(client.exceptions.ResourceInUseException):
        client.start_project_version(ProjectVersionArn=VERSION, MinInferenceUnits=1)
    assert control(url, "/_emulator/faults", {"id": 1}, "DELETE") == (200, {"removed": 1})
    control(url, "/_emulator/faults", a_fault())
    control(url, "/_emulator/faults", a_fault())
    assert control(url, "/_emulator/faults", method="DELETE") == (200, {"removed": 2})
    assert control(url, "/_emulator/faults") == (200, [])


@pytest.mark.parametrize(("query", "status"), [("?id=9", 404), ("?id=x", 400), ("?fault=1", 400)])
def test_a_fault_that_is_not_there_is_not_all_of_them(url: str, query: str, status: int) -> None:
    control(url, "/_emulator/faults", a_fault())
    assert control(url, f"/_emulator/faults{query}", method="DELETE")[0] == status
    assert len(control(url, "/_emulator/faults")[1]) == 1


def test_an_answer_that_comes_too_late_is_a_time_out_for_the_client(url: str) -> None:
    control(
        url,
        "/_emulator/faults",
        {"project_version_arn": VERSION, "operation": "StartProjectVersion", "delay_wall_seconds": 1.5, "times": 1},
    )
    client = make_client(url, read_timeout=0.5)
    with pytest.raises(ReadTimeoutError):
        client.start_project_version(ProjectVersionArn=VERSION, MinInferenceUnits=1)
    # Meanwhile others are answered, and the start has taken effect.
    [seen] = client.describe_project_versions(ProjectArn=PROJECT)["ProjectVersionDescriptions"]
    assert seen["Status"] == "STARTING"
    with pytest.raises(client.exceptions.ResourceInUseException):
        client.start_project_version(ProjectVersionArn=VERSION, MinInferenceUnits=1)


def test_an_answer_that_comes_late_comes(url: str, client: Client) -> None:
    control(url, "/_emulator/faults", {**a_fault(), "error": None, "delay_wall_seconds": 0.3})
    began = time.monotonic()
    assert client.start_project_version(ProjectVersionArn=VERSION, MinInferenceUnits=1)["Status"] == "STARTING"
    assert time.monotonic() - began >= 0.3


def test_a_models_behaviour_is_switched_over_http_and_reset(client: Client, url: str, clock: ManualClock) -> None:
    body = {"project_version_arn": VERSION}
    status, answer = control(url, "/_emulator/models/settings", {**body, "start_seconds": 5, "shown_status": "ODD"})
    assert status == 200
    changed = {name: answer["settings"][name] for name in ("start_seconds", "shown_status", "stop_ends")}
    assert changed == {"start_seconds": 5, "shown_status": "ODD", "stop_ends": "STOPPED"}
    client.start_project_version(ProjectVersionArn=VERSION, MinInferenceUnits=1)
    clock.advance(5)
    [seen] = client.describe_project_versions(ProjectArn=PROJECT)["ProjectVersionDescriptions"]
    assert seen["Status"] == "ODD"
    assert control(url, "/_emulator/models/fail", body) == (200, {"status": "FAILED"})
    assert control(url, "/_emulator/models/delete", body) == (200, {"status": "DELETED"})
    assert client.describe_project_versions(ProjectArn=PROJECT)["ProjectVersionDescriptions"] == []
    assert control(url, "/_emulator/faults", a_fault())[0] == 409
    assert control(url, "/_emulator/models/reset", body) == (200, {"status": "STOPPED"})
    [seen] = client.describe_project_versions(ProjectArn=PROJECT)["ProjectVersionDescriptions"]
    assert seen["Status"] == "STOPPED"
    history = control(url, "/_emulator/models")[1]["models"][VERSION]["history"]
    assert [entry["cause"] for entry in history[1:]] == [
        "StartProjectVersion",
        "start completed",
        "made to fail",
        "deleted",
        "reset",
    ]


@pytest.mark.parametrize("target", ["RekognitionService.Nonsense", "", "Other.StopProjectVersion"])
def test_what_is_no_operation_of_the_service_is_unknown(url: str, target: str) -> None:
    connection = http.client.HTTPConnection(urlsplit(url).netloc)
    connection.request("POST", "/", b"{}" * 100_000, {"X-Amz-Target": target})
    response = connection.getresponse()
    assert response.status == 400
    assert json.load(response)["__type"] == "UnknownOperationException"
    assert response.getheader("x-amzn-RequestId")
    assert response.getheader("Content-Type") == "application/x-amz-json-1.1"
    connection.close()


def test_hundreds_of_calls_a_second_are_answered(client: Client) -> None:
    began = time.monotonic()
    for _ in range(100):
        client.describe_project_versions(ProjectArn=PROJECT)
    # Waiting 40 ms for an acknowledgement each time would be 4 seconds; a loaded machine needs under 1.
    assert time.monotonic() - began < 3


def test_a_taken_port_is_an_error_of_the_operating_system(url: str, clock: ManualClock) -> None:
    with pytest.raises(OSError, match="in use"):
        bind(Service(clock, NoStore()), urlsplit(url).port)


def test_a_defect_is_an_internal_server_error(
    client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("broken on purpose")

    monkeypatch.setattr("tests.rig.emulator.model.Model.describe", fail)
    with caplog.at_level(logging.ERROR), pytest.raises(client.exceptions.InternalServerError) as caught:
        client.describe_project_versions(ProjectArn=PROJECT)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 500
    assert "broken on purpose" in caplog.text
