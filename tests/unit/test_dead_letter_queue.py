"""A dead-lettered message is kept, with its reason as far as SQS has room for it."""

from typing import Any

import pytest

from shared.dead_letter_queue import MAX_MESSAGE_BYTES, DeadLetterQueue


class Sqs:
    """Refuses what is longer than a queue takes, as SQS counts: body, and names, types and values of attributes."""

    def __init__(self) -> None:
        self.kept: dict[str, str] | None = None

    def send_message(self, **parameters: Any) -> None:  # noqa: ANN401
        attributes = {name: attribute["StringValue"] for name, attribute in parameters["MessageAttributes"].items()}
        texts = [parameters["MessageBody"], *attributes, *attributes.values(), *(["String"] * len(attributes))]
        assert sum(len(text.encode()) for text in texts) <= MAX_MESSAGE_BYTES
        self.kept = attributes


@pytest.mark.parametrize(
    ("room", "kept"),
    [
        (2000, ["error_code", "error_message", "run_id"]),
        (0, []),
        (16, []),
        (29, ["run_id"]),
        (33, ["error_code"]),
        (60, ["error_code", "run_id"]),
    ],
)
def test_a_message_that_fills_the_queues_limit_is_kept_with_what_fits(room: int, kept: list[str]) -> None:
    sqs = Sqs()
    body = "é" * ((MAX_MESSAGE_BYTES - room) // 2) + "x" * (room % 2)
    DeadLetterQueue(sqs, "url").send(body, code="UnexpectedMessage", reason="no event: é" * 200, run_id="run-1")
    assert sorted(sqs.kept or {}) == kept
    if "error_message" in kept:
        assert len((sqs.kept or {})["error_message"]) == 1000
