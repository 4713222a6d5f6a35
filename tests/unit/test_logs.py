"""The look through the functions' logs finds what must not stand there."""

import base64
import json

import pytest

from tests.rig.stack.logs import leaks, lines_of_functions

IMAGE = bytes(range(60, 256)) * 3
FINE = json.dumps({"message": "image labelled", "key": "a.png", "etag": "0f343b0931126a20f133d67c2b018a3b"})


@pytest.mark.parametrize("text", [IMAGE.hex(), base64.b64encode(IMAGE).decode(), repr(IMAGE), IMAGE.decode("latin-1")])
def test_bytes_of_an_image_are_found_however_they_are_written(text: str) -> None:
    assert leaks([FINE, f"{FINE} {text}"], [b"", IMAGE]) == [f"{FINE} {text}"]


@pytest.mark.parametrize(
    "text",
    ["ASIAIOSFODNN7EXAMPLE", '"SecretAccessKey": "…"', "AWS_SESSION_TOKEN=…", "X-Amz-Security-Token", "Authorization"],
)
def test_what_signs_requests_is_found(text: str) -> None:
    assert leaks([FINE, text], []) == [text]


def test_only_the_functions_lines_are_looked_through() -> None:
    line = '{"message": "a", "function_arn": "arn:…"}'
    assert lines_of_functions(f"2026 INFO [lambda]\n{line}\n{{}}\n") == [line]
