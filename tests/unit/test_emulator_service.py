"""The operations, on plain bodies, with moto's S3 behind them."""

import base64
import io
import json
import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from PIL import Image

from tests.rig.emulator import vision
from tests.rig.emulator.__main__ import s3_client
from tests.rig.emulator.clock import ManualClock
from tests.rig.emulator.errors import ServiceError
from tests.rig.emulator.model import ModelSettings
from tests.rig.emulator.objects import S3ImageStore
from tests.rig.emulator.service import Quotas, Service
from tests.rig.quick_moto import mock_aws
from tests.rig.stack.pictures import DRAWINGS, draw

Client = Any
# boto3 makes its clients' classes at run time: there is no static type.

PROJECT = "arn:aws:rekognition:eu-west-1:123456789012:project/beetles/1700000000001"
RUNNING = ModelSettings(initial_status="RUNNING", images_per_second_per_unit=1000)
S3_MESSAGE = "Unable to get object metadata from S3. Check object key, region and/or access permissions."


def version(name: str = "v.1") -> str:
    return f"arn:aws:rekognition:eu-west-1:123456789012:project/beetles/version/{name}/1700000000002"


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with mock_aws():
        client = s3_client("eu-west-1", None)
        client.create_bucket(Bucket="pictures", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
        yield client


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def service(clock: ManualClock, s3: object) -> Service:
    return Service(clock, S3ImageStore(s3))


def call(service: Service, operation: str, **parameters: object) -> dict:
    return service.call(operation, json.dumps(parameters).encode())


def error_of(service: Service, operation: str, **parameters: object) -> ServiceError:
    with pytest.raises(ServiceError) as caught:
        call(service, operation, **parameters)
    return caught.value


def drawing(kind: str = "PNG", index: int = 0) -> bytes:
    buffer = io.BytesIO()
    draw(DRAWINGS[index])[0].save(buffer, kind)
    return buffer.getvalue()


def in_s3(key: str, **more: str) -> dict:
    return {"S3Object": {"Bucket": "pictures", "Name": key, **more}}


def inline(data: bytes) -> dict:
    return {"Bytes": base64.b64encode(data).decode()}


def test_a_model_is_started_described_and_stopped(service: Service, clock: ManualClock) -> None:
    service.register(PROJECT, version(), ModelSettings(start_seconds=600, stop_seconds=120))
    answer = call(
        service,
        "StartProjectVersion",
        ProjectVersionArn=version(),
        MinInferenceUnits=2,
        MaxInferenceUnits=3,
    )
    assert answer == {"Status": "STARTING"}
    clock.advance(600)
    [seen] = call(service, "DescribeProjectVersions", ProjectArn=PROJECT)["ProjectVersionDescriptions"]
    assert seen["ProjectVersionArn"] == version()
    assert (seen["Status"], seen["MinInferenceUnits"], seen["MaxInferenceUnits"]) == ("RUNNING", 2, 3)
    assert seen["StatusMessage"] == "The model is running."
    assert call(service, "StopProjectVersion", ProjectVersionArn=version()) == {"Status": "STOPPING"}
    clock.advance(120)
    [seen] = call(service, "DescribeProjectVersions", ProjectArn=PROJECT)["ProjectVersionDescriptions"]
    assert seen["Status"] == "STOPPED"


def test_an_object_in_s3_is_labelled_by_its_pixels(service: Service, s3: Client) -> None:
    service.register(PROJECT, version(), RUNNING)
    s3.put_object(Bucket="pictures", Key="a b+%20/Käfer.png", Body=drawing())
    answer = call(service, "DetectCustomLabels", ProjectVersionArn=version(), Image=in_s3("a b+%20/Käfer.png"))
    [label] = answer["CustomLabels"]
    assert label["Name"] == "red-circle"
    assert set(label["Geometry"]["BoundingBox"]) == {"Width", "Height", "Left", "Top"}


def test_a_version_of_an_object_is_the_one_that_is_labelled(service: Service, s3: Client) -> None:
    service.register(PROJECT, version(), RUNNING)
    s3.put_bucket_versioning(Bucket="pictures", VersioningConfiguration={"Status": "Enabled"})
    old = s3.put_object(Bucket="pictures", Key="k.png", Body=drawing(index=0))["VersionId"]
    s3.put_object(Bucket="pictures", Key="k.png", Body=drawing(index=2))

    def names(image: dict) -> list[str]:
        answer = call(service, "DetectCustomLabels", ProjectVersionArn=version(), Image=image)
        return [label["Name"] for label in answer["CustomLabels"]]

    assert names(in_s3("k.png")) == ["blue-square"]
    assert names(in_s3("k.png", Version=old)) == ["red-circle"]


@pytest.mark.parametrize(
    "place",
    [
        {"Bucket": "pictures", "Name": "missing.png"},
        {"Bucket": "no-such-bucket", "Name": "k.png"},
        {"Bucket": "pictures", "Name": "k.png", "Version": "no-such-version"},
    ],
)
def test_an_object_that_s3_does_not_give_is_an_invalid_s3_object(service: Service, s3: Client, place: dict) -> None:
    service.register(PROJECT, version(), RUNNING)
    s3.put_object(Bucket="pictures", Key="k.png", Body=drawing())
    error = error_of(service, "DetectCustomLabels", ProjectVersionArn=version(), Image={"S3Object": place})
    assert (error.code, error.message, error.http_status) == ("InvalidS3ObjectException", S3_MESSAGE, 400)


def test_an_s3_that_cannot_be_reached_is_not_held_against_the_image(
    clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    # Port 9 (discard) has no listener here: the connection is refused at once.
    service = Service(clock, S3ImageStore(s3_client("eu-west-1", "http://127.0.0.1:9")))
    service.register(PROJECT, version(), RUNNING)
    error = error_of(service, "DetectCustomLabels", ProjectVersionArn=version(), Image=in_s3("k.png"))
    assert (error.code, error.http_status) == ("InternalServerError", 500)


def test_an_object_over_15_mb_is_refused_before_its_body_is_read(
    service: Service, s3: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.register(PROJECT, version(), RUNNING)
    s3.put_object(Bucket="pictures", Key="big.png", Body=bytes(15 * 1024 * 1024 + 1))
    read = []
    monkeypatch.setattr(s3, "get_object", lambda **request: read.append(request))
    error = error_of(service, "DetectCustomLabels", ProjectVersionArn=version(), Image=in_s3("big.png"))
    assert error.code == "ImageTooLargeException"
    assert read == []


def test_inline_bytes_have_a_limit_of_their_own(service: Service, s3: Client) -> None:
    service.register(PROJECT, version(), RUNNING)
    data = drawing() + bytes(4 * 1024 * 1024)
    s3.put_object(Bucket="pictures", Key="k.png", Body=data)
    error = error_of(service, "DetectCustomLabels", ProjectVersionArn=version(), Image=inline(data))
    assert error.code == "ImageTooLargeException"
    assert call(service, "DetectCustomLabels", ProjectVersionArn=version(), Image=in_s3("k.png"))["CustomLabels"]


@pytest.mark.parametrize("body", [b"", b"minutes of a meeting", drawing()[:900]])
def test_an_object_that_is_no_image_is_an_invalid_image_format_each_time(
    service: Service, s3: Client, body: bytes
) -> None:
    service.register(PROJECT, version(), RUNNING)
    s3.put_object(Bucket="pictures", Key="k.png", Body=body)
    for _ in range(2):
        error = error_of(service, "DetectCustomLabels", ProjectVersionArn=version(), Image=in_s3("k.png"))
        assert error.code == "InvalidImageFormatException"


@pytest.mark.parametrize(
    "image",
    [{}, {**inline(b"x"), **in_s3("k.png")}, {"S3Object": {"Bucket": "pictures"}}, {"S3Object": {}}],
)
def test_an_image_is_either_bytes_or_a_whole_s3_object(service: Service, image: dict) -> None:
    service.register(PROJECT, version(), RUNNING)
    error = error_of(service, "DetectCustomLabels", ProjectVersionArn=version(), Image=image)
    assert error.code == "InvalidParameterException"


def test_equal_images_are_looked_at_once_and_other_ones_again(
    service: Service, s3: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.register(PROJECT, version(), RUNNING)
    looked: list[object] = []
    real = vision.detect
    monkeypatch.setattr(vision, "detect", lambda pixels: looked.append(1) or real(pixels))
    for key, index in (("a.png", 0), ("b.png", 0), ("a.png", 2)):
        s3.put_object(Bucket="pictures", Key=key, Body=drawing(index=index))
        call(service, "DetectCustomLabels", ProjectVersionArn=version(), Image=in_s3(key))
    assert len(looked) == 2


def fake_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [
        {"Name": "red-circle", "Confidence": 95.0},
        {"Name": "blue-star", "Confidence": 65.0},
        {"Name": "face", "Confidence": 60.0},
        {"Name": "face", "Confidence": 50.0},
    ]
    monkeypatch.setattr(vision, "detect", lambda _pixels: found)


@pytest.mark.parametrize(
    ("options", "confidences"),
    [
        ({}, [95, 60]),
        ({"MinConfidence": 0}, [95, 65, 60, 50]),
        ({"MinConfidence": 60}, [95, 65, 60]),
        ({"MinConfidence": 100}, []),
        ({"MaxResults": 1}, [95]),
        ({"MinConfidence": 0, "MaxResults": 3}, [95, 65, 60]),
    ],
)
def test_thresholds_are_the_learnt_ones_unless_the_request_has_one(
    service: Service, monkeypatch: pytest.MonkeyPatch, options: dict, confidences: list[float]
) -> None:
    service.register(PROJECT, version(), RUNNING)
    fake_labels(monkeypatch)
    answer = call(service, "DetectCustomLabels", ProjectVersionArn=version(), Image=inline(drawing()), **options)
    assert [label["Confidence"] for label in answer["CustomLabels"]] == confidences


def test_an_answer_that_the_service_could_not_give_is_a_loud_defect(
    service: Service, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    service.register(PROJECT, version(), RUNNING)
    monkeypatch.setattr(vision, "detect", lambda _pixels: [{"Name": "x", "Confidence": 101.0}])
    with caplog.at_level(logging.ERROR):
        error = error_of(service, "DetectCustomLabels", ProjectVersionArn=version(), Image=inline(drawing()))
    assert (error.code, error.http_status) == ("InternalServerError", 500)
    assert "DEFECT OF THE EMULATOR" in caplog.text


@pytest.mark.parametrize("operation", ["StartProjectVersion", "StopProjectVersion", "DetectCustomLabels"])
def test_a_version_that_is_not_there_is_not_found(service: Service, operation: str) -> None:
    more = {
        "StartProjectVersion": {"MinInferenceUnits": 1},
        "DetectCustomLabels": {"Image": in_s3("k.png")},
    }
    error = error_of(service, operation, ProjectVersionArn=version(), **more.get(operation, {}))
    assert error.code == "ResourceNotFoundException"


def test_a_project_or_a_version_name_that_is_not_there_is_not_found(service: Service) -> None:
    service.register(PROJECT, version("a"), ModelSettings())
    for parameters in ({"ProjectArn": PROJECT + "9"}, {"ProjectArn": PROJECT, "VersionNames": ["a", "b"]}):
        error = error_of(service, "DescribeProjectVersions", **parameters)
        assert error.code == "ResourceNotFoundException"


def test_versions_are_filtered_by_name_and_paged_the_latest_first(service: Service) -> None:
    for name in "abcde":
        service.register(PROJECT, version(name), ModelSettings())
    answer = call(service, "DescribeProjectVersions", ProjectArn=PROJECT, VersionNames=["b"])
    assert [item["ProjectVersionArn"] for item in answer["ProjectVersionDescriptions"]] == [version("b")]
    assert "NextToken" not in answer
    pages, token = [], {}
    while True:
        answer = call(service, "DescribeProjectVersions", ProjectArn=PROJECT, MaxResults=2, **token)
        pages.append([item["ProjectVersionArn"] for item in answer["ProjectVersionDescriptions"]])
        if "NextToken" not in answer:
            break
        token = {"NextToken": answer["NextToken"]}
    assert pages == [[version("e"), version("d")], [version("c"), version("b")], [version("a")]]


@pytest.mark.parametrize("token", ["x", "MQ==", "ééé", base64.b64encode(b"1 arn:other").decode()])
def test_a_token_that_was_not_given_is_refused(service: Service, token: str) -> None:
    service.register(PROJECT, version(), ModelSettings())
    error = error_of(service, "DescribeProjectVersions", ProjectArn=PROJECT, NextToken=token)
    assert error.code == "InvalidPaginationTokenException"


def test_a_third_model_at_a_time_exceeds_the_quota(service: Service, clock: ManualClock) -> None:
    for name in "abc":
        service.register(PROJECT, version(name), ModelSettings(start_seconds=10, stop_seconds=10))

    def start(name: str) -> str:
        return service.start(version(name), 1, "test")

    start("a")
    start("b")
    with pytest.raises(ServiceError) as caught:
        start("c")
    assert caught.value.code == "LimitExceededException"
    clock.advance(10)
    service.stop(version("a"), "test")
    with pytest.raises(ServiceError, match="LimitExceededException"):
        start("c")
    clock.advance(10)
    assert start("c") == "STARTING"


def test_starting_a_model_that_is_up_is_in_use_even_with_the_quota_full(service: Service) -> None:
    for name in "ab":
        service.register(PROJECT, version(name), ModelSettings(initial_status="RUNNING"))
    error = error_of(service, "StartProjectVersion", ProjectVersionArn=version("a"), MinInferenceUnits=1)
    assert error.code == "ResourceInUseException"


@pytest.mark.parametrize(
    ("units", "code"),
    [
        ({"MinInferenceUnits": 6}, "LimitExceededException"),
        ({"MinInferenceUnits": 1, "MaxInferenceUnits": 6}, "LimitExceededException"),
        ({"MinInferenceUnits": 3, "MaxInferenceUnits": 2}, "InvalidParameterException"),
    ],
)
def test_units_beyond_the_quota_or_upside_down_are_refused(service: Service, units: dict, code: str) -> None:
    service.register(PROJECT, version(), ModelSettings())
    assert error_of(service, "StartProjectVersion", ProjectVersionArn=version(), **units).code == code


def test_quotas_are_settings(clock: ManualClock, s3: object) -> None:
    service = Service(clock, S3ImageStore(s3), Quotas(running_models=1, inference_units_per_model=10))
    for name in "ab":
        service.register(PROJECT, version(name), ModelSettings())
    service.start(version("a"), 10, "test")
    with pytest.raises(ServiceError, match="at most 1 models"):
        service.start(version("b"), 1, "test")


def test_the_meter_counts_answers_by_operation_and_outcome(service: Service, clock: ManualClock) -> None:
    service.register(PROJECT, version(), ModelSettings(initial_status="RUNNING", images_per_second_per_unit=2))
    service.register(PROJECT, version("other"), ModelSettings())
    clock.advance(3)
    call(service, "DetectCustomLabels", ProjectVersionArn=version(), Image=inline(drawing()))
    for data in (b"no image", drawing()):
        error_of(service, "DetectCustomLabels", ProjectVersionArn=version(), Image=inline(data))
    call(service, "DescribeProjectVersions", ProjectArn=PROJECT, VersionNames=["v.1"])
    meter = service.meters()[version()]
    assert meter["answers"] == {
        "DetectCustomLabels": {
            "OK": 1,
            "InvalidImageFormatException": 1,
            "ProvisionedThroughputExceededException": 1,
        },
        "DescribeProjectVersions": {"OK": 1},
    }
    assert (meter["images"], meter["first_detection_at"], meter["last_detection_at"]) == (2, 3, 3)
    assert service.meters()[version("other")]["answers"] == {}


def test_the_log_of_requests_has_everything_but_the_images(service: Service, clock: ManualClock) -> None:
    service.register(PROJECT, version(), RUNNING)
    clock.advance(1)
    call(
        service,
        "DetectCustomLabels",
        ProjectVersionArn=version(),
        Image=inline(drawing()),
        MinConfidence=50,
    )
    clock.advance(1)
    error_of(service, "DetectLabels")
    assert service.requests() == [
        {
            "operation": "DetectCustomLabels",
            "parameters": {
                "ProjectVersionArn": version(),
                "Image": {"Bytes": f"<{len(drawing())} bytes>"},
                "MinConfidence": 50,
            },
            "virtual_seconds": 1,
            "outcome": "OK",
        },
        {
            "operation": "DetectLabels",
            "parameters": {},
            "virtual_seconds": 2,
            "outcome": "UnknownOperationException",
        },
    ]
    json.dumps(service.requests())


@pytest.mark.parametrize(
    ("project", "project_version", "message"),
    [
        (version(), version(), "not the ARN of a Custom Labels project:"),
        (PROJECT, PROJECT, "not the ARN of a Custom Labels project version"),
        (PROJECT.replace("beetles", "moths"), version(), "is not a version of"),
        (PROJECT.replace("eu-west-1", "us-east-1"), version(), "is not a version of"),
    ],
)
def test_a_model_with_wrong_arns_is_not_registered(
    service: Service, project: str, project_version: str, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        service.register(project, project_version, ModelSettings())


@pytest.mark.parametrize("partition", ["aws", "aws-cn", "aws-us-gov"])
def test_models_of_every_partition_can_be_registered(service: Service, partition: str) -> None:
    arns = [arn.replace("arn:aws:", f"arn:{partition}:") for arn in (PROJECT, version())]
    service.register(*arns, ModelSettings())
    assert call(service, "DescribeProjectVersions", ProjectArn=arns[0])["ProjectVersionDescriptions"]


def test_a_model_is_registered_once_and_with_a_status_that_exists(service: Service) -> None:
    with pytest.raises(ValueError, match="not a status"):
        service.register(PROJECT, version(), ModelSettings(initial_status="ASLEEP"))
    service.register(PROJECT, version(), ModelSettings())
    with pytest.raises(ValueError, match="already a model"):
        service.register(PROJECT, version(), ModelSettings())


def test_threads_never_get_more_images_in_than_the_capacity(service: Service) -> None:
    service.register(PROJECT, version(), ModelSettings(initial_status="RUNNING", images_per_second_per_unit=20))
    image = inline(drawing())

    def attempt(_: int) -> str:
        try:
            call(service, "DetectCustomLabels", ProjectVersionArn=version(), Image=image)
        except ServiceError as error:
            return error.code
        return "OK"

    with ThreadPoolExecutor(16) as pool:
        outcomes = list(pool.map(attempt, range(100)))
    assert outcomes.count("OK") == 20
    assert outcomes.count("ProvisionedThroughputExceededException") == 80
    assert len(service.requests()) == 100


def test_images_are_read_with_the_sdks_standard_endpoint_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://localhost:4567")
    client = s3_client("eu-west-1", None)
    assert client.meta.endpoint_url == "http://localhost:4567"
    url = client.generate_presigned_url("get_object", Params={"Bucket": "pictures", "Key": "k"})
    assert url.startswith("http://localhost:4567/pictures/k")


def test_a_picture_is_upright_before_it_is_labelled(service: Service) -> None:
    service.register(PROJECT, version(), RUNNING)
    exif = Image.Exif()
    exif[0x0112] = 3
    buffer = io.BytesIO()
    image, [(_, (left, top, width, height))] = draw(DRAWINGS[2])
    image.save(buffer, "JPEG", exif=exif)
    answer = call(service, "DetectCustomLabels", ProjectVersionArn=version(), Image=inline(buffer.getvalue()))
    box = answer["CustomLabels"][0]["Geometry"]["BoundingBox"]
    assert box["Left"] == pytest.approx(1 - left - width, abs=0.02)
    assert box["Top"] == pytest.approx(1 - top - height, abs=0.02)


def test_a_models_tags_are_added_replaced_listed_and_removed(service: Service) -> None:
    service.register(PROJECT, version(), ModelSettings())
    call(service, "TagResource", ResourceArn=version(), Tags={"team": "plants", "started-by/a": "x"})
    call(service, "TagResource", ResourceArn=version(), Tags={"started-by/a": "2026-11-27T01:00:00.000Z"})
    call(service, "UntagResource", ResourceArn=version(), TagKeys=["team", "not there"])
    answer = call(service, "ListTagsForResource", ResourceArn=version())
    assert answer == {"Tags": {"started-by/a": "2026-11-27T01:00:00.000Z"}}


@pytest.mark.parametrize(
    ("tags", "code"),
    [
        ({"aws:team": "plants"}, "ValidationException"),
        ({"team": "plants & animals"}, "ValidationException"),
        ({f"tag-{number}": "" for number in range(51)}, "ServiceQuotaExceededException"),
    ],
)
def test_tags_that_aws_does_not_take_are_refused(service: Service, tags: dict[str, str], code: str) -> None:
    service.register(PROJECT, version(), ModelSettings())
    with pytest.raises(ServiceError) as refused:
        call(service, "TagResource", ResourceArn=version(), Tags=tags)
    assert refused.value.code == code
    assert call(service, "ListTagsForResource", ResourceArn=version()) == {"Tags": {}}
