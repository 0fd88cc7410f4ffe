"""How scores spread: violins of windows (Wave-U-Net, Fig. 3), boxes of songs (Demucs, Fig. 2)."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from Evaluation.FigureData import finite, pooled_windows, song_medians, sources_of
from Evaluation.Figures import listing, look, number, sheet, styled
from Evaluation.Results import Result

DEMUCS_METRICS = ("SDR", "SIR", "SAR")
VIOLIN_POINTS = 200  # at which the density is estimated
MEAN: dict[str, Any] = {"color": "#10107a", "linewidth": 2.0}
MEDIAN: dict[str, Any] = {
    "color": "#000000",
    "marker": "o",
    "markersize": 5,
    "markeredgecolor": "#ffffff",
}
LETTER = 0.085  # inches a letter of a label takes
MOST_ABREAST = 6  # violins, up to which the panels of the sources stand side by side
MOST_STATED = 4  # results whose medians and means stand in the caption


def violins(
    results: Sequence[Result], sources: Sequence[str] | None = None, metric: str = "SDR"
) -> Figure:
    """Wave-U-Net, Fig. 3: all windows' scores; medians are black points, means dark blue lines.

    One panel per source, in it one violin per result. Windows without a finite score are left out
    and counted. Raises `DataError` where a result lacks a source.
    """
    sources = sources_of(results, sources)
    values = {
        source: [pooled_windows(result, source, metric) for result in results] for source in sources
    }
    caption = violin_caption(results, values, metric)
    abreast = len(results) <= MOST_ABREAST
    rows, columns = (1, len(sources)) if abreast else (len(sources), 1)
    width = max(4.6, columns * (0.7 + 0.62 * min(len(results), 2 * MOST_ABREAST)))
    with styled():
        figure = sheet(width, 4.2 if abreast else 2.6 * rows, caption)
        panels = figure.subplots(rows, columns, sharex=not abreast, sharey=abreast, squeeze=False)
        for axes, source in zip(panels.flat, sources, strict=True):
            axes.set_title(source, parse_math=False)
            draw_violins(axes, [finite(windows) for windows in values[source]])
            name_columns(axes, [result.label for result in results], width / columns - 0.8)
        for axes in panels[:, 0]:
            axes.set_ylabel(f"{metric} of windows in dB")
        figure.legend(
            handles=[
                Line2D([], [], linestyle="", label="median", **MEDIAN),
                Line2D([], [], label="mean", **MEAN),
            ],
            loc="outside upper center",
            ncols=2,
        )
    return figure


def draw_violins(axes: Axes, values: Sequence[np.ndarray]) -> None:
    """One violin per set of windows, at 0, 1, 2, …; a set without windows leaves its place free."""
    axes.grid(axis="y")
    axes.set_xlim(-0.6, len(values) - 0.4)
    for place, windows in enumerate(values):
        if not len(windows):
            continue
        drawn: dict[str, Any] = axes.violinplot(
            [windows], [place], widths=0.84, showextrema=False, points=VIOLIN_POINTS
        )
        drawn["bodies"][0].set(
            facecolor=look(place).fill,
            edgecolor="#1a1a1a",
            hatch=look(place).hatch,
            alpha=1,
            linewidth=0.8,
            gid="violin",
        )
        mean, median = windows.mean(), np.median(windows)
        axes.plot([place - 0.3, place + 0.3], [mean, mean], gid="mean", zorder=4, **MEAN)
        axes.plot([place], [median], gid="median", zorder=5, **MEDIAN)


def name_columns(axes: Axes, labels: Sequence[str], width: float) -> None:
    """The results' names below their places, upright where `width` inches are too few for a row."""
    upright = len(labels) > 1 and (max(map(len, labels)) + 1) * LETTER * len(labels) > width
    axes.set_xticks(range(len(labels)), labels, parse_math=False)
    axes.tick_params(axis="x", length=0, rotation=90 if upright else 0)


def violin_caption(
    results: Sequence[Result], values: dict[str, list[np.ndarray]], metric: str
) -> str:
    """What is drawn, of a few results medians and means in numbers, and what was counted."""
    parts = [
        f"{metric} of all windows of all songs (Wave-U-Net, Fig. 3). Black points: medians; dark "
        f"blue lines: means."
    ]
    if len(results) <= MOST_STATED:
        for place, result in enumerate(results):
            each = [statistics(source, columns[place]) for source, columns in values.items()]
            parts.append(f"{result.label}: {'; '.join(each)}.")
    counts = [counted(result, place, values) for place, result in enumerate(results)]
    if len(set(counts)) == 1:
        return " ".join([*parts, f"{'Each: ' if len(results) > 1 else ''}{counts[0]}."])
    each = [f"{result.label}: {said}" for result, said in zip(results, counts, strict=True)]
    return " ".join([*parts, f"{'; '.join(each)}."])


def statistics(source: str, windows: np.ndarray) -> str:
    """Median and mean of a source's windows."""
    kept = finite(windows)
    if not len(kept):
        return f"{source} has no window with a score"
    return f"{source} median {number(np.median(kept))}, mean {number(kept.mean())}"


def counted(result: Result, place: int, values: dict[str, list[np.ndarray]]) -> str:
    """How many songs and windows a result has, and how many windows have no score."""
    each = []
    for source, columns in values.items():
        windows = columns[place]
        each.append(f"{len(windows) - len(finite(windows))} of {len(windows)} for {source}")
    return f"{len(result.songs)} songs, windows left out for want of a score {' and '.join(each)}"


def boxes(
    results: Sequence[Result],
    sources: Sequence[str] | None = None,
    metrics: Sequence[str] = DEMUCS_METRICS,
) -> Figure:
    """Demucs, Fig. 2: boxes over the songs' medians, one row per source, one column per metric.

    Songs without a single finite score are left out and counted. Raises `DataError` where a
    result lacks a source or a metric.
    """
    sources = sources_of(results, sources)
    values = {
        (source, metric): [song_medians(result, source, metric) for result in results]
        for source in sources
        for metric in metrics
    }
    with styled():
        height = len(sources) * (0.75 + 0.27 * len(results))
        figure = sheet(7.2, max(2.0, height), box_caption(results, values))
        grid = figure.subplots(len(sources), len(metrics), sharex="col", sharey=True, squeeze=False)
        for row, source in zip(grid, sources, strict=True):
            for axes, metric in zip(row, metrics, strict=True):
                draw_boxes(axes, [finite(medians) for medians in values[source, metric]])
            row[0].set_ylabel(source, parse_math=False)
            row[0].set_yticks(
                range(len(results)), [result.label for result in results], parse_math=False
            )
        for axes, metric in zip(grid[-1], metrics, strict=True):
            axes.set_xlabel(f"{metric} in dB")
        grid[0, 0].set_ylim(len(results) - 0.4, -0.6)
    return figure


def draw_boxes(axes: Axes, values: Sequence[np.ndarray]) -> None:
    """One lying box per set of songs, at 0, 1, 2, … from the top."""
    axes.grid(axis="x")
    axes.tick_params(axis="y", length=0)
    for place, songs in enumerate(values):
        if not len(songs):
            continue
        axes.boxplot(
            [songs],
            positions=[place],
            orientation="horizontal",
            widths=0.62,
            patch_artist=True,
            manage_ticks=False,
            boxprops={
                "facecolor": look(place).fill,
                "hatch": look(place).hatch,
                "linewidth": 0.8,
                "gid": "box",
            },
            medianprops={"color": "#000000", "linewidth": 2.2, "solid_capstyle": "butt"},
            flierprops={"marker": "o", "markersize": 2.5, "markerfacecolor": "#1a1a1a"},
        )


def box_caption(results: Sequence[Result], values: dict[tuple[str, str], list[np.ndarray]]) -> str:
    """What the boxes are, and how many songs they stand for."""
    parts = [
        "Each song's median over its windows (as in Demucs, Fig. 2). Boxes: quartiles and median "
        "over the songs; whiskers: the outermost song within 1.5 times the box's length; points: "
        "songs beyond."
    ]
    counts = [f"{result.label} {len(result.songs)}" for result in results]
    parts.append(f"Songs: {', '.join(counts)}.")
    lacking = [
        f"{results[place].label} {source} {metric} ({without})"
        for (source, metric), columns in values.items()
        for place, medians in enumerate(columns)
        if (without := int(np.isnan(medians).sum()))
    ]
    if lacking:
        parts.append(f"Left out, for want of a score (songs): {listing(lacking)}.")
    return " ".join(parts)
