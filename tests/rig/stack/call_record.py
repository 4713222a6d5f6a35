"""Keeps every request that a role's session makes to a service, told over HTTP at /_calls. Runs in MiniStack's own
environment.

`GET /_calls` answers the distinct requests, each with its role, and whose each access key is: with it the requests that
the emulator logged find their role too.
"""

import json
from collections.abc import Awaitable, Callable
from types import ModuleType
from typing import Any
from urllib.parse import unquote

Json = Any
# What MiniStack answers: a status, headers and a body.
Answer = tuple[int, dict[str, Any], Any]

PATH = "/_calls"
ASSUMED_ROLE = ":assumed-role/"

# What of a request permissions are about. Messages, images and expressions stay out.
KEPT = (
    "TableName",
    "Key",
    "IndexName",
    "TransactItems",
    "QueueUrl",
    "executionArn",
    "stateMachineArn",
    "DeliveryStreamName",
)
KEPT_OF_TRANSACTIONS = ("TableName", "Key")
KEPT_OF_EVENTS = ("EventBusName", "Source", "DetailType")
S3_HEADERS = (
    "x-amz-copy-source",
    "x-amz-tagging",
    "x-amz-tagging-directive",
    "x-amz-object-annotation-directive",
    "x-amz-acl",
    "if-match",
)


def role_of(session_arn: str) -> str:
    """Return the role of a session, arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION; "" when it is no role's."""
    return session_arn.split(ASSUMED_ROLE, 1)[1].split("/")[0] if ASSUMED_ROLE in session_arn else ""


def parameters_of(service: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, Any]) -> Json:
    """Return what of a request decides about its permissions."""
    if service == "s3":
        bucket, _, key = unquote(path).lstrip("/").partition("/")
        sent = {name: unquote(headers[name]) for name in S3_HEADERS if name in headers}
        # A query's value is a list for some of MiniStack's callers.
        prefix = query.get("prefix", "")
        listed = {"prefix": prefix if isinstance(prefix, str) else prefix[0]} if "list-type" in query else {}
        return {"bucket": bucket, "key": key, "has_version": "versionId" in query} | listed | sent
    try:
        members = json.loads(body)
    except ValueError:
        members = None
    kept: dict[str, Any] = {"path": unquote(path)}
    if isinstance(members, dict):
        kept |= {name: members[name] for name in KEPT if name in members}
    if "TransactItems" in kept:
        kept["TransactItems"] = [
            {kind: {name: item[name] for name in KEPT_OF_TRANSACTIONS if name in item} for kind, item in each.items()}
            for each in kept["TransactItems"]
        ]
    if isinstance(members, dict) and "Entries" in members:
        events = [{name: entry[name] for name in KEPT_OF_EVENTS if name in entry} for entry in members["Entries"]]
        kept["Entries"] = [event for number, event in enumerate(events) if event not in events[:number]]
    return kept


def install(app: ModuleType, iam_actions: ModuleType, sts: ModuleType, name: Callable[..., tuple[str, str]]) -> None:
    """Keep the requests that pass MiniStack's `app`, refused ones too: they were made.

    `name` gives the service and the operation of a request.
    """
    carry_out: Callable[..., Awaitable[Answer]] = app._dispatch_service_request
    kept: dict[str, dict[str, Any]] = {}

    async def dispatch(
        method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, Any], request_id: str
    ) -> Answer:
        if path == PATH:
            roles = {key: role_of(session.get("Arn", "")) for key, session in sts._sessions.items()}
            answer = {"calls": list(kept.values()), "roles_of_access_keys": roles}
            return 200, {"Content-Type": "application/json"}, json.dumps(answer).encode()
        session = sts._sessions.get(app.extract_access_key_id(headers, query), {})
        if role := role_of(session.get("Arn", "")):
            service, operation = name(app, iam_actions, method, path, headers, body, query)
            parameters = parameters_of(service, path, headers, body, query)
            call = {"role": role, "service": service, "operation": operation, "parameters": parameters}
            kept.setdefault(json.dumps(call, sort_keys=True), call)
        return await carry_out(method, path, headers, body, query, request_id)

    vars(app)["_dispatch_service_request"] = dispatch
