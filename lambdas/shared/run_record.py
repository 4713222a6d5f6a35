"""The record of a run while it goes on: when its model ran, and how many images are done.

One item per run in the runs table. Several functions add to it, each its own attributes, so every write is an
update and may be repeated. The receipt is made of it when the run ends.
"""

from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any, Self

from shared.items import ConditionFailed, Items, Update
from shared.model_usage import DailyModelUsage
from shared.outcome import Outcome
from shared.timestamps import format_rfc3339, now, parse_rfc3339

# The table keeps a run's record this long; the receipt in the final bucket stays.
KEPT_DAYS = 90
# SQS keeps a message for 14 days, and a dead letter, which a person may redrive, for 14 more.
BATCH_KEPT_DAYS = 30
# What the name of an attribute begins with that stands for an image of a batch.
MARK = "image_"


# The counters of a run and of a batch: the field, and the item's attribute.
COUNTERS = {
    "processed": "images_processed",
    "labelled": "images_labelled",
    "failed": "images_failed",
    "nothing_to_do": "images_nothing_to_do",
    "dead_lettered": "images_dead_lettered",
    "blocked": "messages_blocked",
    "throttled": "calls_throttled",
}


@dataclass(frozen=True)
class RunRecord:
    """What is known of a run. Timestamps are None until it has happened."""

    started_at: datetime | None = None
    start_asked_at: datetime | None = None
    model_running_at: datetime | None = None
    # The last look that saw the model RUNNING: after an accepted stop it may have fallen back.
    model_seen_running_at: datetime | None = None
    first_detection_at: datetime | None = None
    last_detection_at: datetime | None = None
    model_stop_accepted_at: datetime | None = None
    model_stopped_at: datetime | None = None
    # No batch is added to the run any more. Once its receipt is written, the run has an outcome too.
    finished_at: datetime | None = None
    # Until when the model time is on the days' accounts, and what else the receipt said: it may be written again.
    model_counted_at: datetime | None = None
    outcome: str | None = None
    run_error: Mapping[str, str] | None = None
    # The messages that the model was started for, and the reason for the number of units.
    backlog: int | None = None
    sizing_reason: str | None = None
    inference_units: int | None = None
    # Whether the units stay as they are while the model runs. With autoscaling, their number is not known.
    units_are_fixed: bool = False
    model_is_ours: bool = False
    # Why the run did no more than it did.
    reason: str | None = None
    processed: int = 0
    # Of these, the ones that the model labelled in this run: for the others an earlier run had paid.
    labelled: int = 0
    failed: int = 0
    nothing_to_do: int = 0
    dead_lettered: int = 0
    blocked: int = 0
    blocked_reason: str | None = None
    throttled: int = 0
    # Whether the bucket's listing proved that no image waited when the run stopped taking images, and what it showed.
    end_is_proven: bool | None = None
    end_reason: str | None = None
    # The time in which messages waited from one poll of the queue to the next, and the images labelled in it.
    saturated_seconds: float = 0.0
    saturated_images: int = 0

    @classmethod
    def parse(cls, item: Mapping[str, Any]) -> Self:
        """Return the record that an item holds; an empty one when it is empty."""
        known: dict[str, Any] = {}
        for field in fields(cls):
            attribute = COUNTERS.get(field.name, field.name)
            if attribute in item:
                value = item[attribute]
                known[field.name] = parse_rfc3339(value) if field.name.endswith("_at") else value
        return cls(**known)

    def model_time_end(self, now: datetime) -> datetime:
        """Return when the model time ended: with the last accepted stop, or `now` for a model that may run on.

        A model that was RUNNING after the last accepted stop, and is stopped, ended when it was last seen so.
        """
        accepted, seen = self.model_stop_accepted_at, self.model_seen_running_at
        if accepted is None:
            return self.model_stopped_at or now
        if seen is None or accepted >= seen:
            return accepted
        return now if self.model_stopped_at is None else seen

    @property
    def images_done(self) -> int:
        """Images that left the queue one way or another, also those that were done, deleted or replaced before."""
        return self.processed + self.failed + self.nothing_to_do + self.dead_lettered


@dataclass(frozen=True)
class BatchCounts:
    """What became of the messages of one batch.

    `labelled` are the processed ones that the model labelled for this batch. `dead_lettered` went to the dead-letter
    queue with their reason. `blocked` were requeued because no image can be labelled now; `blocked_reason` is the last
    reason. `throttled` counts the calls that Rekognition throttled.
    """

    processed: int = 0
    labelled: int = 0
    failed: int = 0
    nothing_to_do: int = 0
    dead_lettered: int = 0
    blocked: int = 0
    blocked_reason: str | None = None
    throttled: int = 0
    # The first call of the model, and its last answer.
    first_detection_at: datetime | None = None
    last_detection_at: datetime | None = None


@dataclass(frozen=True)
class CountedImage:
    """An image that was counted: `mark` stands for its upload, and the batch claimed its name."""

    batch_id: str
    mark: str


class RunRecords:
    """The records of the runs of one model."""

    def __init__(self, items: Items) -> None:
        self._items = items
        self._usage = DailyModelUsage(items)

    def open(self, run_id: str) -> None:
        """Record that the run began. A repeated attempt keeps the first timestamp."""
        instant = now()
        self._update(
            run_id,
            "SET started_at = if_not_exists(started_at, :now), delete_after = :delete_after",
            now=format_rfc3339(instant),
            delete_after=int((instant + timedelta(days=KEPT_DAYS)).timestamp()),
        )

    def record_start_asked(self, run_id: str, *, backlog: int, sizing_reason: str) -> None:
        """Record when the start was last asked for, for how many messages, and the reason for the number of units.

        So the model does not run, whatever the run took over.
        """
        expression = (
            "SET start_asked_at = :now, backlog = :backlog, sizing_reason = :reason "
            "REMOVE model_running_at, model_seen_running_at"
        )
        self._update(run_id, expression, now=format_rfc3339(now()), backlog=backlog, reason=sizing_reason)

    def record_reason(self, run_id: str, reason: str) -> None:
        """Record why the run does no more than it does, as a sentence for its receipt."""
        self._update(run_id, "SET reason = :reason", reason=reason)

    def record_model_running(self, run_id: str, *, inference_units: int, ours: bool, fixed: bool = False) -> None:
        """Record that this run saw the model RUNNING. The first time is when its model time begins.

        `ours` tells a model that this system started from one that someone else runs and pays for; `fixed` says that
        Rekognition does not scale it.
        """
        expression = (
            "SET model_running_at = if_not_exists(model_running_at, :now), model_seen_running_at = :now, "
            "inference_units = :units, "
            "model_is_ours = :ours, units_are_fixed = if_not_exists(units_are_fixed, :fixed)"
        )
        self._update(run_id, expression, now=format_rfc3339(now()), units=inference_units, ours=ours, fixed=fixed)

    def record_end(self, run_id: str, *, proven: bool, reason: str) -> None:
        """Record that the run took no more images, whether the listing proved that none waited, and what it showed."""
        self._update(run_id, "SET end_is_proven = :proven, end_reason = :reason", proven=proven, reason=reason)

    def record_saturated_period(self, run_id: str, seconds: float, images: int) -> None:
        """Record for how long messages always waited so far, and how many images were labelled in that time."""
        expression = "SET saturated_seconds = :seconds, saturated_images = :images"
        self._update(run_id, expression, seconds=seconds, images=images)

    def record_model_stop_accepted(self, run_id: str) -> None:
        """Record that Rekognition accepted a stop just now, which ends the run's model time unless it falls back."""
        self._update(run_id, "SET model_stop_accepted_at = :now", now=format_rfc3339(now()))

    def record_model_time_over(self, run_id: str) -> None:
        """Record that the run's model time is over by now, unless that is known since the model was last RUNNING."""
        expression = "SET model_stop_accepted_at = :now"
        condition = (
            "attribute_not_exists(model_stop_accepted_at) OR "
            "(attribute_exists(model_seen_running_at) AND model_stop_accepted_at < model_seen_running_at)"
        )
        with suppress(ConditionFailed):
            self._items.update(Update(_item(run_id), expression, {"now": format_rfc3339(now())}, condition))

    def record_model_stopped(self, run_id: str) -> None:
        """Record when the model was first seen stopped again."""
        expression = "SET model_stopped_at = if_not_exists(model_stopped_at, :now)"
        self._update(run_id, expression, now=format_rfc3339(now()))

    def add_batch(self, run_id: str, counts: BatchCounts, images: Collection[CountedImage] = ()) -> None:
        """Add a batch to the run's counters, once even if the SDK repeats the call, and note the `images` in it.

        It is a transaction because DynamoDB recognises a repeated one by its client request token. Error:
        ConditionFailed, if the run has finished or one of the images was counted before.
        """
        added = {attribute: getattr(counts, field) for field, attribute in COUNTERS.items()}
        expression = "ADD " + ", ".join(f"{name} :{name}" for name in added)
        values: dict[str, Any] = dict(added)
        sets = []
        if counts.blocked_reason is not None:
            sets.append("blocked_reason = :blocked_reason")
            values["blocked_reason"] = counts.blocked_reason
        if counts.first_detection_at and counts.last_detection_at:
            # Batches end roughly in the order in which they began, so the last write is the latest within seconds.
            sets.append("first_detection_at = if_not_exists(first_detection_at, :first), last_detection_at = :last")
            values["first"] = format_rfc3339(counts.first_detection_at)
            values["last"] = format_rfc3339(counts.last_detection_at)
        if sets:
            expression += " SET " + ", ".join(sets)
        # What is added later would be on no receipt.
        run = Update(_item(run_id), expression, values, condition="attribute_not_exists(finished_at)")
        self._items.transact([run, *_notes_of(images)])

    def counted_images(self, batch_id: str) -> set[CountedImage]:
        """Return which images with a name claimed by this batch were counted."""
        names = self._items.read(_batch_item(batch_id))
        marks = (name.removeprefix(MARK) for name in names if name.startswith(MARK))
        return {CountedImage(batch_id, mark) for mark in marks}

    def finish(self, run_id: str, finished_at: datetime) -> RunRecord:
        """Let no batch be added to the run any more, and return all that is known of it, for its receipt."""
        update = Update(_item(run_id), "SET finished_at = :now", {"now": format_rfc3339(finished_at)})
        return RunRecord.parse(self._items.update(update, returning="ALL_NEW"))

    def close(
        self, run_id: str, outcome: Outcome, record: RunRecord, error: Mapping[str, str] | None, finished_at: datetime
    ) -> None:
        """Record how the run ended, and add its model time to the days on which it ran: once, if repeated.

        `record` is the receipt's. A run whose stop is not accepted yet counts until `finished_at`.
        """
        expression = "SET outcome = :outcome, run_error = :error"
        values: dict[str, Any] = {"outcome": outcome.value, "error": error}
        if record.outcome is None and record.model_running_at is not None and record.model_is_ours:
            end = record.model_time_end(finished_at)
            additions = self._usage.additions(record.model_running_at, end)
            expression += ", model_counted_at = :counted"
            values["counted"] = format_rfc3339(end)
            once = Update(_item(run_id), expression, values, condition="attribute_not_exists(outcome)")
            try:
                self._items.transact([once, *additions])
            except ConditionFailed:
                # Closed before, by an attempt whose answer was lost.
                pass
            else:
                return
            # What is written once more must not move the account.
            del values["counted"]
            expression = expression.removesuffix(", model_counted_at = :counted")
        self._update(run_id, expression, **values)

    def add_late_model_time(self, run_id: str, record: RunRecord, end: datetime) -> None:
        """Add what a model ran on until `end` although its run was closed: once, if repeated.

        `record` is what was read of the closed run. Its account goes on where it ended, or begins with the model time.
        """
        begin = record.model_counted_at or record.model_running_at
        if begin is None:
            return
        values = {"end": format_rfc3339(end)}
        if record.model_counted_at is None:
            condition = "attribute_not_exists(model_counted_at)"
        else:
            condition = "model_counted_at = :begin"
            values["begin"] = format_rfc3339(begin)
        once = Update(_item(run_id), "SET model_counted_at = :end", values, condition)
        with suppress(ConditionFailed):
            self._items.transact([once, *self._usage.additions(begin, end)])

    def read(self, run_id: str) -> RunRecord:
        """Return what is known of the run (a consistent read); an empty record when there is none."""
        return RunRecord.parse(self._items.read(_item(run_id)))

    def _update(self, run_id: str, expression: str, **values: Any) -> None:  # noqa: ANN401 - plain values of an item
        self._items.update(Update(_item(run_id), expression, values))


def _item(run_id: str) -> str:
    return f"run#{run_id}"


def _batch_item(batch_id: str) -> str:
    return f"batch#{batch_id}"


def _notes_of(images: Collection[CountedImage]) -> Iterator[Update]:
    """Yield a write for each batch that claimed names of these images: one, unless a batch was killed before."""
    after = int((now() + timedelta(days=BATCH_KEPT_DAYS)).timestamp())
    for batch_id in sorted({image.batch_id for image in images}):
        names = sorted(MARK + image.mark for image in images if image.batch_id == batch_id)
        expression = "SET delete_after = :after, " + ", ".join(f"{name} = :yes" for name in names)
        condition = " AND ".join(f"attribute_not_exists({name})" for name in names)
        yield Update(_batch_item(batch_id), expression, {"after": after, "yes": True}, condition)
