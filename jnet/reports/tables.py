"""Tables of score statistics: beside a paper's numbers, and of one folder."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from jnet.reports.documents import Document
from jnet.results.published import ALL, FOUR_SOURCES, STANDARD_ERROR, Number, PaperTable
from jnet.results.result import Result
from jnet.scoring.score_table import (
    EXPLANATIONS,
    HEADINGS,
    MISSING,
    format_difference,
    format_score,
)
from jnet.scoring.statistics import STATISTICS, compute_statistics
from jnet.scoring.track_scores import METRICS

L1 = "waveform_l1"  # the value of `cfg.loss` of the absolute error
DAGGER = "†"  # marks models that are not comparable with the paper's
NOT_PUBLISHED = Number(np.nan, np.nan, "")


@dataclass(frozen=True)
class Line:
    """A model of a table.

    `runs` are the runs to average, empty if the model has no scores. `notes` say why the runs are
    not comparable with the paper's numbers; they are empty for comparable runs.
    """

    row: str
    runs: Sequence[Result]
    notes: Sequence[str]

    def name(self) -> str:
        """Return the row's name, with a dagger if the runs are not comparable with the paper's."""
        return f"{self.row} {DAGGER}" if self.notes else self.row


def compute_result_statistics(result: Result, column: str, metric: str) -> dict[str, float]:
    """Return every statistic of a source.

    Parameters
    ----------
    result : Result
    column : str
        A source, or `all` for the mean of each statistic over the four sources.
    metric : str

    Returns
    -------
    dict of str to float
        Values in dB by the names in `STATISTICS`; empty for a source that was not scored.
    """
    if column == ALL and set(result.targets) == set(FOUR_SOURCES):
        sources = [compute_result_statistics(result, source, metric) for source in FOUR_SOURCES]
        return {name: float(np.mean([found[name] for found in sources])) for name in STATISTICS}
    if column not in result.targets:
        return {}
    return compute_statistics([*result.select_windows(column, metric).values()])


def collect_numbers(table: PaperTable, lines: Sequence[Line], names: Sequence[str]) -> pd.DataFrame:
    """Return every number of a table, one per row, in the order of lines, columns and statistics.

    Parameters
    ----------
    table : PaperTable
    lines : sequence of Line
    names : sequence of str
        The statistics.

    Returns
    -------
    pandas.DataFrame
        `ours` is the mean over runs and `deviation` that of `compute_spread`. `difference` is ours
        minus the paper's, NaN if they are not comparable.
    """
    return pd.DataFrame(
        {
            "table": table.command,
            "model": line.row,
            "source": column,
            "metric": table.metric,
            **values,
            "runs": len(line.runs),
            "seeds": join_csv_values(run.seed for run in line.runs),
            "tracks": join_csv_values(len(run.tracks) for run in line.runs),
            "windows": join_csv_values(run.count_windows() for run in line.runs),
            "nan_windows": join_csv_values(
                run.count_nan(column, table.metric) for run in line.runs
            ),
            "infinities": join_csv_values(run.count_infinities() for run in line.runs),
            "run_ids": join_csv_values(run.run_id for run in line.runs),
            "commits": join_csv_values(run.commit for run in line.runs),
            "origins": join_csv_values(run.origin for run in line.runs),
            "not_comparable": "; ".join(line.notes),
        }
        for line in lines
        for column in table.columns
        for values in compare_statistics(table, line, column, names)
    )


def compare_statistics(
    table: PaperTable, line: Line, column: str, names: Sequence[str]
) -> Iterator[dict[str, Any]]:
    """Yield each statistic of one model and source beside the paper's number.

    Parameters
    ----------
    table : PaperTable
    line : Line
    column : str
        A source or `all`.
    names : sequence of str
        The statistics.

    Yields
    ------
    dict of str to Any
        The columns `statistic` to `difference` of `collect_numbers`, in dB.
    """
    found = [compute_result_statistics(run, column, table.metric) for run in line.runs]
    for name in names:
        values = [values[name] for values in found if values]
        ours = np.mean(values) if values else np.nan
        published = table.numbers.get((line.row, column, table.metric, name), NOT_PUBLISHED)
        yield {
            "statistic": name,
            "ours": ours,
            "deviation": compute_spread(values, table.spread),
            "published": published.value,
            "published_deviation": published.deviation,
            "difference": np.nan if line.notes else ours - published.value,
        }


def compute_spread(values: Sequence[float], spread: str) -> float:
    """Return the standard deviation of runs (n − 1), or the standard error of their mean.

    `spread` is that of a `PaperTable`. NaN for fewer than two runs.
    """
    if len(values) < 2:
        return float("nan")
    divisor = len(values) ** 0.5 if spread == STANDARD_ERROR else 1.0
    return float(np.std(values, ddof=1)) / divisor


def format_losses_table(table: PaperTable, lines: Sequence[Line]) -> pd.DataFrame:
    """Return the best validation losses of each line beside the printed ones.

    Only trainings with the same loss as the paper, the absolute error, have a value.
    """

    def format_loss(value: float, note: str = "") -> str:
        return note or (MISSING if np.isnan(value) else f"{value:.3f}")

    rows = []
    for line in lines:
        trainings = [run.training for run in line.runs if run.training is not None]
        ours = [
            training.validation_loss
            for training in trainings
            if training.entries.get("loss") == L1 and training.validation_loss is not None
        ]
        printed = table.losses.get(line.row, NOT_PUBLISHED)
        published = format_loss(printed.value, printed.note)
        rows.append((line.name(), format_loss(float(np.mean(ours or np.nan))), published))
    return pd.DataFrame(rows, columns=["model", "ours", "published"]).set_index("model")


def join_csv_values(values: Iterable[Any]) -> str:
    """Return the values of all runs as one text; empty if no run has a value."""
    texts = ["" if value is None else str(value) for value in values]
    return "; ".join(texts) if any(texts) else ""


def format_scores_table(
    numbers: pd.DataFrame, models: Sequence[str], cells: Mapping[str, tuple[str, str]]
) -> pd.DataFrame:
    """Return the formatted scores with one row per model.

    Parameters
    ----------
    numbers : pandas.DataFrame
        As returned by `collect_numbers`.
    models : sequence of str
        The names of the lines, for the index.
    cells : mapping of str to tuple of str
        Source and statistic by the heading of their column.

    Returns
    -------
    pandas.DataFrame
        A column of our scores for each heading, followed by the columns `published` and
        `difference` if the paper has numbers for it.
    """
    index = pd.Index(models, name="model")
    parts = [pd.DataFrame(index=index)]
    for heading, (source, name) in cells.items():
        part = numbers[(numbers["source"] == source) & (numbers["statistic"] == name)]
        texts = zip(
            map(format_with_deviation, part["ours"], part["deviation"]),
            map(format_with_deviation, part["published"], part["published_deviation"]),
            map(format_difference, part["difference"]),
            strict=True,
        )
        printed = part["published"].notna().any()
        columns = [heading, "published", "difference"]
        parts.append(pd.DataFrame(texts, index, columns).iloc[:, : 3 if printed else 1])
    return pd.concat(parts, axis=1)


def format_with_deviation(value: float, deviation: float) -> str:
    """Return a number as text, with its deviation unless that is NaN."""
    return format_score(value) + ("" if np.isnan(deviation) else f" ± {deviation:.2f}")


def make_runs_table(table: PaperTable, lines: Sequence[Line]) -> pd.DataFrame:
    """Return the runs of each line with their commits, seeds and numbers of tracks and windows."""

    def list_column(fact: Callable[[Result], Any], without_run: str = MISSING) -> list[str]:
        return [join_runs(map(fact, line.runs)) or without_run for line in lines]

    columns = {
        "model": [line.name() for line in lines],
        "run": list_column(lambda run: run.run_id or run.origin, "no run"),
        "commit": list_column(Result.shorten_commit),
        "seed": list_column(lambda run: run.seed),
        "steps": list_column(lambda run: run.training and run.training.steps),
        "data": list_column(lambda run: run.training and run.training.store),
        "tracks": list_column(lambda run: len(run.tracks)),
        "windows": list_column(Result.count_windows),
    }
    for source in table.columns:
        if source != ALL:
            count = partial(Result.count_nan, source=source, metric=table.metric)
            columns[f"NaN {source}"] = list_column(count)
    return pd.DataFrame(columns).set_index(["model", "run", "commit"])


def join_runs(values: Iterable[Any]) -> str:
    """Return the text of every run, or a single text if all runs have the same."""
    texts = [MISSING if value is None else str(value) for value in values]
    return ", ".join(texts[:1] if len(set(texts)) == 1 else texts)


def make_scores_document(result: Result) -> Document:
    """Return the report of one complete result with all targets and metrics."""
    seconds, infinite = result.tracks[0].window_seconds, result.count_infinities()
    numbers = pd.DataFrame(
        {
            "target": target,
            "metric": metric,
            **compute_result_statistics(result, target, metric),
            "tracks": len(result.tracks),
            "windows": result.count_windows(),
            "nan_windows": result.count_nan(target, metric),
            "infinities": infinite,
            "origin": result.origin,
        }
        for target in result.targets
        for metric in METRICS
    )
    scores = numbers.set_index(["target", "metric"])
    texts = scores[list(STATISTICS)].map(format_score).rename(columns=HEADINGS)
    texts["NaN windows"] = scores["nan_windows"].map(str)
    length = "" if seconds is None else f" of {seconds:g} s"
    intro = (
        f"{result.origin}: {result.describe_tracks()}, {result.count_windows()} windows{length} "
        f"per target." + (f" {infinite} scores are infinite and count as NaN." if infinite else "")
    )
    return Document(
        f"Scores of {result.label}",
        (intro,),
        {"Scores in dB": texts},
        {"Statistics": [*EXPLANATIONS.values(), "NaN windows are excluded"]},
        numbers,
    )
