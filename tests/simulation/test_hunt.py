"""The hunt says with which seed it found something, and how to see it again."""

import pytest

from tests.rig.simulation import hunt


def test_it_stops_at_the_first_broken_invariant_and_says_how_to_see_it_again(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {1: None, 2: "steps\nI3: the model has run", 3: None}
    monkeypatch.setattr(hunt, "look", found.__getitem__)
    told: list[str] = []
    assert hunt.hunt(1, iter(found).__next__, told.append) == 1
    assert [text.split(":")[0] for text in told[:2]] == ["seed 1", "seed 2"]
    assert told[-1].startswith("steps\nI3")
    assert told[-1].endswith("make hunt SEED=2")


def test_it_ends_with_its_minutes_when_nothing_breaks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hunt, "look", lambda _: None)
    told: list[str] = []
    assert hunt.hunt(0, lambda: 1, told.append) == 0
    assert told[-1].startswith("No broken invariant in ")


def test_a_seed_that_is_given_is_looked_at_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[int] = []
    monkeypatch.setattr(hunt, "look", looked.append)
    assert hunt.main(["--seed", "42"]) == 0
    assert looked == [42]
