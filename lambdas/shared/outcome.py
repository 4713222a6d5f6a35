"""How a run ends."""

from enum import StrEnum


class Outcome(StrEnum):
    """How a run ended, as its receipt names it."""

    COMPLETED = "completed"
    NOTHING_TO_DO = "nothing_to_do"
    ANOTHER_RUN_ACTIVE = "another_run_active"
    LEASE_LOST = "lease_lost"
    TIME_LIMIT_REACHED = "time_limit_reached"
    # The model was not started, or it was stopped early. The images wait, and the receipt's `reason` says for what.
    WAITING_FOR_MORE_IMAGES = "waiting_for_more_images"
    WAITING_AFTER_FAILURES = "waiting_after_failures"
    DAILY_CAP_REACHED = "daily_cap_reached"
    MODEL_QUOTA_REACHED = "model_quota_reached"
    FAILED = "failed"
    # The execution ended before its last steps, and the watchdog took them.
    ABORTED = "aborted"
    STOP_NOT_CONFIRMED = "stop_not_confirmed"
