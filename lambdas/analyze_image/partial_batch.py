"""Handles the messages of a batch side by side, and answers which of them Lambda must not delete.

Powertools has this too, but its batch utility imports the data classes of all of Lambda's events: a quarter of what the
imports of a cold start took beside boto3.
https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html#services-sqs-batchfailurereporting
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypedDict


class BatchItemFailure(TypedDict):
    """A message that Lambda must not delete."""

    itemIdentifier: str


class PartialResponse(TypedDict):
    """What Lambda expects of a function with ReportBatchItemFailures."""

    batchItemFailures: list[BatchItemFailure]


def handle_all(
    records: Sequence[Mapping[str, Any]], handle: Callable[[Mapping[str, Any]], None], at_once: int
) -> PartialResponse:
    """Let `handle` take each message, so many at the same time; report those for which it raised.

    An image spends most of its time waiting for answers, which threads can do side by side.
    """

    def succeeds(record: Mapping[str, Any]) -> bool:
        try:
            handle(record)
        except Exception:  # it was logged where it was known what follows from it
            return False
        return True

    if at_once == 1:
        succeeded = [succeeds(record) for record in records]
    else:
        with ThreadPoolExecutor(at_once) as pool:
            succeeded = list(pool.map(succeeds, records))
    failed = [record for record, is_success in zip(records, succeeded, strict=True) if not is_success]
    return {"batchItemFailures": [{"itemIdentifier": record["messageId"]} for record in failed]}
