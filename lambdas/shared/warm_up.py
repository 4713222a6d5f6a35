"""Keeps functions warm that the first image would otherwise wait for, while the model starts and costs nothing.

A cold start takes a second or two, and from RUNNING on each second is paid for. Lambda keeps an idle environment for
some minutes: https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from shared.telemetry import logger

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

# A function that gets this event returns at once.
EVENT = {"warm_up": True}
EVERY_SECONDS = 120


def is_warm_up(event: Mapping[str, Any]) -> bool:
    """Whether a function was only called to be warm."""
    return event == EVENT


def is_due(waited_seconds: int, wait_seconds: int) -> bool:
    """Whether to warm up before a wait: before the first, and each that goes beyond a multiple of EVERY_SECONDS."""
    return waited_seconds == 0 or (waited_seconds + wait_seconds) // EVERY_SECONDS > waited_seconds // EVERY_SECONDS


class WarmUp:
    """The functions to keep warm, by name."""

    def __init__(self, lambda_client: LambdaClient, function_names: Sequence[str]) -> None:
        self._lambda = lambda_client
        self._function_names = function_names

    def send(self) -> None:
        """Call the functions without waiting for them. Without an answer they start cold, which costs a second or two.

        https://docs.aws.amazon.com/lambda/latest/dg/invocation-async.html
        """
        for name in self._function_names:
            try:
                self._lambda.invoke(FunctionName=name, InvocationType="Event", Payload=json.dumps(EVENT).encode())
            except (ClientError, BotoCoreError) as error:
                logger.warning("could not warm up a function; it may start cold", function=name, reason=str(error))
