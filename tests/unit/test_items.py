"""Plain values in the runs table, and writes that say why nothing was written."""

import pytest

from shared.items import ConditionFailed, Items, Update, from_item, to_item


@pytest.mark.parametrize(
    "value",
    ["text", "", 0, -3, 0.1, 1e-7, 1234.567, True, False, None, [], [1, "a", None], {"a": {"b": [0.5, True]}}],
    ids=repr,
)
def test_a_value_comes_back_as_it_was(value: object) -> None:
    back = from_item(to_item({"value": value}))["value"]
    assert back == value
    assert type(back) is type(value)


def test_a_number_without_a_fraction_comes_back_as_an_integer() -> None:
    assert from_item({"value": {"N": "5.0"}}) == {"value": 5}
    assert to_item({"value": 0.1}) == {"value": {"N": "0.1"}}


def test_an_item_that_is_not_there_has_no_attributes(items: Items) -> None:
    assert items.read("nothing") == {}


def test_an_update_returns_what_was_there_before_or_after(items: Items) -> None:
    add = Update("run#1", "ADD images :count", {"count": 1})
    assert items.update(add) == {}
    assert items.update(add, returning="ALL_OLD")["images"] == 1
    assert items.update(add, returning="ALL_NEW")["images"] == 3


def test_a_condition_that_does_not_hold_says_so_and_writes_nothing(items: Items) -> None:
    refused = Update("run#1", "SET reason = :text", {"text": "why"}, condition="attribute_exists(reason)")
    with pytest.raises(ConditionFailed):
        items.update(refused)
    with pytest.raises(ConditionFailed):
        items.transact([Update("run#2", "SET reason = :text", {"text": "why"}), refused])
    assert items.read("run#1") == items.read("run#2") == {}
