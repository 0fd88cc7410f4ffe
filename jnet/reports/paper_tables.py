"""A paper's table beside the recorded scores, and a table of any models."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from jnet.names import count_things
from jnet.reports.documents import Document
from jnet.reports.tables import (
    DAGGER,
    Line,
    collect_numbers,
    format_losses_table,
    format_scores_table,
    make_runs_table,
)
from jnet.results.published import (
    ALL,
    STANDARD_ERROR,
    VALIDATION_LOSS,
    Numbers,
    PaperTable,
    read_paper_rows,
)
from jnet.results.recorded import SourceResults
from jnet.results.result import Result, list_differences, select_complete
from jnet.scoring.score_table import EXPLANATIONS, FAMILIES, HEADINGS
from jnet.scoring.statistics import TRACK_MEDIANS
from jnet.scoring.track_scores import TARGET_ORDER

MODELS = "models"  # the command for the table of any models
MEDIANS = (TRACK_MEDIANS, "pooled_median")  # one of each family of statistics


def make_paper_document(
    table: PaperTable, found: SourceResults, family: str = "both", tracks: int | None = None
) -> Document:
    """Return a paper's table with the recorded scores beside the published numbers.

    Parameters
    ----------
    table : PaperTable
    found : SourceResults
        The recorded scores. Folders of museval JSONs that are not a row of the table are added
        below its rows.
    family : str
        The statistics to show, a key of `FAMILIES`.
    tracks : int or None
        Number of tracks that each result must have, see `select_complete`.

    Returns
    -------
    Document

    Raises
    ------
    DataError
        For an incomplete folder of museval JSONs.
    """
    results, incomplete = select_complete(found.results, tracks)
    rows = table.list_rows()
    added = [run.label for run in results if run.run_id is None and not matches_rows(run, rows)]
    rows = list(dict.fromkeys([*rows, *added]))
    return make_table_document(table, rows, results, [*found.left_out, *incomplete], family)


def make_models_document(
    numbers: Numbers,
    found: SourceResults,
    metric: str,
    family: str = "both",
    tracks: int | None = None,
    only: Sequence[str] = (),
) -> Document:
    """Return all results as one table, with the published numbers of models of the papers.

    Parameters
    ----------
    numbers : Numbers
        The published numbers.
    found : SourceResults
        The recorded scores.
    metric : str
    family : str
        The statistics to show, a key of `FAMILIES`.
    tracks : int or None
        Number of tracks that each result must have, see `select_complete`.
    only : sequence of str
        The models to show; all if empty.

    Returns
    -------
    Document

    Raises
    ------
    DataError
        For an incomplete folder of museval JSONs.
    """
    results, incomplete = select_complete(found.results, tracks)
    rows = list(only) or list(dict.fromkeys(result.row for result in results))
    shown = [result for result in results if matches_rows(result, rows)]
    scored = {target for result in shown for target in result.targets}
    columns = [target for target in TARGET_ORDER if target in scored]
    columns += sorted(scored - {*columns})
    table = PaperTable(
        MODELS, f"{metric} of {count_things(len(rows), 'model')}", numbers, columns, metric
    )
    return make_table_document(table, rows, shown, [*found.left_out, *incomplete], family)


def matches_rows(result: Result, rows: Sequence[str]) -> bool:
    """Return whether a result belongs to one of the rows."""
    return any({result.label, result.row} & {*list_labels(row)} for row in rows)


def list_labels(row: str) -> tuple[str, ...]:
    """Return the labels of results that count as scores of a row."""
    paper_row = read_paper_rows().get(row)
    return (row, paper_row.same) if paper_row is not None and paper_row.same else (row,)


def group_runs(
    rows: Sequence[str], results: Sequence[Result], columns: Sequence[str] | None
) -> tuple[list[Line], list[str]]:
    """Group the runs into lines of a table.

    Runs of one label are averaged in one line if they have the same tracks, targets and notes. Runs
    that are not comparable with the paper's numbers are not shown if other runs of the label are.
    Runs with changed entries follow the runs of their row.

    Parameters
    ----------
    rows : sequence of str
        The models of the table.
    results : sequence of Result
    columns : sequence of str or None
        The table's columns, which decide whether a result has the paper's targets; None to accept
        any targets.

    Returns
    -------
    lines : list of Line
        At least one line per row, with no runs if the row has no results.
    hidden : list of str
        One sentence per run that is not shown.
    """
    lines: list[Line] = []
    hidden: list[str] = []
    for row in rows:
        changed: dict[tuple[Any, ...], list[Result]] = {}  # of labels with changed entries
        groups: dict[tuple[Any, ...], list[Result]] = {}
        for result in results:
            if matches_rows(result, [row]):
                notes = list_differences(result, columns or result.targets)
                key = (notes, frozenset(result.track_names), frozenset(result.targets))
                if result.label not in list_labels(row):
                    changed.setdefault((result.label, *key), []).append(result)
                    continue
                groups.setdefault(key, []).append(result)
        comparable = any(not notes for notes, *_ in groups)
        for (notes, *_), runs in groups.items():
            if notes and comparable:
                reason = f"({row}): not shown beside comparable runs: {'; '.join(notes)}"
                hidden += [f"{run.describe_origin()} {reason}" for run in runs]
            else:
                lines.append(Line(row, runs, notes))
        if not groups and not (changed and columns is None):
            lines.append(Line(row, (), ()))
        lines += [Line(label, runs, notes) for (label, notes, *_), runs in changed.items()]
    return lines, hidden


def name_apart(lines: Sequence[Line]) -> list[Line]:
    """Return the lines; those of one name get the runs or folders behind them in their names."""
    counts = Counter(line.row for line in lines)
    return [
        replace(line, row=f"{line.row} ({', '.join(run.describe_origin() for run in line.runs)})")
        if counts[line.row] > 1 and line.runs
        else line
        for line in lines
    ]


def make_table_document(
    table: PaperTable,
    rows: Sequence[str],
    results: Sequence[Result],
    left_out: Sequence[str],
    family: str,
) -> Document:
    """Return the report of a table: scores, the runs behind them and the notes.

    Parameters
    ----------
    table : PaperTable
    rows : sequence of str
        The models of the table.
    results : sequence of Result
    left_out : sequence of str
        Reasons why other results are not used, for the notes.
    family : str
        The statistics to show, a key of `FAMILIES`.

    Returns
    -------
    Document
    """
    lines, hidden = group_runs(rows, results, None if table.command == MODELS else table.columns)
    names, metric = FAMILIES[family], table.metric
    numbers = collect_numbers(table, lines, names)
    if len(names) == 1 or ALL in table.columns:  # one table per statistic, a column per source
        printed = {statistic for *_, statistic in table.numbers}
        shown = names if any(line.runs for line in lines) else printed
        layout = {
            f"{metric} in dB, {HEADINGS[name]}": {
                column: (column, name) for column in table.columns
            }
            for name in MEDIANS
            if name in names and name in shown
        }
    else:  # one table per source, a column per statistic
        layout = {
            f"{column}: {metric} in dB": {HEADINGS[name]: (column, name) for name in names}
            for column in table.columns
        }
    lines = name_apart(lines)
    models = [line.name() for line in lines]
    tables = {title: format_scores_table(numbers, models, cells) for title, cells in layout.items()}
    if table.losses:
        title = f"{VALIDATION_LOSS}, best over the training"
        tables[title] = format_losses_table(table, lines)
    explanation = [text for name, text in EXPLANATIONS.items() if family in (name, "both")]
    missing = [line.row for line in lines if not line.runs]
    return Document(
        table.title,
        (
            f"{metric} in dB over windows of 1 s: ours, published, and ours minus published.",
            f"{'. '.join(explanation)}.",
        ),
        {**tables, "Runs behind the numbers": make_runs_table(table, lines)},
        {
            f"{DAGGER} Not comparable with the published numbers": [
                f"{line.row} ({', '.join(run.describe_origin() for run in line.runs)}): "
                f"{'; '.join(line.notes)}"
                for line in lines
                if line.notes
            ],
            "Tracks and runs": list(list_run_notes(lines, table.spread)),
            "Models without a run": [f"{row}: {find_command(row, results)}" for row in missing],
            "Results not used": [*left_out, *hidden],
        },
        numbers,
    )


def list_run_notes(lines: Sequence[Line], spread: str) -> Iterator[str]:
    """Yield notes on the tracks of each line, on infinite scores and on the meaning of ±.

    `spread` is that of the `PaperTable`.
    """
    results = [(line.row, result) for line in lines for result in line.runs]
    rows: dict[str, dict[str, None]] = {}  # a dict as an ordered set
    for row, result in results:
        rows.setdefault(result.describe_tracks(), {})[row] = None
    for tracks, names in rows.items():
        yield f"{', '.join(names)}: {tracks}"
    for _, result in results:
        if count := result.count_infinities():
            yield f"{result.label}: {count} scores in {result.origin} are infinite and count as NaN"
    if any(len(line.runs) > 1 for line in lines):
        meaning = "their standard deviation (n − 1)"
        if spread == STANDARD_ERROR:
            meaning = "the standard error: their standard deviation (n − 1) / √n"
        yield f"our scores are means over runs, followed by ± {meaning}"


def find_command(row: str, results: Sequence[Result]) -> str:
    """Return the command that produces the scores of a row without runs.

    It contains the path of the weights if a recorded run has already trained them.
    """
    paper_row = read_paper_rows().get(row)
    if paper_row is None:
        return "no result of this name was found"
    if paper_row.same is not None:
        return find_command(paper_row.same, results)
    trained = [
        result.weights_path
        for result in results
        if result.label in (paper_row.trained, f"{paper_row.trained}_1")
        if result.weights_path and not result.notes
    ]
    return paper_row.format_command(*trained[-1:])
