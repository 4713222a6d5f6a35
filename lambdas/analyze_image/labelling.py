"""The way of one image, in an order that survives a crash at any point.

1. detect            nothing is written yet
2. claim the name    the JSON, with If-None-Match: from here on a redelivery carries on instead of detecting again
3. copy the image    the same bytes to the same name, so it may happen twice
4. delete the source only now, exactly this version or etag

The claim comes before the copy so that two uploads under one key never write to one name, although S3's condition on
a copy is not something to rely on. Between 2 and 4 the image is in the source bucket and its message in the queue.
"""

from dataclasses import dataclass, replace
from enum import Enum

from analyze_image.detector import Detector, ImageUnreadableError, size_fault
from analyze_image.documents import Verdict, document
from analyze_image.names import FAILED, PROCESSED, candidates
from analyze_image.store import SourceGoneError, SourceReplacedError, Store
from analyze_image.upload import Upload


class Ending(Enum):
    """How the way of one image ended."""

    PROCESSED = "processed"
    FAILED = "failed"
    # Nothing was left to do: an earlier attempt finished it, its owner deleted it, or a newer upload took its place.
    ALREADY_DONE = "already done"
    GONE = "gone"
    REPLACED = "replaced"


@dataclass(frozen=True)
class Claim:
    """A name in the final bucket that is this upload's; `is_new` when this very attempt claimed it."""

    image_key: str
    is_new: bool


class NamesTakenError(Exception):
    """Every name that this upload could have is held by other uploads."""


class AccessMissingError(Exception):
    """The object is there, and Rekognition may not read it: a configuration fault, not the image's."""


class Labelling:
    """Takes images from the source bucket through the model to the final bucket."""

    def __init__(self, detector: Detector, store: Store) -> None:
        self._detector = detector
        self._store = store

    def label(self, upload: Upload, *, redelivered: bool) -> Ending:
        """Take one image all the way. `redelivered`: an earlier attempt may have claimed a name already.

        Errors: those of Detector.detect, S3's ClientErrors, NamesTakenError, AccessMissingError.
        """
        if redelivered:
            for prefix in (PROCESSED, FAILED):
                for image_key in candidates(self._store.final_prefix + prefix, upload):
                    source = self._store.provenance(image_key)
                    if source is not None and upload.same_as(source):
                        return self._move(upload, prefix, Claim(image_key, is_new=False))
        if size_fault(upload.size):
            # That alone would end its way, and a message may say anything: what S3 says counts.
            size = self._store.source_size(upload)
            upload = upload if size is None else replace(upload, size=size)
        try:
            verdict = self._detector.detect(upload)
        except ImageUnreadableError as error:
            return self._without_detection(upload, error)
        prefix = FAILED if verdict.fault else PROCESSED
        return self._move(upload, prefix, self._claim(prefix, upload, verdict))

    def _claim(self, prefix: str, upload: Upload, verdict: Verdict) -> Claim:
        for image_key in candidates(self._store.final_prefix + prefix, upload):
            result = document(upload, verdict, self._detector.model, self._store.final_bucket, image_key)
            if self._store.claim(image_key, result):
                return Claim(image_key, is_new=True)
            source = self._store.provenance(image_key)
            if source is not None and upload.same_as(source):
                # The event came twice: the first result stands.
                return Claim(image_key, is_new=False)
        raise NamesTakenError(f"every name for {upload} under {prefix}/ is held by another upload")

    def _move(self, upload: Upload, prefix: str, claim: Claim) -> Ending:
        try:
            self._store.copy_image(upload, claim.image_key)
        except SourceGoneError:
            # An older claim without a source is a finished result, whose image may have been fetched meanwhile.
            if not claim.is_new or self._store.has_image(claim.image_key):
                return Ending.ALREADY_DONE
            # Deleted by its owner while we were at it: a result without its image would be a lie.
            self._store.withdraw_claim(claim.image_key)
            return Ending.GONE
        except SourceReplacedError:
            # Without versions we may have looked at the newer bytes, so the result is not this upload's either.
            if claim.is_new:
                self._store.withdraw_claim(claim.image_key)
            return Ending.REPLACED
        self._store.delete_source(upload)
        return Ending.PROCESSED if prefix == PROCESSED else Ending.FAILED

    def _without_detection(self, upload: Upload, error: ImageUnreadableError) -> Ending:
        """Find out which of the things that InvalidS3Object can mean is the case."""
        etag = self._store.source_etag(upload)
        if etag is None:
            return Ending.GONE
        if etag != upload.etag:
            return Ending.REPLACED
        raise AccessMissingError(
            f"{upload} exists, and Rekognition cannot read it ({error}): check that the function's role may read the "
            "object, that its KMS key allows it, and that bucket and model are in one region"
        ) from error
