"""Two attempts at the same time: at one upload, as when a message comes twice, or at two uploads under one key."""

from collections.abc import Callable
from typing import Any

import pytest

from analyze_image.labelling import ClaimMovedError, ImageOutcome
from tests.unit.analyze_image_kit import Crash, CrashingS3, document, keys, put
from tests.unit.conftest import FINAL, SOURCE
from tests.unit.test_analyze_image_names_taken import own, way_of

# More calls than any way of an image has.
CALLS = range(1, 13)


class Interrupted:
    """A client before whose n-th call something else happens."""

    def __init__(self, s3: Any, at: int, act: Callable[[], object]) -> None:  # noqa: ANN401
        self._s3, self._left, self._act = s3, at, act

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(**parameters: Any) -> Any:  # noqa: ANN401
            self._left -= 1
            if self._left == 0:
                self._act()
            return getattr(self._s3, name)(**parameters)

        return call


@pytest.fixture(params=[False, True], ids=["without versions", "with versions"])
def buckets(s3: Any, request: pytest.FixtureRequest) -> Any:  # noqa: ANN401
    if request.param:
        s3.put_bucket_versioning(Bucket=SOURCE, VersioningConfiguration={"Status": "Enabled"})
    return s3


@pytest.mark.parametrize("taken", [False, True], ids=["its name", "the next name"])
@pytest.mark.parametrize("begun", [0, 1, 2, 3], ids=["not begun", "looked", "claimed", "copied"])
@pytest.mark.parametrize("at", CALLS)
def test_whoever_is_quicker_there_is_one_whole_result(buckets: Any, at: int, begun: int, *, taken: bool) -> None:  # noqa: ANN401
    if taken:
        own(buckets, "processed/a/b.jpg")
    upload = put(buckets)
    if begun:
        with pytest.raises(Crash):
            way_of(buckets, CrashingS3(buckets, begun, after=True)).label(upload, redelivered=False)
    endings: list[ImageOutcome] = []

    def other() -> None:
        endings.append(way_of(buckets, buckets).label(upload, redelivered=True))

    slow = way_of(buckets, Interrupted(buckets, at, other))
    try:
        endings.append(slow.label(upload, redelivered=bool(begun)))
    except ClaimMovedError:
        endings.append(slow.label(upload, redelivered=True))
    owners = ["processed/a/b.jpg"] if taken else []
    image = f"processed/a/b~{upload.etag[:8]}.jpg" if taken else "processed/a/b.jpg"
    assert keys(buckets, FINAL) == sorted([*owners, image, f"{image}.json"])
    assert keys(buckets, SOURCE) == []
    assert buckets.get_object(Bucket=FINAL, Key=image)["Body"].read() == b"picture"
    assert set(endings) <= {ImageOutcome.PROCESSED, ImageOutcome.ALREADY_DONE, ImageOutcome.GONE}
    assert ImageOutcome.PROCESSED in endings


@pytest.mark.parametrize("at", CALLS)
def test_of_two_uploads_under_one_key_each_has_a_result(s3: Any, at: int) -> None:  # noqa: ANN401
    s3.put_bucket_versioning(Bucket=SOURCE, VersioningConfiguration={"Status": "Enabled"})
    first, second = put(s3, body=b"first"), put(s3, body=b"second")
    endings: list[ImageOutcome] = []

    def other() -> None:
        endings.append(way_of(s3, s3).label(second, redelivered=False))

    endings.append(way_of(s3, Interrupted(s3, at, other)).label(first, redelivered=False))
    if len(endings) == 1:
        other()
    assert endings == [ImageOutcome.PROCESSED] * 2
    images = [key for key in keys(s3, FINAL) if not key.endswith(".json")]
    assert len(images) == 2
    assert {s3.get_object(Bucket=FINAL, Key=key)["Body"].read() for key in images} == {b"first", b"second"}
    sources = {key: document(s3, f"{key}.json")["source"]["etag"] for key in images}
    assert set(sources.values()) == {first.etag, second.etag}
