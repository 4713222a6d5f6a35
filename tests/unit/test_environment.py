"""The functions' environment is read with its types, or refused by name."""

from collections.abc import Callable

import pytest

from shared import environment
from shared.errors import ConfigurationError


@pytest.mark.parametrize(
    ("read", "text", "value"),
    [
        (environment.text, "a", "a"),
        (environment.number, "4.5", 4.5),
        (environment.number, "0", 0.0),
        (environment.optional_number, "", None),
        (environment.optional_number, "0", 0.0),
        (environment.integer, "900", 900),
        (environment.flag, "true", True),
        (environment.flag, "false", False),
        (environment.numbers_by_name, "", {}),
        (environment.numbers_by_name, '{"Käfer": 90, "logo": 0.5}', {"Käfer": 90.0, "logo": 0.5}),
    ],
)
def test_a_variable_is_read_with_its_type(
    read: Callable[[str], object], text: str, value: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SETTING", text)
    assert read("SETTING") == value


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (environment.text, ""),
        (environment.number, ""),
        (environment.number, "much"),
        (environment.optional_number, "much"),
        (environment.integer, ""),
        (environment.integer, "1.5"),
        (environment.flag, ""),
        (environment.flag, "yes"),
        (environment.numbers_by_name, "[]"),
        (environment.numbers_by_name, '{"logo": null}'),
    ],
)
def test_a_missing_or_wrong_variable_is_named(
    read: Callable[[str], object], text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SETTING", text)
    with pytest.raises(ConfigurationError, match="SETTING"):
        read("SETTING")


@pytest.mark.parametrize("value", ["", ".jpg", "[]", '[""]', "[1]", "5", '".jpg"'])
def test_texts_that_are_no_list_are_a_configuration_error(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("IMAGE_SUFFIXES", value)
    with pytest.raises(ConfigurationError, match="IMAGE_SUFFIXES"):
        environment.texts("IMAGE_SUFFIXES")
