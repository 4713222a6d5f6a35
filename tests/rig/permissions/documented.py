"""What AWS says about permissions in the texts of the operations that the functions call. botocore carries these texts.

A newer lock file brings newer texts, and so what a service began to ask for: CopyObject took annotations along one day.
"""

import html
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import botocore.session
from botocore import xform_name

LAMBDAS = Path(__file__).resolve().parents[3] / "lambdas"
SERVICES = ("dynamodb", "lambda", "rekognition", "s3", "sqs", "stepfunctions")

CALL = re.compile(r"(\w+)\.([a-z]+(?:_[a-z0-9]+)+)\(")
TAG = re.compile(r"<[^>]+>")
SPACE = re.compile(r"\s+")
SENTENCE_END = re.compile(r"(?<=[.:]) (?=[A-Z])")
DEMAND = re.compile(
    r"\b(must|needs?|requires?|required)\b.*\b(permissions?|access)\b|\bpermissions?\b.*\b(required|needed)\b",
    re.IGNORECASE,
)
ACTION = re.compile(r"\b(?:dynamodb|kms|lambda|rekognition|s3|sqs|states):[A-Z][a-z]+[A-Za-z]+\*?")
# Of buckets that cannot notify, and that the module does not take.
ELSEWHERE = re.compile(r"directory bucket|s3express|Outposts|Object Lambda|access point", re.IGNORECASE)


@cache
def operations() -> tuple[tuple[str, str], ...]:
    """Return the service and the name of each operation that the functions' code calls."""
    code = "".join(path.read_text() for path in sorted(LAMBDAS.rglob("*.py")))
    session = botocore.session.get_session()
    methods = {
        service: {xform_name(name): name for name in session.get_service_model(service).operation_names}
        for service in SERVICES
    }
    found: dict[tuple[str, str], None] = {}
    for client, method in CALL.findall(code):
        services = [service for service in SERVICES if method in methods[service]]
        if len(services) > 1:
            # Several services have such an operation: the client's name tells which.
            services = [service for service in services if service in client.replace("_", "")]
            assert len(services) == 1, f"the client of {client}.{method} has no service's name"
        found |= {(service, methods[service][method]): None for service in services}
    return tuple(sorted(found))


@cache
def sentences(service: str, operation: str) -> tuple[str, ...]:
    """Return the demands for permissions in the texts of an operation and of its parameters, each sentence once."""
    model = botocore.session.get_session().get_service_model(service).operation_model(operation)
    members = model.input_shape.members.values() if model.input_shape else ()
    return tuple(dict.fromkeys(_sentences([model.documentation, *(member.documentation for member in members)])))


def actions(service: str, operation: str) -> set[str]:
    """Return the actions that those sentences name."""
    return {action for sentence in sentences(service, operation) for action in ACTION.findall(sentence)}


def unnamed(service: str, operation: str) -> set[str]:
    """Return the sentences that name no action."""
    return {sentence for sentence in sentences(service, operation) if not ACTION.search(sentence)}


def _sentences(texts: list[str]) -> Iterator[str]:
    for text in texts:
        plain = SPACE.sub(" ", html.unescape(TAG.sub(" ", text or ""))).strip()
        for sentence in SENTENCE_END.split(plain):
            if (DEMAND.search(sentence) or ACTION.search(sentence)) and not ELSEWHERE.search(sentence):
                yield sentence
