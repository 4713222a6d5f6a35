"""From the calls that roles made to what AWS asks of their policies.

Actions, and the resources that they are checked on: the service authorization reference,
https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

Json = Any

# A member of a transaction is checked as the operation on one item.
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis-iam.html
OF_TRANSACTION = {
    "Update": "UpdateItem",
    "Put": "PutItem",
    "Delete": "DeleteItem",
    "ConditionCheck": "ConditionCheckItem",
}
ITEM_OPERATIONS = {"GetItem", "UpdateItem", "PutItem", "DeleteItem"}

S3_READS = {"GetObject", "HeadObject"}
S3_READS_OF_EXTRAS = {"GetObjectTagging", "GetObjectAnnotation", "ListObjectAnnotations"}
# A multipart upload, as the record names its requests: begun, a part, completed.
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html#mpuAndPermissions
S3_PARTS = {"POST:Object:uploads", "PUT:Object:partNumber,uploadId", "POST:Object:uploadId"}


class UnknownCallError(Exception):
    """A call of which this module does not know what it asks for; the message says where to add it."""


@dataclass(frozen=True)
class Need:
    """One thing that the policies of a subject have to allow."""

    # A role, or what has a policy of its own: names without the stack's prefix and region.
    subject: str
    action: str
    resource: str
    # Condition keys in lower case, and their values.
    context: tuple[tuple[str, tuple[str, ...]], ...] = ()
    # The service that calls, where the policy is not a role's own.
    principal: str = ""
    because: str = ""


@dataclass(frozen=True)
class Place:
    """Where a stack lies, and how its names are shortened."""

    name: str
    region: str
    account: str
    partition: str = "aws"

    def arn(self, service: str, resource: str) -> str:
        """Return the ARN of something of a regional service."""
        return f"arn:{self.partition}:{service}:{self.region}:{self.account}:{resource}"

    def s3(self, bucket: str, key: str = "") -> str:
        """Return the ARN of a bucket or an object."""
        return f"arn:{self.partition}:s3:::{bucket}" + (f"/{key}" if key else "")

    def short(self, name: str) -> str:
        """Return a name without what differs between stacks."""
        return name.removeprefix(f"{self.name}-").removesuffix(f"-{self.region}")


def of_calls(calls: Iterable[Json], place: Place, hash_keys: dict[str, str]) -> Iterator[Need]:
    """Yield what recorded calls ask for; `hash_keys` names each table's. UnknownCallError."""
    for call in calls:
        service, operation = call["service"], call["operation"]
        because = f"{service} {operation}"
        for action, resource, context in _asked(service, operation, call["parameters"], place, hash_keys):
            yield Need(place.short(call["role"]), action, resource, context, because=because)


def _asked(
    service: str, operation: str, parameters: Json, place: Place, hash_keys: dict[str, str]
) -> Iterator[tuple[str, str, tuple[tuple[str, tuple[str, ...]], ...]]]:
    match service:
        case "s3":
            context = (("s3:prefix", (parameters["prefix"],)),) if "prefix" in parameters else ()
            for action, resource in _asked_of_s3(operation, parameters, place):
                yield f"s3:{action}", resource, context
        case "dynamodb":
            members = [(operation, parameters)]
            if operation == "TransactWriteItems":
                items = parameters["TransactItems"]
                members = [(OF_TRANSACTION[kind], item) for each in items for kind, item in each.items()]
            for one, item in members:
                if one not in {*ITEM_OPERATIONS, "ConditionCheckItem"}:
                    raise _unknown(service, operation)
                table = item["TableName"]
                leading = str(next(iter(item["Key"][hash_keys[table]].values())))
                resource = place.arn("dynamodb", f"table/{table}")
                yield f"dynamodb:{one}", resource, (("dynamodb:leadingkeys", (leading,)),)
        case "sqs" if "QueueUrl" in parameters:
            # A batch is checked as the operation on one message.
            # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-batch-api.html
            queue = parameters["QueueUrl"].rsplit("/", 1)[1]
            yield f"sqs:{operation.removesuffix('Batch')}", place.arn("sqs", queue), ()
        case "events" if operation == "PutEvents":
            for entry in parameters["Entries"]:
                bus = place.arn("events", f"event-bus/{entry.get('EventBusName', 'default')}")
                kind = (("events:source", (entry["Source"],)), ("events:detail-type", (entry["DetailType"],)))
                yield f"events:{operation}", bus, kind
        case "firehose" if operation == "PutRecordBatch":
            yield (
                f"firehose:{operation}",
                place.arn("firehose", f"deliverystream/{parameters['DeliveryStreamName']}"),
                (),
            )
        case "lambda" if operation in {"GetEventSourceMapping", "UpdateEventSourceMapping"}:
            mapping = parameters["path"].rstrip("/").rsplit("/", 1)[1]
            yield f"lambda:{operation}", place.arn("lambda", f"event-source-mapping:{mapping}"), ()
        case "lambda" if operation == "Invoke":
            function = parameters["path"].split("/functions/")[1].split("/")[0]
            yield "lambda:InvokeFunction", place.arn("lambda", f"function:{function}"), ()
        case "states" if operation == "ListExecutions":
            yield f"states:{operation}", parameters["stateMachineArn"], ()
        case "states" if operation in {"DescribeExecution", "StopExecution"}:
            yield f"states:{operation}", parameters["executionArn"], ()
        case "rekognition" if operation == "DescribeProjectVersions":
            yield f"rekognition:{operation}", parameters["ProjectArn"], ()
        case "rekognition" if "ResourceArn" in parameters:
            keys = tuple(parameters.get("TagKeys", parameters.get("Tags", {})))
            yield f"rekognition:{operation}", parameters["ResourceArn"], (("aws:tagkeys", keys),) if keys else ()
        case "rekognition" if "ProjectVersionArn" in parameters:
            yield f"rekognition:{operation}", parameters["ProjectVersionArn"], ()
            if stored := parameters.get("Image", {}).get("S3Object"):
                # Rekognition reads the image with its caller's permissions.
                # https://docs.aws.amazon.com/rekognition/latest/dg/security-iam.html
                read = "s3:GetObjectVersion" if "Version" in stored else "s3:GetObject"
                yield read, place.s3(stored["Bucket"], stored["Name"]), ()
        case _:
            raise _unknown(service, operation)


def _asked_of_s3(operation: str, parameters: Json, place: Place) -> Iterator[tuple[str, str]]:
    version = "Version" if parameters["has_version"] else ""
    bucket, target = place.s3(parameters["bucket"]), place.s3(parameters["bucket"], parameters["key"])
    if operation in S3_READS:
        yield f"GetObject{version}", target
    elif operation in S3_READS_OF_EXTRAS:
        yield from _asked_of_extras(operation, target, is_version=bool(version))
    elif operation == "PutObjectAnnotation":
        yield operation, target
    elif operation == "DeleteObject":
        yield f"DeleteObject{version}", target
        if "if-match" in parameters:
            # https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-delete-enforce.html
            yield "GetObject", target
    elif operation in {"PutObject", "CopyObject"} | S3_PARTS:
        yield "PutObject", target
        if "x-amz-acl" in parameters:
            yield "PutObjectAcl", target
        copies_tags = operation == "CopyObject" and parameters.get("x-amz-tagging-directive", "COPY") == "COPY"
        if copies_tags or "x-amz-tagging" in parameters:
            yield "PutObjectTagging", target
        if source := parameters.get("x-amz-copy-source"):
            # https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html#API_CopyObject_RequestSyntax
            path, _, of_version = source.lstrip("/").partition("?versionId=")
            version = "Version" if of_version else ""
            yield f"GetObject{version}", place.s3(*path.split("/", 1))
            if copies_tags:
                yield f"GetObject{version}Tagging", place.s3(*path.split("/", 1))
            if operation == "CopyObject" and parameters.get("x-amz-object-annotation-directive", "COPY") == "COPY":
                yield "PutObjectAnnotation", target
                source_object = place.s3(*path.split("/", 1))
                yield from _asked_of_extras("GetObjectAnnotation", source_object, is_version=bool(version))
    elif operation == "DELETE:Object:uploadId":
        yield "AbortMultipartUpload", target
    elif operation == "ListObjectsV2":
        yield "ListBucket", bucket
    elif operation == "ListObjectVersions":
        yield "ListBucketVersions", bucket
    else:
        raise _unknown("s3", operation)


def _asked_of_extras(operation: str, target: str, *, is_version: bool) -> Iterator[tuple[str, str]]:
    """Yield what reading tags and annotations asks for.

    For the annotations of a version botocore names the plain action, and AWS has one of versions too: so both.
    """
    of_version = operation.replace("Object", "ObjectVersion")
    if operation == "GetObjectTagging":
        yield of_version if is_version else operation, target
        return
    yield operation, target
    if is_version:
        yield of_version, target


def _unknown(service: str, operation: str) -> UnknownCallError:
    return UnknownCallError(
        f"{service} {operation} was called: say in tests/rig/permissions/needs.py which actions and resources it needs"
    )
