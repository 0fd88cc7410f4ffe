"""The commands of Report.py: their options, and the document that each makes of its sources."""

import argparse
import os
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from Evaluation.Comparison import comparison_document
from Evaluation.Documents import FORMATS, Document
from Evaluation.FigureCommands import add_figure_commands
from Evaluation.FolderScores import scores_document
from Evaluation.PaperTables import labels_of, lines_of, models_document, paper_document
from Evaluation.Published import paper_table, paper_tables, printed_numbers
from Evaluation.PushCommand import add_push_command
from Evaluation.Records import Found, read_sources
from Evaluation.Results import Result
from Evaluation.Scores import METRICS
from Evaluation.SongSets import complete
from Recording.Mongo import ENVIRONMENT, address
from Spec.Errors import DataError, nearest
from Spec.Files import replaced

RUNS = "runs"  # where runs are recorded unless told otherwise
SOURCES = "where scores are: see Report.py -h"


class Parser(ArgumentParser):
    """A parser that ends on a mistake with an error of one line."""

    def error(self, message: str) -> NoReturn:
        raise DataError(f"{message}: see {self.prog} -h")


def command_line(description: str) -> ArgumentParser:
    """All commands; `report` is the function that makes a command's document."""
    parser = Parser(
        prog="Report.py",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, table in paper_tables().items():
        one = add_command(commands, name, table.title, table_of_paper)
        one.add_argument("sources", nargs="*", metavar="SOURCE", help=SOURCES)
        add_statistic(one)
    models = add_command(commands, "models", "all models found, as one table", table_of_models)
    models.add_argument("sources", nargs="*", metavar="SOURCE", help=SOURCES)
    models.add_argument("--only", nargs="+", default=(), metavar="MODEL", help="show these alone")
    add_statistic(models)
    add_metric(models)
    scores = add_command(commands, "scores", "a folder, by target and metric", scores_of_folder)
    scores.add_argument("folder", metavar="FOLDER", help="museval JSONs, or one recorded run")
    scores.add_argument("--csv", type=Path, metavar="FILE", help="also write CSV there")
    pair = add_command(commands, "compare", "two models: a paired test over songs", comparison)
    pair.add_argument("models", nargs=2, metavar="MODEL", help="a model, or [MODEL=]FOLDER")
    pair.add_argument("--from", nargs="+", dest="sources", metavar="SOURCE", help=SOURCES)
    add_metric(pair)
    add_figure_commands(commands, sources_of, SOURCES)
    add_push_command(commands, RUNS)
    return parser


def add_command(
    commands, name: str, said: str, report: Callable[[Namespace], Document]
) -> ArgumentParser:
    """A command with the options that all have."""
    one = commands.add_parser(name, help=said, description=said)
    one.add_argument("--songs", type=int, metavar="N", help="how many songs a model must have")
    one.add_argument("--format", choices=FORMATS, default="markdown")
    one.add_argument("--out", type=Path, metavar="FILE", help="write the report there")
    one.set_defaults(report=report)
    return one


def add_statistic(command: ArgumentParser) -> None:
    """Which statistic to show."""
    command.add_argument(
        "--statistic",
        choices=("pooled", "songs", "both"),
        default="both",
        help="over all windows, over songs' medians, or both",
    )


def add_metric(command: ArgumentParser) -> None:
    """Which metric to show."""
    command.add_argument("--metric", choices=METRICS, default="SDR")


def sources_of(args: Namespace) -> list[str]:
    """The sources named; else the environment's MongoDB; else the folder of runs, if there."""
    if args.sources:
        return list(args.sources)
    if url := os.environ.get(ENVIRONMENT):
        return [address(url, f"the address in {ENVIRONMENT}").url]
    return [RUNS] if Path(RUNS).is_dir() else []


def table_of_paper(args: Namespace) -> Document:
    """One of the papers' tables."""
    table = paper_table(args.command)
    labels = {label for row in table.rows() for label in labels_of(row)}
    return paper_document(table, read_sources(sources_of(args), labels), args.statistic, args.songs)


def table_of_models(args: Namespace) -> Document:
    """What is there."""
    found = read_sources(sources_of(args), None)
    if not found.results:
        raise DataError(f"no scores found{reasons(found)}: train a model, or name a SOURCE")
    return models_document(
        printed_numbers(), found, args.metric, args.statistic, args.songs, args.only
    )


def scores_of_folder(args: Namespace) -> Document:
    """One folder."""
    (result,), _ = one_model(args.folder, Found(()), args.songs)
    document = scores_document(result)
    if args.csv is not None:
        write(args.csv, FORMATS["csv"](document))
    return document


def comparison(args: Namespace) -> Document:
    """Two models."""
    named = all(map(is_folder, args.models))
    found = Found(()) if named else read_sources(sources_of(args))
    (first, hidden), (second, also) = (one_model(name, found, args.songs) for name in args.models)
    targets = [name for name in first[0].songs[0].targets if name in second[0].songs[0].targets]
    return comparison_document(first, second, targets, args.metric, (*hidden, *also))


def one_model(name: str, found: Found, songs: int | None) -> tuple[Sequence[Result], Sequence[str]]:
    """The results of one model: of the folder so named, else those found under its name; and
    which of them do not count, because others compare with the papers."""
    results = read_sources([name]).results if is_folder(name) else found.results
    labels = list(dict.fromkeys(result.label for result in results))
    if is_folder(name):
        if len(labels) > 1:
            raise DataError(f"{name}: holds several models, {', '.join(labels)}: name one run")
        rows = labels
    else:
        rows = [name]
        if not any(result.label in labels_of(name) for result in results):
            hint = nearest(name, labels) if labels else f"there are no scores{reasons(found)}"
            raise DataError(f"{name}: no such folder and no scores of that model: {hint}")
    of_model = [result for result in results if result.label in labels_of(rows[0])]
    kept, refused = complete(of_model, songs)
    lines, hidden = lines_of(rows, kept, None)
    if not kept:
        raise DataError(refused[0])
    if len(lines) > 1:
        runs = "; ".join(f"{line.results[0].origin} ({', '.join(line.notes)})" for line in lines)
        raise DataError(f"{name}: runs that differ are no one model, name one run: {runs}")
    return lines[0].results, (*refused, *hidden)


def is_folder(name: str) -> bool:
    """Whether `[MODEL=]FOLDER` or a MODEL is meant."""
    return "=" in name or "/" in name or Path(name).is_dir()


def reasons(found: Found) -> str:
    """What was left out, in brackets."""
    return f" ({'; '.join(found.left_out)})" if found.left_out else ""


def write(path: Path, text: str) -> None:
    """A file, whole or not at all."""
    if not path.parent.is_dir():
        raise DataError(f"{path}: there is no folder {path.parent}")
    with replaced(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
