"""Tells an image that always errors from a model that errors for every image.

One failure looks the same in both cases, so the failures around it decide. A failure counts against the image while
few images fail; while many do, one after the other, it is the service's.
"""

from collections.abc import Callable

from analyze_image.comeback import History

# Different images that failed in this execution environment with no success between them.
OUTAGE_IMAGES = 3

# Failures that count against an image, after which it is given up: when the model labelled others meanwhile, and when
# nothing tells whether it would have, for one or two images are alone in the queue.
HELD_AGAINST_AT_MOST = 4
HELD_AGAINST_ALONE_AT_MOST = 20

# Several images that all error and have the queue to themselves look like an outage. A run without progress ends after
# three minutes and about four attempts, so that this is a day of hourly runs: no outage lasts as long.
ATTEMPTS_AT_MOST = 100


class Suspects:
    """What one execution environment knows of images that failed and of such that did not."""

    def __init__(self, has_labelled: Callable[[str], bool]) -> None:
        """`has_labelled` says whether the model labelled anything in a run so far."""
        self._has_labelled = has_labelled
        self._run_id: str | None = None
        self._labelled_here = False
        self._failed_since: set[str] = set()

    def begin(self, run_id: str | None) -> None:
        """Note for which run the next images are."""
        if run_id != self._run_id:
            # A success in another run, hours ago, says nothing about the model now.
            self._run_id, self._labelled_here = run_id, False

    def labelled(self) -> None:
        """Note that the model labelled an image."""
        self._labelled_here = True
        self._failed_since.clear()

    def failed(self, image: str, history: History) -> History:
        """Note that an image failed; return its history with this failure."""
        if len(self._failed_since) < OUTAGE_IMAGES:
            self._failed_since.add(image)
        return history.tried(held_against=len(self._failed_since) < OUTAGE_IMAGES)

    def is_given_up(self, history: History) -> bool:
        """Whether an image with this history has failed often enough."""
        if history.attempts >= ATTEMPTS_AT_MOST or history.held_against >= HELD_AGAINST_ALONE_AT_MOST:
            return True
        return history.held_against >= HELD_AGAINST_AT_MOST and self._model_labels()

    def forget(self, image: str) -> None:
        """Note that an image was given up."""
        self._failed_since.discard(image)

    def _model_labels(self) -> bool:
        return self._labelled_here or (self._run_id is not None and self._has_labelled(self._run_id))
