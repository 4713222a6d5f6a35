"""The dashboard shows metrics that are sent, and the saved queries search for what is logged."""

import json
import re
from typing import Any

import hcl2
import pytest

from tests.rig.stack.local_stack import REPOSITORY

MONITORING = REPOSITORY / "terraform" / "modules" / "monitoring"
LAMBDAS = {path: path.read_text() for path in (REPOSITORY / "lambdas").glob("*/*.py")}
WIDGETS = json.loads((MONITORING / "dashboard.json").read_text())["widgets"]
METRICS = [metric for widget in WIDGETS for metric in widget["properties"]["metrics"] if len(metric) > 1]
QUERIES: dict[str, Any] = hcl2.loads((MONITORING / "queries.tf").read_text())["locals"][0]["queries"]

# What AWS sends of what the module makes.
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
# https://docs.aws.amazon.com/step-functions/latest/dg/procedure-cw-metrics.html
# https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
OF_AWS = {
    "AWS/SQS": {
        "ApproximateAgeOfOldestMessage",
        "ApproximateNumberOfMessagesDelayed",
        "ApproximateNumberOfMessagesNotVisible",
        "ApproximateNumberOfMessagesVisible",
    },
    "AWS/States": {"ExecutionsAborted", "ExecutionsFailed", "ExecutionsSucceeded", "ExecutionsTimedOut"},
    "AWS/Lambda": {"ConcurrentExecutions", "Errors", "Throttles"},
}
# Which functions write a receipt, and with it the metrics of shared/receipts.py.
WRITES_RECEIPTS = {"record_run", "watchdog"}


def sent_by(service: str) -> set[str]:
    folders = {service} | ({"shared"} if service in WRITES_RECEIPTS else set())
    code = "\n".join(text for path, text in LAMBDAS.items() if path.parent.name in folders)
    found = re.findall(r'add_metric\(name="(\w+)"|"([A-Z]\w+)": (?:counts|batch)\.', code)
    return {one or other for one, other in found}


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric[1])
def test_each_widget_shows_a_metric_that_is_sent(metric: list[Any]) -> None:
    namespace, name, *dimensions = metric[:-1]
    if namespace != "${namespace}":
        assert name in OF_AWS[namespace]
        return
    named = dict(zip(dimensions[::2], dimensions[1::2], strict=True))
    assert named == {"deployment": "${name}", "service": named["service"]}
    assert name in sent_by(named["service"])


def test_widgets_do_not_overlap_and_fill_the_grid() -> None:
    cells = [
        (widget["x"] + x, widget["y"] + y)
        for widget in WIDGETS
        for x in range(widget["width"])
        for y in range(widget["height"])
    ]
    assert len(cells) == len(set(cells))
    # The alarms are above, three rows high.
    assert {(x, y) for x in range(24) for y in range(3, max(y for _, y in cells) + 1)} == set(cells)


@pytest.mark.parametrize("query", QUERIES)
def test_a_saved_query_searches_for_fields_that_are_logged(query: str) -> None:
    code = "\n".join(LAMBDAS.values())
    text = QUERIES[query]["query"]
    (fields,) = re.findall(r"fields (.*)", text)
    names = set(re.findall(r"(?<![@\w])[a-z]\w+", re.sub(r" as \w+|coalesce", "", fields)))
    # Powertools adds these to each line. https://docs.aws.amazon.com/powertools/python/latest/core/logger/
    of_powertools = {"service", "level", "message", "exception"}
    for name in names - of_powertools:
        assert re.search(rf'"{name}":|\b{name}=', code), name


def test_operating_sends_from_each_alarm_to_a_section_and_a_query() -> None:
    page = (REPOSITORY / "docs" / "operating.md").read_text()
    anchors = {
        re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in re.findall(r"^## (.*)", page, re.M)
    }
    texts = (MONITORING / "main.tf").read_text()
    of_alarm = dict(re.findall(r'^ +([a-z-]+) += "([a-z-]+)"$', texts.split("more = {")[1].split("} :")[0], re.M))
    assert set(of_alarm) == set(re.findall(r'local\.alarm_names\["([\w-]+)"\]', texts))
    rows = re.findall(r"^\| `NAME-([\w-]+)` \| .* \| \[.*\]\(#([\w-]+)\), `([\w-]+)` \|$", page, re.M)
    assert {alarm: query for alarm, _, query in rows} == of_alarm
    assert {anchor for _, anchor, _ in rows} <= anchors
    assert set(of_alarm.values()) <= {name.strip('"') for name in QUERIES}
    for name in QUERIES:
        assert f"`NAME-{name.strip(chr(34))}`" in page
