"""The command line of `Reproduce.py`, checked."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from Reproduction.Targets import ENTRIES_OF_ROWS, RANK, TARGETS, Row, rows, variant_row
from Spec.Errors import ConfigError, nearest

DESCRIPTION = """Make a table or figure of the papers: train and evaluate what it needs, less what
is recorded already, and draw it. Stop it at any time; the same command goes on."""
EXAMPLES = """after `with` stands what Training.py takes there; it holds for every row:
  python Reproduce.py figure2 with cfg.demo --dry-run
  python Reproduce.py figure2 with cfg.demo --processes 2
  python Reproduce.py table2 --seeds 1 2 3 --mongo localhost:27017:jnet
  python Reproduce.py rank with cfg.demo --variants U1 U2_2_5 U3_5 U5+cfg.filter_size=9 \\
      --budget 4000"""


@dataclass(frozen=True)
class Order:
    """What is asked for. `words` stood after `with`, less the seed."""

    target: str
    rows: tuple[Row, ...]
    words: tuple[str, ...]
    seeds: tuple[int, ...]
    processes: int
    runs: Path
    mongo: str | None
    out: Path
    dry_run: bool
    measure: bool
    budget: int | None


def order(argv: Sequence[str]) -> Order:
    """The order that a command line gives; `ConfigError`, one line, for a wrong one."""
    words, options = words_apart(argv)
    given = parser().parse_args(options)
    seeds = [word.removeprefix("seed=") for word in words if word.startswith("seed=")]
    if seeds and given.seeds:
        raise ConfigError("seed= and --seeds are both given: leave one out")
    for word in words:
        if word.partition("=")[0] in ENTRIES_OF_ROWS:
            raise ConfigError(f"{word.partition('=')[0]} is what a row itself says: leave it out")
    if given.measure and not given.dry_run:
        raise ConfigError("--measure is for --dry-run: add it, or leave --measure out")
    return Order(
        target=given.target,
        rows=ranked_rows(given) if given.target == RANK else unranked_rows(given),
        words=tuple(word for word in words if not word.startswith("seed=")),
        seeds=tuple(dict.fromkeys(map(whole, given.seeds or seeds[-1:] or ["1"]))),
        processes=given.processes,
        runs=given.runs,
        mongo=given.mongo,
        out=given.out or Path("reproduced") / given.target,
        dry_run=given.dry_run,
        measure=given.measure,
        budget=given.budget,
    )


def ranked_rows(given: argparse.Namespace) -> tuple[Row, ...]:
    """The J models of the variants to rank."""
    if not given.variants or given.budget is None:
        raise ConfigError("rank needs --variants, such as U1 U2_2_5 U3_5, and --budget STEPS")
    found = tuple(dict.fromkeys(map(variant_row, given.variants)))
    if len(found) < 2:
        raise ConfigError(f"--variants names {found[0].label} alone: give two to rank, or more")
    return found


def unranked_rows(given: argparse.Namespace) -> tuple[Row, ...]:
    """The rows of a table or figure."""
    for option in ("variants", "budget"):
        if getattr(given, option) is not None:
            raise ConfigError(f"--{option} is for rank alone, not for {given.target}: leave it out")
    return rows(given.target)


def words_apart(argv: Sequence[str]) -> tuple[list[str], list[str]]:
    """The words after `with`, up to the next option, and all else; `dry_run` is `--dry-run`."""
    words: list[str] = []
    options: list[str] = []
    within = False
    for word in argv:
        within = (within or word == "with") and not word.startswith("-")
        if not within:
            options.append("--dry-run" if word == "dry_run" else word)
        elif word == "dry_run":
            options.append("--dry-run")
        elif word != "with":
            words.append(word)
    return words, options


class OneLineParser(argparse.ArgumentParser):
    """A parser whose errors are sentences of one line."""

    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"{message}: see Reproduce.py -h")


def parser() -> OneLineParser:
    """The parser of everything but the words after `with`."""
    made = OneLineParser(
        prog="Reproduce.py",
        usage="Reproduce.py TARGET [with CONFIGS ENTRIES…] [options]",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    made.add_argument("target", type=target, metavar="TARGET", help=", ".join(TARGETS))
    made.add_argument("--dry-run", action="store_true", help="print the plan and its time alone")
    made.add_argument("--measure", action="store_true", help="with it: time some steps of each")
    made.add_argument("--processes", type=count, default=1, metavar="N", help="runs at once")
    made.add_argument("--seeds", nargs="+", metavar="SEED", help="several trainings of each row")
    made.add_argument("-F", "--runs", type=Path, default=Path("runs"), help="the record's folder")
    made.add_argument("-m", "--mongo", metavar="HOST:PORT:DB", help="and the record in MongoDB")
    made.add_argument("--out", type=Path, help="folder of the result and logs, reproduced/TARGET")
    made.add_argument("--variants", nargs="+", metavar="U", help="rank: what to rank by their J")
    made.add_argument("--budget", type=count, metavar="STEPS", help="rank: of all trainings")
    return made


def target(word: str) -> str:
    """A target's name."""
    if word not in TARGETS:
        raise argparse.ArgumentTypeError(f"{word} is not a target: {nearest(word, TARGETS)}")
    return word


def count(word: str) -> int:
    """A whole number from 1 up."""
    if not word.isdecimal() or int(word) < 1:
        raise argparse.ArgumentTypeError(f"{word!r} is not a whole number from 1 up")
    return int(word)


def whole(word: str) -> int:
    """A seed."""
    if not word.isdecimal():
        raise ConfigError(f"seed is {word!r}: give a whole number")
    return int(word)
