"""Stops recursive loops through a queue as Lambda does; MiniStack stops only direct invocations. Runs inside MiniStack.

The trace header counts the invocations of a chain. botocore and the X-Ray SDK send the header on, SQS keeps it with the
message, and Lambda refuses the 17th invocation unless the function may be invoked recursively. The mapping then leaves
the messages to their visibility timeout, and the receive counts.
https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html

AWS does not say what becomes of a batch of several chains. Here the longest decides, which is the strictest reading.
"""

import hashlib
import inspect
import logging
import re
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from types import ModuleType
from typing import Any

logger = logging.getLogger(__name__)

TRACE_HEADER = "X-Amzn-Trace-Id"
# As MiniStack counts for direct invocations.
MAX_INVOCATIONS = 16
UNTRACED = "Root=1-00000000-000000000000000000000000"

# The trace header of the request at hand, and what Lambda adds to that of the invocation at hand.
_sent: ContextVar[str] = ContextVar("sent", default="")
_lineage: ContextVar[str] = ContextVar("lineage", default="")


def install(app: ModuleType, lambda_svc: ModuleType, sqs: ModuleType, expect: Callable[[bool, str], None]) -> None:
    """Keep trace headers in messages, and count by them."""
    gap = "stopping recursive loops"
    kept, batch = inspect.getsource(sqs._build_send_sys_attrs), inspect.getsource(lambda_svc._run_sqs_batch)
    expect("x-amzn-trace-id" not in inspect.getsource(sqs).lower() and "sys_attrs_input" in kept, gap)
    expect(lambda_svc.MAX_INVOKE_DEPTH == MAX_INVOCATIONS, gap)
    expect("_recursive_loop_drop" not in batch and "_execute_function(" in batch, gap)
    expect("trace_id=_xray_trace_id_for_invocation(config)," in inspect.getsource(lambda_svc), gap)
    _keep_trace_headers(app, sqs)
    _count_invocations(lambda_svc)


def _keep_trace_headers(app: ModuleType, sqs: ModuleType) -> None:
    carry_out: Callable[..., Awaitable[Any]] = app._dispatch_service_request
    build = sqs._build_send_sys_attrs

    async def dispatch(method: str, path: str, headers: dict[str, str], *rest: object) -> object:
        _sent.set(headers.get(TRACE_HEADER.lower(), ""))
        return await carry_out(method, path, headers, *rest)

    def with_trace_header(*arguments: object) -> dict[str, Any]:
        attributes: dict[str, Any] = build(*arguments)
        # An attribute of the message comes before the header of the request.
        return ({"AWSTraceHeader": _sent.get()} if _sent.get() else {}) | attributes

    vars(app)["_dispatch_service_request"] = dispatch
    vars(sqs)["_build_send_sys_attrs"] = with_trace_header


def _count_invocations(lambda_svc: ModuleType) -> None:
    run, trace_id = lambda_svc._run_sqs_batch, lambda_svc._xray_trace_id_for_invocation

    def run_unless_looping(
        mapping: dict[str, Any], function: dict[str, Any], event: dict[str, Any], *rest: object
    ) -> None:
        name = mapping["FunctionName"]
        headers = [record["attributes"].get("AWSTraceHeader", "") for record in event["Records"]]
        invocations = max(invocations_in(header, name) for header in headers) + 1
        if lambda_svc._recursive_loop_drop(name, function, invocations):
            mapping["LastProcessingResult"] = "PROBLEM: Function call failed"
            logger.warning("RecursiveInvocationException: %s messages wait for their visibility timeout", len(headers))
            return
        token = _lineage.set(lineage(name, invocations))
        try:
            run(mapping, function, event, *rest)
        finally:
            _lineage.reset(token)

    def with_lineage(*arguments: object) -> str | None:
        header: str | None = trace_id(*arguments)
        # Lambda adds the lineage without active tracing too.
        return f"{header or UNTRACED};{_lineage.get()}" if _lineage.get() else header

    vars(lambda_svc).update(_run_sqs_batch=run_unless_looping, _xray_trace_id_for_invocation=with_lineage)


def lineage(function: str, invocations: int) -> str:
    """Return the part of a trace header that tells how often a chain has invoked a function."""
    return f"Lineage={hashlib.sha256(function.encode()).hexdigest()[:8]}:{invocations}"


def invocations_in(trace_header: str, function: str) -> int:
    """Return how often a chain has invoked the function, as the trace header of a message tells."""
    found = re.search(rf"{lineage(function, 0)[:-1]}(\d+)", trace_header)
    return int(found[1]) if found else 0
