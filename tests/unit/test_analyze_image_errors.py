"""The class of each error, by the codes that AWS documents."""

import boto3
import pytest
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    IncompleteReadError,
    NoCredentialsError,
    ParamValidationError,
    ReadTimeoutError,
)

from analyze_image.detector import NoAnswerError
from analyze_image.errors import (
    AccessMissingError,
    DeadlineError,
    ErrorClass,
    classify,
    describe,
    error_code_of,
    is_request_refused,
)
from analyze_image.labelling import NamesTakenError
from shared.clients import calling
from shared.s3_events import UnexpectedMessage
from tests.unit.conftest import aws_error

DETECT = "DetectCustomLabels"
S3_OPERATIONS = ("GetObject", "HeadObject", "PutObject", "CopyObject", "DeleteObject")
URL = "https://service"


@pytest.mark.parametrize(
    ("code", "error_class"),
    [
        ("ImageTooLargeException", ErrorClass.IMAGE),
        ("InvalidImageFormatException", ErrorClass.IMAGE),
        ("InvalidParameterException", ErrorClass.REFUSED),
        ("ResourceNotReadyException", ErrorClass.BLOCKED),
        ("ResourceNotFoundException", ErrorClass.BLOCKED),
        ("AccessDeniedException", ErrorClass.BLOCKED),
        ("ProvisionedThroughputExceededException", ErrorClass.THROTTLED),
        ("ThrottlingException", ErrorClass.THROTTLED),
        ("LimitExceededException", ErrorClass.THROTTLED),
        ("ServiceUnavailable", ErrorClass.THROTTLED),
        ("InternalServerError", ErrorClass.UNCLASSIFIED),
        ("InternalFailure", ErrorClass.UNCLASSIFIED),
        ("NeverHeardOfException", ErrorClass.UNCLASSIFIED),
        ("ExpiredTokenException", ErrorClass.BLOCKED),
        ("UnrecognizedClientException", ErrorClass.BLOCKED),
    ],
)
def test_errors_of_the_detection(code: str, error_class: ErrorClass) -> None:
    assert classify(aws_error(code, operation=DETECT)) is error_class


def test_every_error_that_the_api_documents_for_the_detection_is_in_the_table(aws: None) -> None:  # noqa: ARG001
    model = boto3.client("rekognition").meta.service_model.operation_model(DETECT)
    documented = {shape.name for shape in model.error_shapes} - {"InvalidS3ObjectException"}
    assert len(documented) >= 10
    unsorted = {code for code in documented if classify(aws_error(code, operation=DETECT)) is ErrorClass.UNCLASSIFIED}
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
    assert classify(aws_error(code, operation=operation)) is ErrorClass.S3_TRANSIENT


@pytest.mark.parametrize("operation", S3_OPERATIONS)
def test_a_server_error_of_s3_by_another_name_is_a_passing_trouble_too(operation: str) -> None:
    error = aws_error("BadGateway", operation=operation)
    error.response["ResponseMetadata"] = {"HTTPStatusCode": 502}
    assert classify(error) is ErrorClass.S3_TRANSIENT


def test_a_server_error_of_the_detection_by_another_name_may_be_the_images() -> None:
    error = aws_error("SomethingBroke", operation=DETECT)
    error.response["ResponseMetadata"] = {"HTTPStatusCode": 500}
    assert classify(error) is ErrorClass.UNCLASSIFIED


EVERYBODYS = [
    *("NoSuchBucket", "AllAccessDisabled", "AccountProblem", "NotSignedUp", "InvalidPayer", "PermanentRedirect", "301"),
    *("ExpiredToken", "InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "TokenRefreshRequired"),
    *("RequestTimeTooSkewed", "AuthorizationHeaderMalformed", "OptInRequired", "UnrecognizedClientException"),
    *("AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist", "KmsOptInRequired"),
]
SOMEBODYS = [
    *("AccessDenied", "AccessDeniedException", "AccessDeniedError", "403", "400", "405", "InvalidObjectState"),
    *("InvalidRequest", "InvalidArgument", "InvalidTag", "MetadataTooLarge", "MethodNotAllowed", "NotImplemented"),
    *("KMS.DisabledException", "KMS.NotFoundException", "KMS.KMSInvalidStateException", "KMS.AccessDeniedException"),
    *("KMS.InvalidKeyUsageException", "KMS.IncorrectKeyException", "KMS.InvalidGrantTokenException"),
    *("KmsAccessDenied", "KmsDisabled", "KmsInvalidState", "KmsInvalidKeyUsage", "KmsNotFound", "NobodyHeardOfIt"),
]
CALLS = (*S3_OPERATIONS, "CreateMultipartUpload", "UploadPartCopy", "CompleteMultipartUpload", "SendMessage")


@pytest.mark.parametrize("operation", [*CALLS, DETECT])
@pytest.mark.parametrize("code", EVERYBODYS)
def test_what_names_the_account_a_bucket_or_our_credentials_concerns_all_images(operation: str, code: str) -> None:
    assert classify(aws_error(code, operation=operation)) is ErrorClass.BLOCKED


@pytest.mark.parametrize("operation", CALLS)
@pytest.mark.parametrize("code", SOMEBODYS)
def test_any_other_refusal_stands_and_may_concern_one_image_or_all(operation: str, code: str) -> None:
    assert classify(aws_error(code, operation=operation)) is ErrorClass.REFUSED


def test_kms_is_busy_or_refuses_as_its_api_says(aws: None) -> None:  # noqa: ARG001
    """S3 hands on what KMS answers with "KMS." in front. Busy is what KMS documents with status 500 or 503."""
    model = boto3.client("kms").meta.service_model
    operations = ("Decrypt", "GenerateDataKey", "DescribeKey")
    codes = {shape.name for name in operations for shape in model.operation_model(name).error_shapes}
    busy = {"DependencyTimeoutException", "KMSInternalException", "KeyUnavailableException"}
    assert codes > busy
    for code in codes:
        expected = ErrorClass.S3_TRANSIENT if code in busy else ErrorClass.REFUSED
        assert classify(aws_error(f"KMS.{code}", operation="PutObject")) is expected, code


def test_the_queue_is_busy_or_refuses_as_its_api_says(aws: None) -> None:  # noqa: ARG001
    shapes = boto3.client("sqs").meta.service_model.operation_model("SendMessage").error_shapes
    found = {classify(aws_error(shape.name, operation="SendMessage")): shape.name for shape in shapes}
    assert found.keys() == {ErrorClass.S3_TRANSIENT, ErrorClass.REFUSED, ErrorClass.BLOCKED}
    busy = {
        shape.name
        for shape in shapes
        if classify(aws_error(shape.name, operation="SendMessage")) is ErrorClass.S3_TRANSIENT
    }
    assert busy == {"KmsThrottled", "RequestThrottled"}


@pytest.mark.parametrize(
    ("message", "error_class"),
    [
        (
            "1 validation error detected: Value 'a\nb' at 'image.s3Object.name' failed to satisfy constraint",
            ErrorClass.IMAGE,
        ),
        ("1 validation error detected: Value 'x' at 'image.s3Object.version' failed to satisfy", ErrorClass.IMAGE),
        ("1 validation error detected: Value 'x' at 'projectVersionArn' failed to satisfy", ErrorClass.BLOCKED),
        ("1 validation error detected: Value '101' at 'minConfidence' failed to satisfy", ErrorClass.BLOCKED),
        ("1 validation error detected: Value 'x' at 'image.s3Object.bucket' failed to satisfy", ErrorClass.BLOCKED),
        ("", ErrorClass.REFUSED),
    ],
)
@pytest.mark.parametrize("code", ["ValidationException", "ValidationError"])
def test_a_refused_request_is_judged_by_the_member_that_it_names(
    message: str, error_class: ErrorClass, code: str
) -> None:
    assert classify(aws_error(code, message, DETECT)) is error_class


@pytest.mark.parametrize("code", ["SerializationException", "400", "413", "RequestEntityTooLargeException", "Odd"])
def test_a_request_refused_in_no_words_of_the_api_may_concern_the_image(code: str) -> None:
    error = aws_error(code, operation=DETECT)
    error.response["ResponseMetadata"] = {"HTTPStatusCode": 400}
    assert classify(error) is ErrorClass.REFUSED
    assert is_request_refused(error)


@pytest.mark.parametrize(
    ("error", "error_class"),
    [
        (UnexpectedMessage("x"), ErrorClass.NOT_AN_UPLOAD),
        (DeadlineError("x"), ErrorClass.DEADLINE),
        (EndpointConnectionError(endpoint_url=URL), ErrorClass.THROTTLED),
        (ConnectTimeoutError(endpoint_url=URL), ErrorClass.THROTTLED),
        (ReadTimeoutError(endpoint_url=URL), ErrorClass.THROTTLED),
        (ConnectionClosedError(endpoint_url=URL), ErrorClass.THROTTLED),
        (IncompleteReadError(actual_bytes=1, expected_bytes=2), ErrorClass.THROTTLED),
        (NoCredentialsError(), ErrorClass.BLOCKED),
        (NoAnswerError("x"), ErrorClass.UNCLASSIFIED),
        (NamesTakenError("x"), ErrorClass.UNCLASSIFIED),
        (AccessMissingError("x"), ErrorClass.REFUSED),
        (ParamValidationError(report="x"), ErrorClass.UNCLASSIFIED),
        (KeyError("CustomLabels"), ErrorClass.UNCLASSIFIED),
    ],
)
def test_exceptions(error: Exception, error_class: ErrorClass) -> None:
    assert classify(error) is error_class


def test_an_error_without_code_or_status_is_no_crash() -> None:
    error = aws_error("x", operation="HeadObject")
    error.response.clear()
    assert classify(error) is ErrorClass.UNCLASSIFIED
    assert error_code_of(error) == ""


def test_a_reason_is_the_code_and_the_message_and_then_what_was_asked_of_what() -> None:
    assert (
        describe(aws_error("SlowDown", "Reduce your rate.", "PutObject")) == "SlowDown: Reduce your rate. (PutObject)"
    )
    with pytest.raises(ClientError) as refused, calling("HeadObject", "s3://bucket/a.jpg"):
        raise aws_error("403", "Forbidden", "HeadObject")
    assert describe(refused.value) == "403: Forbidden (HeadObject s3://bucket/a.jpg)"
    with pytest.raises(ConnectTimeoutError) as silent, calling("CopyObject", "s3://bucket/a.jpg"):
        raise ConnectTimeoutError(endpoint_url=URL)
    assert describe(silent.value).endswith('"https://service" (CopyObject s3://bucket/a.jpg)')
    assert describe(NamesTakenError("all taken")) == "NamesTakenError: all taken"
    assert describe(UnexpectedMessage("no event")) == "UnexpectedMessage: no event"
