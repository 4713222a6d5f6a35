"""The way of one image, in an order that survives a crash at any point.

1. detect              nothing is written yet
2. look at the names   an earlier claim of this upload is carried on; what else lies there stays, and the next is taken
3. claim a name        the JSON, with If-None-Match: from here on a redelivery carries on instead of detecting again
4. copy the image      the same bytes to the same name, so it may happen twice
5. delete the source   only now, exactly this version or etag

The claim comes before the copy so that two uploads under one key never write to one name, although S3's condition on
a copy is not something to rely on. Between 3 and 5 the image is in the source bucket and its message in the queue.
No image's key ends as a claim's does (s3_events.py refuses it), so that no copy can meet the JSON of another image.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from botocore.exceptions import ClientError

from analyze_image.detector import Detector, ImageUnreadableError, size_fault
from analyze_image.documents import Verdict, document
from analyze_image.faults import AccessMissingError, Fault, fault_of, reason_of
from analyze_image.names import FAILED, PROCESSED, candidates
from analyze_image.store import NameTakenError, SourceGoneError, SourceReplacedError, Store
from shared.s3_events import Upload


class Ending(Enum):
    """How the way of one image ended."""

    PROCESSED = "processed"
    FAILED = "failed"
    # Nothing was left to do: an earlier attempt finished it, its owner deleted it, or a newer upload took its place.
    ALREADY_DONE = "already done"
    GONE = "gone"
    REPLACED = "replaced"


@dataclass
class Attempt:
    """What is known of the attempts at one upload, and what this one learns for the next."""

    # Whether a name is claimed whose image was never copied there. Without a source and an image such a claim is
    # nobody's; an older one that is not known to be such is a finished result, whose image may have been fetched.
    lacks_copy: bool = False
    # Whether the model labels other images now.
    others_pass: Callable[[], bool] = lambda: False


@dataclass(frozen=True)
class Claim:
    """A name in the final bucket that is this upload's; `is_new` when this very attempt claimed it."""

    image_key: str
    is_new: bool


class ClaimMovedError(Exception):
    """Another attempt at the same upload is moving its claim at this moment."""


class NamesTakenError(Exception):
    """Every name that this upload could have is held by something else."""


class Labelling:
    """Takes images from the source bucket through the model to the final bucket."""

    def __init__(self, detector: Detector, store: Store) -> None:
        self._detector = detector
        self._store = store

    def label(self, upload: Upload, *, redelivered: bool, attempt: Attempt | None = None) -> Ending:
        """Take one image all the way. `redelivered`: an earlier attempt may have claimed a name already.

        Errors: those of Detector.detect, S3's ClientErrors, NamesTakenError, ClaimMovedError, AccessMissingError.
        """
        attempt = attempt or Attempt()
        if redelivered:
            for prefix in (PROCESSED, FAILED):
                claim = self._earlier_claim(candidates(self._store.final_prefix + prefix, upload), upload)
                if claim:
                    return self._finish(upload, prefix, claim, attempt)
        if size_fault(upload.size):
            # That alone would end its way, and a message may say anything: what S3 says counts.
            size = self._store.source_size(upload)
            upload = upload if size is None else replace(upload, size=size)
        try:
            verdict = self._detector.detect(upload, attempt.others_pass)
        except ImageUnreadableError as error:
            return self._without_detection(upload, error)
        prefix = FAILED if verdict.fault else PROCESSED
        return self._finish(upload, prefix, self._claim(prefix, upload, verdict), attempt)

    def _earlier_claim(self, names: list[str], upload: Upload) -> Claim | None:
        return next((Claim(name, is_new=False) for name in names if self._is_claimed_by(upload, name)), None)

    def _is_claimed_by(self, upload: Upload, image_key: str) -> bool:
        source = self._store.provenance(image_key)
        return source is not None and upload.same_as(source)

    def _claim(self, prefix: str, upload: Upload, verdict: Verdict) -> Claim:
        def result(image_key: str) -> dict[str, Any]:
            return document(upload, verdict, self._detector.model, self._store.final_bucket, image_key)

        names = candidates(self._store.final_prefix + prefix, upload)
        # Another message about the same upload may have claimed a later name, when the first was taken.
        return self._earlier_claim(names[1:], upload) or self._claim_one_of(names, upload, result)

    def _claim_one_of(self, names: list[str], upload: Upload, result: Callable[[str], dict[str, Any]]) -> Claim:
        for image_key in names:
            # What lies there without a JSON is somebody else's, or has lost its JSON to somebody.
            is_free = not self._store.has_image(image_key)
            if is_free and self._store.claim(image_key, result(image_key)):
                return Claim(image_key, is_new=True)
            if self._is_claimed_by(upload, image_key):
                # The event came twice: the first result stands.
                return Claim(image_key, is_new=False)
        raise NamesTakenError(f"every name for {upload} in {self._store.final_bucket} is held by something else")

    def _finish(self, upload: Upload, prefix: str, claim: Claim, attempt: Attempt) -> Ending:
        while True:
            try:
                ending = self._move(upload, prefix, claim, attempt)
            except NameTakenError:
                claim = self._claim_next(upload, prefix, claim)
            else:
                attempt.lacks_copy = False
                return ending

    def _claim_next(self, upload: Upload, prefix: str, claim: Claim) -> Claim:
        """Move a claim to the next name, with the result as it is.

        A crash in between leaves no claim, so that the redelivery detects again: better than two results.
        """
        names = candidates(self._store.final_prefix + prefix, upload)
        claimed = self._store.withdraw_claim(claim.image_key, upload)
        if claimed is None:
            raise ClaimMovedError(f"another attempt at {upload} took its claim elsewhere; this one has to begin again")

        def result(image_key: str) -> dict[str, Any]:
            return {**claimed, "image": {"bucket": self._store.final_bucket, "key": image_key}}

        return self._claim_one_of(names[names.index(claim.image_key) + 1 :], upload, result)

    def _move(self, upload: Upload, prefix: str, claim: Claim, attempt: Attempt) -> Ending:
        attempt.lacks_copy = attempt.lacks_copy or claim.is_new
        try:
            if not self._is_copied(upload, claim):
                # The source is there and the image is not: whatever came before, this upload is not finished.
                attempt.lacks_copy = True
                self._store.copy_image(upload, claim.image_key)
        except (SourceGoneError, SourceReplacedError) as error:
            is_gone = isinstance(error, SourceGoneError)
            if attempt.lacks_copy and not self._store.has_image(claim.image_key):
                # Deleted by its owner while we were at it, a result without its image would be a lie. Replaced, without
                # versions, we may have looked at the newer bytes, so the result is not this upload's either.
                self._store.withdraw_claim(claim.image_key, upload)
                return Ending.GONE if is_gone else Ending.REPLACED
            return Ending.ALREADY_DONE if is_gone else Ending.REPLACED
        attempt.lacks_copy = False
        self._store.delete_source(upload)
        return Ending.PROCESSED if prefix == PROCESSED else Ending.FAILED

    def _is_copied(self, upload: Upload, claim: Claim) -> bool:
        """Whether the image is there already. Errors: NameTakenError, SourceGoneError, SourceReplacedError."""
        if claim.is_new:
            return False
        etag = self._store.source_etag(upload)
        if etag is None:
            raise SourceGoneError
        if etag != upload.etag:
            raise SourceReplacedError
        if not self._store.has_image(claim.image_key):
            return False
        # An earlier attempt, or another one at this moment, may have copied it; anything else is not ours.
        if not self._store.is_copy(upload, claim.image_key):
            raise NameTakenError
        return True

    def _without_detection(self, upload: Upload, error: ImageUnreadableError) -> Ending:
        """Find out which of the things that InvalidS3Object can mean is the case."""
        advice = (
            "check that the function's role may read the object and list its bucket, that its KMS key allows it, and "
            "that bucket and model are in one region. An object encrypted with a key of its owner's cannot be read"
        )
        try:
            etag = self._store.source_etag(upload)
        except ClientError as refusal:
            if fault_of(refusal) is not Fault.REFUSED:
                raise
            raise AccessMissingError(
                f"Rekognition cannot read the image, nor can we. {reason_of(refusal)}: {advice}"
            ) from error
        if etag is None:
            return Ending.GONE
        if etag != upload.etag:
            return Ending.REPLACED
        raise AccessMissingError(
            f"Rekognition cannot read the image, which exists ({error}): {advice}. It is {upload}"
        ) from error
