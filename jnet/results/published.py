"""The papers' printed numbers, tables and rows, and MUSDB18's test tracks, from `published/`."""

import csv
import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jnet.errors import DataError, suggest_nearest

FOLDER = Path(__file__).parent / "published"
ALL = "all"  # the column of the mean over the four sources
FOUR_SOURCES = ("drums", "bass", "other", "vocals")  # in the order of Demucs' tables
VALIDATION_LOSS = "L1 loss on the validation set"  # a metric of Demucs' ablation table
STANDARD_ERROR = "standard error"  # the meaning of ± in some tables


@dataclass(frozen=True)
class Number:
    """One printed number.

    `deviation` is NaN if the paper prints none. `value` is NaN if the paper prints a word instead
    of a number; `note` is then that word.
    """

    value: float
    deviation: float
    note: str


Numbers = Mapping[tuple[str, str, str, str], Number]  # by row, column, metric, statistic


@dataclass(frozen=True)
class PaperTable:
    """One table of a paper.

    Attributes
    ----------
    command : str
        The command of Report.py that prints the table.
    title : str
    numbers : Numbers
        The printed numbers in the paper's order.
    columns : sequence of str
        Sources and `all`.
    metric : str
        The table's only metric of the test set.
    spread : str
        The meaning of ± over runs: `STANDARD_ERROR`, or standard deviation if it is empty.
    losses : mapping of str to Number
        The printed validation losses by row; empty if there are none.
    """

    command: str
    title: str
    numbers: Numbers
    columns: Sequence[str]
    metric: str
    spread: str = ""
    losses: Mapping[str, Number] = field(default_factory=dict)

    def list_rows(self) -> list[str]:
        """Return the names of the models."""
        return list(dict.fromkeys(row for row, *_ in self.numbers))


@dataclass(frozen=True)
class PaperRow:
    """One model of the papers and the named configs that reproduce it.

    Attributes
    ----------
    name : str
    config : str or None
        The named config that evaluates the model; None if this code does not implement the model.
    alias : str or None
        Another name of the config.
    trained : str or None
        The named config of the training, if it is not `config`: some rows evaluate the model of
        another row with more passes.
    passes : int
        The number of passes of the mix through the network.
    same : str or None
        The name of another row with the same scores.
    """

    name: str
    config: str | None = None
    alias: str | None = None
    trained: str | None = None
    passes: int = 1
    same: str | None = None

    def format_command(self, weights: str = "…") -> str:
        """Return the command that produces the row's scores from weights at the path `weights`."""
        if self.config is None:
            return "not a model of this code"
        if self.trained is None or self.passes == 1:
            return f"`python Training.py with cfg.{self.trained or self.config}`"
        evaluate = f"`python Evaluate.py with cfg.{self.config} model_path={weights}`"
        if weights != "…":
            return evaluate
        return f"`python Training.py with cfg.{self.trained}`, then {evaluate}"


def read_csv(name: str) -> list[dict[str, str]]:
    """Read the rows of the CSV file `name` in `published/`, without lines that begin with #."""
    with (FOLDER / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(line for line in file if not line.startswith("#")))


@functools.cache
def read_numbers(file: str) -> dict[str, dict[tuple[str, str, str, str], Number]]:
    """Read the numbers of one paper by table."""
    tables: dict[str, dict[tuple[str, str, str, str], Number]] = {}
    for line in read_csv(file):
        key = (line["row"], line["column"], line["metric"], line["statistic"])
        value, deviation = (float(line[name] or "nan") for name in ("value", "deviation"))
        tables.setdefault(line["table"], {})[key] = Number(value, deviation, line["note"])
    return tables


@functools.cache
def read_paper_tables() -> dict[str, PaperTable]:
    """Read the tables by the command of Report.py that prints them."""
    tables = {}
    for line in read_csv("tables.csv"):
        numbers = read_numbers(line["file"])[line["table"]]
        losses = {key[0]: number for key, number in numbers.items() if key[2] == VALIDATION_LOSS}
        printed = {key: number for key, number in numbers.items() if key[2] != VALIDATION_LOSS}
        columns = list(dict.fromkeys(column for _, column, *_ in printed))
        (metric,) = {metric for *_, metric, _ in printed}
        command, title, spread = (line[key] for key in ("command", "title", "spread"))
        tables[command] = PaperTable(command, title, printed, columns, metric, spread, losses)
    return tables


def find_paper_table(command: str) -> PaperTable:
    """Return one table; raise `DataError` with the nearest name for an unknown table."""
    tables = read_paper_tables()
    if command not in tables:
        raise DataError(f"{command} is not a table: {suggest_nearest(command, tables)}")
    return tables[command]


def collect_printed_numbers() -> Numbers:
    """Return the numbers of all tables.

    A number in several tables is taken from the first of them.
    """
    return {
        key: number
        for table in reversed(read_paper_tables().values())
        for key, number in table.numbers.items()
    }


@functools.cache
def read_paper_rows() -> dict[str, PaperRow]:
    """Read all rows by name."""
    rows: dict[str, PaperRow] = {}
    for line in read_csv("rows.csv"):
        given: dict[str, Any] = {key: value for key, value in line.items() if value}
        rows[line["name"]] = PaperRow(**{**given, "passes": int(line["passes"] or 1)})
    return rows


def find_row(config: str, passes: int) -> str | None:
    """Return the name of the row of a named config's model evaluated with `passes`, or None."""
    rows = [row for row in read_paper_rows().values() if row.config]
    trained = {
        row.trained or row.config for row in rows if config in (row.config, row.alias, row.trained)
    }
    for row in rows:
        if row.same is None and (row.trained or row.config) in trained and row.passes == passes:
            return row.name
    return None


@functools.cache
def read_musdb18_test_tracks() -> dict[str, int]:
    """Read the number of 1 s windows of each of MUSDB18's 50 test tracks."""
    return {line["track"]: int(line["windows"]) for line in read_csv("musdb18_test.csv")}
