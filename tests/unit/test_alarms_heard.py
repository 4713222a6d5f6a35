"""Alarms fire where nothing happens any more, and where an image waits under a name that SQS does not count."""

import re
from functools import cache
from pathlib import Path
from typing import Any

import hcl2

from tests.rig.emulator.model import ModelSettings
from tests.rig.simulation.pictures import PICTURES
from tests.rig.simulation.world import Fault, World
from tests.rig.stack.local_stack import REPOSITORY

TERRAFORM = REPOSITORY / "terraform"
HOUR = 3600


def _plain(text: Any) -> Any:  # noqa: ANN401
    return text.strip('"') if isinstance(text, str) else text


@cache
def _blocks(kind: str, folder: Path) -> list[dict[str, Any]]:
    found = []
    for path in sorted(folder.glob("*.tf")):
        found += hcl2.loads(path.read_text()).get(kind, [])
    return found


def _alarms() -> list[dict[str, Any]]:
    """All alarms, of whatever module, as their HCL says."""
    resources = [
        resource for folder in (TERRAFORM, *TERRAFORM.glob("modules/*")) for resource in _blocks("resource", folder)
    ]
    return [
        body
        for resource in resources
        for kind, named in resource.items()
        if _plain(kind) == "aws_cloudwatch_metric_alarm"
        for body in named.values()
    ]


def _metrics_of(alarm: dict[str, Any]) -> int:
    """Return how many metrics CloudWatch charges for: its one, or each query that is not an expression."""
    if "metric_name" in alarm:
        return 1
    plain = [query for query in alarm["metric_query"] if "metric" in query]
    made = [body for block in alarm.get("dynamic", []) for body in block.values()]
    return len(plain) + sum(len(body["for_each"]) for body in made)


def test_the_pages_say_how_many_metrics_the_alarms_have_and_what_they_cost() -> None:
    # The daily cap has an alarm only where somebody sets one.
    counted = sum(_metrics_of(alarm) for alarm in _alarms() if "daily-cap" not in str(alarm["alarm_name"]))
    cost = (REPOSITORY / "docs" / "cost.md").read_text()
    assert f"for {counted} alarm metrics, one custom metric" in cost
    assert f"each of the {counted} metrics" in (TERRAFORM / "modules" / "monitoring" / "README.md").read_text()
    # A metric of an alarm is US$0.10 a month, a custom metric US$0.30; the watchdog's calls round to 10 cents.
    month = counted * 0.10 + 0.30 + 0.10
    assert f"about US${month:.2f} a month for {counted} alarm" in cost
    idle = [
        line for line in (REPOSITORY / "README.md").read_text().splitlines() if re.search(r"US\$\d\.\d+ a month", line)
    ]
    assert len([line for line in idle if f"about US${month:.2f} a month" in line]) == 2, idle


def test_a_watchdog_that_is_never_called_raises_an_alarm() -> None:
    silent = [
        alarm
        for alarm in _alarms()
        if _plain(alarm.get("metric_name")) == "Invocations" and _plain(alarm["treat_missing_data"]) == "breaching"
    ]
    assert [_plain(alarm["comparison_operator"]) for alarm in silent] == ["LessThanThreshold"]
    assert "watchdog_function_name" in str(silent[0]["dimensions"])


def test_a_reconcile_that_fails_raises_an_alarm() -> None:
    assert any("reconcile" in str(alarm["alarm_name"]) for alarm in _alarms())


def test_a_plan_says_that_nobody_hears_the_alarms() -> None:
    checks = [name for folder in (TERRAFORM, TERRAFORM / "modules/monitoring") for name in _blocks("check", folder)]
    assert any("alarm" in str(check) for check in checks)


def test_a_disabled_key_of_the_estate_does_not_silence_the_alarms() -> None:
    (topic,) = (
        body
        for resource in _blocks("resource", TERRAFORM / "modules/monitoring")
        for kind, named in resource.items()
        if _plain(kind) == "aws_sns_topic"
        for body in named.values()
    )
    assert not re.search(r"var\.(controls\.)?kms_key_arn", str(topic.get("kms_master_key_id")))


def test_the_table_can_be_protected_from_its_deletion() -> None:
    (table,) = (
        body
        for resource in _blocks("resource", TERRAFORM)
        for kind, named in resource.items()
        if _plain(kind) == "aws_dynamodb_table"
        for body in named.values()
    )
    assert "var." in str(table["deletion_protection_enabled"])


def test_an_image_that_is_put_off_for_long_is_seen_by_an_alarm() -> None:
    # SQS's own age of the oldest message begins anew with each copy of the message.
    settings = ModelSettings(start_seconds=20, stop_seconds=10)
    with World(model=settings, schedule_seconds=HOUR, watchdog_seconds=None) as world:
        world.upload("a.png", PICTURES[0])
        world.set_faults(Fault("s3", "CopyObject", "SlowDown", 503))
        # The third run comes three hours after the second, because the first two failed.
        world.advance(8 * HOUR)
        ages = [metric.value for metric in world.metrics if metric.unit == "Seconds" and "Model" not in metric.name]
        assert max(ages, default=0) > 4 * HOUR
