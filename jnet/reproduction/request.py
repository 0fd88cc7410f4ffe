"""The command line of `Reproduce.py`: parsing and checks."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jnet.errors import ConfigError
from jnet.reproduction import targets
from jnet.system.arguments import OneLineParser

DESCRIPTION = """Reproduce a table or figure of the papers: run the trainings and evaluations that
are not recorded yet, then write the table or draw the figure. The program can be stopped at any
time; the same command resumes."""
EXAMPLES = """the words after `with` are those of Training.py; they apply to every row:
  python Reproduce.py figure2 with cfg.demo --dry-run
  python Reproduce.py figure2 with cfg.demo --processes 2
  python Reproduce.py table2 --seeds 1 2 3 --mongo localhost:27017:jnet
  python Reproduce.py rank with cfg.demo --variants U1 U2_2_5 U3_5 U5+cfg.filter_size=9 \\
      --budget 4000"""


@dataclass(frozen=True)
class Request:
    """The options of a command line; `words` are those after `with`, without the seed."""

    target: str
    rows: tuple[targets.Row, ...]
    words: tuple[str, ...]
    seeds: tuple[int, ...]
    processes: int
    runs: Path
    mongo: str | None
    out: Path
    dry_run: bool
    budget: int | None


def parse_request(argv: Sequence[str]) -> Request:
    """Parse a command line; raise `ConfigError` with a one-line message for invalid options."""
    options = ["--with" if word == "with" else word for word in argv if word != "dry_run"]
    given, unknown = make_parser().parse_known_args(options)
    if unknown:
        missing_with = "with" not in argv and not unknown[0].startswith("-")
        hint = f"write 'with' before {unknown[0]}" if missing_with else "see Reproduce.py -h"
        raise ConfigError(f"unrecognized arguments: {' '.join(unknown)}: {hint}")
    given.dry_run |= "dry_run" in argv
    seeds = [word.removeprefix("seed=") for word in given.words if word.startswith("seed=")]
    if seeds and given.seeds:
        raise ConfigError("seed= and --seeds are both given: remove one of them")
    for word in given.words:
        if word.partition("=")[0] in targets.ROW_ENTRIES:
            raise ConfigError(f"{word.partition('=')[0]} is set by each row: remove it")
    given.rows = select_rows(given.target, given.variants, given.budget)
    given.words = tuple(word for word in given.words if not word.startswith("seed="))
    given.seeds = tuple(dict.fromkeys(map(parse_seed, given.seeds or seeds[-1:] or ["1"])))
    given.out = given.out or Path("reproduced") / given.target
    del given.variants
    return Request(**vars(given))


def select_rows(
    target: str, variants: Sequence[str] | None, budget: int | None
) -> tuple[targets.Row, ...]:
    """Return the rows of a table or figure, or the J models of the variants to rank.

    Parameters
    ----------
    target : str
        One of `TARGETS`.
    variants : sequence of str or None
        For the target `rank`, see `make_variant_row`; else None.
    budget : int or None
        For the target `rank`: the steps of all trainings together; else None.

    Returns
    -------
    tuple of Row

    Raises
    ------
    ConfigError
        For missing, unsuitable or fewer than two variants, and options of another target.
    """
    if target == targets.RANK:
        if not variants or budget is None:
            raise ConfigError(
                "rank needs --variants, for example U1 U2_2_5 U3_5, and --budget STEPS"
            )
        rows = tuple(dict.fromkeys(map(targets.make_variant_row, variants)))
        if len(rows) < 2:
            raise ConfigError(f"--variants gives only {rows[0].label}: give at least two variants")
        return rows
    for option, value in (("variants", variants), ("budget", budget)):
        if value is not None:
            raise ConfigError(f"--{option} is only for rank, not for {target}: remove it")
    return targets.list_rows(target)


def make_parser() -> OneLineParser:
    """Return the parser, in which `with` is the option `--with`."""
    parser = OneLineParser(
        prog="Reproduce.py",
        usage="Reproduce.py TARGET [with CONFIGS ENTRIES…] [options]",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("target", choices=targets.TARGETS, metavar="TARGET", help=", ".join(targets.TARGETS))
    add("--with", dest="words", nargs="*", action="extend", default=[], help=argparse.SUPPRESS)
    add("--dry-run", action="store_true", help="print only the plan and its estimated time")
    add(
        "--processes",
        type=parse_count,
        default=1,
        metavar="N",
        help="number of runs at the same time",
    )
    add("--seeds", nargs="+", metavar="SEED", help="train each row once per seed")
    add("-F", "--runs", type=Path, default=Path("runs"), help="folder of the recorded runs")
    add("-m", "--mongo", metavar="HOST:PORT:DB", help="also record in this MongoDB")
    add("--out", type=Path, help="folder of outputs and logs, default: reproduced/TARGET")
    add("--variants", nargs="+", metavar="U", help="rank: the variants, ranked by their J models")
    add("--budget", type=parse_count, metavar="STEPS", help="rank: steps of all trainings together")
    return parser


def parse_count(word: str) -> int:
    """Return a word as an integer of at least 1."""
    if not word.isdecimal() or int(word) < 1:
        raise argparse.ArgumentTypeError(f"{word!r} is not a whole number of at least 1")
    return int(word)


def parse_seed(word: str) -> int:
    """Return a word as a seed; raise `ConfigError` unless it is a whole number."""
    if not word.isdecimal():
        raise ConfigError(f"seed is {word!r}: give a whole number")
    return int(word)
