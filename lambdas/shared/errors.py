"""Named errors of the control functions.

Lambda hands an exception's class name to Step Functions as the error name, so these names are part of
`terraform/statemachines/label_batch.asl.json`: what is named here is not retried there, because trying
again at once cannot help. Anything else (a throttle, a time-out, a lost connection) is retried.

https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html
"""


class NotRetriedError(Exception):
    """An outcome that another attempt within the same run would only repeat."""


class ConfigurationError(NotRetriedError):
    """The function's environment or its input is not what the module and the workflow provide."""


class LeaseLost(NotRetriedError):  # noqa: N818 - the name is shown in the console as the error of the run
    """Another run holds the lease on the model: the model and the trigger are no longer ours to switch."""


class ModelNotStartable(NotRetriedError):  # noqa: N818
    """The model's status allows no start: it is in training, being deleted, expired, or unknown to us."""


class ModelStartRefused(NotRetriedError):  # noqa: N818
    """Rekognition refused the start: a permission, a parameter, or a model that is not there."""


class ModelQuotaReached(NotRetriedError):  # noqa: N818
    """Other models had the account's quota for as long as a run waits for it: the next run tries again."""


class ModelStartFailed(NotRetriedError):  # noqa: N818
    """The model went from STARTING to FAILED."""


class ModelStartTimedOut(NotRetriedError):  # noqa: N818
    """The model was not RUNNING within the time a run waits for it."""


class ModelStopTimedOut(NotRetriedError):  # noqa: N818
    """A stop was asked for, and the model was not seen STOPPED within the time a run waits for it."""


class TriggerNotSettled(NotRetriedError):  # noqa: N818
    """The event source mapping did not reach the state that was asked for within the time a run waits."""


class NoProgress(NotRetriedError):  # noqa: N818
    """The queue holds messages and the model runs, but nothing gets done: the run ends rather than pays."""


class AnalysisBlocked(NotRetriedError):  # noqa: N818
    """Nothing can be labelled whatever the image: the model no longer runs, or a permission is missing."""
