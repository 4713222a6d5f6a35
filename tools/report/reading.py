"""What a report is about: a final bucket's results, failures and receipts, of one run or since a moment."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal

from botocore.exceptions import ClientError

from shared.clients import NOT_FOUND, calling, error_code
from tools.report import documents
from tools.report.documents import Document, Json

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

# Within botocore's pool of ten connections.
WORKERS = 8
# A result is stored after it was analyzed, so an older object is none of the selection, give or take two clocks.
CLOCKS_APART = timedelta(minutes=15)
UNREADABLE_SHOWN = 3


class ReportError(Exception):
    """There is nothing to report, or nowhere to write it; the message is one sentence that says what to do."""


@dataclass(frozen=True)
class FinalBucket:
    """Where a deployment leaves its results. `prefix` is empty, or ends with a slash."""

    s3: "S3Client"
    bucket: str
    prefix: str = ""

    def uri(self, key: str = "") -> str:
        """Return the S3 URI of a key below the prefix."""
        return f"s3://{self.bucket}/{self.prefix}{key}"


@dataclass(frozen=True)
class OfRun:
    """The images of one run."""

    run_id: str


@dataclass(frozen=True)
class Since:
    """The images that were analyzed, and the runs that ended, at a moment with a time zone or later."""

    moment: datetime


Selection = OfRun | Since


@dataclass(frozen=True)
class Found:
    """What a selection holds, in the order of the keys. `notes` are sentences about what is not as expected."""

    results: list[Document]
    failures: list[Document]
    receipts: list[Json]
    notes: list[str]


def read(final: FinalBucket, selection: Selection) -> Found:
    """Return what the selection holds. ReportError: nothing. Other errors: botocore's, of a call that names its object.

    A result of schema "1" does not name its run: it counts as the run's if it was analyzed while the run went on.
    """
    receipts, unreadable = _receipts(final, selection)
    begin = _begin(selection, receipts)
    found: list[Document] = []
    for folder in ("processed/", "failed/"):
        keys = [key for key in _keys(final, folder, begin) if key.endswith(".json")]
        for key, content in _bodies(final, keys):
            # Deleted since the listing.
            if content is None:
                continue
            try:
                document = documents.document(key.removesuffix(".json"), content)
            except ValueError as error:
                unreadable.append(f"s3://{final.bucket}/{key} is no result, because {error}")
                continue
            if _is_selected(document, selection, receipts):
                found.append(document)
    if not found:
        raise ReportError(_nothing(final, selection, receipts, unreadable))
    results = [document for document in found if document.failure is None]
    failures = [document for document in found if document.failure is not None]
    notes = [*_unreadable_notes(unreadable), *_receipt_notes(selection, results, failures, receipts)]
    return Found(results, failures, receipts, notes)


def body(final: FinalBucket, key: str) -> bytes | None:
    """Return an object's bytes; None when it is not there."""
    with calling("GetObject", f"s3://{final.bucket}/{key}"):
        try:
            return final.s3.get_object(Bucket=final.bucket, Key=key)["Body"].read()
        except ClientError as error:
            # A bucket that is not there is another matter.
            if error_code(error) in NOT_FOUND:
                return None
            raise


def _receipts(final: FinalBucket, selection: Selection) -> tuple[list[Json], list[str]]:
    """Return the receipts of the selection, the latest first, and what is none."""
    if isinstance(selection, OfRun):
        keys = [f"{final.prefix}runs/{selection.run_id}.json"]
    else:
        keys = list(_keys(final, "runs/", selection.moment - CLOCKS_APART))
    receipts, unreadable = [], []
    for key, content in _bodies(final, keys):
        if content is None:
            continue
        try:
            receipt = documents.receipt(content)
        except ValueError as error:
            unreadable.append(f"s3://{final.bucket}/{key} is no receipt, because {error}")
            continue
        if isinstance(selection, OfRun) or documents.moment(receipt, "finished_at") >= selection.moment:
            receipts.append(receipt)
    return sorted(receipts, key=lambda receipt: documents.moment(receipt, "started_at"), reverse=True), unreadable


def _begin(selection: Selection, receipts: list[Json]) -> datetime | None:
    if isinstance(selection, Since):
        return selection.moment - CLOCKS_APART
    return documents.moment(receipts[0], "started_at") - CLOCKS_APART if receipts else None


def _is_selected(document: Document, selection: Selection, receipts: list[Json]) -> bool:
    if isinstance(selection, Since):
        return document.analyzed_at >= selection.moment
    if document.run_id is not None:
        return document.run_id == selection.run_id
    return any(
        documents.moment(receipt, "started_at") <= document.analyzed_at <= documents.moment(receipt, "finished_at")
        for receipt in receipts
    )


def _keys(final: FinalBucket, folder: str, begin: datetime | None) -> Iterator[str]:
    prefix = f"{final.prefix}{folder}"
    with calling("ListObjectsV2", f"s3://{final.bucket}/{prefix}"):
        for page in final.s3.get_paginator("list_objects_v2").paginate(Bucket=final.bucket, Prefix=prefix):
            for item in page.get("Contents", []):
                if begin is None or item["LastModified"] >= begin:
                    yield item["Key"]


def _bodies(final: FinalBucket, keys: list[str]) -> Iterator[tuple[str, bytes | None]]:
    with ThreadPoolExecutor(WORKERS) as pool:
        yield from zip(keys, pool.map(lambda key: body(final, key), keys), strict=True)


def _nothing(final: FinalBucket, selection: Selection, receipts: list[Json], unreadable: list[str]) -> str:
    also = f" ({'; '.join(_unreadable_notes(unreadable))})" if unreadable else ""
    if isinstance(selection, Since):
        return (
            f"no image was labelled or failed since {selection.moment.isoformat()} in {final.uri()}{also}; choose an "
            "earlier date"
        )
    if not receipts:
        return (
            f"there is no run {selection.run_id} in {final.uri()}: it has no receipt {final.uri('runs/')}"
            f"{selection.run_id}.json, and no result names it{also}; give the name of an execution"
        )
    [receipt] = receipts
    if any(_counted(receipt, what) for what in ("processed", "failed")):
        return (
            f"run {selection.run_id} labelled {_counted(receipt, 'processed')} images and failed "
            f"{_counted(receipt, 'failed')}, and none of their results is in {final.uri()} any more{also}"
        )
    reason = f" ({receipt['reason']})" if receipt.get("reason") else ""
    return (
        f"run {selection.run_id} labelled no image and failed none, so there is nothing to show: it ended as "
        f"{receipt['outcome']}{reason}{also}"
    )


def _unreadable_notes(unreadable: list[str]) -> list[str]:
    more = len(unreadable) - UNREADABLE_SHOWN
    return [*unreadable[:UNREADABLE_SHOWN], *([f"{more} more objects are no results either"] if more > 0 else [])]


def _receipt_notes(
    selection: Selection, results: list[Document], failures: list[Document], receipts: list[Json]
) -> Iterator[str]:
    """Yield what the receipt of a run and its results do not agree about: somebody may have moved results away."""
    if isinstance(selection, Since):
        return
    if not receipts:
        yield "the run has left no receipt yet, so its phases and its cost are not known"
        return
    pairs: tuple[tuple[Literal["processed", "failed"], list[Document]], ...]
    pairs = (("processed", results), ("failed", failures))
    for what, there in pairs:
        if _counted(receipts[0], what) != len(there):
            yield f"the receipt counts {_counted(receipts[0], what)} images as {what}, and {len(there)} are here"


def _counted(receipt: Json, what: str) -> int:
    count = receipt["images"].get(what)
    return count if isinstance(count, int) else 0
