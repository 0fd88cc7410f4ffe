"""The commands of Report.py: their options, and the document that each of them returns."""

from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from jnet.errors import DataError, suggest_nearest
from jnet.recording.push import add_push_command
from jnet.reports.documents import FORMATS, Document
from jnet.reports.figures.commands import add_figure_commands
from jnet.results.published import collect_printed_numbers, find_paper_table, read_paper_tables
from jnet.results.recorded import (
    RUNS,
    SOURCES_HELP,
    SourceResults,
    find_default_sources,
    read_sources,
)
from jnet.results.result import CHANGED, Result, select_complete
from jnet.scoring.score_table import FAMILIES
from jnet.scoring.track_scores import METRICS
from jnet.system.arguments import OneLineParser, add_renamed_option, refuse_renamed_value
from jnet.system.files import replaced


def make_parser(description: str, read_defaults: Callable[[], Mapping[str, Any]]) -> ArgumentParser:
    """Return the parser of all commands.

    The parsed `report` is the function that returns the command's document. Commands that write
    figures or pages have `write` instead. `read_defaults` returns the default values of all config
    entries.
    """
    parser = OneLineParser(
        prog="Report.py", description=description, formatter_class=RawDescriptionHelpFormatter
    )
    parser.set_defaults(read_defaults=read_defaults)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(
        name: str, title: str, report: Callable[[Namespace], Document], *options: str
    ) -> ArgumentParser:
        command = commands.add_parser(name, help=title, description=title)
        command.set_defaults(report=report)
        command.add_argument(
            "--tracks", type=int, metavar="N", help="number of tracks that each model must have"
        )
        add_renamed_option(command, "--songs", "--tracks")
        command.add_argument("--format", choices=FORMATS, default="markdown")
        command.add_argument("--out", type=Path, metavar="FILE", help="write the report to FILE")
        for option in options:
            command.add_argument(option, **OPTIONS[option])
        return command

    for name, table in read_paper_tables().items():
        add(name, table.title, report_paper_table, "sources", "--statistic")
    title = "all recorded models in one table"
    models = add("models", title, report_models, "sources", "--statistic", "--metric")
    models.add_argument(
        "--only", nargs="+", default=(), metavar="MODEL", help="show only these models"
    )
    scores = add("scores", "scores of one folder by target and metric", report_scores)
    scores.add_argument("folder", metavar="FOLDER", help="museval JSONs, or one recorded run")
    scores.add_argument("--csv", type=Path, metavar="FILE", help="also write CSV to FILE")
    pair = add("compare", "two models: a paired test over tracks", report_comparison, "--metric")
    pair.add_argument("models", nargs=2, metavar="MODEL", help="name of a model, or [MODEL=]FOLDER")
    pair.add_argument("--from", nargs="+", dest="sources", metavar="SOURCE", help=SOURCES_HELP)
    add_figure_commands(commands)
    add_renamed_option(commands.choices["spectrogram"], "--song", "--track")
    add_push_command(commands, RUNS)
    return parser


OPTIONS: dict[str, dict] = {
    "sources": {"nargs": "*", "metavar": "SOURCE", "help": SOURCES_HELP},
    "--statistic": {
        "choices": tuple(FAMILIES),
        "default": "both",
        "type": refuse_renamed_value("songs", "tracks"),
        "help": "median over all windows, median of the tracks' medians, or both",
    },
    "--metric": {"choices": METRICS, "default": "SDR"},
}


# The functions below import the modules that need pandas when they are called: pandas takes a
# quarter of a second to import, and only the tables need it.
def report_paper_table(args: Namespace) -> Document:
    """Return the table of a paper that the command names."""
    from jnet.reports.paper_tables import list_labels, make_paper_document

    table = find_paper_table(args.command)
    labels = {label for row in table.list_rows() for label in list_labels(row)}
    found = read_sources(args.sources or find_default_sources(), labels)
    return make_paper_document(table, found, args.statistic, args.tracks)


def report_models(args: Namespace) -> Document:
    """Return the table of all models found, or raise `DataError` if there are no scores."""
    from jnet.reports.paper_tables import make_models_document

    found = read_sources(args.sources or find_default_sources())
    if not found.results:
        raise DataError(f"no scores found{format_reasons(found)}: train a model, or give a SOURCE")
    return make_models_document(
        collect_printed_numbers(), found, args.metric, args.statistic, args.tracks, args.only
    )


def report_scores(args: Namespace) -> Document:
    """Return the scores of one folder, and write them to a CSV file if `--csv` is given."""
    from jnet.reports.tables import make_scores_document

    (result,), _ = select_model(args.folder, SourceResults(()), args.tracks)
    document = make_scores_document(result)
    if args.csv is not None:
        write_text(args.csv, FORMATS["csv"](document))
    return document


def report_comparison(args: Namespace) -> Document:
    """Return the comparison of two models on the targets that both have."""
    from jnet.reports.paired_test import make_comparison_document

    only_folders = all(map(is_folder, args.models))
    sources = [] if only_folders else args.sources or find_default_sources()
    found = read_sources(sources)
    (first, first_reasons), (second, second_reasons) = (
        select_model(name, found, args.tracks) for name in args.models
    )
    targets = [target for target in first[0].targets if target in second[0].targets]
    return make_comparison_document(
        first, second, targets, args.metric, (*first_reasons, *second_reasons)
    )


def select_model(
    name: str, found: SourceResults, tracks: int | None
) -> tuple[Sequence[Result], Sequence[str]]:
    """Return the results of one model, and why other results of its name are not used.

    Parameters
    ----------
    name : str
        `[MODEL=]FOLDER`, or the name of a model among the results of `found`.
    found : SourceResults
        The results to search for a model; not used for a folder.
    tracks : int or None
        Number of tracks that each result must have, see `select_complete`.

    Returns
    -------
    results : sequence of Result
        The runs of the model. Runs that differ from the paper's model are among them only if no
        run agrees with it.
    left_out : sequence of str
        One sentence per result that is not used.

    Raises
    ------
    DataError
        For a folder with several models, a model without scores or with incomplete scores, and runs
        that differ from each other.
    """
    from jnet.reports.paper_tables import group_runs, list_labels

    found = read_sources([name]) if is_folder(name) else found
    labels = list(dict.fromkeys(result.label for result in found.results))
    if not labels:
        raise DataError(
            f"{name}: no scores found{format_reasons(found)}: evaluate a model, or give another "
            f"folder"
        )
    if is_folder(name) and len(labels) > 1:
        raise DataError(f"{name}: contains several models ({', '.join(labels)}): give one run")
    names = list_labels(labels[0] if is_folder(name) else name)
    of_model = [result for result in found.results if result.label in names]
    of_model = of_model or [result for result in found.results if result.row in names]
    if not of_model:
        hint = suggest_nearest(name, labels)
        raise DataError(f"{name}: not a folder, and no scores of a model of this name: {hint}")
    kept, incomplete = select_complete(of_model, tracks)
    if not kept:
        raise DataError(incomplete[0])
    lines, hidden = group_runs(list(dict.fromkeys(run.row for run in kept)), kept, None)
    if len(lines) > 1:
        runs = "; ".join(f"{line.runs[0].origin} ({', '.join(line.notes)})" for line in lines)
        raise DataError(
            f"{name}: its runs differ and cannot be averaged: give one of these runs: {runs}"
        )
    return lines[0].runs, (*incomplete, *hidden)


def is_folder(name: str) -> bool:
    """Return whether `name` is `[MODEL=]FOLDER`, not the name of a model."""
    return CHANGED not in name and ("=" in name or "/" in name or Path(name).is_dir())


def format_reasons(found: SourceResults) -> str:
    """Return in brackets why results were left out; an empty string if none were."""
    return f" ({'; '.join(found.left_out)})" if found.left_out else ""


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically; raise `DataError` if its folder does not exist."""
    if not path.parent.is_dir():
        raise DataError(f"{path}: the folder {path.parent} does not exist")
    with replaced(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
