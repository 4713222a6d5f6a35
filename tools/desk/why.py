"""`clb why KEY`: where one image is, and what to do, in a sentence."""

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated

import typer

from shared.s3_events import RESULT_SUFFIX
from tools.deployment import Deployment
from tools.desk import output
from tools.desk.errors import Exit, UsageError
from tools.desk.evidence import Evidence, StoredResult, gather
from tools.desk.options import AsJson, Name, Outputs, chosen
from tools.desk.output import BAD, GOOD, WAIT

# S3 sends an event within seconds, and SQS's counts lag by a minute.
NEW_SECONDS = 120
# The reconcile's margin: the event of an image that was younger when the queue was empty may have been still to come.
MARGIN_SECONDS = 3600
LABELLED_OUTCOMES = ("processed", "already done")


class State(StrEnum):
    """Where an image is. A program may rely on the values."""

    WAITING = "waiting"
    WITHOUT_MESSAGE = "waiting_without_message"
    IN_FLIGHT = "in_flight"
    LABELLED = "labelled"
    LABELLED_ELSEWHERE = "labelled_under_another_name"
    FAILED = "failed"
    DEAD_LETTERED = "dead_lettered"
    DELETED = "deleted_by_owner"
    NEVER_UPLOADED = "never_uploaded"
    RESULT_MOVED = "result_moved_away"
    ARCHIVED = "archived"
    WRONG_SUFFIX = "wrong_suffix"
    WRONG_PREFIX = "wrong_prefix"


# Time alone brings these to an end.
AT_REST = {State.WAITING, State.IN_FLIGHT, State.LABELLED, State.LABELLED_ELSEWHERE}
STYLES = {State.WAITING: WAIT, State.IN_FLIGHT: WAIT, State.LABELLED: GOOD, State.LABELLED_ELSEWHERE: GOOD}


@dataclass(frozen=True)
class Answer:
    """Where the image is, the sentence that says so, and the result, if there is one."""

    state: State
    sentence: str
    result: StoredResult | None = None


def answer(deployment: Deployment, key: str, evidence: Evidence, now: datetime) -> Answer:
    """Return where the image is, by what was found."""
    return next(_answers(deployment, key, evidence, now))


def _answers(deployment: Deployment, key: str, evidence: Evidence, now: datetime) -> Iterator[Answer]:
    """Yield what holds, what is most certain first."""
    source, image = evidence.source, f"s3://{deployment.source.bucket}/{key}"
    result = next((one for one in evidence.results if _is_of_present_upload(deployment, key, one, evidence)), None)
    if result is not None:
        yield _finished(deployment, key, evidence, result)
    if source is None:
        yield from _gone(image, evidence)
        return
    if not key.startswith(deployment.source.prefix):
        prefix = deployment.source.prefix
        yield Answer(
            State.WRONG_PREFIX,
            f"{image} is not below source_prefix {prefix}, and nothing looks at it: upload it to {prefix}{key}, or "
            "change source_prefix.",
        )
    if not key.endswith(deployment.source.suffixes) or key.lower().endswith(RESULT_SUFFIX):
        suffixes = ", ".join(deployment.source.suffixes)
        yield Answer(
            State.WRONG_SUFFIX,
            f"{image} has none of the suffixes {suffixes}, for which S3 sends a message: give it another name, or add "
            "its suffix to image_suffixes and run `clb backfill`.",
        )
    if evidence.dead_letter is not None:
        yield Answer(
            State.DEAD_LETTERED,
            f"{image} is in the dead-letter queue because of {evidence.dead_letter.rstrip('.')}: mend that, then run "
            "`clb redrive`.",
        )
    if source.is_archived:
        yield Answer(
            State.ARCHIVED,
            f"{image} is archived ({source.storage_class}) and cannot be read: restore it, then run `clb backfill "
            f"--prefix {shlex.quote(key)}`.",
        )
    yield from _waiting(deployment, key, evidence, now)


def _is_of_present_upload(deployment: Deployment, key: str, result: StoredResult, evidence: Evidence) -> bool:
    source = evidence.source
    return source is None or source.upload(deployment.source.bucket, key).same_as(result.document["source"])


def _finished(deployment: Deployment, key: str, evidence: Evidence, result: StoredResult) -> Answer:
    where = f"s3://{deployment.final_bucket}/{result.image_key}"
    when = f"at {result.analyzed_at}"
    if not result.has_image and evidence.source is not None:
        return Answer(
            State.IN_FLIGHT,
            f"{key} was analyzed {when}, and its copy to {where} has not finished: its message is tried again, and "
            "there is nothing to do.",
            result,
        )
    moved = "" if result.has_image else ", and somebody has moved the image away since"
    if result.error is not None:
        reason = f"{result.error.get('code')}: {str(result.error.get('message')).rstrip('.')}"
        return Answer(
            State.FAILED,
            f"{key} can never succeed because of {reason}; it lies in {where}{moved}: mend the image, and upload it "
            "again.",
            result,
        )
    labels = [str(label.get("Name")) for label in result.document.get("CustomLabels") or []]
    found = f"with {', '.join(sorted(set(labels)))}" if labels else "with no label"
    if result.image_key != f"{deployment.final_prefix}processed/{key}":
        return Answer(
            State.LABELLED_ELSEWHERE,
            f"{key} was labelled {when} {found}, under another name because its own was taken: its result is "
            f"{where}{RESULT_SUFFIX}{moved}.",
            result,
        )
    at = f"{where}{RESULT_SUFFIX}{moved}"
    return Answer(State.LABELLED, f"{key} was labelled {when} {found}: its result is {at}.", result)


def _gone(image: str, evidence: Evidence) -> Iterator[Answer]:
    logged = (evidence.logged or {}).get("outcome")
    if evidence.deleted_at is not None and logged not in LABELLED_OUTCOMES:
        yield Answer(
            State.DELETED,
            f"{image} was deleted by its owner at {evidence.deleted_at:%Y-%m-%d %H:%M} UTC, before it was labelled: "
            "upload it again to have it labelled.",
        )
    if evidence.dead_letter is not None or logged == "gone":
        yield Answer(
            State.DELETED,
            f"{image} was deleted by its owner before it was labelled: upload it again to have it labelled.",
        )
    if logged is not None:
        yield Answer(
            State.RESULT_MOVED,
            f"{image} was handled ({logged}) at {(evidence.logged or {}).get('timestamp')}, and its result is no "
            "longer in the final bucket: somebody, or a lifecycle rule, has taken it away.",
        )
    yield Answer(
        State.NEVER_UPLOADED,
        f"{image} is not there, and nothing tells of it: check the key, in which upper and lower case differ, or "
        "upload it.",
    )


def _waiting(deployment: Deployment, key: str, evidence: Evidence, now: datetime) -> Iterator[Answer]:
    source, queue = evidence.source, evidence.queue
    assert source is not None  # noqa: S101 - _answers has left before
    image, age = f"s3://{deployment.source.bucket}/{key}", (now - source.uploaded_at).total_seconds()
    if age > NEW_SECONDS and (queue.total == 0 or _was_forgotten(source.uploaded_at, evidence)):
        known = "the queue is empty" if queue.total == 0 else "the queue has been empty since it was uploaded"
        margin = " --margin-minutes 0" if age <= MARGIN_SECONDS else ""
        yield Answer(
            State.WITHOUT_MESSAGE,
            f"{image} waits without a message ({known}): the daily reconcile queues it, or `clb backfill --prefix "
            f"{shlex.quote(key)}{margin}` does now.",
        )
    if evidence.running and queue.in_flight and not queue.visible + queue.delayed:
        yield Answer(State.IN_FLIGHT, f"{image} is being labelled by run {evidence.running}: there is nothing to do.")
    reason = (evidence.logged or {}).get("reason")
    deferred = f" after {str(reason).rstrip('.')}" if reason else ""
    who = f"run {evidence.running}" if evidence.running else "the next run"
    now_too = "" if evidence.running else ", and `clb run` starts one now"
    with_others = f", one of about {queue.total:,} messages" if queue.total > 1 else ""
    yield Answer(State.WAITING, f"{image} waits in the image queue{deferred}{with_others}: {who} labels it{now_too}.")


def _was_forgotten(uploaded_at: datetime, evidence: Evidence) -> bool:
    """Whether the queue was counted empty after the upload, and nobody has given old images new messages since.

    So does the reconcile know which images have no message. A dead letter that is no longer there was redriven.
    """
    if evidence.queue_empty_at is None or "dead-lettered" in str((evidence.logged or {}).get("message")):
        return False
    known_at = datetime.fromtimestamp(evidence.queue_empty_at, UTC) - timedelta(seconds=MARGIN_SECONDS)
    return uploaded_at < known_at and (evidence.queued_at is None or evidence.queued_at < known_at)


Key = Annotated[str, typer.Argument(help="The image's key in the source bucket, or its s3:// address.")]


def why(key: Key, name: Name = None, outputs: Outputs = None, as_json: AsJson = False) -> int:
    """Say where one image is, and what to do. The exit code is 3 if a person has to do something."""
    deployment = chosen(name, outputs)
    key = _key_of(key, deployment.source.bucket)
    found = answer(deployment, key, gather(deployment, key), datetime.now(UTC))
    if as_json:
        output.document(
            {
                "name": deployment.name,
                "bucket": deployment.source.bucket,
                "key": key,
                "state": found.state.value,
                "sentence": found.sentence,
                "needs_attention": found.state not in AT_REST,
                "result": found.result and f"{found.result.image_key}{RESULT_SUFFIX}",
                "error": found.result.error if found.result else None,
            }
        )
    else:
        output.sentence(found.sentence, STYLES.get(found.state, BAD))
    return Exit.OK if found.state in AT_REST else Exit.ATTENTION


def _key_of(given: str, bucket: str) -> str:
    of_bucket, key = bucket, given
    if given.startswith("s3://"):
        of_bucket, _, key = given.removeprefix("s3://").partition("/")
    if of_bucket != bucket:
        raise UsageError(f"{given}: the deployment's source bucket is {bucket}")
    if not key:
        raise UsageError("name one image: its key, or s3://BUCKET/KEY")
    return key
