"""Checks on single config entries: each returns the value or raises a `ConfigError` naming it."""

import math
import os
import re
from collections.abc import Iterable, Sequence
from typing import Any

from Spec.Errors import ConfigError, nearest


def one_of(key: str, value: Any, choices: Iterable[str]) -> str:
    """`value`, when it is one of `choices`."""
    choices = tuple(choices)
    if value not in choices:
        hint = nearest(str(value), choices)
        raise ConfigError(f"cfg.{key} is {value!r}: {hint}")
    return str(value)


def each_of(key: str, values: Any, choices: Iterable[str]) -> tuple[str, ...]:
    """`values` as a tuple, when it is a list of different `choices`."""
    values = listed(key, values)
    choices = tuple(choices)
    for value in values:
        if value not in choices:
            raise ConfigError(f"cfg.{key} holds {value!r}: {nearest(str(value), choices)}")
    if len(set(values)) != len(values):
        raise ConfigError(f"cfg.{key} is {list(values)!r}: name each only once")
    return values


def listed(key: str, values: Any) -> tuple:
    """`values` as a tuple, when it is a list."""
    if isinstance(values, str) or not isinstance(values, Sequence):
        raise ConfigError(f"cfg.{key} is {values!r}: give a list, such as '[…]' in quotes")
    return tuple(values)


def whole(key: str, value: Any, at_least: int, at_most: int | None = None) -> int:
    """`value`, when it is a whole number of at least `at_least`, and no more than `at_most`."""
    if isinstance(value, bool) or not isinstance(value, int) or value < at_least:
        raise ConfigError(f"cfg.{key} is {value!r}: give a whole number of at least {at_least}")
    if at_most is not None and value > at_most:
        raise ConfigError(f"cfg.{key} is {value!r}: give a whole number of at most {at_most}")
    return value


def odd(key: str, value: Any) -> int:
    """`value`, when it is an odd whole number: a filter with a middle."""
    if whole(key, value, 1) % 2 == 0:
        raise ConfigError(f"cfg.{key} is {value!r}: give an odd number")
    return value


def positive(key: str, value: Any) -> float:
    """`value` as a float, when it is a finite number above zero."""
    if at_least_zero(key, value) == 0:
        raise ConfigError(f"cfg.{key} is {value!r}: give a number above zero")
    return float(value)


def at_least_zero(key: str, value: Any) -> float:
    """`value` as a float, when it is a finite number not below zero."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ConfigError(f"cfg.{key} is {value!r}: give a number")
    if not math.isfinite(value) or value < 0:
        raise ConfigError(f"cfg.{key} is {value!r}: give a number not below zero")
    return float(value)


def switch(key: str, value: Any) -> bool:
    """`value`, when it is True or False."""
    if not isinstance(value, bool):
        raise ConfigError(f"cfg.{key} is {value!r}: give True or False")
    return value


def path(key: str, value: Any) -> str:
    """`value`, when it is text, its leading ~ replaced, which no shell does behind an equals
    sign."""
    return os.path.expanduser(text(key, value))  # noqa: PTH111 - stays text


def folder_name(key: str, value: Any) -> str:
    """`value` as text, when it can name a folder within another; `key` is the entry's whole
    name."""
    if isinstance(value, bool) or not re.fullmatch(r"\w[\w.-]*", str(value)):
        raise ConfigError(f"{key} is {value!r}: give letters, digits, '_', '-' and '.' alone")
    return str(value)


def text(key: str, value: Any) -> str:
    """`value`, when it is text that is not empty."""
    if not isinstance(value, str) or not value:
        raise ConfigError(f"cfg.{key} is {value!r}: give a text")
    return value
