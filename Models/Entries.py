"""Declarations of config entries: a check and an effect at each dataclass field.

    patience: int = entry(whole(at_least=1), affects=WEIGHTS)

`from_entries` checks a config and creates the dataclass. `values_affecting` and `keys_affecting`
derive everything that depends on the effects of entries: fingerprints, comparability of runs, and
which models must be trained again. A check is a function of the full name of an entry and its
value. It returns the value as the program uses it, or raises `ConfigError`.
"""

import dataclasses
import difflib
import enum
import math
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

Check = Callable[[str, Any], Any]
Settings = TypeVar("Settings")


class JNetError(Exception):
    """An error that the user can correct; its message gives the cause and the correction."""

    exit_status = 2


class ConfigError(JNetError):
    """An unknown config entry, or an invalid value of an entry."""


def suggest_nearest(word: str, choices: Iterable[str]) -> str:
    """Return a hint that names the choice most similar to `word`.

    Differences between upper and lower case do not count, and a choice that contains a word of at
    least four letters is preferred. If no choice is similar, the hint lists all choices.
    """
    choices = sorted(choices)
    same = [choice for choice in choices if choice.lower() == word.lower()]
    longer = [choice for choice in choices if len(word) >= 4 and word.lower() in choice.lower()]
    similar = same or sorted(longer, key=len) or difflib.get_close_matches(word, choices, 1, 0.5)
    if similar:
        return f"did you mean {similar[0]!r}?"
    return f"choose {', '.join(map(repr, choices))}"


class Effect(enum.Enum):
    """The strongest effect of a config entry.

    The effects are in descending order: each includes all effects after it.
    """

    SHAPE = "which weights fit the model, and what it computes with them"
    WEIGHTS = "the weights that a training ends with"
    SCORES = "the scores of given weights"
    SPEED = "the duration of a run; results only to rounding"
    NOTHING = "where files are, and which optional files are written"


SHAPE, WEIGHTS, SCORES, SPEED, NOTHING = Effect


@dataclass(frozen=True)
class Use:
    """The condition under which an entry is used.

    Attributes
    ----------
    key : str
        The entry on which it depends.
    condition : callable
        Function from the value of that entry to whether the dependent entry is used.
    text : str
        The condition in words, for error messages.
    """

    key: str
    condition: Callable[[Any], bool]
    text: str


def used_with(key: str, value: Any) -> Use:
    """Return the condition that the entry `key` has a value."""
    return Use(key, lambda other: other == value, f"cfg.{key}={value}")


REQUIRED = object()  # marks entries that every record has


@dataclass(frozen=True)
class Entry:
    """A declared entry: its name in the config, its check, its effect and when it is used.

    Records from before the entry existed imply the value `absent`.
    """

    key: str
    check: Check
    affects: Effect
    use: Use | None
    absent: Any


def entry(
    check: Check,
    affects: Effect,
    key: str | None = None,
    use: Use | None = None,
    absent: Any = REQUIRED,
) -> Any:
    """Declare a dataclass field as a config entry.

    Parameters
    ----------
    check : Check
        A function of (full name, value) that returns the value or raises `ConfigError`.
    affects : Effect
        The strongest effect of the entry.
    key : str, optional
        The name of the entry in the config; by default the name of the field.
    use : Use, optional
        The condition under which the entry is used; by default it is always used.
    absent : Any, optional
        The value that records imply which were made before the entry existed.

    Returns
    -------
    dataclasses.Field
        The field, with the declaration in its metadata.
    """
    declared = {"check": check, "affects": affects, "key": key, "use": use, "absent": absent}
    return dataclasses.field(metadata=declared)


def get_entries(settings: Any) -> dict[str, Entry]:
    """Return the declared entries of a settings dataclass or instance, by field name."""
    return {
        field.name: Entry(**{**field.metadata, "key": field.metadata["key"] or field.name})
        for field in dataclasses.fields(settings)
        if "check" in field.metadata
    }


def from_entries(settings: type[Settings], entries: Mapping[str, Any], **fields: Any) -> Settings:
    """Create a settings dataclass from the entries of a config.

    Parameters
    ----------
    settings : type
        The dataclass.
    entries : Mapping[str, Any]
        The config: values by the name of the entry.
    **fields
        The values of fields that are not declared as entries.

    Returns
    -------
    Settings
        An instance of the dataclass, with checked values.

    Raises
    ------
    ConfigError
        If an entry has an invalid value.
    """
    values = {
        name: declared.check(f"cfg.{declared.key}", entries[declared.key])
        for name, declared in get_entries(settings).items()
    }
    return settings(**values, **fields)


def values_affecting(settings: Any, *effects: Effect) -> dict[str, Any]:
    """Return the values of all entries with one of `effects`, by field name.

    `settings` is an instance of a settings dataclass.
    """
    return {
        name: getattr(settings, name)
        for name, declared in get_entries(settings).items()
        if declared.affects in effects
    }


def keys_affecting(settings: Any, *effects: Effect) -> set[str]:
    """Return the config names of all entries with one of `effects`.

    `settings` is a settings dataclass or an instance of one.
    """
    return {
        declared.key for declared in get_entries(settings).values() if declared.affects in effects
    }


def refuse_unused_entries(settings: Any, entries: Mapping[str, Any], given: Iterable[str]) -> None:
    """Raise `ConfigError` for an entry that the user gave and that is not used.

    Parameters
    ----------
    settings : type
        The settings dataclass that declares the entries.
    entries : Mapping[str, Any]
        The config.
    given : iterable of str
        The names of the entries that the user gave.

    Raises
    ------
    ConfigError
        With the condition under which the entry is used.
    """
    for declared in get_entries(settings).values():
        use = declared.use
        if declared.key in given and use is not None and not use.condition(entries[use.key]):
            raise ConfigError(f"cfg.{declared.key} is not used: give {use.text}, or leave it out")


def whole(at_least: int, at_most: float = math.inf) -> Check:
    """Return a check for whole numbers from `at_least` to `at_most`."""
    bounds = f"of at least {at_least}" if at_most == math.inf else f"from {at_least} to {at_most}"

    def check(key: str, value: Any) -> int:
        if type(value) is not int or not at_least <= value <= at_most:  # True is an int
            raise ConfigError(f"{key} is {value!r}: give a whole number {bounds}")
        return value

    return check


def odd(key: str, value: Any) -> int:
    """Return `value` if it is an odd whole number.

    A filter of odd length has a middle tap. Raises `ConfigError` for other values.
    """
    if whole(at_least=1)(key, value) % 2 == 0:
        raise ConfigError(f"{key} is {value!r}: give an odd number")
    return value


def not_negative(key: str, value: Any) -> float:
    """Return `value` as a float if it is finite and at least zero.

    Raises `ConfigError` for other values.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ConfigError(f"{key} is {value!r}: give a number")
    if not math.isfinite(value) or value < 0:
        raise ConfigError(f"{key} is {value!r}: give a number not below zero")
    return float(value)


def positive(key: str, value: Any) -> float:
    """Return `value` as a float if it is finite and greater than zero.

    Raises `ConfigError` for other values.
    """
    if not_negative(key, value) == 0:
        raise ConfigError(f"{key} is {value!r}: give a number above zero")
    return float(value)


def number_from(least: float, most: float) -> Check:
    """Return a check for numbers from `least` to `most`."""

    def check(key: str, value: Any) -> float:
        number = not_negative(key, value)
        if not least <= number <= most:
            raise ConfigError(f"{key} is {value!r}: give a number from {least} to {most}")
        return number

    return check


def switch(key: str, value: Any) -> bool:
    """Return `value` if it is True or False; raise `ConfigError` for other values."""
    if not isinstance(value, bool):
        raise ConfigError(f"{key} is {value!r}: give True or False")
    return value


def text(key: str, value: Any) -> str:
    """Return `value` if it is a string that is not empty; raise `ConfigError` for other values."""
    if not isinstance(value, str) or not value:
        raise ConfigError(f"{key} is {value!r}: give a text")
    return value


def path(key: str, value: Any) -> str:
    """Return a path with its leading ~ expanded.

    Shells do not expand ~ after an equals sign. Raises `ConfigError` for values that are not text.
    """
    return os.path.expanduser(text(key, value))  # noqa: PTH111 - stays text


def folder_name(key: str, value: Any) -> str:
    """Return a text or number that can name a folder, as text.

    Raises `ConfigError` for other values.
    """
    if isinstance(value, bool) or not re.fullmatch(r"\w[\w.-]*", str(value)):
        raise ConfigError(f"{key} is {value!r}: give only letters, digits, '_', '-' and '.'")
    return str(value)


def one_of(choices: Iterable[str]) -> Check:
    """Return a check for one of `choices`."""
    choices = tuple(choices)

    def check(key: str, value: Any) -> str:
        if value not in choices:
            raise ConfigError(f"{key} is {value!r}: {suggest_nearest(str(value), choices)}")
        return str(value)

    return check


def optional(check: Check) -> Check:
    """Return a check that accepts None and all values that pass `check`."""
    return lambda key, value: None if value is None else check(key, value)


def list_of(check: Check) -> Check:
    """Return a check for lists whose items pass `check`; it returns them as a tuple."""

    def check_list(key: str, value: Any) -> tuple:
        if isinstance(value, str) or not isinstance(value, Sequence):
            raise ConfigError(f"{key} is {value!r}: give a list, such as '[…]' in quotes")
        return tuple(check(key, item) for item in value)

    return check_list
