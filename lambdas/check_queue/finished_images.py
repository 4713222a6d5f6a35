"""Lets the analysis function finish messages whose images are gone, so that a receipt counts what came of them.

Such a message came before. Its batch may have labelled its images, and been killed or refused when it counted them. The
analysis needs no model for that: it finds the result, counts the image for the present run, and is done.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from shared.telemetry import logger

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_sqs.type_defs import MessageTypeDef


class FinishedImages:
    """The analysis function, as far as the check before a start needs it."""

    def __init__(self, lambda_client: LambdaClient, function_name: str) -> None:
        self._lambda = lambda_client
        self._function_name = function_name

    def finish(self, messages: Sequence[MessageTypeDef]) -> set[str]:
        """Hand messages to the analysis as SQS would; return the IDs of those that it has finished.

        None of them if it cannot be asked. https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
        """
        event = {"Records": [as_record(message) for message in messages]}
        try:
            answer = self._lambda.invoke(FunctionName=self._function_name, Payload=json.dumps(event).encode())
            document: dict[str, Any] = json.load(answer["Payload"])
        except (ClientError, BotoCoreError):
            logger.exception("could not ask the analysis function to count images that are gone")
            return set()
        if "FunctionError" in answer:
            logger.error("the analysis function failed to count images that are gone", error=document)
            return set()
        unfinished = {failure["itemIdentifier"] for failure in document["batchItemFailures"]}
        return {message["MessageId"] for message in messages} - unfinished


def as_record(message: MessageTypeDef) -> dict[str, Any]:
    """Return a message as Lambda hands it to a function.

    https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html
    """
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message.get("Attributes", {}),
        "messageAttributes": {
            name: {"stringValue": value.get("StringValue"), "dataType": value.get("DataType")}
            for name, value in message.get("MessageAttributes", {}).items()
        },
        "eventSource": "aws:sqs",
    }
