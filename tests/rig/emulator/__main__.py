"""The emulator as a program: ``python -m tests.rig.emulator --help``."""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import sys
import threading
from dataclasses import fields
from types import FrameType
from typing import TYPE_CHECKING

import boto3
import numpy as np
from botocore.config import Config

from tests.rig.emulator import contract, vision
from tests.rig.emulator.clock import VirtualClock
from tests.rig.emulator.model import STOP_ERRORS, ModelSettings
from tests.rig.emulator.objects import S3ImageStore
from tests.rig.emulator.server import running
from tests.rig.emulator.service import Quotas, Service
from tools.terminal import say

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line; argparse exits with 2 for what it cannot read."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.rig.emulator",
        description="Emulate Amazon Rekognition Custom Labels on 127.0.0.1. Prints one JSON line with its "
        "url when it accepts requests; logs to stderr; ends on SIGTERM or SIGINT.",
        epilog="While it runs, tests make it go wrong: POST /_emulator/faults takes what Fault in faults.py has, "
        "POST /_emulator/models/settings what ModelSettings in model.py has, POST /_emulator/models/reset ends it.",
    )
    parser.add_argument("--project-arn", required=True, help="…:project/NAME/DIGITS")
    parser.add_argument("--project-version-arn", required=True, help="…:project/NAME/version/VERSION/DIGITS")
    parser.add_argument("--port", type=int, default=0, help="0: a free one (default)")
    parser.add_argument("--time-scale", type=float, default=1.0, help="wall seconds per virtual second (default 1)")
    parser.add_argument("--s3-endpoint-url", help="where the images are; default: the SDK's own settings")
    model = ModelSettings()
    parser.add_argument("--start-seconds", type=float, default=model.start_seconds, help="virtual seconds")
    parser.add_argument("--stop-seconds", type=float, default=model.stop_seconds, help="virtual seconds")
    parser.add_argument("--images-per-second-per-unit", type=float, default=model.images_per_second_per_unit)
    parser.add_argument("--initial-status", default=model.initial_status, choices=contract.statuses())
    parser.add_argument("--stop-error-when-not-running", default=model.stop_error_when_not_running, choices=STOP_ERRORS)
    quotas = Quotas()
    parser.add_argument("--running-models-quota", type=int, default=quotas.running_models)
    parser.add_argument("--inference-units-quota", type=int, default=quotas.inference_units_per_model)
    parser.add_argument("--log-level", default="INFO", choices=["DEBUG", "INFO", "WARNING", "ERROR"])
    return parser.parse_args(arguments)


def s3_client(region: str, endpoint_url: str | None) -> S3Client:
    """An S3 client for the model's region; Rekognition reads only buckets of its own region."""
    return boto3.client(
        "s3",
        region_name=region,
        endpoint_url=endpoint_url,
        config=Config(
            # Bucket names as host names do not resolve on a local endpoint.
            s3={"addressing_style": "path"},
            connect_timeout=2,
            read_timeout=20,
            retries={"mode": "standard", "total_max_attempts": 2},
            max_pool_connections=50,
        ),
    )


def main(arguments: list[str] | None = None) -> int:
    """Serve until told to stop; the exit status."""
    options = parse(arguments)
    logging.basicConfig(
        level=options.log_level, stream=sys.stderr, format="%(asctime)s emulator %(levelname)s %(message)s"
    )
    logging.getLogger("botocore").setLevel(logging.WARNING)
    try:
        names = {field.name for field in fields(ModelSettings)} & vars(options).keys()
        settings = ModelSettings(**{name: getattr(options, name) for name in names})
        region = options.project_version_arn.split(":")[3] if options.project_version_arn.count(":") > 3 else ""
        service = Service(
            VirtualClock(options.time_scale),
            S3ImageStore(s3_client(region or "us-east-1", options.s3_endpoint_url)),
            Quotas(options.running_models_quota, options.inference_units_quota),
        )
        service.register(options.project_arn, options.project_version_arn, settings)
    except ValueError as error:
        return _refuse(str(error))
    # Load what the first image would otherwise wait for.
    vision.detect(np.full((64, 64, 3), 255, dtype=np.uint8))

    stop = threading.Event()

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)
    try:
        with running(service, options.port) as url:
            print(json.dumps({"url": url, "pid": os.getpid()}), flush=True)
            stop.wait()
    except (OSError, OverflowError) as error:
        return _refuse(f"cannot listen on port {options.port}: {error}")
    return 0


def _refuse(reason: str) -> int:
    say(f"emulator: {reason}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
