"""The environment variables that the Terraform module sets, read with their types."""

import json
import os

from shared.errors import ConfigurationError


def text(name: str) -> str:
    """Return the variable `name`; ConfigurationError when it is missing or empty."""
    value = os.environ.get(name, "")
    if not value:
        raise ConfigurationError(
            f"environment variable {name} is not set; it comes from the Terraform module, "
            "so deploy the function with it"
        )
    return value


def optional_text(name: str) -> str:
    """Return the variable `name`; an empty text when it is missing or empty."""
    return os.environ.get(name, "")


def texts(name: str) -> tuple[str, ...]:
    """Return the variable `name`, a JSON list of texts; ConfigurationError when it is not one, or empty."""
    value = text(name)
    try:
        found = json.loads(value)
    except ValueError:
        found = None
    if not isinstance(found, list) or not found or not all(isinstance(each, str) and each for each in found):
        raise ConfigurationError(f'{name} must be a JSON list such as [".jpg", ".png"], not {value!r}')
    return tuple(found)


def optional_number(name: str) -> float | None:
    """Return the variable `name` as a number, None when it is missing or empty."""
    value = os.environ.get(name, "")
    if not value:
        return None
    try:
        return float(value)
    except ValueError:
        raise ConfigurationError(f"environment variable {name} must be a number, not {value!r}") from None


def number(name: str) -> float:
    """Return the variable `name` as a number; ConfigurationError when it is missing or not a number."""
    value = optional_number(name)
    if value is None:
        raise ConfigurationError(f"environment variable {name} must be a number, but it is not set")
    return value


def integer(name: str) -> int:
    """Return the variable `name` as a whole number; ConfigurationError when it is not one."""
    value = text(name)
    try:
        return int(value)
    except ValueError:
        raise ConfigurationError(f"environment variable {name} must be a whole number, not {value!r}") from None


def flag(name: str) -> bool:
    """Return the variable `name` as a boolean; ConfigurationError unless it is `true` or `false`."""
    value = text(name)
    if value not in ("true", "false"):
        raise ConfigurationError(f"environment variable {name} must be true or false, not {value!r}")
    return value == "true"


def numbers_by_name(name: str) -> dict[str, float]:
    """Return the variable `name`, a JSON object of numbers; an empty one when it is missing or empty."""
    value = os.environ.get(name, "") or "{}"
    try:
        return {key: float(item) for key, item in json.loads(value).items()}
    except (ValueError, TypeError, AttributeError):
        raise ConfigurationError(
            f"environment variable {name} must be a JSON object of numbers, not {value!r}"
        ) from None
