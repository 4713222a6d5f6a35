"""Traces by the X-Ray SDK: a subsegment for each AWS call, without the keys of images.

Only telemetry.py imports this module, and only with `tracing = "sdk"`, because the SDK is a third of what a cold start
imports. It is out of support from 2027-02-25. OpenTelemetry will then have to replace it, in this file alone.
https://docs.aws.amazon.com/xray/latest/devguide/xray-sdk-migration.html
"""

from aws_lambda_powertools import Tracer
from aws_xray_sdk.core import xray_recorder
from aws_xray_sdk.core.emitters.udp_emitter import UDPEmitter
from aws_xray_sdk.core.models.entity import Entity

# What a trace may say of a call. The SDK also records keys, prefixes and a copy's source, and a key can be a person's
# name. https://github.com/aws/aws-xray-sdk-python/blob/master/aws_xray_sdk/ext/resources/aws_para_whitelist.json
RECORDED = frozenset(
    {"operation", "region", "request_id", "id_2", "bucket_name", "queue_url", "table_name", "function_name"}
)


class KeylessEmitter(UDPEmitter):  # type: ignore[misc]  # the SDK has no types
    """Sends traces to Lambda's X-Ray daemon without what names an image."""

    def send_entity(self, entity: Entity) -> None:
        """Send a subsegment and those inside it."""
        _forget_names(entity)
        super().send_entity(entity)


def _forget_names(entity: Entity) -> None:
    aws = getattr(entity, "aws", None) or {}
    for name in aws.keys() - RECORDED:
        del aws[name]
    # What AWS says of a refusal names the object that it refused. An exception that was recorded before is an id.
    if isinstance(entity.cause, dict):
        for thrown in entity.cause.get("exceptions", []):
            thrown.message = thrown.type
    for inside in entity.subsegments:
        _forget_names(inside)


xray_recorder.emitter = KeylessEmitter()
# Only botocore is patched: it is the only thing in a function that calls out. Powertools would also record what a
# handler returns and raises.
tracer = Tracer(patch_modules=["botocore"])
