"""Command-line parsing that reports an invalid command line in one line."""

import argparse
from collections.abc import Callable
from typing import Any, NoReturn

from jnet.errors import ConfigError


class OneLineParser(argparse.ArgumentParser):
    """An argument parser that raises `ConfigError` for an invalid command line."""

    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"{message}: see {self.prog} -h")


class _Renamed(argparse.Action):
    def __call__(self, *_: Any, **__: Any) -> NoReturn:
        raise ConfigError(f"{self.option_strings[0]} is now {self.const}")


def add_renamed_option(parser: argparse.ArgumentParser, former: str, name: str) -> None:
    """Reject the option `former` of an earlier version with an error that gives its new `name`."""
    parser.add_argument(former, action=_Renamed, const=name, nargs="*", help=argparse.SUPPRESS)


def refuse_renamed_value(former: str, name: str) -> Callable[[str], str]:
    """Return an option's `type` that rejects the value `former`, which is now called `name`."""

    def convert(word: str) -> str:
        if word == former:
            raise argparse.ArgumentTypeError(f"{former} is now {name}")
        return word

    return convert
