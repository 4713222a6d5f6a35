"""Takes one image from the source bucket to the final bucket, in an order that survives a crash at any point.

1. detect              nothing is written yet; an upload that its owner deleted meanwhile ends here
2. check the names     an earlier claim of this upload is continued; a name with anything else is skipped
3. claim a name        write the JSON with If-None-Match: from here on a redelivery continues and does not detect again
4. copy the image      the same bytes to the same name with what it carries, so a repetition does no harm
5. delete the source   only now, exactly this version or etag

The claim comes before the copy, so that two uploads under one key never write to one name even where S3 ignores the
condition on a copy. Between 3 and 5 the image is in the source bucket and its message in the queue. No image has the
suffix of a claim (s3_events.py refuses it), so no copy can overwrite the JSON of another image.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

from botocore.exceptions import ClientError

from analyze_image.detector import Detector, ImageUnreadableError, size_failure
from analyze_image.documents import Detection, result_document
from analyze_image.errors import AccessMissingError, ErrorClass, classify, describe
from analyze_image.names import FAILED, PROCESSED, candidates
from analyze_image.picture_sides import breaks_limits
from analyze_image.store import Claim, NameTakenError, SourceGoneError, SourceReplacedError, Store
from shared.s3_events import Upload


class ImageOutcome(Enum):
    """How the processing of one image ended."""

    PROCESSED = "processed"
    FAILED = "failed"
    # Nothing was left to do: an earlier attempt finished it, its owner deleted it, or a newer upload replaced it.
    ALREADY_DONE = "already done"
    GONE = "gone"
    REPLACED = "replaced"


@dataclass
class Attempt:
    """What is known of the attempts at one upload, and what this one finds out for the next."""

    # Whether a name is claimed whose image was never copied. Without source and image such a claim is void. Any other
    # claim without an image is a finished result whose image somebody moved away.
    uncopied: bool = False
    # Whether the model labels other images now.
    others_succeed: Callable[[], bool] = lambda: False
    # The batch that this attempt belongs to, and the batch that claimed the image's name; empty when it is not known.
    batch_id: str = ""
    claimed_by: str = ""
    # The run that this attempt belongs to; None when it is not known.
    run_id: str | None = None
    # Whether the image has its result under failed/, and the result.
    is_failure: bool = False
    document: Mapping[str, Any] = field(default_factory=dict)
    # Whether the owner deleted the upload before this attempt, in a bucket that keeps its version.
    is_deleted: bool = False


class ClaimMovedError(Exception):
    """Another attempt at the same upload is moving its claim to another name now."""


class NamesTakenError(Exception):
    """Every possible name of this upload is taken by another object."""


class Labelling:
    """Takes images from the source bucket through the model to the final bucket."""

    def __init__(self, detector: Detector, store: Store) -> None:
        self._detector = detector
        self._store = store

    def label(self, upload: Upload, *, redelivered: bool, attempt: Attempt | None = None) -> ImageOutcome:
        """Process one image. `redelivered`: an earlier attempt may have claimed a name.

        Errors: those of Detector.detect, S3's ClientErrors, NamesTakenError, ClaimMovedError, AccessMissingError.
        """
        attempt = attempt or Attempt()
        attempt.is_deleted = self._store.is_deleted(upload)
        if redelivered:
            for prefix in (PROCESSED, FAILED):
                claim = self._earlier_claim(candidates(self._store.final_prefix + prefix, upload), upload)
                if claim:
                    return self._finish(upload, prefix, claim, attempt)
        # Of what came before, all may be gone. Then it needs no model, which may not run.
        if attempt.is_deleted or (redelivered and self._store.is_gone(upload)):
            return ImageOutcome.GONE
        if size_failure(upload.size):
            # The size alone would fail the image, and a message may say anything, so S3's own answer counts.
            found = self._store.source(upload)
            upload = upload if found is None else replace(upload, size=found.size)
        try:
            detection = self._detector.detect(
                upload, attempt.others_succeed, lambda: breaks_limits(self._store.head_of(upload))
            )
        except ImageUnreadableError as error:
            return self._without_detection(upload, error)
        prefix = FAILED if detection.failure else PROCESSED
        return self._finish(upload, prefix, self._claim(prefix, upload, detection, attempt), attempt)

    def _earlier_claim(self, names: list[str], upload: Upload) -> Claim | None:
        for name in names:
            if claim := self._store.claim_of(upload, name):
                return claim
        return None

    def _claim(self, prefix: str, upload: Upload, detection: Detection, attempt: Attempt) -> Claim:
        def result(image_key: str) -> dict[str, Any]:
            return result_document(
                upload, detection, self._detector.settings, self._store.final_bucket, image_key, attempt.run_id
            )

        names = candidates(self._store.final_prefix + prefix, upload)
        # Another message about the same upload may have claimed a later name, when the first was taken.
        return self._earlier_claim(names[1:], upload) or self._claim_one_of(names, upload, result, attempt.batch_id)

    def _claim_one_of(
        self, names: list[str], upload: Upload, result: Callable[[str], dict[str, Any]], batch_id: str
    ) -> Claim:
        for image_key in names:
            # An image without a JSON belongs to somebody else, or somebody removed its JSON.
            is_free = not self._store.has_image(image_key)
            if is_free and (claim := self._store.claim(image_key, result(image_key), batch_id)):
                return claim
            if claim := self._earlier_claim([image_key], upload):
                # The event was delivered twice: the first result stays.
                return claim
        raise NamesTakenError(f"every name for {upload} in {self._store.final_bucket} is taken by another object")

    def _finish(self, upload: Upload, prefix: str, claim: Claim, attempt: Attempt) -> ImageOutcome:
        while True:
            try:
                outcome = self._move(upload, prefix, claim, attempt)
            except NameTakenError:
                claim = self._claim_next(upload, prefix, claim)
            else:
                attempt.uncopied = False
                attempt.claimed_by, attempt.is_failure = claim.batch_id, prefix == FAILED
                attempt.document = claim.document
                return outcome

    def _claim_next(self, upload: Upload, prefix: str, claim: Claim) -> Claim:
        """Move a claim, with its result unchanged, to the next name.

        A crash in between leaves no claim, so the redelivery detects again. That is better than two results.
        """
        names = candidates(self._store.final_prefix + prefix, upload)
        claimed = self._store.withdraw_claim(claim.image_key, upload)
        if claimed is None:
            raise ClaimMovedError(
                f"another attempt at {upload} moved its claim to another name; this attempt has to start again"
            )

        def result(image_key: str) -> dict[str, Any]:
            return {**claimed, "image": {"bucket": self._store.final_bucket, "key": image_key}}

        later_names = names[names.index(claim.image_key) + 1 :]
        return self._claim_one_of(later_names, upload, result, claim.batch_id)

    def _move(self, upload: Upload, prefix: str, claim: Claim, attempt: Attempt) -> ImageOutcome:
        attempt.uncopied = attempt.uncopied or claim.is_new
        try:
            if not self._is_copied(upload, claim):
                # The source exists and the image does not: whatever came before, this upload is not finished.
                attempt.uncopied = True
                if attempt.is_deleted:
                    raise SourceGoneError
                self._store.copy_image(upload, claim.image_key)
        except (SourceGoneError, SourceReplacedError) as error:
            is_gone = isinstance(error, SourceGoneError)
            if attempt.uncopied and not self._store.has_image(claim.image_key):
                # The owner deleted the image meanwhile, so a result without its image would be false. Or the image was
                # replaced in a bucket without versions, so the result may describe the newer bytes.
                self._store.withdraw_claim(claim.image_key, upload)
                return ImageOutcome.GONE if is_gone else ImageOutcome.REPLACED
            return ImageOutcome.ALREADY_DONE if is_gone else ImageOutcome.REPLACED
        attempt.uncopied = False
        self._store.finish_copy(upload, claim.image_key)
        self._store.delete_source(upload)
        return ImageOutcome.PROCESSED if prefix == PROCESSED else ImageOutcome.FAILED

    def _is_copied(self, upload: Upload, claim: Claim) -> bool:
        """Whether the image is already copied. Errors: NameTakenError, SourceGoneError, SourceReplacedError."""
        if claim.is_new:
            return False
        found = self._store.source(upload)
        if found is None:
            raise SourceGoneError
        if found.etag != upload.etag:
            raise SourceReplacedError
        if not self._store.has_image(claim.image_key):
            return False
        # An earlier or a parallel attempt may have copied it; anything else is not ours.
        if not self._store.is_copy(upload, claim.image_key):
            raise NameTakenError
        return True

    def _without_detection(self, upload: Upload, error: ImageUnreadableError) -> ImageOutcome:
        """Find out which of its three causes an InvalidS3ObjectException has."""
        advice = (
            "check that the function's role may read the object and list its bucket, that the KMS key allows it, and "
            "that bucket and model are in one region. An object encrypted with its owner's own key cannot be read"
        )
        try:
            found = self._store.source(upload)
        except ClientError as refusal:
            if classify(refusal) is not ErrorClass.REFUSED:
                raise
            raise AccessMissingError(
                f"neither Rekognition nor this function can read the image. {describe(refusal)}: {advice}"
            ) from error
        if found is None:
            return ImageOutcome.GONE
        if found.etag != upload.etag:
            return ImageOutcome.REPLACED
        raise AccessMissingError(
            f"Rekognition cannot read the image, which exists ({error}): {advice}. The image is {upload}"
        ) from error
