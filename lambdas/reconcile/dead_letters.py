"""The images whose messages are in the dead-letter queue, all of them or an error."""

from reconcile.errors import DeadLetterQueueBusy, TooManyDeadLetters
from shared.dead_letter_queue import DeadLetterQueue
from shared.source_listing import ImageId, images_in

# What can be read well within the function's timeout: about a thousand calls of some 20 ms.
MAX_READ = 10_000
# Longer than the function's timeout, or the reader would receive its own messages again.
HIDDEN_SECONDS = 150
# The Retry is in terraform/statemachines/reconcile.asl.json. It outlasts what any reader hides that dies, and meets the
# gaps between the looks of a long run.
WHAT_FOLLOWS = (
    "Nothing was queued. The workflow retries this step each minute, up to twelve times; after that the reconcile "
    "fails, and the next one tries again."
)


class DeadLetterImages:
    """Reads the dead-letter queue without taking anything out of it."""

    def __init__(self, queue: DeadLetterQueue, source_bucket: str) -> None:
        self._queue = queue
        self._source_bucket = source_bucket

    def read_all(self) -> frozenset[ImageId]:
        """Return the images of the source bucket that have a message in the dead-letter queue.

        Errors: TooManyDeadLetters; DeadLetterQueueBusy when another reader holds messages, or when fewer were read
        than counted. The workflow then retries this step each minute, up to twelve times.
        """
        counted = self._queue.count()
        if counted.visible + counted.in_flight > MAX_READ:
            raise TooManyDeadLetters(_too_many(counted.visible + counted.in_flight))
        if counted.in_flight:
            raise DeadLetterQueueBusy(
                f"another reader holds {counted.in_flight} messages of the dead-letter queue: a run that looks what "
                "waits, clb status, why or redrive, another reconcile, or a person who reads them in the console. "
                f"{WHAT_FOLLOWS}"
            )
        handles: list[str] = []
        images: set[ImageId] = set()
        try:
            for messages in self._queue.read(hidden_seconds=HIDDEN_SECONDS):
                handles += [message["ReceiptHandle"] for message in messages]
                for message in messages:
                    images.update(images_in(message["Body"], self._source_bucket))
                if len(handles) > MAX_READ:
                    raise TooManyDeadLetters(_too_many(len(handles)))
        finally:
            self._queue.put_back(handles)
        if len(handles) < counted.visible:
            raise DeadLetterQueueBusy(
                f"a reconcile read {len(handles)} of {counted.visible} messages counted in the dead-letter queue. "
                + WHAT_FOLLOWS
            )
        return frozenset(images)


def _too_many(count: int) -> str:
    return (
        f"the dead-letter queue holds {count} messages, and a reconcile reads at most {MAX_READ}. Nothing was queued. "
        "Find out why the images failed, send them back with `clb redrive`, and reconcile again."
    )
