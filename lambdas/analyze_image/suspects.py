"""Tells an image that always errors, or is always refused, from a service that does it to every image.

One failure looks the same in both cases, so the failures around it decide. A failure counts against the image while
few images fail; while many do, one after the other, it is the service's.

A refusal that stands until a person acts, such as AccessDenied, counts against the image only when other images pass
in the same run. Otherwise it is one of all images: the run ends with it as AnalysisBlocked, and the message stays in
the queue however often it comes back. A refusal at the source may be about an object of its own key, owner or lock,
though. One or two such images that are alone in the queue are given up after as many attempts as any that errors, so
that they do not start the model for ever.
"""

from collections.abc import Callable
from dataclasses import dataclass

from shared.retry_state import RetryState

# Different images that failed in this execution environment with no success between them.
OUTAGE_IMAGES = 3

# Failures that count against an image, after which it is given up: when the model labelled others meanwhile, and when
# nothing tells whether it would have, for one or two images are alone in the queue.
HELD_AGAINST_AT_MOST = 4
HELD_AGAINST_ALONE_AT_MOST = 20

# Several images that all error and have the queue to themselves look like an outage. A run without progress ends after
# three minutes and about four attempts, so that this is a day of hourly runs: no outage lasts as long.
ATTEMPTS_AT_MOST = 100


@dataclass(frozen=True)
class Judgement:
    """What a refusal means: the image's history with it, whether it is one of all, and whether to give the image up."""

    history: RetryState
    is_of_all: bool
    is_given_up: bool


class Suspects:
    """What one execution environment knows of images that failed and of such that did not."""

    def __init__(self, has_labelled: Callable[[str], bool]) -> None:
        """`has_labelled` says whether the model labelled anything in a run so far."""
        self._has_labelled = has_labelled
        self._run_id: str | None = None
        self._labelled_here = self._finished_here = False
        self._failed_since: set[str] = set()
        self._refused_since: set[str] = set()

    def begin(self, run_id: str | None) -> None:
        """Note for which run the next images are."""
        if run_id != self._run_id:
            # A success in another run, hours ago, says nothing about the model now.
            self._run_id, self._labelled_here, self._finished_here = run_id, False, False

    def labelled(self) -> None:
        """Note that the model labelled an image."""
        self._labelled_here = True
        self._failed_since.clear()

    def finished(self) -> None:
        """Note that an image went all the way to the final bucket: nothing refused it."""
        self._finished_here = True
        self._refused_since.clear()

    def failed(self, image: str, history: RetryState) -> RetryState:
        """Note that an image failed; return its history with this failure."""
        if len(self._failed_since) < OUTAGE_IMAGES:
            self._failed_since.add(image)
        return history.failed_once(counted=len(self._failed_since) < OUTAGE_IMAGES)

    def refused(self, image: str, history: RetryState, *, may_be_its_own: bool) -> Judgement:
        """Note that an image was refused for good. `may_be_its_own`: perhaps for its own sake although none passes."""
        if len(self._refused_since) < OUTAGE_IMAGES:
            self._refused_since.add(image)
        few = len(self._refused_since) < OUTAGE_IMAGES
        others_pass = few and (self._finished_here or self.model_labels())
        if not others_pass and not (few and may_be_its_own):
            return Judgement(history.deferred(), is_of_all=True, is_given_up=False)
        after = history.failed_once(counted=True)
        at_most = HELD_AGAINST_AT_MOST if others_pass else HELD_AGAINST_ALONE_AT_MOST
        return Judgement(after, is_of_all=not others_pass, is_given_up=after.counted_failures >= at_most)

    def is_given_up(self, history: RetryState) -> bool:
        """Whether an image with this history has failed often enough."""
        if history.attempts >= ATTEMPTS_AT_MOST or history.counted_failures >= HELD_AGAINST_ALONE_AT_MOST:
            return True
        return history.counted_failures >= HELD_AGAINST_AT_MOST and self.model_labels()

    def forget(self, image: str) -> None:
        """Note that an image was given up."""
        self._failed_since.discard(image)
        self._refused_since.discard(image)

    def model_labels(self) -> bool:
        """Whether the model labelled an image in this run."""
        return self._labelled_here or (self._run_id is not None and self._has_labelled(self._run_id))
