"""The scores of one folder: a line per target and metric, both statistics."""

from collections.abc import Iterator
from typing import Any

from Evaluation.Cells import EXPLAINED, STATISTICS, statistic
from Evaluation.Documents import Document, Grid, number
from Evaluation.PaperGrids import infinities, nan_windows, windows
from Evaluation.Results import Result
from Evaluation.Scores import METRICS
from Evaluation.SongSets import set_said


def scores_document(result: Result) -> Document:
    """All targets and metrics of a complete result."""
    lines = tuple(records(result))
    head = ("target", "metric", *(heading for heading, _ in STATISTICS.values()), "NaN windows")
    rows = tuple(
        (
            line["target"],
            line["metric"],
            *(number(line[name]) for name in STATISTICS),
            str(line["nan_windows"]),
        )
        for line in lines
    )
    seconds = result.songs[0].window_seconds
    length = "" if seconds is None else f" of {seconds:g} s"
    said = f"{set_said(result)}, {windows(result)} windows{length} per target."
    if infinite := infinities(result):
        said += f" {infinite} scores are infinite and count as NaN."
    return Document(
        f"Scores of {result.label}",
        (f"{result.origin}: {said}",),
        (Grid("Scores in dB", head, rows, names=2),),
        {"Statistics": [*EXPLAINED.values(), "NaN windows are left out"]},
        lines,
    )


def records(result: Result) -> Iterator[dict[str, Any]]:
    """One line per target and metric."""
    for target in result.songs[0].targets:
        for metric in METRICS:
            yield {
                "target": target,
                "metric": metric,
                **{name: statistic(result, target, metric, name) for name in STATISTICS},
                "songs": len(result.songs),
                "windows": windows(result),
                "nan_windows": nan_windows(result, target, metric),
                "infinities": infinities(result),
                "origin": result.origin,
            }
