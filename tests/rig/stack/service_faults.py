"""Faults of the services that MiniStack plays, told over HTTP at /_faults. Runs in MiniStack's own environment.

A proxy in front would break the signatures that MiniStack checks with AUTH=true, so the faults come in behind its HTTP
server: `install` wraps the one function that all requests to a service pass. Calls that MiniStack's services make to
each other (a queue to a function, a state machine to a function) are no requests and never fail here. Only S3's events,
as its operation "Notify", get lost while a rule with an error is about them, because S3 begins to notify about five
minutes after its configuration was put.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/enable-event-notifications.html

`POST /_faults` adds a rule (the members of `Rule` as JSON), `GET /_faults` lists the rules with how often each matched
and was applied, `DELETE /_faults` removes all.
"""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field, fields
from subprocess import Popen
from types import ModuleType
from typing import Any
from urllib.parse import unquote

Answer = tuple[int, dict[str, Any], Any]

PATH = "/_faults"
# A worker names its process in each request, so that a rule can mean, and kill, the very one that called.
WORKER_HEADER = "X-Stack-Worker"
ROOT = "root"
LAMBDA_ROUTES = "lambda's faults"
NOTIFY = "Notify"
KILL_SECONDS = 5

# HTTP statuses of errors that are not 400, which is what JSON services answer by default.
STATUSES = {
    "AccessDenied": 403,
    "AccessDeniedException": 403,
    "ConditionalRequestConflict": 409,
    "InternalError": 500,
    "InternalFailure": 500,
    "InternalServerError": 500,
    "NoSuchKey": 404,
    "OperationAborted": 409,
    "PreconditionFailed": 412,
    "ResourceConflictException": 409,
    "ServiceException": 500,
    "ServiceUnavailable": 503,
    "SlowDown": 503,
    "TooManyRequestsException": 429,
}

S3_OBJECT_VERBS = {"GET": "GetObject", "HEAD": "HeadObject", "PUT": "PutObject", "DELETE": "DeleteObject"}
S3_BUCKET_QUERIES = {
    ("GET", "list-type"): "ListObjectsV2",
    ("GET", "versions"): "ListObjectVersions",
    ("POST", "delete"): "DeleteObjects",
}


@dataclass(frozen=True)
class Call:
    """One request to a service, as rules see it."""

    service: str
    operation: str
    # The path, and below it what else may name something: a copy's source, or the body of a JSON service.
    resource: str
    # The function's name and its role's session, or ROOT for Terraform and the test.
    caller: str


@dataclass
class Rule:
    """Which requests a fault happens to, and what happens; `error`, `hang_seconds` and `kill` can be combined."""

    service: str
    # Regular expressions: the operation's whole name, and a part of the resource.
    operation: str = ""
    resource: str = ""
    # A part of the caller; without it any function's request is meant, and never root's.
    caller: str = ""
    # Faults until the rule is spent (null: never), after so many matching requests without one.
    times: int | None = 1
    after: int = 0
    # An error's code, which is answered in the service's protocol; details are further members of a JSON service's.
    error: str = ""
    status: int | None = None
    message: str = "A fault that a test asked for."
    details: dict[str, Any] = field(default_factory=dict)
    # Wall seconds before the answer.
    hang_seconds: float = 0
    # True: the process that called dies before it sees an answer. A function's name: all its warm processes die.
    kill: bool | str = False
    # Whether an error or a kill comes after the operation took place, rather than instead of it.
    carried_out: bool = False

    def __post_init__(self) -> None:
        if not (self.error or self.hang_seconds or self.kill):
            raise ValueError("a rule needs error, hang_seconds or kill")
        if not (self.error or self.kill) and self.carried_out:
            raise ValueError("carried_out goes with error or kill: a request that only hangs is always carried out")
        if self.service == "s3" and self.details:
            raise ValueError("details are members of a JSON service's errors, and S3 speaks XML")
        re.compile(self.operation)
        re.compile(self.resource)

    def matches(self, call: Call) -> bool:
        """Whether the rule is about such a request."""
        return (
            call.service == self.service
            and (not self.operation or re.fullmatch(self.operation, call.operation) is not None)
            and re.search(self.resource, call.resource, re.MULTILINE) is not None
            and (self.caller in call.caller if self.caller else call.caller != ROOT)
        )


class Rules:
    """The rules in the order in which they were added; the first that is due is applied to a request."""

    def __init__(self) -> None:
        self._rules: list[tuple[Rule, dict[str, int]]] = []

    def __bool__(self) -> bool:
        return bool(self._rules)

    def due(self, call: Call) -> Rule | None:
        """Count the request for the rules that match it, and return the one to apply."""
        for rule, counts in self._rules:
            if not rule.matches(call):
                continue
            counts["matched"] += 1
            if counts["matched"] > rule.after and (rule.times is None or counts["applied"] < rule.times):
                counts["applied"] += 1
                return rule
        return None

    def control(self, method: str, body: bytes) -> tuple[int, dict[str, Any]]:
        """Answer a request to PATH: an HTTP status and a JSON object."""
        if method == "POST":
            try:
                rule = Rule(**self._members(body))
            except (TypeError, ValueError, re.error) as error:
                return 400, {"error": str(error)}
            self._rules.append((rule, {"matched": 0, "applied": 0}))
        elif method == "DELETE":
            self._rules.clear()
        elif method != "GET":
            return 405, {"error": f"there is no {method} {PATH}"}
        return 200, {"faults": [asdict(rule) | counts for rule, counts in self._rules]}

    @staticmethod
    def _members(body: bytes) -> dict[str, Any]:
        members = json.loads(body)
        if not isinstance(members, dict):
            raise ValueError("the body is not a JSON object")
        # A misspelt member must not pass for its default.
        if unknown := members.keys() - {member.name for member in fields(Rule)}:
            raise ValueError(f"unknown: {', '.join(sorted(unknown))}")
        return members


def s3_operation(method: str, path: str, headers: dict[str, str], query: dict[str, Any]) -> str:
    """Return the name of an S3 operation; those that no function here calls are named after their query, roughly."""
    is_object = "/" in path.strip("/")
    if is_object and "uploadId" not in query and "uploads" not in query:
        if method == "GET" and "annotation" in query and "annotationName" not in query:
            return "ListObjectAnnotations"
        subresource = query.keys() & {"tagging", "acl", "annotation", "attributes", "retention", "legal-hold"}
        if method == "PUT" and "x-amz-copy-source" in headers:
            return "CopyObject"
        return S3_OBJECT_VERBS.get(method, f"{method}Object") + "".join(name.title() for name in subresource)
    for (verb, name), operation in S3_BUCKET_QUERIES.items():
        if method == verb and name in query:
            return operation
    return f"{method}:{'Object' if is_object else 'Bucket'}:{','.join(sorted(query))}"


def service_and_operation(
    app: ModuleType,
    iam_actions: ModuleType,
    method: str,
    path: str,
    headers: dict[str, str],
    body: bytes,
    query: dict[str, Any],
) -> tuple[str, str]:
    """Return MiniStack's name of the service that a request is for, and the operation's as the SDK has it."""
    service = app.detect_service(method, path, headers, app._routing_params(method, path, headers, body, query))
    if service == "s3":
        return service, s3_operation(method, path, headers, query)
    operation = (
        iam_actions._action_from_target(headers)
        or iam_actions._action_from_query(query, body, headers.get("content-type", ""))
        or iam_actions._match_rest_action(LAMBDA_ROUTES if service == "lambda" else service, method, path)
    )
    return service, operation or ""


def install(
    app: ModuleType, iam_actions: ModuleType, lambda_runtime: ModuleType, sts: ModuleType, s3: ModuleType
) -> None:
    """Let rules decide about the requests that pass MiniStack's `app`."""
    rules = Rules()
    carry_out: Callable[..., Awaitable[Answer]] = app._dispatch_service_request
    # A name that no service has: under its own, MiniStack would check permissions by these routes.
    iam_actions._BOTOCORE_SERVICE_MAP[LAMBDA_ROUTES] = ["lambda"]

    def workers() -> list[tuple[str, Popen[str]]]:
        with lambda_runtime._lock:
            pools = [(worker.func_name, worker._proc) for pool in lambda_runtime._workers.values() for worker in pool]
        return [(name, process) for name, process in pools if process]

    def calling_workers(headers: dict[str, str]) -> list[tuple[str, Popen[str]]]:
        return [worker for worker in workers() if str(worker[1].pid) == headers.get(WORKER_HEADER.lower())]

    def called(method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, Any]) -> Call:
        service, operation = service_and_operation(app, iam_actions, method, path, headers, body, query)
        resource = unquote(path).lstrip("/") + "\n"
        resource += unquote(headers.get("x-amz-copy-source", "")) if service == "s3" else body.decode(errors="replace")
        session = sts._sessions.get(app.extract_access_key_id(headers, query), {}).get("Arn", "")
        caller = " ".join([*(name for name, _ in calling_workers(headers)), session]).strip()
        return Call(service, operation, resource, caller or ROOT)

    def refusal(rule: Rule, headers: dict[str, str], request_id: str) -> Answer:
        code = rule.error or "InternalError"
        _, answer_headers, body = iam_actions.access_denied_response(
            rule.service, "", "", request_id, error_code=code, message=rule.message, headers=headers
        )
        status = rule.status or STATUSES.get(code, 400)
        app.fix_error_content_type(rule.service, status, answer_headers)
        if rule.details:
            body = json.dumps(json.loads(body) | rule.details).encode()
        return status, answer_headers | {"x-amzn-requestid": request_id, "x-amz-request-id": request_id}, body

    def kill(rule: Rule, headers: dict[str, str]) -> None:
        for name, process in workers() if isinstance(rule.kill, str) else calling_workers(headers):
            if rule.kill not in (True, name):
                continue
            process.kill()
            # Dead before the answer is sent: not a line of the function runs after the step.
            process.wait(KILL_SECONDS)

    async def dispatch(
        method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, Any], request_id: str
    ) -> Answer:
        if path == PATH:
            status, answer = rules.control(method, body)
            return status, {"Content-Type": "application/json"}, json.dumps(answer).encode()
        rule = rules.due(called(method, path, headers, body, query)) if rules else None
        if rule is None:
            return await carry_out(method, path, headers, body, query, request_id)
        answered = None
        if rule.carried_out or not (rule.error or rule.kill):
            answered = await carry_out(method, path, headers, body, query, request_id)
        if rule.hang_seconds:
            await asyncio.sleep(rule.hang_seconds)
        if rule.kill:
            await asyncio.to_thread(kill, rule, headers)
        return refusal(rule, headers, request_id) if rule.error or answered is None else answered

    fire = s3._fire_s3_event

    def fire_unless_lost(bucket: str, key: str, *rest: object, **named: object) -> None:
        if not rules or rules.due(Call("s3", NOTIFY, f"{bucket}/{key}", "s3")) is None:
            fire(bucket, key, *rest, **named)

    vars(app)["_dispatch_service_request"] = dispatch
    vars(s3)["_fire_s3_event"] = fire_unless_lost
