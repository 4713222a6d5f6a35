"""Logs, metrics and traces. No other module knows which libraries make them.

Powertools' Tracer uses aws-xray-sdk, which is out of support from 2027-02-25. OpenTelemetry will then have to
replace it, in this file alone. https://docs.aws.amazon.com/xray/latest/devguide/xray-sdk-migration.html
"""

import logging
import os
import sys
import warnings

from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.metrics import MetricUnit

# Powertools reads POWERTOOLS_SERVICE_NAME, POWERTOOLS_METRICS_NAMESPACE and POWERTOOLS_LOG_LEVEL itself.
logger = Logger(use_rfc3339=True)
metrics = Metrics()
# Only botocore is patched: it is the only thing in a function that calls out.
tracer = Tracer(patch_modules=["botocore"])

# Several deployments write to one namespace, so the dimension tells them apart.
metrics.set_default_dimensions(deployment=os.environ.get("DEPLOYMENT_NAME", "unnamed"))


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

__all__ = ["MetricUnit", "logger", "metrics", "tracer"]
