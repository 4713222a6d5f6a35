"""The odd pictures, each through the emulator's decision."""

import json
import random
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.rig.corpus.__main__ import expected
from tests.rig.corpus.pictures import BOX, LABEL, NOT_NOTIFIED, ODD_PICTURES, PROCESSED, Odd, write
from tests.rig.emulator.clock import ManualClock
from tests.rig.emulator.errors import ServiceError
from tests.rig.emulator.images import check_size, decode
from tests.rig.emulator.model import ModelSettings
from tests.rig.emulator.service import Service
from tests.rig.emulator.vision import WORKING_SIDE_PIXELS
from tests.rig.stack.pictures import SUFFIXES, boxes, collect, overlap

# Pillow says what it makes of broken EXIF.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL")

PROJECT = "arn:aws:rekognition:eu-west-1:123456789012:project/odd/1700000000001"
VERSION = "arn:aws:rekognition:eu-west-1:123456789012:project/odd/version/v.1/1700000000002"
UPLOADED = [odd for odd in ODD_PICTURES if odd.end != NOT_NOTIFIED]


@dataclass(frozen=True)
class OneImage:
    """The emulator's store with one object, whatever is asked for."""

    data: bytes

    @property
    def digest(self) -> str:
        return "the only one"

    def read(self) -> bytes:
        return self.data

    def find(self, bucket: str, key: str, version: str | None, limit_bytes: int) -> "OneImage":  # noqa: ARG002
        check_size(len(self.data), limit_bytes)
        return self


def answer_to(data: bytes) -> tuple[str, list[dict]]:
    """The error code, or PROCESSED, and the labels."""
    service = Service(ManualClock(), OneImage(data))
    service.register(PROJECT, VERSION, ModelSettings(initial_status="RUNNING"))
    request = {"ProjectVersionArn": VERSION, "Image": {"S3Object": {"Bucket": "odd", "Name": "one"}}}
    try:
        return PROCESSED, service.call("DetectCustomLabels", json.dumps(request).encode())["CustomLabels"]
    except ServiceError as error:
        return error.code, []


@pytest.mark.parametrize("odd", UPLOADED, ids=lambda odd: odd.key)
def test_an_odd_picture_is_answered_as_the_table_says(odd: Odd) -> None:
    code, labels = answer_to(odd.make())
    assert code == odd.end
    if odd.end == PROCESSED and odd.is_seen:
        assert max((overlap(BOX, box) for box in boxes(labels, LABEL)), default=0) > 0.8


@pytest.mark.parametrize("odd", [odd for odd in UPLOADED if not odd.key.startswith("sizes/")], ids=lambda odd: odd.key)
def test_no_damage_of_a_picture_is_a_defect_of_the_emulator(odd: Odd) -> None:
    whole, dice = odd.make(), random.Random(odd.key)  # noqa: S311 - repeatable damage, no secret
    for _ in range(25):
        damaged = bytearray(whole)
        for _ in range(min(4, len(damaged))):
            # Most of what a decoder stumbles over is at the beginning.
            damaged[dice.randrange(min(len(damaged), 600))] = dice.randrange(256)
        # Anything but a ServiceError ends this test.
        with suppress(ServiceError):
            decode(bytes(damaged), WORKING_SIDE_PIXELS)


def test_there_are_many_and_no_key_is_there_twice() -> None:
    keys = [odd.key for odd in ODD_PICTURES]
    assert len(set(keys)) == len(keys) >= 40


def test_s3_is_asked_to_tell_of_all_that_are_not_said_to_be_left_out() -> None:
    assert {odd.key for odd in ODD_PICTURES if odd.key.endswith(SUFFIXES)} == {odd.key for odd in UPLOADED}


def test_the_files_are_the_same_bytes_each_time_and_the_demo_takes_those_with_an_end(tmp_path: Path) -> None:
    write(tmp_path)
    assert {picture.key for picture in collect(tmp_path)} == {odd.key for odd in UPLOADED}
    for odd in ODD_PICTURES:
        assert (tmp_path / odd.key).read_bytes() == odd.make()


def test_what_the_command_expects_is_what_the_table_says() -> None:
    ends = Counter(odd.end for odd in ODD_PICTURES)
    labelled, failed, left_out = expected()
    assert labelled.split() == ["images", "labelled", str(ends[PROCESSED])]
    assert failed.split()[2] == str(len(UPLOADED) - ends[PROCESSED])
    assert left_out.split()[2] == str(ends[NOT_NOTIFIED])
