"""Which error is whose fault: the table, by the codes that AWS documents."""

import boto3
import pytest
from botocore.exceptions import (
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    IncompleteReadError,
    NoCredentialsError,
    ParamValidationError,
    ReadTimeoutError,
)

from analyze_image.detector import NoAnswerError
from analyze_image.faults import Fault, NotEnoughTimeError, code_of, fault_of, reason_of
from analyze_image.labelling import AccessMissingError, NamesTakenError
from analyze_image.upload import ForeignMessageError
from tests.unit.conftest import aws_error

DETECT = "DetectCustomLabels"
S3_OPERATIONS = ("GetObject", "HeadObject", "PutObject", "CopyObject", "DeleteObject")
URL = "https://service"


@pytest.mark.parametrize(
    ("code", "fault"),
    [
        ("ImageTooLargeException", Fault.IMAGE),
        ("InvalidImageFormatException", Fault.IMAGE),
        ("InvalidParameterException", Fault.IMAGE),
        ("ResourceNotReadyException", Fault.BLOCKED),
        ("ResourceNotFoundException", Fault.BLOCKED),
        ("AccessDeniedException", Fault.BLOCKED),
        ("ProvisionedThroughputExceededException", Fault.CONGESTED),
        ("ThrottlingException", Fault.CONGESTED),
        ("LimitExceededException", Fault.CONGESTED),
        ("ServiceUnavailable", Fault.CONGESTED),
        ("InternalServerError", Fault.SUSPECT),
        ("InternalFailure", Fault.SUSPECT),
        ("NeverHeardOfException", Fault.SUSPECT),
        ("ExpiredTokenException", Fault.BLOCKED),
        ("UnrecognizedClientException", Fault.BLOCKED),
    ],
)
def test_errors_of_the_detection(code: str, fault: Fault) -> None:
    assert fault_of(aws_error(code, operation=DETECT)) is fault


def test_every_error_that_the_api_documents_for_the_detection_is_in_the_table(aws: None) -> None:  # noqa: ARG001
    model = boto3.client("rekognition").meta.service_model.operation_model(DETECT)
    documented = {shape.name for shape in model.error_shapes} - {"InvalidS3ObjectException"}
    assert len(documented) >= 10
    unsorted = {code for code in documented if fault_of(aws_error(code, operation=DETECT)) is Fault.SUSPECT}
    assert unsorted == {"InternalServerError"}


@pytest.mark.parametrize("operation", S3_OPERATIONS)
@pytest.mark.parametrize(
    "code",
    [
        "SlowDown",
        "ServiceUnavailable",
        "InternalError",
        "OperationAborted",
        "ConditionalRequestConflict",
        "RequestTimeout",
        "409",
        "500",
        "503",
        "KMS.ThrottlingException",
        "ThrottlingException",
    ],
)
def test_passing_troubles_of_s3(operation: str, code: str) -> None:
    assert fault_of(aws_error(code, operation=operation)) is Fault.BUSY


@pytest.mark.parametrize("operation", S3_OPERATIONS)
def test_a_server_error_of_s3_by_another_name_is_a_passing_trouble_too(operation: str) -> None:
    error = aws_error("BadGateway", operation=operation)
    error.response["ResponseMetadata"] = {"HTTPStatusCode": 502}
    assert fault_of(error) is Fault.BUSY


def test_a_server_error_of_the_detection_by_another_name_may_be_the_images() -> None:
    error = aws_error("SomethingBroke", operation=DETECT)
    error.response["ResponseMetadata"] = {"HTTPStatusCode": 500}
    assert fault_of(error) is Fault.SUSPECT


@pytest.mark.parametrize("operation", ["PutObject", "GetObject"])
@pytest.mark.parametrize(
    "code",
    ["AccessDenied", "NoSuchBucket", "KMS.DisabledException", "KMS.NotFoundException", "KMS.KMSInvalidStateException"],
)
def test_the_final_bucket_refuses_whatever_the_image(operation: str, code: str) -> None:
    assert fault_of(aws_error(code, operation=operation)) is Fault.BLOCKED


@pytest.mark.parametrize("operation", ["HeadObject", "CopyObject", "DeleteObject"])
@pytest.mark.parametrize("code", ["AccessDenied", "403", "KMS.DisabledException", "InvalidObjectState"])
def test_what_is_refused_for_one_object_may_be_the_images_fault(operation: str, code: str) -> None:
    assert fault_of(aws_error(code, operation=operation)) is Fault.SUSPECT


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (ForeignMessageError("x"), Fault.FOREIGN),
        (NotEnoughTimeError("x"), Fault.NO_TIME),
        (EndpointConnectionError(endpoint_url=URL), Fault.CONGESTED),
        (ConnectTimeoutError(endpoint_url=URL), Fault.CONGESTED),
        (ReadTimeoutError(endpoint_url=URL), Fault.CONGESTED),
        (ConnectionClosedError(endpoint_url=URL), Fault.CONGESTED),
        (IncompleteReadError(actual_bytes=1, expected_bytes=2), Fault.CONGESTED),
        (NoCredentialsError(), Fault.BLOCKED),
        (NoAnswerError("x"), Fault.SUSPECT),
        (NamesTakenError("x"), Fault.SUSPECT),
        (AccessMissingError("x"), Fault.SUSPECT),
        (ParamValidationError(report="x"), Fault.SUSPECT),
        (KeyError("CustomLabels"), Fault.SUSPECT),
    ],
)
def test_exceptions(error: Exception, fault: Fault) -> None:
    assert fault_of(error) is fault


def test_an_error_without_code_or_status_is_no_crash() -> None:
    error = aws_error("x", operation="HeadObject")
    error.response.clear()
    assert fault_of(error) is Fault.SUSPECT
    assert code_of(error) == ""


def test_a_reason_is_the_code_and_the_message() -> None:
    assert reason_of(aws_error("SlowDown", "Reduce your rate.")) == "SlowDown: Reduce your rate."
    assert reason_of(NamesTakenError("all taken")) == "NamesTakenError: all taken"
    assert reason_of(ForeignMessageError("no event")) == "ForeignMessage: no event"
