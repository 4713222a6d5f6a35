"""The applied stack that tests start from: made once, never seen half-written, made anew when it does not fit."""

import threading
import time
from pathlib import Path

import pytest

from tests.rig.stack import snapshot


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """A small repository in place of this one, and what was applied in it, which takes a while."""
    applied: list[Path] = []

    def apply(folder: Path) -> None:
        applied.append(folder)
        (folder / "state").mkdir(parents=True)
        (folder / "state" / "sqs.json").write_text("{")
        time.sleep(0.2)
        (folder / "state" / "sqs.json").write_text("{}")

    (tmp_path / "terraform" / ".terraform").mkdir(parents=True)
    (tmp_path / "terraform" / "main.tf").write_text("# one")
    (tmp_path / "build").mkdir()
    (tmp_path / "build" / "analyze_image.zip").write_bytes(b"zip")
    monkeypatch.setattr(snapshot, "REPOSITORY", tmp_path)
    monkeypatch.setattr(snapshot, "FOLDER", tmp_path / "build" / "stack")
    monkeypatch.setattr(snapshot, "_apply", apply)
    return applied


def take() -> Path:
    with snapshot.whole() as folder:
        assert (folder / "state" / "sqs.json").read_text() == "{}", "half-written"
        return folder


def test_a_snapshot_that_fits_is_used_again(made: list[Path]) -> None:
    assert take() == take()
    assert len(made) == 1


@pytest.mark.parametrize("source", ["terraform/main.tf", "terraform/machine.asl.json", "build/analyze_image.zip"])
def test_another_source_makes_another_snapshot_and_the_old_one_goes(made: list[Path], source: str) -> None:
    before = take()
    (snapshot.REPOSITORY / source).write_text("two")
    assert take() != before
    assert (len(made), before.exists()) == (2, False)


@pytest.mark.parametrize("source", ["terraform/.terraform/cache.tf", "README.md"])
def test_what_does_not_go_into_it_leaves_it_alone(made: list[Path], source: str) -> None:
    take()
    (snapshot.REPOSITORY / source).write_text("two")
    take()
    assert len(made) == 1


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / "state" / "sqs.json").write_text(""),
        lambda folder: (folder / "state" / "sqs.json").unlink(),
        lambda folder: (folder / "state" / "more.json").write_text("{}"),
        lambda folder: (folder / snapshot.MANIFEST).write_text("{"),
        lambda folder: (folder / snapshot.MANIFEST).unlink(),
    ],
    ids=["cut off", "gone", "added", "manifest cut off", "manifest gone"],
)
def test_a_damaged_snapshot_is_made_anew(made: list[Path], damage: object) -> None:
    damage(take())  # type: ignore[operator]
    take()
    assert len(made) == 2


def test_what_a_killed_run_left_half_written_is_made_anew(made: list[Path]) -> None:
    left = snapshot.FOLDER / snapshot.UNFINISHED / "state"
    left.mkdir(parents=True)
    (left / "sqs.json").write_text("{")
    take()
    assert len(made) == 1


def test_of_several_at_once_one_makes_it_and_nobody_sees_it_half_written(made: list[Path]) -> None:
    taken: list[Path] = []
    threads = [threading.Thread(target=lambda: taken.append(take())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(made), len(set(taken)), len(taken)) == (1, 1, 4)


def test_a_snapshot_is_not_replaced_while_somebody_copies_it(made: list[Path]) -> None:
    with snapshot.whole() as folder:
        (snapshot.REPOSITORY / "terraform" / "main.tf").write_text("# two")
        other = threading.Thread(target=take)
        other.start()
        other.join(0.3)
        assert other.is_alive(), "it waits for the copy"
        assert (folder / "state" / "sqs.json").exists()
    other.join(10)
    assert len(made) == 2
