"""Named errors of the control functions.

Lambda hands an exception's class name to Step Functions as the error name, so these names are part of
`terraform/statemachines/label_batch.asl.json`. Each task lists those that its function raises, and does not retry
them, because another attempt at once cannot help. Any other error (a throttle, a time-out, a lost connection) is
retried. `tests/asl` reads from the code what each function raises.

https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html
"""


class NotRetriedError(Exception):
    """An error that another attempt within the same run would only repeat."""


class ConfigurationError(NotRetriedError):
    """The function's environment or input is not what the Terraform module and the workflow provide."""


class LeaseLost(NotRetriedError):  # noqa: N818 - the name is shown in the console as the error of the run
    """Another owner holds the lease on the model, so this one may no longer switch the model or the trigger."""


class ModelNotStartable(NotRetriedError):  # noqa: N818
    """No start is possible: training, deleting, expired, a status that we do not know, or no Custom Labels model."""


class ModelStartRefused(NotRetriedError):  # noqa: N818
    """Rekognition refused the start: a missing permission, a wrong parameter, or a model that does not exist."""


class ModelQuotaReached(NotRetriedError):  # noqa: N818
    """Other models used up the account's quota for as long as a run waits for it. The next run tries again."""


class ModelStartFailed(NotRetriedError):  # noqa: N818
    """The model went from STARTING to FAILED."""


class ModelStartTimedOut(NotRetriedError):  # noqa: N818
    """The model was not RUNNING within the time that a run waits for it."""


class ModelStopTimedOut(NotRetriedError):  # noqa: N818
    """The run asked for a stop, and the model was not STOPPED within the time that a run waits for it."""


class TriggerNotSettled(NotRetriedError):  # noqa: N818
    """The event source mapping did not reach the wanted state within the time that a run waits for it."""


class NoProgress(NotRetriedError):  # noqa: N818
    """Messages wait and the model runs, but no image finishes: the run ends rather than pays."""


class AnalysisBlocked(NotRetriedError):  # noqa: N818
    """No image can be labelled: the model no longer runs, or a permission is missing."""
