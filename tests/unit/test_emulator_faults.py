"""Faults of the emulated service: what is refused, delayed or lost, and what is not."""

import io
import json
import threading
from typing import Any

import pytest
from PIL import Image

from tests.rig.emulator import contract
from tests.rig.emulator.clock import ManualClock
from tests.rig.emulator.errors import ServiceError
from tests.rig.emulator.faults import Fault
from tests.rig.emulator.model import ModelSettings
from tests.rig.emulator.service import Service

PROJECT = "arn:aws:rekognition:eu-west-1:123456789012:project/beetles/1700000000001"
VERSION = "arn:aws:rekognition:eu-west-1:123456789012:project/beetles/version/v.1/1700000000002"
OTHER = VERSION.replace("v.1", "v.2")


class OnePicture:
    """A bucket in which every key is the same white picture."""

    digest = "white"

    def find(self, *_: object) -> "OnePicture":
        return self

    def read(self) -> bytes:
        buffer = io.BytesIO()
        Image.new("RGB", (64, 64), "white").save(buffer, "PNG")
        return buffer.getvalue()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def service(clock: ManualClock) -> Service:
    service = Service(clock, OnePicture())
    for arn in (VERSION, OTHER):
        service.register(PROJECT, arn, ModelSettings(initial_status="RUNNING", images_per_second_per_unit=1000))
    return service


def body(operation: str, arn: str = VERSION, key: str = "k.png") -> bytes:
    parameters = {
        "DescribeProjectVersions": {"ProjectArn": PROJECT, "VersionNames": [arn.split("/")[3]]},
        "StartProjectVersion": {"ProjectVersionArn": arn, "MinInferenceUnits": 1},
        "StopProjectVersion": {"ProjectVersionArn": arn},
        "TagResource": {"ResourceArn": arn, "Tags": {"team": "plants"}},
        "UntagResource": {"ResourceArn": arn, "TagKeys": ["team"]},
        "ListTagsForResource": {"ResourceArn": arn},
        "DetectCustomLabels": {
            "ProjectVersionArn": arn,
            "Image": {"S3Object": {"Bucket": "pictures", "Name": key}},
        },
    }
    return json.dumps(parameters[operation]).encode()


def call(service: Service, operation: str, arn: str = VERSION, key: str = "k.png", **more: Any) -> str:  # noqa: ANN401
    """OK or the error's code."""
    try:
        service.call(operation, body(operation, arn, key), **more)
    except ServiceError as error:
        return error.code
    return "OK"


def outcomes(service: Service, calls: int, **more: str) -> str:
    """Of DetectCustomLabels, in short: ``.`` for OK and ``x`` for anything else."""
    return "".join("." if call(service, "DetectCustomLabels", **more) == "OK" else "x" for _ in range(calls))


def throttled(**limits: Any) -> Fault:  # noqa: ANN401
    return Fault(VERSION, "DetectCustomLabels", "ThrottlingException", **limits)


def status(service: Service, arn: str = VERSION) -> str:
    return service.meters()[arn]["status"]


def described(service: Service) -> dict[str, str]:
    """Status by ARN, as DescribeProjectVersions shows it."""
    answer = service.call("DescribeProjectVersions", json.dumps({"ProjectArn": PROJECT}).encode())
    return {item["ProjectVersionArn"]: item["Status"] for item in answer["ProjectVersionDescriptions"]}


@pytest.mark.parametrize("operation", contract.OPERATIONS)
def test_every_error_can_be_had_with_its_status_and_a_text_and_without_an_effect(
    service: Service, operation: str
) -> None:
    codes = contract.errors(operation)
    assert {shape.name for shape in contract.operation_model(operation).error_shapes} <= set(codes)
    before = service.meters()[VERSION]
    for code in codes:
        service.add_fault(Fault(VERSION, operation, code))
        with pytest.raises(ServiceError) as caught:
            service.call(operation, body(operation))
        assert (caught.value.code, caught.value.http_status) == (code, 500 if code == "InternalServerError" else 400)
        assert caught.value.message
        assert service.clear_faults() == 1
    after = service.meters()[VERSION]
    assert after["answers"] == {operation: dict.fromkeys(codes, 1)}
    assert after | {"answers": {}} == before


def test_a_refused_start_and_stop_change_nothing_and_the_next_ones_do(service: Service, clock: ManualClock) -> None:
    service.add_fault(Fault(VERSION, "StopProjectVersion", "InternalServerError", times=1))
    assert call(service, "StopProjectVersion") == "InternalServerError"
    assert status(service) == "RUNNING"
    assert call(service, "StopProjectVersion") == "OK"
    clock.advance(120)
    service.add_fault(Fault(VERSION, "StartProjectVersion", "LimitExceededException", times=1))
    assert call(service, "StartProjectVersion") == "LimitExceededException"
    assert status(service) == "STOPPED"
    assert call(service, "StartProjectVersion") == "OK"
    assert service.meters()[VERSION]["answers"] == {
        "StopProjectVersion": {"InternalServerError": 1, "OK": 1},
        "StartProjectVersion": {"LimitExceededException": 1, "OK": 1},
    }


def test_an_operation_can_be_carried_out_and_its_answer_lost(service: Service, clock: ManualClock) -> None:
    for operation in ("DetectCustomLabels", "StopProjectVersion", "StartProjectVersion"):
        service.add_fault(Fault(VERSION, operation, "InternalServerError", carried_out=True))
    clock.advance(3)
    assert call(service, "DetectCustomLabels") == "InternalServerError"
    assert (service.meters()[VERSION]["images"], service.meters()[VERSION]["last_detection_at"]) == (1, 3)
    assert call(service, "StopProjectVersion") == "InternalServerError"
    assert (status(service), service.meters()[VERSION]["running_seconds"]) == ("STOPPING", 3)
    clock.advance(120)
    assert call(service, "StartProjectVersion") == "InternalServerError"
    assert status(service) == "STARTING"
    # A refusal is an answer as well: this one would be ResourceInUseException.
    assert call(service, "StartProjectVersion") == "InternalServerError"
    assert service.meters()[VERSION]["starts"] == 1


def test_a_fault_ends_after_so_many_calls(service: Service) -> None:
    service.add_fault(throttled(times=2))
    assert outcomes(service, 4) == "xx.."


def test_a_fault_ends_after_so_many_virtual_seconds(service: Service, clock: ManualClock) -> None:
    clock.advance(1000)
    service.add_fault(throttled(seconds=60))
    clock.advance(59.9)
    assert outcomes(service, 2) == "xx"
    clock.advance(0.1)
    assert outcomes(service, 2) == ".."


@pytest.mark.parametrize(
    ("share", "expected"),
    [(1, "xxxxxxxx"), (0.75, ".xxx.xxx"), (0.5, ".x.x.x.x"), (1 / 3, "..x..x.."), (0, "........")],
)
def test_a_fault_applies_to_a_share_of_the_calls_evenly(service: Service, share: float, expected: str) -> None:
    service.add_fault(throttled(share=share))
    assert outcomes(service, 8) == expected


def test_a_share_does_not_drift(service: Service) -> None:
    service.add_fault(throttled(share=0.29))
    assert outcomes(service, 100).count("x") == 29


def test_a_fault_applies_only_to_the_keys_that_match_and_counts_only_them(service: Service) -> None:
    service.add_fault(throttled(key=r"^a/.*\.png$", share=0.5, times=1))
    assert outcomes(service, 4, key="b/a/1.png") == "...."
    assert outcomes(service, 4, key="a/1.png") == ".x.."


def test_an_image_that_is_sent_along_has_no_key(service: Service) -> None:
    service.add_fault(throttled(key=""))
    assert outcomes(service, 1) == "x"
    parameters = {"ProjectVersionArn": VERSION, "Image": {"Bytes": "AAAA"}}
    with pytest.raises(ServiceError, match="InvalidImageFormat"):
        service.call("DetectCustomLabels", json.dumps(parameters).encode())


def test_other_models_and_other_operations_have_no_part_in_a_fault(service: Service) -> None:
    service.add_fault(Fault(VERSION, "DescribeProjectVersions", "AccessDeniedException"))
    assert call(service, "DescribeProjectVersions") == "AccessDeniedException"
    assert call(service, "DescribeProjectVersions", OTHER) == "OK"
    assert call(service, "StopProjectVersion") == "OK"
    # Without names it is about every version.
    with pytest.raises(ServiceError, match="AccessDenied"):
        described(service)
    assert service.meters()[OTHER]["answers"]["DescribeProjectVersions"] == {"OK": 1, "AccessDeniedException": 1}


def test_a_request_that_does_not_fit_the_service_is_not_a_faults_to_answer(service: Service) -> None:
    fault = service.add_fault(Fault(VERSION, "StopProjectVersion", "ThrottlingException", times=1))
    malformed = json.dumps({"ProjectVersionArn": VERSION, "Force": True}).encode()
    with pytest.raises(ServiceError, match="ValidationException"):
        service.call("StopProjectVersion", malformed)
    assert [(item["id"], item["applied"]) for item in service.faults()] == [(fault, 0)]


def test_of_two_faults_the_first_applies_while_it_lasts(service: Service) -> None:
    service.add_fault(Fault(VERSION, "StopProjectVersion", "ThrottlingException", times=1))
    service.add_fault(Fault(VERSION, "StopProjectVersion", "ResourceInUseException", times=1))
    assert [call(service, "StopProjectVersion") for _ in range(3)] == [
        "ThrottlingException",
        "ResourceInUseException",
        "OK",
    ]


def test_the_faults_are_listed_with_how_often_they_were_applied(service: Service, clock: ManualClock) -> None:
    clock.advance(7)
    number = service.add_fault(throttled(times=2, key="x"))
    outcomes(service, 3, key="x.png")
    assert service.faults() == [
        {
            "id": number,
            "project_version_arn": VERSION,
            "operation": "DetectCustomLabels",
            "error": "ThrottlingException",
            "delay_wall_seconds": 0,
            "carried_out": None,
            "times": 2,
            "seconds": None,
            "share": 1,
            "key": "x",
            "added_at": 7,
            "applied": 2,
        }
    ]
    json.dumps(service.faults())


def test_one_fault_is_removed_or_all(service: Service) -> None:
    numbers = [service.add_fault(throttled(times=n)) for n in (1, 2, 3)]
    assert service.clear_faults(numbers[1]) == 1
    assert [item["id"] for item in service.faults()] == [numbers[0], numbers[2]]
    assert service.clear_faults(numbers[1]) == 0
    assert service.clear_faults() == 2
    assert outcomes(service, 1) == "."
    assert service.add_fault(throttled()) not in numbers


def test_the_log_of_requests_names_the_fault_that_was_applied(service: Service) -> None:
    number = service.add_fault(throttled(times=1))
    late = service.add_fault(Fault(VERSION, "StopProjectVersion", delay_wall_seconds=5))
    outcomes(service, 2)
    call(service, "StopProjectVersion")
    assert [(entry["outcome"], entry.get("fault")) for entry in service.requests()] == [
        ("ThrottlingException", number),
        ("OK", None),
        ("OK", late),
    ]
    assert "fault" not in service.requests()[1]


def test_a_fault_is_for_a_model_that_is_there(service: Service) -> None:
    with pytest.raises(ServiceError, match="ResourceNotFound"):
        service.add_fault(Fault(VERSION + "9", "StopProjectVersion", "ThrottlingException"))


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"operation": "DetectLabels"}, "operation must be"),
        ({"error": "NoSuchException"}, "error must be"),
        ({"error": ["ThrottlingException"]}, "error must be"),
        ({"operation": "StopProjectVersion", "error": "ImageTooLargeException"}, "error must be"),
        ({"error": None}, "delay_wall_seconds, or both"),
        ({"delay_wall_seconds": -1}, "delay_wall_seconds"),
        ({"delay_wall_seconds": float("inf")}, "delay_wall_seconds"),
        ({"carried_out": 1}, "carried_out must be"),
        ({"operation": "DescribeProjectVersions", "carried_out": True}, "no effect"),
        ({"times": 0}, "times"),
        ({"times": 1.5}, "times"),
        ({"times": True}, "times"),
        ({"seconds": 0}, "seconds must be"),
        ({"seconds": "60"}, "seconds must be"),
        ({"share": 1.1}, "share"),
        ({"share": -0.1}, "share"),
        ({"share": float("nan")}, "share"),
        ({"key": "("}, "key must be a regular expression"),
        ({"key": 5}, "key must be a regular expression"),
        ({"operation": "StopProjectVersion", "key": "x"}, "key: only DetectCustomLabels"),
    ],
)
def test_what_is_no_fault_is_refused(members: dict[str, Any], message: str) -> None:
    fault = {"operation": "DetectCustomLabels", "error": "ThrottlingException", **members}
    with pytest.raises(ValueError, match=message):
        Fault(VERSION, **fault)


def test_a_delay_is_waited_for_after_the_effect_and_before_the_answer(service: Service) -> None:
    service.add_fault(Fault(VERSION, "StopProjectVersion", delay_wall_seconds=11, times=1))
    seen: list[tuple[float, str, str]] = []

    def wait(seconds: float) -> None:
        seen.append((seconds, status(service), service.requests()[-1]["outcome"]))

    assert call(service, "StopProjectVersion", wait=wait) == "OK"
    assert call(service, "StopProjectVersion", wait=wait) == "ResourceInUseException"
    assert seen == [(11, "STOPPING", "OK")]


def test_a_delay_holds_nobody_else_up(service: Service) -> None:
    service.add_fault(Fault(VERSION, "StopProjectVersion", delay_wall_seconds=11))
    others = []

    def wait(_seconds: float) -> None:
        # From another thread, because a thread's own lock does not stop it.
        thread = threading.Thread(target=lambda: others.append(call(service, "DescribeProjectVersions")), daemon=True)
        thread.start()
        thread.join(10)

    call(service, "StopProjectVersion", wait=wait)
    assert others == ["OK"]


def test_a_delay_need_not_be_carried_out_and_ends_in_an_error(service: Service) -> None:
    waited: list[float] = []
    service.add_fault(Fault(VERSION, "StopProjectVersion", delay_wall_seconds=11, carried_out=False, times=1))
    assert call(service, "StopProjectVersion", wait=waited.append) == "InternalServerError"
    service.add_fault(Fault(VERSION, "StopProjectVersion", "ThrottlingException", delay_wall_seconds=12))
    assert call(service, "StopProjectVersion", wait=waited.append) == "ThrottlingException"
    assert (waited, status(service)) == ([11, 12], "RUNNING")


def test_in_this_process_a_delay_is_ignored_or_whatever_the_caller_makes_of_it(service: Service) -> None:
    service.add_fault(Fault(VERSION, "DetectCustomLabels", delay_wall_seconds=1e9))
    assert outcomes(service, 1) == "."

    def time_out(_seconds: float) -> None:
        raise TimeoutError

    with pytest.raises(TimeoutError):
        call(service, "DetectCustomLabels", wait=time_out)
    assert service.meters()[VERSION]["images"] == 2


@pytest.mark.parametrize("shown", ["ASLEEP", "FAILED"])
def test_any_status_can_be_shown_while_the_real_one_goes_on(service: Service, clock: ManualClock, shown: str) -> None:
    service.configure(VERSION, shown_status=shown)
    assert call(service, "StopProjectVersion") == "OK"
    clock.advance(1000)
    assert described(service) == {VERSION: shown, OTHER: "RUNNING"}
    assert status(service) == "STOPPED"
    service.configure(VERSION, shown_status=None)
    assert described(service)[VERSION] == "STOPPED"
    assert service.meters()[VERSION]["answers"]["DescribeProjectVersions"] == {"OK": 2}


def test_a_deleted_model_is_not_listed_and_not_found_and_its_bill_ends(service: Service, clock: ManualClock) -> None:
    clock.advance(9)
    assert service.delete(VERSION) == "DELETED"
    clock.advance(100)
    assert described(service) == {OTHER: "RUNNING"}
    assert service.call("DescribeProjectVersions", body("DescribeProjectVersions")) == {
        "ProjectVersionDescriptions": []
    }
    for operation in ("StartProjectVersion", "StopProjectVersion", "DetectCustomLabels"):
        assert call(service, operation) == "ResourceNotFoundException"
    meter = service.meters()[VERSION]
    assert (meter["running_seconds"], meter["history"][-1]) == (9, {"at": 9, "status": "DELETED", "cause": "deleted"})
    assert meter["answers"]["StopProjectVersion"] == {"ResourceNotFoundException": 1}
    with pytest.raises(ServiceError, match="ResourceNotFound"):
        service.delete(VERSION)


def test_a_deleted_model_leaves_its_place_in_the_quota(service: Service) -> None:
    service.register(PROJECT, OTHER + "0", ModelSettings())
    assert call(service, "StartProjectVersion", OTHER + "0") == "LimitExceededException"
    service.delete(VERSION)
    assert call(service, "StartProjectVersion", OTHER + "0") == "OK"


def test_a_model_can_be_made_to_fail(service: Service, clock: ManualClock) -> None:
    clock.advance(4)
    assert service.fail(VERSION) == "FAILED"
    clock.advance(4)
    assert call(service, "DetectCustomLabels") == "ResourceNotReadyException"
    meter = service.meters()[VERSION]
    assert (meter["running_seconds"], meter["history"][-1]["cause"]) == (4, "made to fail")
    with pytest.raises(ServiceError, match="ResourceNotReady"):
        service.fail(VERSION)


def test_a_reset_ends_everything_that_was_wrong_with_this_model_only(service: Service, clock: ManualClock) -> None:
    for arn in (VERSION, OTHER):
        service.add_fault(Fault(arn, "StartProjectVersion", "ThrottlingException"))
        assert service.configure(arn, stop_seconds=5, shown_status="ASLEEP").stop_seconds == 5
    clock.advance(3)
    assert service.reset(VERSION) == "STOPPED"
    clock.advance(3)
    assert described(service) == {VERSION: "STOPPED", OTHER: "ASLEEP"}
    assert [item["project_version_arn"] for item in service.faults()] == [OTHER]
    assert call(service, "StartProjectVersion") == "OK"
    meter = service.meters()[VERSION]
    assert meter["running_seconds"] == 3
    assert meter["history"][1] == {"at": 3, "status": "STOPPED", "cause": "reset"}
    service.delete(VERSION)
    assert service.reset(VERSION) == "STOPPED"
    assert call(service, "StartProjectVersion") == "OK"
    with pytest.raises(ServiceError, match="ResourceNotFound"):
        service.reset(VERSION + "9")
