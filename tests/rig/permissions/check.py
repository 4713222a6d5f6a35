"""Every call is allowed, and every action and resource of every statement is there for a call."""

import json
import subprocess
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any, Self

from tests.rig.permissions import keys, needs, neighbours, policies
from tests.rig.permissions.definitions import Applied
from tests.rig.permissions.needs import Need, Place
from tests.rig.permissions.neighbours import Folders
from tests.rig.permissions.policies import Grant
from tests.rig.stack.local_stack import ACCOUNT, MINISTACK_PYTHON, REGION

Json = Any
Pair = tuple[int, int]


@dataclass(frozen=True)
class Excuse:
    """An action that is allowed and that no test can show to be asked for."""

    subject: str
    sid: str
    actions: tuple[str, ...]
    why: str
    page: str


# Only what the local stack cannot show and no definition implies. An entry that is no longer in a policy, or whose
# action was asked for after all, fails the check.
EXCUSES = (
    Excuse(
        "analyze-image",
        "TellMissingFromForbidden",
        ("s3:ListBucket",),
        "without it AWS answers 403 instead of 404 for an object that is not there; the local stack answers 404",
        "https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html",
    ),
    Excuse(
        "analyze-image",
        "TellMissingVersionsFromForbidden",
        ("s3:ListBucketVersions",),
        "the same for a version that is not there",
        "https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html",
    ),
    Excuse(
        "check-queue",
        "TellMissingVersionsFromForbidden",
        ("s3:ListBucketVersions",),
        "the same for a version that is not there",
        "https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html",
    ),
    Excuse(
        "analyze-image",
        "ReadAndDeleteImages",
        ("s3:ListObjectAnnotations", "s3:ListObjectVersionAnnotations"),
        "a copy in parts takes annotations along one by one; store.py copies so what is above MAX_QUICK_COPY_BYTES",
        "https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectAnnotations.html",
    ),
    Excuse(
        "analyze-image",
        "WriteResultObjects",
        ("s3:AbortMultipartUpload",),
        "ends a copy in parts that failed; store.py copies so what is above MAX_QUICK_COPY_BYTES (64 MiB)",
        "https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html",
    ),
)

# An action with a wildcard allows what nothing asked for, also what AWS adds to it later. By Sid and action: these two
# are as DynamoDB's own documentation has them, and their statement lets DynamoDB alone use the key.
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/encryption.usagenotes.html
WILDCARDS = {
    ("UseTable", "kms:GenerateDataKey*"): "a data key with and without its plain text",
    ("UseTable", "kms:ReEncrypt*"): "kms:ReEncryptFrom and kms:ReEncryptTo, which go together",
}


@dataclass(frozen=True)
class Breadth:
    """A neighbour that a statement has to allow."""

    subject: str
    sid: str
    # What of the request may differ: a condition key.
    differs: str
    why: str


BREADTHS = (
    Breadth(
        "reconcile",
        "ListSourceBucket",
        "s3:prefix",
        "a look at an object that is gone has no prefix, and S3 answers 404 only to who may list the bucket",
    ),
    Breadth("check-queue", "ListSourceBucket", "s3:prefix", "the same"),
    # The condition Null refuses a request without any tag. MiniStack's evaluator takes one for a request with no names.
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-single-vs-multi-valued-context-keys.html
    Breadth("start-model", "TagModel", "aws:tagkeys", "only MiniStack's evaluator allows it"),
    Breadth("stop-model", "UntagModel", "aws:tagkeys", "only MiniStack's evaluator allows it"),
    Breadth("watchdog", "UntagModel", "aws:tagkeys", "only MiniStack's evaluator allows it"),
)


def place_of(record: Json) -> Place:
    """Return where the stack of a record lies."""
    return Place(record["name"], REGION, ACCOUNT)


@dataclass
class Evidence:
    """What was asked for and what is allowed, of all stacks; subjects of the same name are the same role."""

    # Each stack's own, for names and ARNs differ.
    needs: list[list[Need]] = field(default_factory=list)
    grants: list[list[Grant]] = field(default_factory=list)
    folders: list[Folders] = field(default_factory=list)
    # Every policy with its subject.
    documents: list[tuple[str, Json]] = field(default_factory=list)
    _places: list[Place] = field(default_factory=list)
    _keys: list[dict[str, str]] = field(default_factory=list)

    @classmethod
    def of(cls, records: Iterable[Json]) -> Self:
        """Return the evidence of all records. UnknownCallError, UnknownDefinitionError."""
        found = cls()
        for record in records:
            found.add(record)
        # What a role does in any stack it does in those with keys too, on what is encrypted there, if it is there.
        everywhere = list(zip(found.needs, found._places, strict=True))
        for number, (place, encrypted) in enumerate(zip(found._places, found._keys, strict=True)):
            there = {grant.subject for grant in found.grants[number]}
            asked = [need for own, other in everywhere for need in keys.moved(own, other, place)] if encrypted else []
            asked = [need for need in asked if need.subject in there]
            of_keys = dict.fromkeys(keys.of_needs(asked, encrypted, place))
            found.needs[number] = [*found.needs[number], *of_keys]
        return found

    def add(self, record: Json) -> None:
        """Add a stack's record. UnknownCallError, UnknownDefinitionError."""
        place = place_of(record)
        asked: dict[Need, None] = {}
        allowed: dict[Grant, None] = {}
        applies = [Applied(resources, place) for resources in record["applied"]]
        hash_keys = {name: key for applied in applies for name, key in applied.hash_keys().items()}
        asked.update(dict.fromkeys(needs.of_calls(record["calls"], place, hash_keys)))
        # A later apply may name another model: what was allowed by one of the applies was allowed.
        for applied in applies:
            asked.update(dict.fromkeys(applied.needs()))
            for subject, document in policies.documents(applied):
                self.documents.append((subject, document))
                allowed.update(dict.fromkeys(policies.grants(subject, document)))
        self.needs.append(list(asked))
        self.grants.append(list(allowed))
        lie = [each for applied in applies for each in applied.folders()]
        uploads = frozenset(begins for each in lie for begins in each.uploads)
        results = frozenset(begins for each in lie for begins in each.results)
        self.folders.append(Folders(uploads, results))
        self._places.append(place)
        self._keys.append({arn: key for applied in applies for arn, key in keys.keys_of(applied).items()})


def findings(
    evidence: Evidence, excuses: Iterable[Excuse], match: Callable[[list[Grant], list[Need]], set[Pair]]
) -> list[str]:
    """Return what is missing and what is too much, each named; `match` pairs grants with the needs they are about."""
    found: dict[str, None] = {}
    used_actions: set[tuple[str, str, str]] = set()
    used_resources: set[tuple[str, str, int]] = set()
    granted: list[list[Need]] = []
    for asked, allowed in zip(evidence.needs, evidence.grants, strict=True):
        about: dict[int, list[Grant]] = defaultdict(list)
        for grant_number, need_number in match(allowed, asked):
            about[need_number].append(allowed[grant_number])
        granted.append([])
        for number, need in enumerate(asked):
            denied = [grant for grant in about[number] if grant.effect == "Deny"]
            allowing = [grant for grant in about[number] if grant.effect == "Allow"]
            if denied or not allowing:
                reason = f"statement {denied[0].sid} denies it" if denied else "no statement allows it"
                found[f"{need.subject}: {need.because} asks for {need.action} on {_pattern(need)}, and {reason}"] = None
            else:
                granted[-1].append(need)
            # What two statements allow is neither's reason to be there, unless it is one action twice in one statement.
            if len({(grant.sid, grant.action) for grant in allowing}) == 1:
                used_actions.add((need.subject, allowing[0].sid, allowing[0].action))
                used_resources |= {(need.subject, grant.sid, grant.number) for grant in allowing}
    excused = {(excuse.subject, excuse.sid, action) for excuse in excuses for action in excuse.actions}
    every = {grant: None for allowed in evidence.grants for grant in allowed if grant.effect == "Allow"}
    actions_of: dict[tuple[str, str], set[str]] = defaultdict(set)
    for grant in every:
        actions_of[grant.subject, grant.sid].add(grant.action)
    for grant in every:
        granted_action = (grant.subject, grant.sid, grant.action)
        if {"*", "?"} & set(grant.action) and (grant.sid, grant.action) not in WILDCARDS:
            found[f"{grant.subject}: statement {grant.sid} allows {grant.action}: name each action"] = None
        if granted_action not in used_actions | excused:
            found[f"{grant.subject}: statement {grant.sid} allows {grant.action}, which nothing asked for"] = None
        all_excused = all((grant.subject, grant.sid, name) in excused for name in actions_of[grant.subject, grant.sid])
        if (grant.subject, grant.sid, grant.number) not in used_resources and not all_excused:
            found[f"{grant.subject}: statement {grant.sid} names {grant.resource}, which nothing touched"] = None
    for subject, sid, action in sorted(excused):
        if action not in actions_of[subject, sid]:
            found[f"the excuse for {action} in {sid} of {subject} is stale: no policy has it"] = None
        elif (subject, sid, action) in used_actions:
            found[f"the excuse for {action} in {sid} of {subject} is stale: it was asked for"] = None
    return [*found, *too_broad(evidence, granted, match)]


def too_broad(
    evidence: Evidence, granted: list[list[Need]], match: Callable[[list[Grant], list[Need]], set[Pair]]
) -> list[str]:
    """Return the statements that allow what lies beside an allowed need, each with the first of such neighbours."""
    asked = neighbours.Asked.of(zip(evidence.needs, evidence.folders, strict=True))
    accepted = {(breadth.subject, breadth.sid, breadth.differs) for breadth in BREADTHS}
    found: dict[tuple[str, ...], str] = {}
    for own, folders, allowed in zip(granted, evidence.folders, evidence.grants, strict=True):
        beside = neighbours.of_needs(own, folders, asked)
        pairs = match(allowed, [each.need for each in beside])
        denied = {number for grant, number in pairs if allowed[grant].effect == "Deny"}
        for number, position in sorted((number, position) for position, number in pairs if number not in denied):
            one, grant = beside[number], allowed[position]
            if (grant.subject, grant.sid, one.differs) not in accepted:
                line = f"{grant.subject}: statement {grant.sid} allows {one.need.action} on the neighbour {one}"
                found.setdefault((grant.subject, grant.sid, one.need.action, one.differs), line)
    return list(found.values())


def _pattern(need: Need) -> str:
    """One line for all objects of a folder."""
    if need.action.startswith("s3:") and "/" in need.resource:
        bucket, key = need.resource.split("/", 1)
        return f"{bucket}/{key.split('/')[0]}/…" if "/" in key else f"{bucket}/{key}"
    return need.resource


@cache
def _evaluator() -> subprocess.Popen[str]:
    """Start MiniStack's interpreter, which answers until this process ends: to start takes longer than to judge."""
    command = [str(MINISTACK_PYTHON), str(Path(__file__).with_name("evaluate_main.py"))]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


@cache
def _names(pattern: str, action: str) -> bool:
    """Whether a grant's action is, or may by its wildcards be, a need's: of others nobody has to ask the evaluator."""
    return fnmatchcase(action.lower(), pattern.lower())


def match(allowed: list[Grant], asked: list[Need]) -> set[Pair]:
    """Pair grants with needs by MiniStack's evaluator."""
    by_subject: dict[str, list[int]] = defaultdict(list)
    for number, need in enumerate(asked):
        by_subject[need.subject].append(number)
    pairs = [
        (one, other)
        for one, grant in enumerate(allowed)
        for other in by_subject[grant.subject]
        if _names(grant.action, asked[other].action)
    ]
    where = {"account": ACCOUNT, "region": REGION}
    question = {
        "statements": [json.loads(grant.statement) for grant in allowed],
        "needs": [asdict(need) | where for need in asked],
        "pairs": pairs,
    }
    evaluator = _evaluator()
    assert evaluator.stdin
    assert evaluator.stdout
    print(json.dumps(question), file=evaluator.stdin, flush=True)
    answer = json.loads(evaluator.stdout.readline())
    return {pair for pair, is_match in zip(pairs, answer, strict=True) if is_match}


def summary(evidence: Evidence) -> Iterator[str]:
    """Yield a line for each subject: what was seen, and how much it has; a pattern allows several actions."""
    for subject in sorted({grant.subject for stack in evidence.grants for grant in stack if grant.effect == "Allow"}):
        asked = {need for stack in evidence.needs for need in stack if need.subject == subject}
        grants = {grant for stack in evidence.grants for grant in stack if grant.subject == subject}
        allowed = {grant.action for grant in grants if grant.effect == "Allow"}
        actions = {need.action for need in asked}
        yield f"  {subject:40} {len(actions):2} actions asked for in {len(asked):4} ways, {len(allowed):2} allowed"
