"""The check finds each permission that is missing, and each that is too much: on a sample of a real record."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.rig.permissions import check
from tests.rig.permissions.check import EXCUSES, Evidence, Excuse, findings
from tests.rig.permissions.definitions import Applied
from tests.rig.permissions.needs import Need
from tests.rig.permissions.policies import Grant

SAMPLE = json.loads(Path(__file__).with_name("sample.json").read_text())


WHOLE = Evidence.of(SAMPLE)


def evidence() -> Evidence:
    """The sample's, to be changed at will."""
    return replace(WHOLE, needs=[*map(list, WHOLE.needs)], grants=[*map(list, WHOLE.grants)])


def evidence_of(*subjects: str) -> Evidence:
    """What some subjects of the sample ask for and have: the check judges each by itself."""
    return replace(
        WHOLE,
        needs=[[need for need in stack if need.subject in subjects] for stack in WHOLE.needs],
        grants=[[grant for grant in stack if grant.subject in subjects] for stack in WHOLE.grants],
    )


def excuses_of(*subjects: str) -> tuple[Excuse, ...]:
    return tuple(excuse for excuse in SAMPLED if excuse.subject in subjects)


def allowed() -> list[tuple[str, str, str]]:
    """Every action of every statement: subject, Sid, action."""
    grants = [grant for stack in evidence().grants for grant in stack if grant.effect == "Allow"]
    return sorted({(grant.subject, grant.sid, grant.action) for grant in grants})


# Of an excuse for a newer policy than the sample's nothing can be said here.
SAMPLED = tuple(excuse for excuse in EXCUSES if (excuse.subject, excuse.sid, excuse.actions[0]) in allowed())


@pytest.fixture(scope="session")
def judged() -> Callable[[list[Grant], list[Need]], set[tuple[int, int]]]:
    """The evaluator, asked once about all of the sample; what is not in the sample is about nothing in it."""
    about: set[tuple[Grant, Need]] = set()

    def ask(grants: list[Grant], needs: list[Need]) -> set[tuple[int, int]]:
        pairs = check.match(grants, needs)
        about.update((grants[one], needs[other]) for one, other in pairs)
        return pairs

    # What it asks of the whole sample are the needs and their neighbours.
    findings(evidence(), SAMPLED, ask)

    def lookup(grants: list[Grant], needs: list[Need]) -> set[tuple[int, int]]:
        numbers: dict[Need, int] = {need: number for number, need in enumerate(needs)}
        ordered = {grant: number for number, grant in enumerate(grants)}
        return {(ordered[grant], numbers[need]) for grant, need in about if grant in ordered and need in numbers}

    return lookup


def test_the_sample_has_every_role_and_nothing_missing_or_too_much(judged: Any) -> None:  # noqa: ANN401
    assert findings(evidence(), SAMPLED, judged) == []
    for subject in {subject for subject, _, _ in allowed()}:
        assert findings(evidence_of(subject), excuses_of(subject), judged) == []
    functions = {"analyze-image", "check-queue", "reconcile", "record-run", "start-model", "stop-model"}
    machines = {"label-batch-states", "label-batch-schedule", "reconcile-states", "watchdog-schedule"}
    assert functions | machines | {"toggle-trigger", "watchdog"} <= {subject for subject, _, _ in allowed()}


@pytest.mark.parametrize(("subject", "sid", "action"), allowed(), ids=map("/".join, allowed()))
def test_an_action_that_is_taken_away_is_missed_by_name(subject: str, sid: str, action: str, judged: Any) -> None:  # noqa: ANN401
    lesser = evidence_of(subject)
    lesser.grants = [
        [grant for grant in stack if (grant.subject, grant.sid, grant.action) != (subject, sid, action)]
        for stack in lesser.grants
    ]
    found = findings(lesser, excuses_of(subject), judged)
    # What asks has no wildcard.
    assert [line for line in found if subject in line and action.rstrip("*") in line], found


@pytest.mark.parametrize(("subject", "sid"), sorted({each[:2] for each in allowed()}))
def test_an_action_and_a_resource_that_are_added_are_too_much_by_name(subject: str, sid: str, judged: Any) -> None:  # noqa: ANN401
    for change in ({"action": "s3:DeleteBucket"}, {"resource": "arn:aws:s3:::someone-elses", "number": 99}):
        greater = evidence_of(subject)
        for stack in greater.grants:
            stack += [replace(grant, **change) for grant in stack if (grant.subject, grant.sid) == (subject, sid)][:1]
        found = findings(greater, excuses_of(subject), judged)
        if any((excuse.subject, excuse.sid) == (subject, sid) for excuse in SAMPLED) and "resource" in change:
            continue
        changed = change.get("action") or change["resource"]
        assert [line for line in found if line.startswith(f"{subject}: statement {sid} ") and changed in line], found


@pytest.mark.parametrize(
    ("action", "context"),
    [
        ("dynamodb:UpdateItem", (("dynamodb:leadingkeys", ("another model",)),)),
        (
            "sqs:SendMessage",
            (("aws:sourcearn", ("arn:aws:s3:::others",)), ("aws:sourceaccount", ("000000000000",))),
        ),
        ("sts:AssumeRole", (("aws:sourcearn", ("arn:aws:states:us-east-1:1:stateMachine:other",)),)),
    ],
)
def test_conditions_are_judged(action: str, context: tuple[tuple[str, tuple[str, ...]], ...]) -> None:
    """By the evaluator itself: the same call about another item, or for another source, is not allowed."""
    subjects = {need.subject for stack in WHOLE.needs for need in stack if need.action == action and need.context}
    mistaken = evidence_of(*subjects)
    mistaken.needs = [
        [replace(need, context=context) if need.action == action and need.context else need for need in stack]
        for stack in mistaken.needs
    ]
    found = findings(mistaken, excuses_of(*subjects), check.match)
    assert [line for line in found if f"asks for {action}" in line and "no statement allows it" in line], found


def test_the_code_may_not_touch_the_networks_that_lambda_attaches_it_to() -> None:
    """By the evaluator: Lambda's own requests name no function, those of the code do."""
    house = next(number for number, record in enumerate(SAMPLE) if record["name"] == "e2e-house")
    arn = "arn:aws:lambda:us-east-1:000000000000:function:e2e-house-analyze-image"
    curious = evidence_of("analyze-image")
    need = next(need for need in curious.needs[house] if need.action == "ec2:CreateNetworkInterface")
    curious.needs[house].append(replace(need, subject="analyze-image", context=(("lambda:sourcefunctionarn", (arn,)),)))
    [found] = findings(curious, excuses_of("analyze-image"), check.match)
    assert found.endswith("statement DenyEniCallsFromFunctionCode denies it")


def test_the_map_lists_what_the_function_lets_through_and_no_more() -> None:
    [resources] = SAMPLE[0]["applied"]
    prefixed = [each | {"values": each["values"] | {"source_prefix": "in/"}} for each in resources]
    asked = Applied(prefixed, check.place_of(SAMPLE[0])).needs()
    assert [need.context for need in asked if need.because == "the map's reader"] == [(("s3:prefix", ("in/",)),)]


def test_what_a_statement_denies_is_not_allowed(judged: Any) -> None:  # noqa: ANN401
    denying = evidence()
    grant = next(grant for grant in denying.grants[0] if grant.action == "s3:PutObject" and grant.effect == "Allow")
    denying.grants[0].append(replace(grant, effect="Deny", sid="Never"))
    need = next(n for n in denying.needs[0] if (n.subject, n.action) == (grant.subject, grant.action))

    def match(grants: list[Grant], needs: list[Need]) -> set[tuple[int, int]]:
        denied = {(len(grants) - 1, needs.index(need))} if need in needs and grants[-1].sid == "Never" else set()
        return judged(grants, needs) | denied

    assert any(line.endswith("statement Never denies it") for line in findings(denying, SAMPLED, match))


def test_two_statements_that_allow_the_same_are_one_too_many(judged: Any) -> None:  # noqa: ANN401
    doubled = evidence()
    grant = next(grant for grant in doubled.grants[0] if grant.action == "rekognition:StartProjectVersion")
    again = replace(grant, sid="Again")
    doubled.grants[0].append(again)

    def match(grants: list[Grant], needs: list[Need]) -> set[tuple[int, int]]:
        known = judged(grants, needs)
        if again not in grants:
            return known
        return known | {(grants.index(again), need) for one, need in known if grants[one] == grant}

    found = findings(doubled, SAMPLED, match)
    assert "start-model: statement Again allows rekognition:StartProjectVersion, which nothing asked for" in found


@pytest.mark.parametrize(
    ("excuse", "reason"),
    [
        (Excuse("analyze-image", "WriteResultObjects", ("s3:RestoreObject",), "", ""), "no policy has it"),
        (Excuse("analyze-image", "WriteResultObjects", ("s3:PutObject",), "", ""), "it was asked for"),
    ],
)
def test_an_excuse_that_is_stale_is_named(excuse: Excuse, reason: str, judged: Any) -> None:  # noqa: ANN401
    [found] = findings(evidence(), (*SAMPLED, excuse), judged)
    assert found.startswith(f"the excuse for {excuse.actions[0]} in WriteResultObjects of analyze-image is stale")
    assert found.endswith(reason)
