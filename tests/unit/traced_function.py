"""A function whose calls name an image in every way, each once carried out and once refused. Run by test_traces.py.

Its clients answer without a network, behind what the X-Ray SDK patches.
"""

import contextlib
from types import SimpleNamespace
from typing import Any

import boto3
from botocore.exceptions import ClientError

from shared.telemetry import traced

WHO = "jane-doe"
KEY = f"scans/{WHO}.jpg"
MODEL = "arn:aws:rekognition:us-east-1:123456789012:project/logos/version/logos.1/1700000000001"
SOURCE, FINAL = {"Bucket": "photos", "Key": KEY}, {"Bucket": "final", "Key": KEY}
ATTRIBUTES = {"uncopied": {"DataType": "String", "StringValue": WHO}}
PART = {"PartNumber": 1, "UploadId": "u"}

CALLS: list[tuple[str, str, dict[str, Any]]] = [
    ("s3", "get_object", SOURCE | {"VersionId": WHO}),
    ("s3", "head_object", SOURCE),
    ("s3", "put_object", FINAL | {"Body": WHO.encode(), "Metadata": {"who": WHO}}),
    ("s3", "copy_object", FINAL | {"CopySource": SOURCE}),
    ("s3", "upload_part_copy", FINAL | PART | {"CopySource": f"photos/{KEY}"}),
    ("s3", "delete_object", SOURCE),
    ("s3", "get_object_tagging", SOURCE),
    ("s3", "list_objects_v2", {"Bucket": "photos", "Prefix": WHO}),
    ("s3", "list_object_versions", {"Bucket": "photos", "Prefix": WHO}),
    ("sqs", "send_message", {"QueueUrl": "https://sqs/images", "MessageBody": KEY, "MessageAttributes": ATTRIBUTES}),
    ("dynamodb", "get_item", {"TableName": "runs", "Key": {"item": {"S": WHO}}, "ProjectionExpression": WHO}),
    (
        "rekognition",
        "detect_custom_labels",
        {"ProjectVersionArn": MODEL, "Image": {"S3Object": {"Bucket": "photos", "Name": KEY}}},
    ),
]
REFUSAL = {"Code": "AccessDenied", "Message": f"no s3:GetObject on arn:aws:s3:::photos/{KEY}"}


def call(service: str, operation: str, parameters: dict[str, Any], status: int) -> None:
    """Make one call, which is answered with this HTTP status."""
    answer = {"ResponseMetadata": {"HTTPStatusCode": status}} | ({} if status == 200 else {"Error": REFUSAL})
    connect: Any = boto3.client
    client = connect(service)
    client.meta.events.register("before-call", lambda **_: (SimpleNamespace(status_code=status), answer))
    getattr(client, operation)(**parameters)


@traced
def handler(event: dict[str, Any], context: object) -> None:  # noqa: ARG001
    """Make all calls, and fail with a text that names the image."""
    for arguments in CALLS:
        call(*arguments, status=200)
        with contextlib.suppress(ClientError):
            call(*arguments, status=403)
    raise ValueError(f"what to do with {KEY}?")


if __name__ == "__main__":
    context = SimpleNamespace(function_name="f", aws_request_id="request", invoked_function_arn="arn")
    with contextlib.suppress(ValueError):
        handler({"Records": [{"body": KEY}]}, context)
