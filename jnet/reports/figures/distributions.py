"""Distributions of scores: violins of windows (Wave-U-Net, Fig. 3), boxes of tracks (Demucs)."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from jnet.errors import DataError
from jnet.names import count_things
from jnet.reports.figures import style
from jnet.reports.figures.style import choose_look
from jnet.results.recorded import MODEL_ENTRIES
from jnet.results.result import Result, list_training_differences
from jnet.results.windows import compute_track_medians, pool_windows
from jnet.scoring.score_table import format_number
from jnet.scoring.statistics import compute_statistics, keep_finite

METRICS = ("SDR", "SIR", "SAR")  # of the box plots
# `points`: the number of points at which a violin's density is estimated.
VIOLIN: dict[str, Any] = {"widths": 0.84, "showextrema": False, "points": 200}
MEAN: dict[str, Any] = {"color": "#10107a", "linewidth": 2.0}
MEDIAN: dict[str, Any] = {"color": "#000", "marker": "o", "markersize": 5, "mec": "#fff"}
BOX: dict[str, Any] = {
    **{"orientation": "horizontal", "widths": 0.62, "patch_artist": True, "manage_ticks": False},
    "medianprops": {"color": "#000", "linewidth": 2.2, "solid_capstyle": "butt"},
    "flierprops": {"marker": "o", "markersize": 2.5, "markerfacecolor": "#1a1a1a"},
}
LETTER_WIDTH = 0.085  # approximate width of a letter in inches
MAX_COLUMNS = 6  # maximum number of violins per panel for panels side by side
MAX_LABEL = 20  # maximum number of letters of a label beside an axis
MAX_STATED_RESULTS = 4  # maximum number of results with medians and means in the caption


def draw_violins(results: Sequence[Result]) -> Figure:
    """Draw violins of all windows' SDR with their medians and means (Wave-U-Net, Fig. 3).

    There is one panel per source with one violin per result. Medians are points, means are lines.
    Windows without a finite score are excluded and counted in the caption. Raises `DataError` if
    there are no results or a result does not have a source of the first.
    """
    results, meanings = shorten_labels(results)
    values = {
        source: [pool_windows(result, source, "SDR") for result in results]
        for source in list_first_sources(results)
    }
    labels = [result.label for result in results]
    side_by_side = len(results) <= MAX_COLUMNS
    rows, columns = (1, len(values)) if side_by_side else (len(values), 1)
    width = max(4.6, columns * (0.7 + 0.62 * min(len(results), 2 * MAX_COLUMNS)))
    height = 4.2 if side_by_side else 2.6 * rows
    # Labels are rotated by 90 degrees if they do not fit side by side.
    needed = (max(map(len, labels)) + 1) * LETTER_WIDTH * len(labels)
    upright = len(labels) > 1 and needed > width / columns - 0.8
    with style.styled():
        caption = describe_violins(results, values) + meanings
        figure = style.create_figure(width, height, caption)
        panels = figure.subplots(
            rows, columns, sharex=not side_by_side, sharey=side_by_side, squeeze=False
        )
        for axes, (source, windows) in zip(panels.flat, values.items(), strict=True):
            axes.set_title(source, parse_math=False)
            axes.grid(axis="y")
            axes.set_xlim(-0.6, len(results) - 0.4)
            for place, scores in enumerate(windows):
                draw_violin(axes, keep_finite(scores), place)
            axes.set_xticks(range(len(labels)), labels, parse_math=False)
            axes.tick_params(axis="x", length=0, rotation=90 if upright else 0)
        for axes in panels[:, 0]:
            axes.set_ylabel("SDR of windows in dB")
        median = Line2D([], [], linestyle="", label="median", **MEDIAN)
        mean = Line2D([], [], label="mean", **MEAN)
        figure.legend(handles=[median, mean], loc="outside upper center", ncols=2)
    return figure


def shorten_labels(results: Sequence[Result]) -> tuple[list[Result], str]:
    """Return the results with short labels for the axes, and the meaning of shortened labels.

    A label with changed entries may be longer than the figure. It is shortened to the name of its
    row and a number, such as "J1 [1]".
    """
    shown: list[Result] = []
    meanings: list[str] = []
    for result in results:
        if len(result.label) > MAX_LABEL:
            number = f"[{len(meanings) + 1}]"
            meanings.append(f" {number}: {result.label}.")
            room = MAX_LABEL - len(number) - 1
            name = result.row if len(result.row) <= room else f"{result.row[: room - 1]}…"
            shown.append(replace(result, label=f"{name} {number}"))
        else:
            shown.append(result)
    return shown, "".join(meanings)


def list_first_sources(results: Sequence[Result]) -> list[str]:
    """Return the sources of the first result; raise `DataError` if there are no results."""
    if not results:
        raise DataError("no scores to draw: give a folder with scores")
    return results[0].targets


def draw_violin(axes: Axes, scores: np.ndarray, place: int) -> None:
    """Draw a violin of finite scores; nothing if there are none.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    scores : numpy.ndarray
        Finite scores `[K]` in dB.
    place : int
        The violin's position on the x-axis, which also selects its colour.
    """
    if not len(scores):
        return
    look, mean = choose_look(place), scores.mean()
    drawn: dict[str, Any] = axes.violinplot([scores], [place], **VIOLIN)
    (body,) = drawn["bodies"]
    body.set(facecolor=look.fill, edgecolor="#1a1a1a", hatch=look.hatch, alpha=1, linewidth=0.8)
    body.set_gid("violin")
    axes.plot([place - 0.3, place + 0.3], [mean, mean], gid="mean", zorder=4, **MEAN)
    axes.plot([place], [np.median(scores)], gid="median", zorder=5, **MEDIAN)


def describe_violins(results: Sequence[Result], values: dict[str, list[np.ndarray]]) -> str:
    """Return the caption: content, medians and means of few results, and counts of windows."""
    parts = [
        "SDR of all windows of all tracks (Wave-U-Net, Fig. 3). Black points: medians; dark blue "
        "lines: means."
    ]
    labels_by_count: dict[str, list[str]] = defaultdict(list)
    for place, result in enumerate(results):
        averages, excluded = [], []
        for source, windows in values.items():
            found = compute_statistics([windows[place]])
            median, mean = (format_number(found[f"pooled_{name}"]) for name in ("median", "mean"))
            averages.append(f"{source} median {median}, mean {mean}")
            total = len(windows[place])
            excluded.append(f"{total - len(keep_finite(windows[place]))} of {total} for {source}")
        if len(results) <= MAX_STATED_RESULTS:
            parts.append(f"{result.label}: {'; '.join(averages)}.")
        tracks = count_things(len(result.tracks), "track")
        count = f"{tracks}, windows without a score: {style.join_words(excluded)}"
        labels_by_count[count].append(result.label)
    parts += [f"{style.join_words(labels)}: {count}." for count, labels in labels_by_count.items()]
    return " ".join([*parts, describe_trainings(results)])


def describe_trainings(results: Sequence[Result]) -> str:
    """Return the runs, seeds, steps and data of recorded results, and unequal trainings (†)."""
    recorded = [result for result in results if result.training is not None]
    parts = [f"{result.describe_training()}." for result in recorded]
    for result in recorded[1:]:
        if differences := list_training_differences(recorded[0], result, MODEL_ENTRIES):
            names = f"{recorded[0].label} and {result.label}"
            parts.append(f"† {names} were trained differently: {', '.join(differences)}.")
    return " ".join(parts)


def draw_boxes(results: Sequence[Result]) -> Figure:
    """Draw box plots of the tracks' medians (Demucs, Fig. 2).

    There is one row of panels per source and one column per metric. Tracks without a finite score
    are excluded and counted in the caption. Raises `DataError` if there are no results or a result
    does not have a source of the first.
    """
    results, meanings = shorten_labels(results)
    sources = list_first_sources(results)
    values = {
        (source, metric): [compute_track_medians(result, source, metric) for result in results]
        for source in sources
        for metric in METRICS
    }
    height = max(2.0, len(sources) * (0.75 + 0.27 * len(results)))
    with style.styled():
        caption = describe_boxes(results, values) + meanings
        figure = style.create_figure(7.2, height, caption)
        grid = figure.subplots(len(sources), len(METRICS), sharex="col", sharey=True, squeeze=False)
        for axes, medians in zip(grid.flat, values.values(), strict=True):
            axes.grid(axis="x")
            axes.tick_params(axis="y", length=0)
            for place, tracks in enumerate(medians):
                draw_box(axes, keep_finite(tracks), place)
        for axes, source in zip(grid[:, 0], sources, strict=True):
            axes.set_ylabel(source, parse_math=False)
        for axes, metric in zip(grid[-1], METRICS, strict=True):
            axes.set_xlabel(f"{metric} in dB")
        labels = [result.label for result in results]
        grid[0, 0].set_yticks(range(len(results)), labels, parse_math=False)
        grid[0, 0].set_ylim(len(results) - 0.4, -0.6)
    return figure


def draw_box(axes: Axes, medians: np.ndarray, place: int) -> None:
    """Draw a horizontal box of tracks' medians; nothing if there are none.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    medians : numpy.ndarray
        The finite median score in dB of each track, `[tracks]`.
    place : int
        The box's position on the y-axis, which also selects its colour.
    """
    if not len(medians):
        return
    drawn = axes.boxplot([medians], positions=[place], **BOX)
    look = choose_look(place)
    drawn["boxes"][0].set(facecolor=look.fill, hatch=look.hatch, linewidth=0.8, gid="box")


def describe_boxes(
    results: Sequence[Result], values: dict[tuple[str, str], list[np.ndarray]]
) -> str:
    """Return the caption: the meaning of the boxes, and the numbers of tracks."""
    tracks = ", ".join(f"{result.label} {len(result.tracks)}" for result in results)
    without = [
        f"{result.label} {source} {metric} ({count})"
        for (source, metric), columns in values.items()
        for result, medians in zip(results, columns, strict=True)
        if (count := int(np.isnan(medians).sum()))
    ]
    return (
        "Each track's median over its windows (as in Demucs, Fig. 2). Boxes: quartiles and median "
        "over the tracks; whiskers: the outermost tracks within 1.5 times the length of the box; "
        f"points: tracks outside the whiskers. Tracks: {tracks}. Tracks without a score: "
        f"{', '.join(without) or 'none'}. {describe_trainings(results)}"
    )
