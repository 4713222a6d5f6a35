"""The set of pictures that the demo and the end-to-end tests upload."""

import hashlib
import os
import unicodedata
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image, UnidentifiedImageError

from tests.rig.stack.pictures import SUFFIXES, Picture, collect, left_out, write_default_set


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pictures")


@pytest.fixture(scope="module")
def pictures(folder: Path) -> list[Picture]:
    return write_default_set(folder)


def test_the_set_is_exactly_the_files_in_the_folder(folder: Path, pictures: list[Picture]) -> None:
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert files == {picture.key for picture in pictures}
    assert len(files) == len(pictures) >= 46


def test_the_set_has_photographs_drawings_and_two_broken_files(pictures: list[Picture]) -> None:
    kinds = Counter(picture.kind for picture in pictures)
    assert kinds["broken"] == 2
    assert kinds["photo"] >= 12
    assert kinds["drawn"] >= 20


def test_no_two_files_of_the_set_are_the_same(folder: Path, pictures: list[Picture]) -> None:
    digests = {hashlib.sha256((folder / picture.key).read_bytes()).digest() for picture in pictures}
    assert len(digests) == len(pictures)


def test_the_set_is_the_same_bytes_each_time(folder: Path, pictures: list[Picture], tmp_path: Path) -> None:
    assert write_default_set(tmp_path) == pictures
    for picture in pictures:
        assert (tmp_path / picture.key).read_bytes() == (folder / picture.key).read_bytes()


def test_every_suffix_occurs_and_says_what_the_file_is(folder: Path, pictures: list[Picture]) -> None:
    assert {Path(picture.key).suffix for picture in pictures} == set(SUFFIXES)
    for picture in pictures:
        if picture.kind != "broken":
            with Image.open(folder / picture.key) as image:
                assert image.format == ("PNG" if picture.key.lower().endswith(".png") else "JPEG")
                image.load()


def test_the_broken_files_cannot_be_read(folder: Path, pictures: list[Picture]) -> None:
    text, cut_off = sorted(
        (folder / picture.key for picture in pictures if picture.kind == "broken"),
        key=lambda path: path.suffix,
    )
    with pytest.raises(UnidentifiedImageError), Image.open(text):
        pass
    with pytest.raises(OSError, match="truncated"), Image.open(cut_off) as image:
        image.load()


@pytest.mark.parametrize("part", [" ", "+", "%.", "%20", "(", ")", "&", "=", "'", ",", "🎯", "写真", "ä"])
def test_the_keys_have_what_breaks_careless_code(part: str, pictures: list[Picture]) -> None:
    assert any(part in picture.key for picture in pictures)


def test_the_keys_have_a_blank_and_its_escape_as_different_files(pictures: list[Picture]) -> None:
    assert {"drawn/a b.jpg", "drawn/a%20b.jpg"} <= {picture.key for picture in pictures}


def test_the_keys_have_decomposed_letters(pictures: list[Picture]) -> None:
    assert any(not unicodedata.is_normalized("NFC", picture.key) for picture in pictures)


def test_drawn_pictures_know_their_objects_and_no_others_do(pictures: list[Picture]) -> None:
    for picture in pictures:
        assert bool(picture.objects) == (picture.kind == "drawn")
        for _, (left, top, width, height) in picture.objects:
            assert 0 <= left < left + width <= 1
            assert 0 <= top < top + height <= 1


def test_a_folder_is_collected_at_any_depth_sorted_and_by_suffix(tmp_path: Path) -> None:
    for key in ("z.jpg", "a/b/c.PNG", "a/x.jpeg", "notes.txt", "mixed.Jpg", "a/scan.tiff"):
        path = tmp_path / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    (tmp_path / "folder.jpg").mkdir()
    assert [picture.key for picture in collect(tmp_path)] == ["a/b/c.PNG", "a/x.jpeg", "z.jpg"]


def test_the_files_that_are_left_out_are_known(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"x")
    (tmp_path / "b.Jpg").write_bytes(b"x")
    # A name that is no UTF-8, and so no key.
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.jpg")).write_bytes(b"x")
    deep = tmp_path.joinpath(*["d" * 200] * 5)
    deep.mkdir(parents=True)
    (deep / ("c" * 30 + ".png")).write_bytes(b"x")
    assert [picture.key for picture in collect(tmp_path)] == ["a.jpg"]
    assert [key[-5:] for key in left_out(tmp_path)] == ["b.Jpg", "c.png", "\udcff.jpg"[-5:]]


def test_a_folder_without_pictures_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(ValueError, match=r"no pictures: set IMAGES to a folder with pictures .*\.jpg"):
        collect(tmp_path)


def test_a_folder_that_does_not_exist_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"There is no folder .*missing: set IMAGES"):
        collect(tmp_path / "missing")
