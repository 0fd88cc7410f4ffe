"""Labels beside points, none on another: each as near its point as the others leave room."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg

DIRECTIONS = 24
RINGS = tuple(range(4, 200, 4))  # distances to try between a point and its label, in points
POINT = 5  # room round a point that labels leave free, in points
GAP = 1.5  # room round a label
CROSSING = 40  # a line across another costs as much as so many points of distance
COVERING = 7  # and so much a label upon a line of the figure

Box = tuple[float, float, float, float] | np.ndarray  # left, bottom, right, top


def label_points(
    axes: Axes, points: np.ndarray, labels: Sequence[str], lines: np.ndarray, size: float = 8
) -> None:
    """Write `labels` beside `points` `[N, 2]` of data; the arrangement of the figure ends here.

    They leave `lines` `[M, 2, 2]` free where they can: upright or level ones from a lower left to
    an upper right point of data.
    """
    figure = axes.figure.get_figure(root=True)
    assert figure is not None
    assert isinstance(figure.canvas, FigureCanvasAgg)
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    scale = 72 / figure.dpi
    renderer = figure.canvas.get_renderer()
    texts = [figure.text(0, 0, label, fontsize=size, parse_math=False) for label in labels]
    boxes = [text.get_window_extent(renderer) for text in texts]
    for text in texts:
        text.remove()
    sizes = np.array([(box.width * scale, box.height * scale) for box in boxes]).reshape(-1, 2)
    places = axes.transData.transform(points) * scale
    frame = axes.get_window_extent(renderer)
    bounds = (frame.x0 * scale, frame.y0 * scale, frame.x1 * scale, frame.y1 * scale)
    drawn = axes.transData.transform(lines.reshape(-1, 2)).reshape(-1, 4) * scale
    centres = arrange(places, sizes, bounds, drawn)
    for label, point, place, centre in zip(labels, points, places, centres, strict=True):
        axes.annotate(
            label,
            (point[0], point[1]),
            tuple(centre - place),
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize=size,
            zorder=6,
            gid="label",
            parse_math=False,
            bbox={"boxstyle": "square,pad=0.08", "facecolor": "white", "linewidth": 0},
            arrowprops={"arrowstyle": "-", "linewidth": 0.6, "color": "#333", "shrinkB": 2.5},
        )


def arrange(points: np.ndarray, sizes: np.ndarray, bounds: Box, lines: np.ndarray) -> np.ndarray:
    """Centres `[N, 2]` of labels of `sizes` `[N, 2]` for `points` `[N, 2]`, all in one unit.

    Labels keep off each other and off all points. The most crowded point comes first, and takes
    the nearest room, farther away where it covers fewer of `lines` `[M, 4]` or its own line
    crosses fewer others.
    """
    centres = np.zeros_like(points)
    placed: list[int] = []
    for index in crowded_first(points):
        best, least = points[index], np.inf
        for ring in RINGS:
            if ring >= least:
                break
            for centre in around(points[index], sizes[index], ring):
                box = room(centre, sizes[index])
                cost = ring + COVERING * sum(overlap(box, line) for line in lines)
                if cost >= least or not free(box, points, centres, sizes, placed, bounds):
                    continue
                cost += CROSSING * crossings(index, centre, points, centres, sizes, placed)
                if cost < least:
                    best, least = centre, cost
        centres[index] = best
        placed.append(index)
    return centres


def crowded_first(points: np.ndarray) -> list[int]:
    """The points in order, that with the nearest neighbours first."""
    distances = np.linalg.norm(points[:, None] - points[None], axis=-1)
    crowd = (1 / (distances + 10)).sum(axis=1)
    return [int(index) for index in np.argsort(-crowd, kind="stable")]


def around(point: np.ndarray, size: np.ndarray, ring: float) -> np.ndarray:
    """Where a label's centre can be so that its border is about `ring` from its point."""
    angles = 2 * np.pi * np.arange(DIRECTIONS) / DIRECTIONS
    directions = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return point + directions * (size / 2 + ring)


def room(centre: np.ndarray, size: np.ndarray) -> Box:
    """The box of a label, with the gap round it."""
    across, up = size / 2 + GAP
    return centre[0] - across, centre[1] - up, centre[0] + across, centre[1] + up


def free(
    box: Box,
    points: np.ndarray,
    centres: np.ndarray,
    sizes: np.ndarray,
    placed: list[int],
    bounds: Box,
) -> bool:
    """Whether a box is within bounds, and no point and no label placed before is in it."""
    left, bottom, right, top = box
    if left < bounds[0] or bottom < bounds[1] or right > bounds[2] or top > bounds[3]:
        return False
    nearest = np.clip(points, (left, bottom), (right, top))
    if (np.linalg.norm(points - nearest, axis=1) < POINT - GAP).any():
        return False
    return not any(overlap(box, room(centres[other], sizes[other])) for other in placed)


def overlap(one: Box, other: Box) -> bool:
    """Whether two boxes have room in common."""
    return bool(one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3])


def crossings(
    index: int,
    centre: np.ndarray,
    points: np.ndarray,
    centres: np.ndarray,
    sizes: np.ndarray,
    placed: list[int],
) -> int:
    """How many lines and labels placed before the line from a point to `centre` runs across."""
    start = points[index]
    count = 0
    for other in placed:
        across = segments_cross(start, centre, points[other], centres[other])
        along = start + np.linspace(0, 1, 12)[:, None] * (centre - start)
        left, bottom, right, top = room(centres[other], sizes[other])
        through = ((along > (left, bottom)) & (along < (right, top))).all(axis=1).any()
        count += int(across) + int(through)
    return count


def segments_cross(a: np.ndarray, b: np.ndarray, c: np.ndarray, d: np.ndarray) -> bool:
    """Whether the line from a to b crosses that from c to d."""

    def side(p: np.ndarray, q: np.ndarray, r: np.ndarray) -> float:
        return float((q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0]))

    return side(a, b, c) * side(a, b, d) < 0 and side(c, d, a) * side(c, d, b) < 0
