"""Distinguishes a poison image, which always fails, from a service that fails every image.

One failure looks the same in both cases, so the results of other images decide. A failure counts against the image
while few images fail. While many fail in a row, the service is the cause, and nothing is counted.

A refusal such as AccessDenied lasts until a person acts. It counts against the image only if the model labelled other
images in the same run, and they reached the final bucket. Otherwise it concerns every image: the run ends with
AnalysisBlocked, and the message stays in the queue however often it is requeued. But a refusal at the source may
concern one object: its KMS key, its owner or its lock. One or two such images that are alone in the queue are
dead-lettered after MAX_FAILURES_WITHOUT_SUCCESS failures, so that they do not start the model for ever.
"""

from collections.abc import Callable
from dataclasses import dataclass

from shared.retry_state import RetryState

# Different images that failed in this execution environment with no success between them: an outage.
OUTAGE_IMAGES = 3

# Counted failures after which an image is dead-lettered: when the model labelled other images in this run, and when one
# or two images are alone in the queue, so that nothing shows whether the model works.
MAX_FAILURES = 4
MAX_FAILURES_WITHOUT_SUCCESS = 20

# Several images that always fail and are alone in the queue look like an outage. A run without progress ends after
# three minutes and about four attempts, and the starts after it wait longer and longer. So these are weeks.
MAX_ATTEMPTS = 100


@dataclass(frozen=True)
class Judgement:
    """What a failure means: the message's state after it, whether it concerns every image, and what follows.

    `should_defer`: nothing counts against the image, so its message is deferred.
    """

    state: RetryState
    concerns_all: bool
    should_dead_letter: bool
    should_defer: bool = False


class PoisonDetector:
    """What one execution environment knows of images that failed and of images that succeeded."""

    def __init__(self, has_labelled: Callable[[str], bool]) -> None:
        """`has_labelled` says whether the model labelled anything in a run so far."""
        self._has_labelled = has_labelled
        self._run_id: str | None = None
        self._labelled_here = False
        self._failed_since: set[str] = set()
        self._refused_since: set[str] = set()

    def start_batch(self, run_id: str | None) -> None:
        """Record which run the next images belong to."""
        if run_id != self._run_id:
            # A success in another run, hours ago, does not show that the model works now.
            self._run_id, self._labelled_here = run_id, False

    def labelled(self) -> None:
        """Record that the model labelled an image that is in the final bucket now: nothing refused it."""
        self._labelled_here = True
        self._failed_since.clear()
        self._refused_since.clear()

    def failed(self, image: str, state: RetryState) -> Judgement:
        """Record that an image failed for a reason that may be its own."""
        after = state.failed_once(counted=_adds_to_few(image, self._failed_since))
        has_failed_often = after.attempts >= MAX_ATTEMPTS or after.counted_failures >= MAX_FAILURES_WITHOUT_SUCCESS
        return Judgement(
            after,
            concerns_all=False,
            should_dead_letter=has_failed_often or (after.counted_failures >= MAX_FAILURES and self.has_labelled()),
        )

    def refused(self, image: str, state: RetryState, *, may_concern_one: bool) -> Judgement:
        """Record a refusal that lasts until a person acts. `may_concern_one`: even if no other image succeeds."""
        few = _adds_to_few(image, self._refused_since)
        others_succeed = few and self.has_labelled()
        if not others_succeed and not (few and may_concern_one):
            return Judgement(state, concerns_all=True, should_dead_letter=False, should_defer=True)
        after = state.failed_once(counted=True)
        limit = MAX_FAILURES if others_succeed else MAX_FAILURES_WITHOUT_SUCCESS
        return Judgement(after, concerns_all=not others_succeed, should_dead_letter=after.counted_failures >= limit)

    def discard(self, image: str) -> None:
        """Record that an image was dead-lettered."""
        self._failed_since.discard(image)
        self._refused_since.discard(image)

    def has_labelled(self) -> bool:
        """Whether the model labelled an image in this run."""
        return self._labelled_here or (self._run_id is not None and self._has_labelled(self._run_id))


def _adds_to_few(image: str, images: set[str]) -> bool:
    """Add an image, and return whether the set is smaller than an outage."""
    if len(images) < OUTAGE_IMAGES:
        images.add(image)
    return len(images) < OUTAGE_IMAGES
