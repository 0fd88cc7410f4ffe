"""J-Net, Fig. 2 and 3: one point per variant, with U's score on x and J's score on y.

The axes follow the captions of the paper; its Section 5.2 describes them the other way round.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from jnet.names import count_things
from jnet.reports.correlation import FEWEST_PAIRS, ORIGIN, UJPairs, pair_models
from jnet.reports.figures.style import COLOURS, create_figure, join_words, styled
from jnet.results.bootstrap import REPLICATES, Interval, warn_of_few_tracks
from jnet.results.result import Result
from jnet.scoring.score_table import format_number

# Kinds of variants: meaning, first character of the variants' names, marker, colour, size.
KINDS = (
    ("1: Wave-U-Net, unchanged", "1", "*", COLOURS[0], 110),
    ("2_i_j: i units of Res path on j skips", "2", "o", COLOURS[1], 34),
    ("3_j: MultiRes blocks at j levels", "3", "s", COLOURS[2], 34),
    ("4_n: progressive learning, n passes", "4", "^", COLOURS[3], 34),
    ("5: identity loss", "5", "D", "#ffffff", 34),
)
DASHED: dict[str, Any] = {"color": "#333333", "linewidth": 0.9, "dashes": (4, 3), "zorder": 2}
INTERVALS: dict[str, Any] = {"colors": "#bcbcbc", "linewidth": 0.7, "zorder": 1}
QUADRANTS = (("I", 1, 1), ("II", 0, 1), ("III", 0, 0), ("IV", 1, 0))
MARGIN = 0.09  # free space beyond the outermost interval, as a fraction of the range of the data
LABEL: dict[str, Any] = {
    **{"ha": "center", "va": "center", "fontsize": 8, "zorder": 6, "parse_math": False},
    "bbox": {"boxstyle": "square,pad=0.08", "facecolor": "white", "linewidth": 0},
    "arrowprops": {"arrowstyle": "-", "linewidth": 0.6, "color": "#333", "shrinkB": 2.5},
    "gid": "label",
}
POINT_RADIUS, LABEL_GAP = 5, 1.5  # free space around points and labels, in points (1/72 inch)
# Offsets from a point to the centre of its label, in points: on ellipses, the nearest first.
LABEL_OFFSETS = [
    (2.5 * distance * np.cos(angle), distance * np.sin(angle))
    for distance in range(8, 200, 2)
    for angle in np.pi * np.arange(16) / 8
]


def draw_pairs(results: Sequence[Result], source: str) -> Figure:
    """Draw the mean SDR of a source, U on the x-axis, J on the y-axis (J-Net, Fig. 2 and 3).

    Results are paired by their labels, `U2_2_5` with `J2_2_5`; several results of a label count as
    one model. Raises `DataError` for results of different tracks and results without `source`.
    """
    comparison = pair_models(results, source)
    with styled():
        figure = create_figure(6.6, 5.6, describe_comparison(comparison, source))
        axes = figure.add_subplot()
        axes.set_xlabel(f"U, all parts trained: mean SDR of {source} in dB", parse_math=False)
        axes.set_ylabel(f"J, encoder random: mean SDR of {source} in dB", parse_math=False)
        if comparison.pairs:
            draw_points(axes, comparison)
        else:
            axes.text(0.5, 0.5, "no pair of U and J", ha="center", transform=axes.transAxes)
    return figure


def draw_points(axes: Axes, comparison: UJPairs) -> None:
    """Draw the points with intervals and labels, and the borders of the quadrants at U1 and J1."""
    pairs = comparison.pairs
    variants = [pair.variant for pair in pairs]
    points = np.array([(pair.u.value, pair.j.value) for pair in pairs])
    x, y = points.T
    axes.hlines(y, [pair.u.low for pair in pairs], [pair.u.high for pair in pairs], **INTERVALS)
    axes.vlines(x, [pair.j.low for pair in pairs], [pair.j.high for pair in pairs], **INTERVALS)
    for meaning, kind, marker, colour, size in KINDS:
        if any(chosen := [variant[0] == kind for variant in variants]):
            dots = axes.scatter(x[chosen], y[chosen], size, colour, marker=marker, zorder=4)
            dots.set(edgecolor="#1a1a1a", linewidth=0.8, label=meaning, gid="points")
    axes.margins(MARGIN)
    if ORIGIN in variants:
        axes.axvline(x[variants.index(ORIGIN)], **DASHED)
        axes.axhline(y[variants.index(ORIGIN)], **DASHED)
        for name, right, top in QUADRANTS:
            corner = axes.text(0.01 + 0.98 * right, 0.01 + 0.98 * top, name, color="#666666")
            corner.set(ha="right" if right else "left", va="top" if top else "bottom")
            corner.set(transform=axes.transAxes, gid="quadrant")
    axes.figure.legend(loc="outside upper center", ncols=2, fontsize=8)
    differing = comparison.trained_differently
    label_points(axes, points, [name + " †" * (name in differing) for name in variants])


def label_points(axes: Axes, points: np.ndarray, labels: Sequence[str]) -> None:
    """Write a label near each point, with a line to the point.

    A label takes the nearest offset of `LABEL_OFFSETS` within the axes that does not overlap with a
    point or an earlier label. The figure's automatic layout is turned off afterwards, because it
    would move the points.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    points : numpy.ndarray
        `[N, 2]` in data coordinates.
    labels : sequence of str
    """
    figure = axes.figure.get_figure(root=True)
    assert figure is not None
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    scale = figure.dpi / 72  # pixels per point (1/72 inch)
    places = axes.transData.transform(points)
    taken = [Bbox([place, place]).padded(POINT_RADIUS * scale) for place in places]
    for point, place, words in zip(points, places, labels, strict=True):
        label = axes.annotate(words, tuple(point), (0, 0), textcoords="offset points", **LABEL)
        half = np.array(Text.get_window_extent(label).size) / 2 + LABEL_GAP * scale
        for offset in LABEL_OFFSETS:
            centre = place + np.multiply(offset, scale)
            box = Bbox([centre - half, centre + half])
            within = axes.bbox.count_contains(box.get_points()) == 2
            if within and not box.count_overlaps(taken):
                break
        label.set_position(offset)
        taken.append(box)


def describe_comparison(comparison: UJPairs, source: str) -> str:
    """Return the caption: content, correlations with intervals, quadrants and missing models."""
    count, coefficients = len(comparison.pairs), comparison.coefficients.items()
    correlations = ", ".join(
        f"{name} {format_interval(interval)}" for name, interval in coefficients
    )
    parts = [
        f"Mean SDR of {source} over all windows of {count_things(comparison.tracks, 'track')}, "
        f"{count_things(count, 'pair')}: U on the x-axis, J on the y-axis, as in the captions of "
        f"the J-Net paper's Fig. 2 and 3 (its Section 5.2 exchanges the axes).",
        f"Grey lines and brackets: 95 % intervals from {REPLICATES} bootstrap samples of the "
        f"tracks, the same samples for all models; they need at least two tracks.",
        f"Correlation, defined for {FEWEST_PAIRS} pairs or more: {correlations}.",
        f"Windows without a score, excluded: {comparison.without_score} over all models.",
    ]
    if comparison.quadrants is None:
        parts.append("Quadrants are not defined without the pair U1/J1.")
    else:
        first, _, third, _ = comparison.quadrants
        parts.append(
            f"Dashed lines: the pair U1/J1 as origin. {first + third} of the {count - 1} other "
            f"points lie in the first ({first}) and third ({third}) quadrants."
        )
    if comparison.missing:
        absent = comparison.missing.items()
        missing = [f"{variant} (no {' and no '.join(models)})" for variant, models in absent]
        parts.append(f"Not drawn: {join_words(missing)}.")
    for variant, differences in comparison.trained_differently.items():
        parts.append(f"† {variant}: U and J were trained differently: {differences}.")
    if comparison.changed:
        parts.append(f"All models changed: {comparison.changed}.")
    if warning := warn_of_few_tracks(comparison.tracks):
        parts.append(warning)
    if comparison.left_out:
        parts.append(f"Neither U nor J of a variant: {join_words([*comparison.left_out])}.")
    return " ".join(parts)


def format_interval(interval: Interval) -> str:
    """Format a value, followed by its interval in brackets if that is defined."""
    value, low, high = map(format_number, (interval.value, interval.low, interval.high))
    return value if np.isnan(interval.low) else f"{value} [{low}, {high}]"
