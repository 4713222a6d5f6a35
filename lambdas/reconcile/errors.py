"""Named errors of the reconcile, part of `terraform/statemachines/reconcile.asl.json` like those in shared.errors."""

from shared.errors import NotRetriedError


class InputInvalid(NotRetriedError):  # noqa: N818 - the name is shown in the console as the error of the execution
    """The execution's input is not what a reconcile accepts."""


class TooManyDeadLetters(NotRetriedError):  # noqa: N818
    """The dead-letter queue has too many messages to read, so orphans cannot be told from dead-lettered images."""


class DeadLetterQueueBusy(Exception):  # noqa: N818
    """The dead-letter queue could not be read completely. The workflow retries the step each minute."""
