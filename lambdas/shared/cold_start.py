"""What a function makes before its first event: its clients, while Lambda initialises it with a full processor."""

import os
from collections.abc import Callable
from contextlib import suppress

from shared.errors import ConfigurationError


def build_now(build: Callable[[], object]) -> None:
    """Build what the first event would otherwise wait for, in Lambda alone.

    To load botocore's models and to make TLS contexts takes most of it: a function has a part of a processor for that
    later on, and all of one now. What is wrong with the configuration is raised by the first event, under its name.
    https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html#runtimes-lifecycle-ib
    """
    if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
        with suppress(ConfigurationError):
            build()
