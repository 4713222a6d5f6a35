"""What calls ask of the KMS keys that encrypt what they touch: derived, for the local stack's KMS lets everybody."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from tests.rig.permissions.definitions import Applied
from tests.rig.permissions.needs import Need, Place

# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/encryption.usagenotes.html
OF_TABLE = (
    "kms:Decrypt",
    "kms:DescribeKey",
    "kms:Encrypt",
    "kms:GenerateDataKey",
    "kms:ReEncryptFrom",
    "kms:ReEncryptTo",
)
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-key-management.html
OF_QUEUE = {"sqs:SendMessage": ("kms:Decrypt", "kms:GenerateDataKey"), "sqs:ReceiveMessage": ("kms:Decrypt",)}
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html
OF_BUCKET = {
    "s3:GetObject": ("kms:Decrypt",),
    "s3:GetObjectAnnotation": ("kms:Decrypt",),
    "s3:GetObjectVersion": ("kms:Decrypt",),
    "s3:PutObject": ("kms:GenerateDataKey",),
    "s3:PutObjectAnnotation": ("kms:GenerateDataKey",),
}
# They ask IAM as a read does, and read no content.
WITHOUT_CONTENT = ("s3 HeadObject", "s3 DeleteObject")


def keys_of(applied: Applied) -> dict[str, str]:
    """Return the key of each queue, table and bucket that has one, by ARN."""
    place = applied.place
    keys = {
        place.arn("sqs", queue["name"]): queue["kms_master_key_id"]
        for queue in applied.of_type("aws_sqs_queue")
        if queue["kms_master_key_id"]
    }
    for table in applied.of_type("aws_dynamodb_table"):
        for encryption in table["server_side_encryption"]:
            keys[place.arn("dynamodb", f"table/{table['name']}")] = encryption["kms_key_arn"]
    for configuration in applied.of_type("aws_s3_bucket_server_side_encryption_configuration"):
        for rule in configuration["rule"]:
            if key := rule["apply_server_side_encryption_by_default"][0]["kms_master_key_id"]:
                keys[place.s3(configuration["bucket"])] = key
    return keys


def of_needs(needs: Iterable[Need], keys: dict[str, str], place: Place) -> Iterator[Need]:
    """Yield what `needs` ask of the keys."""
    for need in needs:
        service, container = need.action.split(":")[0], need.resource.split("/")[0]
        key = keys.get(container if service == "s3" else need.resource)
        if not key or need.principal:
            continue
        asked = {"dynamodb": OF_TABLE, "sqs": OF_QUEUE.get(need.action, ()), "s3": OF_BUCKET.get(need.action, ())}
        via = (("kms:viaservice", (f"{service}.{place.region}.amazonaws.com",)),)
        for action in asked[service] if need.because not in WITHOUT_CONTENT else ():
            yield Need(need.subject, action, key, via, because=f"{need.because}, on what is encrypted,")


def moved(needs: Iterable[Need], here: Place, there: Place) -> Iterator[Need]:
    """Yield needs as the same functions have them in another stack, whose names differ by their beginning."""
    named = re.compile(rf"(?<=[:/]){re.escape(here.name)}-")
    for need in needs:
        yield replace(need, resource=named.sub(f"{there.name}-", need.resource, count=1))
