"""Logs, metrics and traces. No other module knows which libraries make them.

Traces have two ways. Lambda and Step Functions trace what they do by themselves, and that is `TRACING=service`. With
`TRACING=sdk`, the default, sdk_tracing.py adds a subsegment for each AWS call.
"""

import logging
import os
import sys
import warnings
from collections.abc import Callable
from typing import Any, TypeVar, cast

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

# Powertools reads POWERTOOLS_SERVICE_NAME, POWERTOOLS_METRICS_NAMESPACE and POWERTOOLS_LOG_LEVEL itself.
logger = Logger(use_rfc3339=True)
metrics = Metrics()

Handler = TypeVar("Handler", bound=Callable[..., Any])

# Several deployments write to one namespace, so the dimension tells them apart.
metrics.set_default_dimensions(deployment=os.environ.get("DEPLOYMENT_NAME", "unnamed"))


def traced(handler: Handler) -> Handler:
    """Let a handler, and the AWS calls that it makes, be traced as TRACING says."""
    if os.environ.get("TRACING", "sdk") == "service":
        return handler
    from shared.sdk_tracing import tracer

    return cast("Handler", tracer.capture_lambda_handler(handler, capture_response=False, capture_error=False))


def _let_libraries_log_json() -> None:
    """Write the logs of libraries, and Python's warnings, like our own logs: one JSON object per line.

    Lambda's root handler writes plain text, and so does Python without a handler.
    https://github.com/aws/aws-lambda-python-runtime-interface-client/blob/main/awslambdaric/bootstrap.py
    """
    root = logging.getLogger()
    # Lambda's handler is not a StreamHandler: it leaves the line end to its formatter.
    root.handlers = [handler for handler in root.handlers if isinstance(handler, logging.StreamHandler)]
    if not root.handlers:
        added = logging.StreamHandler(sys.stdout)
        # Our logger has its own handler.
        added.addFilter(lambda record: record.name != logger.name)
        root.addHandler(added)
    for handler in root.handlers:
        handler.setFormatter(logger.registered_formatter)
    logging.captureWarnings(True)
    # Most steps of a run have nothing to count.
    warnings.filterwarnings("ignore", message="No application metrics to publish")


_let_libraries_log_json()

__all__ = ["MetricUnit", "logger", "metrics", "traced"]
