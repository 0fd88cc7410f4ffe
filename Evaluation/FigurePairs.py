"""J-Net, Fig. 2 and 3: every variant as a point, its score fully trained against its random half.

The captions of the paper put U on the x-axis and J on the y-axis, its Section 5.2 the other way
round. Here the captions are followed.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from Evaluation.Correlation import (
    FEWEST_PAIRS,
    ORIGIN,
    REPLICATES,
    Comparison,
    Interval,
    Pair,
    compare,
)
from Evaluation.FigureLabels import label_points
from Evaluation.Figures import COLOURS, listing, number, sheet, styled
from Evaluation.Results import Result

# Variants of one kind share a look: how it is told, the variants' first letters, its marker.
KINDS = (
    ("1: Wave-U-Net as it is", "1", "*", COLOURS[0]),
    ("2_i_j: i units of Res path on j skips", "2", "o", COLOURS[1]),
    ("3_j: MultiRes blocks at j levels", "3", "s", COLOURS[2]),
    ("4_n: progressive learning, n passes", "4", "^", COLOURS[3]),
    ("5: identity loss", "5", "D", "#ffffff"),
)
WIDTH, HEIGHT = 6.6, 5.6
DASHED: dict[str, Any] = {
    "color": "#333333",
    "linewidth": 0.9,
    "linestyle": (0, (4, 3)),
    "zorder": 2,
}
SPARE = 0.09  # of the axes' length, beyond the outermost interval


def figure2(results: Sequence[Result], source: str = "vocals") -> Figure:
    """J-Net, Fig. 2: mean SDR of the separated vocals, x fully trained, y with a random encoder.

    Results are paired by their labels, `U2_2_5` with `J2_2_5`; several of one label count as one
    model. Raises `DataError` where results are of different songs or lack `source`.
    """
    comparison = compare(results, source)
    with styled():
        figure = sheet(WIDTH, HEIGHT, caption(comparison, source))
        axes = figure.add_subplot()
        axes.set_xlabel(f"U, all parts trained: mean SDR of {source} in dB", parse_math=False)
        axes.set_ylabel(f"J, encoder random: mean SDR of {source} in dB", parse_math=False)
        if comparison.pairs:
            draw_pairs(axes, comparison.pairs)
        else:
            axes.text(0.5, 0.5, "no pair of U and J", ha="center", transform=axes.transAxes)
    return figure


def figure3(results: Sequence[Result], source: str = "accompaniment") -> Figure:
    """J-Net, Fig. 3: as Fig. 2, of the accompaniment (which its caption calls vocals once)."""
    return figure2(results, source)


def draw_pairs(axes: Axes, pairs: Sequence[Pair]) -> None:
    """The points with their intervals, the origin with its quadrants, a label at each point."""
    points = np.array([(pair.u.value, pair.j.value) for pair in pairs])
    lines = []
    for pair, (x, y) in zip(pairs, points, strict=True):
        lines += [((pair.u.low, y), (pair.u.high, y)), ((x, pair.j.low), (x, pair.j.high))]
        if pair.variant == ORIGIN:
            axes.axvline(x, **DASHED)
            axes.axhline(y, **DASHED)
    axes.add_collection(LineCollection(lines, color="#bcbcbc", linewidth=0.7, zorder=1))
    for meaning, kind, marker, colour in KINDS:
        own = points[[pair.variant[0] == kind for pair in pairs]]
        if len(own):
            axes.scatter(
                own[:, 0],
                own[:, 1],
                s=110 if marker == "*" else 34,
                marker=marker,
                facecolors=colour,
                edgecolors="#1a1a1a",
                linewidths=0.8,
                label=meaning,
                zorder=4,
            )
    axes.margins(SPARE)
    if ORIGIN in [pair.variant for pair in pairs]:
        name_quadrants(axes)
    axes.figure.legend(loc="outside upper center", ncols=2, fontsize=8)
    left, right, bottom, top = *axes.get_xlim(), *axes.get_ylim()
    for pair, (x, y) in zip(pairs, points, strict=True):
        if pair.variant == ORIGIN:
            lines += [((left, y), (right, y)), ((x, bottom), (x, top))]
    label_points(axes, points, [pair.variant for pair in pairs], np.array(lines))


def name_quadrants(axes: Axes) -> None:
    """The quadrants' numbers in the corners of the axes."""
    corners = (("I", 1, 1), ("II", 0, 1), ("III", 0, 0), ("IV", 1, 0))
    for name, right, top in corners:
        axes.annotate(
            name,
            (right, top),
            (-5 if right else 5, -5 if top else 5),
            xycoords="axes fraction",
            textcoords="offset points",
            ha="right" if right else "left",
            va="top" if top else "bottom",
            color="#666666",
            fontsize=9,
            gid="quadrant",
        )


def caption(comparison: Comparison, source: str) -> str:
    """What is drawn, what it shows, how sure that is, and what is missing."""
    count = len(comparison.pairs)
    parts = [
        f"Mean SDR of {source}: U on the x-axis, J on the y-axis, as the captions of the J-Net "
        f"paper's Fig. 2 and 3 have it (its Section 5.2 has it the other way round).",
        f"{count} pair{'s' * (count != 1)}, {comparison.songs} songs, all windows of all songs.",
        interval_sentence(comparison),
        quadrant_sentence(comparison),
        correlation_sentence(comparison),
    ]
    if comparison.without_score:
        parts.append(
            f"Windows without a finite score, all models together: {comparison.without_score}, "
            f"left out."
        )
    if comparison.missing:
        each = [
            f"{variant} (no {' and no '.join(lacking)})"
            for variant, lacking in comparison.missing.items()
        ]
        parts.append(f"Not drawn: {listing(each)}.")
    if comparison.left_out:
        parts.append(f"Neither U nor J of a variant: {listing([*comparison.left_out])}.")
    return " ".join(filter(None, parts))


def interval_sentence(comparison: Comparison) -> str:
    """What the grey lines are."""
    if comparison.songs < 2:
        return "No intervals: they need at least two songs."
    return (
        f"Grey lines, and brackets below: 95 % intervals from {REPLICATES} draws of the songs with "
        f"replacement, each draw the same for all models."
    )


def quadrant_sentence(comparison: Comparison) -> str:
    """How many points lie in the first and third quadrants round U1 and J1."""
    if comparison.quadrants is None:
        return "Quadrants are not defined without the pair U1/J1."
    first, _, third, _ = comparison.quadrants
    others = len(comparison.pairs) - 1
    return (
        f"Dashed lines: the pair U1/J1 as origin. {first + third} of the {others} other points "
        f"lie in the first ({first}) and third ({third}) quadrants."
    )


def correlation_sentence(comparison: Comparison) -> str:
    """The three coefficients, each with its interval."""
    if len(comparison.pairs) < FEWEST_PAIRS:
        return f"Correlations are not defined for fewer than {FEWEST_PAIRS} pairs."
    each = [f"{name} {bracketed(value)}" for name, value in comparison.coefficients.items()]
    return f"Correlation: {', '.join(each)}."


def bracketed(value: Interval) -> str:
    """A value and its interval in brackets."""
    if np.isnan(value.value):
        return "not defined"
    if np.isnan(value.low):
        return number(value.value)
    return f"{number(value.value)} [{number(value.low)}, {number(value.high)}]"
