"""What an idle deployment costs is what the pages say: derived from what Terraform deploys.

Prices in us-east-1: https://aws.amazon.com/cloudwatch/pricing/, https://aws.amazon.com/lambda/pricing/,
https://aws.amazon.com/eventbridge/pricing/ and https://aws.amazon.com/step-functions/pricing/.
"""

from functools import cache
from typing import Any

import hcl2

from tests.rig.stack.local_stack import REPOSITORY

ALARM_METRIC_USD, CUSTOM_METRIC_USD = 0.10, 0.30
REQUEST_USD, SCHEDULED_USD = 0.20e-6, 1.00e-6
GB_SECOND_USD = 0.0000133334  # arm64
MINUTES = 30 * 24 * 60
# What a look of the watchdog takes, about: memory of the functions' default, and a warm call with one read.
WATCHDOG_GB_SECONDS = 0.25 * 0.1


@cache
def alarms() -> dict[str, Any]:
    source = (REPOSITORY / "terraform" / "modules" / "monitoring" / "main.tf").read_text()
    resources = hcl2.loads(source)["resource"]
    found = [alarm for each in resources for alarm in each.get('"aws_cloudwatch_metric_alarm"', {}).items()]
    # The cap's alarm comes with the cap.
    return {name: alarm for name, alarm in found if "max_model_hours_per_day" not in str(alarm.get("count", ""))}


def metrics_of(alarm: dict[str, Any]) -> int:
    """CloudWatch charges an alarm by the metrics that it looks at, of an expression each."""
    static = sum("metric" in query for query in alarm.get("metric_query", []))
    dynamic = sum(len(each['"metric_query"']["for_each"]) for each in alarm.get("dynamic", []))
    return static + dynamic or 1


def test_the_pages_say_what_an_idle_deployment_costs() -> None:
    watched = sum(metrics_of(alarm) for alarm in alarms().values())
    usd = watched * ALARM_METRIC_USD + CUSTOM_METRIC_USD
    usd += MINUTES * (REQUEST_USD + SCHEDULED_USD + WATCHDOG_GB_SECONDS * GB_SECOND_USD)
    pages = [(REPOSITORY / page).read_text() for page in ("docs/cost.md", "README.md")]
    told = f"US${round(usd, 1):.2f} a month"
    assert all(told in page for page in pages), told
    assert f"{watched} alarm metrics, one custom metric and {MINUTES:,} watchdog calls" in pages[0]
    readme = (REPOSITORY / "terraform" / "modules" / "monitoring" / "README.md").read_text()
    assert f"for each of the {watched} metrics" in readme
