"""Checks who hands a role to a service, which MiniStack does not. Runs inside MiniStack.

The caller needs iam:PassRole on the role, and the service is named in iam:PassedToService.
https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_passrole.html
"""

import json
from collections.abc import Awaitable, Callable
from types import ModuleType
from typing import Any

# How each service's requests name a role, at the top or in the target of a schedule.
MEMBERS = {"lambda": "Role", "states": "roleArn", "scheduler": "RoleArn"}

Answer = tuple[int, dict[str, Any], Any]


def role_in(service: str, method: str, body: bytes) -> str:
    """Return the ARN of the role that a request hands over; "" when it hands over none."""
    if service not in MEMBERS or method == "GET":
        return ""
    try:
        members = json.loads(body)
    except ValueError:
        return ""
    if not isinstance(members, dict):
        return ""
    within = members.get("Target", {}) if service == "scheduler" else members
    return str(within.get(MEMBERS[service]) or "")


def install(app: ModuleType, iam_actions: ModuleType, iam_evaluator: ModuleType) -> None:
    """Refuse the requests that pass MiniStack's `app` when their caller may not pass the role."""
    carry_out: Callable[..., Awaitable[Answer]] = app._dispatch_service_request

    async def dispatch(
        method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, Any], request_id: str
    ) -> Answer:
        service = app.detect_service(method, path, headers, app._routing_params(method, path, headers, body, query))
        role = role_in(service, method, body)
        if role and app.AUTH:
            key, region = app.extract_access_key_id(headers, query), app.extract_region(headers, query)
            context = {"iam:PassedToService": f"{service}.amazonaws.com"}
            if iam_evaluator.enforce(key, "iam:PassRole", "iam", region, resource_arn=role, service_context=context):
                _, answer_headers, refusal = iam_actions.access_denied_response(
                    service,
                    "",
                    "",
                    request_id,
                    error_code="AccessDeniedException",
                    message=f"not authorized to perform: iam:PassRole on resource: {role} for {service}",
                    headers=headers,
                )
                app.fix_error_content_type(service, 403, answer_headers)
                return 403, answer_headers | {"x-amzn-requestid": request_id}, refusal
        return await carry_out(method, path, headers, body, query, request_id)

    vars(app)["_dispatch_service_request"] = dispatch
