"""Handlers that do it wrong, made between the real ones and AWS, so that they stay wrong when those are rewritten."""

import json
from collections.abc import Callable
from typing import TypedDict, Unpack

from botocore.awsrequest import AWSResponse

from tests.rig.simulation import deployment
from tests.rig.simulation.services import Version, stored_object
from tests.rig.simulation.states import Json
from tests.rig.simulation.wire import Call
from tests.rig.simulation.world import World

COPIED = b"<CopyObjectResult><ETag>&quot;0&quot;</ETag></CopyObjectResult>"


class Options(TypedDict, total=False):
    """What a test may choose of a mutant's World."""

    versioned: bool
    orphan_seconds: float
    schedule_seconds: float | None
    lag_seconds: float


def deletes_before_it_copies(**options: Unpack[Options]) -> World:
    """The source is deleted where it was to be copied, and copied where it was to be deleted."""
    owed: dict[str, tuple[str, bytes]] = {}

    def between(call: Call) -> AWSResponse | None:
        if call.service != "s3":
            return None
        bucket, key = call.place
        if call.operation == "CopyObject" and (source := stored_object(*call.copy_source)):
            owed[source.name] = key, source.value
            version: Version = {"VersionId": source.version_id} if world.versioned else {}
            with world.by_itself():
                world.s3.delete_object(Bucket=deployment.SOURCE, Key=source.name, **version)
            return call.answer(COPIED)
        if call.operation == "DeleteObject" and bucket == deployment.SOURCE and key in owed:
            name, body = owed.pop(key)
            with world.by_itself():
                world.s3.put_object(Bucket=deployment.FINAL, Key=name, Body=body)
            return call.answer(b"", 204)
        return None

    world = World(between=between, **options)
    return world


def claims_what_is_taken(**options: Unpack[Options]) -> World:
    """Every name counts as free: nobody sees what lies there, and results are written without a condition."""

    def between(call: Call) -> AWSResponse | None:
        if call.operation == "HeadObject" and call.place[0] == deployment.FINAL:
            return call.answer(b"", 404)
        if call.operation == "PutObject" and "If-None-Match" in call.request.headers:
            del call.request.headers["If-None-Match"]
        return None

    return World(between=between, **options)


def takes_a_lease_that_is_held(**options: Unpack[Options]) -> World:
    """The lease is written whoever holds it."""

    def between(call: Call) -> None:
        if call.operation == "UpdateItem" and "ConditionExpression" in (body := call.body):
            body["ConditionExpression"] = f"({body['ConditionExpression']}) OR attribute_not_exists(no_such_attribute)"
            call.request.body = json.dumps(body).encode()

    return World(between=between, **options)


def gives_nothing_back(**options: Unpack[Options]) -> World:
    """A message whose image could not be done is neither sent again nor reported as failed."""

    def between(call: Call) -> AWSResponse | None:
        sent = call.answer(json.dumps({"MessageId": "none", "MD5OfMessageBody": ""}).encode())
        return sent if call.operation == "SendMessage" else None

    def spoil(function: str, answer: Json) -> Json:
        return {"batchItemFailures": []} if function == "analyze_image" else answer

    return World(between=between, spoil_answer=spoil, **options)


def has_a_watchdog_that_sleeps(**options: Unpack[Options]) -> World:
    """Nobody stands outside the workflow."""
    return World(watchdog_seconds=None, **options)


MUTANTS: dict[Callable[..., World], str] = {
    deletes_before_it_copies: "I1",
    claims_what_is_taken: "I",
    takes_a_lease_that_is_held: "I4",
    gives_nothing_back: "I1",
    **({has_a_watchdog_that_sleeps: "I3"} if deployment.HAS_WATCHDOG else {}),
}
