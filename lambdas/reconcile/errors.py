"""Named errors of the reconcile, part of `terraform/statemachines/reconcile.asl.json` like those in shared.errors."""

from shared.errors import NotRetriedError


class InputInvalid(NotRetriedError):  # noqa: N818 - the name is shown in the console as the error of the execution
    """The execution's input is not what a reconcile understands."""


class TooManyDeadLetters(NotRetriedError):  # noqa: N818
    """The dead-letter queue holds more than can be read, so nothing can be told apart from what is in there."""


class DeadLetterQueueBusy(Exception):  # noqa: N818
    """The dead-letter queue could not be read in whole this time; a minute later it can."""
