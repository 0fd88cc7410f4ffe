"""The papers' own numbers, their tables and rows, and MUSDB18's test songs: data, read once."""

import csv
import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from Spec.Errors import DataError, nearest

FOLDER = Path(__file__).parent / "published"
ALL = "all"  # the column that is the mean over all sources


@dataclass(frozen=True)
class Number:
    """One printed number; `deviation` where the paper prints one, `value` None where it says a
    word instead, which is then the `note`."""

    row: str
    column: str
    metric: str
    statistic: str
    value: float | None
    deviation: float | None
    note: str


@dataclass(frozen=True)
class PaperTable:
    """One table of a paper: `numbers[row, column, metric, statistic]`, in the paper's order."""

    command: str
    title: str
    numbers: Mapping[tuple[str, str, str, str], Number]

    def rows(self) -> list[str]:
        """The models."""
        return list(dict.fromkeys(row for row, *_ in self.numbers))

    def columns(self) -> list[str]:
        """The sources, and `all`."""
        return list(dict.fromkeys(column for _, column, *_ in self.numbers))

    def metric(self) -> str:
        """The one metric of the table."""
        (metric,) = {metric for *_, metric, _ in self.numbers}
        return metric

    def statistics(self) -> list[str]:
        """The statistics printed."""
        return list(dict.fromkeys(statistic for *_, statistic in self.numbers))


@dataclass(frozen=True)
class PaperRow:
    """One model of the papers and how it comes about here. `config` is None where this code has
    no such model; `trained` and `passes` where it is another model evaluated with more passes;
    `same` the row whose scores are also this one's."""

    name: str
    config: str | None
    alias: str | None
    trained: str | None
    passes: int | None
    same: str | None

    def command(self, weights: str = "…") -> str:
        """What makes the row's scores; `weights` are those to evaluate."""
        if self.config is None:
            return "not a model of this code"
        if self.trained is None or self.passes == 1:
            return f"`python Training.py with cfg.{self.trained or self.config}`"
        evaluate = f"`python Evaluate.py with cfg.{self.config} model_path={weights}`"
        if weights != "…":
            return evaluate
        return f"`python Training.py with cfg.{self.trained}`, then {evaluate}"


def lines(name: str) -> list[dict[str, str]]:
    """The lines of a CSV of `published/`; those that begin with # are comments."""
    with (FOLDER / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(line for line in file if not line.startswith("#")))


@functools.cache
def numbers(file: str) -> dict[str, dict[tuple[str, str, str, str], Number]]:
    """The numbers of one paper, by table."""
    found: dict[str, dict[tuple[str, str, str, str], Number]] = {}
    for line in lines(file):
        key = (line["row"], line["column"], line["metric"], line["statistic"])
        value, deviation = (float(line[name]) if line[name] else None for name in VALUES)
        found.setdefault(line["table"], {})[key] = Number(*key, value, deviation, line["note"])
    return found


VALUES = ("value", "deviation")


@functools.cache
def paper_tables() -> dict[str, PaperTable]:
    """The tables by the command of Report.py that prints them."""
    return {
        line["command"]: PaperTable(
            line["command"], line["title"], numbers(line["file"])[line["table"]]
        )
        for line in lines("tables.csv")
    }


def paper_table(command: str) -> PaperTable:
    """One table; `DataError` with the nearest name when there is none of that name."""
    tables = paper_tables()
    if command not in tables:
        raise DataError(f"{command} is not a table: {nearest(command, tables)}")
    return tables[command]


def printed_numbers() -> dict[tuple[str, str, str, str], Number]:
    """All numbers of models, each from the first table that has it, in the tables' order."""
    return {
        key: number
        for table in reversed(paper_tables().values())
        for key, number in table.numbers.items()
    }


@functools.cache
def paper_rows() -> dict[str, PaperRow]:
    """All rows by name."""
    return {
        line["row"]: PaperRow(
            line["row"],
            line["config"] or None,
            line["alias"] or None,
            line["trained"] or None,
            int(line["passes"]) if line["passes"] else None,
            line["same"] or None,
        )
        for line in lines("rows.csv")
    }


def row_of(config: str, passes: int) -> str | None:
    """The row that a named config's model is when it is evaluated with `passes`; None for none."""
    rows = [row for row in paper_rows().values() if row.same is None and row.config]
    trained = {
        name: row.trained or row.config
        for row in paper_rows().values()
        for name in (row.config, row.alias, row.trained)
        if name
    }.get(config)
    for row in rows:
        if trained == (row.trained or row.config) and passes == (row.passes or 1):
            return row.name
    return None


@functools.cache
def musdb18_test_songs() -> dict[str, int]:
    """MUSDB18's 50 test songs and the windows of 1 s that each has."""
    return {line["song"]: int(line["windows"]) for line in lines("musdb18_test.csv")}
