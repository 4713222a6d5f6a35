"""Logs, metrics and traces: the one place that knows which libraries make them.

aws-xray-sdk sits behind Powertools' Tracer and is out of support from 2027-02-25, so that OpenTelemetry has
to replace it in this file alone. https://docs.aws.amazon.com/xray/latest/devguide/xray-sdk-migration.html
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

# Several copies of the module write to one namespace; the deployment tells them apart.
metrics.set_default_dimensions(deployment=os.environ.get("DEPLOYMENT_NAME", "unnamed"))


def _let_libraries_log_json() -> None:
    """Write what libraries log, and Python's warnings, as our own logs are written: one JSON object a line.

    Lambda's root handler writes plain text, and without any Python itself does.
    https://github.com/aws/aws-lambda-python-runtime-interface-client/blob/main/awslambdaric/bootstrap.py
    """
    root = logging.getLogger()
    # Lambda's is no stream's: it leaves the end of the line to its formatter.
    root.handlers = [handler for handler in root.handlers if isinstance(handler, logging.StreamHandler)]
    if not root.handlers:
        handler = logging.StreamHandler(sys.stdout)
        # Our logger has a handler of its own.
        handler.addFilter(lambda record: record.name != logger.name)
        root.addHandler(handler)
    for handler in root.handlers:
        handler.setFormatter(logger.registered_formatter)
    logging.captureWarnings(True)
    # Most steps of a run have nothing to count.
    warnings.filterwarnings("ignore", message="No application metrics to publish")


_let_libraries_log_json()

__all__ = ["MetricUnit", "logger", "metrics", "tracer"]
