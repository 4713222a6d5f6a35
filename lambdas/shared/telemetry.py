"""Logs, metrics and traces: the one place that knows which libraries make them.

aws-xray-sdk sits behind Powertools' Tracer and is out of support from 2027-02-25, so that OpenTelemetry has
to replace it in this file alone. https://docs.aws.amazon.com/xray/latest/devguide/xray-sdk-migration.html
"""

import os

from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.metrics import MetricUnit

# Powertools reads POWERTOOLS_SERVICE_NAME, POWERTOOLS_METRICS_NAMESPACE and POWERTOOLS_LOG_LEVEL itself.
logger = Logger(use_rfc3339=True)
metrics = Metrics()
# Only botocore is patched: it is the only thing in a function that calls out.
tracer = Tracer(patch_modules=["botocore"])

# Several copies of the module write to one namespace; the deployment tells them apart.
metrics.set_default_dimensions(deployment=os.environ.get("DEPLOYMENT_NAME", "unnamed"))

__all__ = ["MetricUnit", "logger", "metrics", "tracer"]
