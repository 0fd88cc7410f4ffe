"""The style of all figures: readable without colours, with a caption, reproducible byte by byte."""

import functools
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from matplotlib import style
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from jnet.system.files import replaced

STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans",  # matplotlib contains it, so files are the same on all machines
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": "#d8d8d8",
    "grid.linewidth": 0.6,
    "hatch.linewidth": 0.6,
    "hatch.color": "#555555",
    "image.aspect": "auto",
    "image.cmap": "gray_r",
    "image.interpolation": "nearest",
    "image.origin": "lower",
    "legend.frameon": False,
    "pdf.fonttype": 42,  # TrueType fonts: the text of the PDF can be searched and edited
    "savefig.dpi": 200,
    "figure.dpi": 200,
}
# Figures are created and saved in this context, which overrides the user's matplotlibrc.
styled = functools.partial(style.context, ["default", STYLE])
# No date and no version of matplotlib, so that equal figures give equal files.
METADATA: dict[str, dict[str, Any]] = {
    "png": {"Software": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}
CAPTION_SIZE, CAPTION_LINE = 7.5, 0.145  # font size in points; line height in inches
CAPTION_LETTERS = 16.5  # letters per inch; few enough to fit in all captions
MARGIN = 0.12  # margin of the figure in inches


class Look(NamedTuple):
    """The colours, hatch, marker and line style of one model in a figure."""

    colour: str
    fill: str
    hatch: str
    marker: str
    dashes: str | tuple[float, tuple[float, ...]]


# Colours of viridis that differ in lightness, for grey print and colour-blind readers.
COLOURS = ("#440154", "#21918c", "#3b528b", "#5ec962")
FILLS = ("#8f86c0", "#8fcfc6", "#f5f0c4", "#c4a297")
HATCHES = ("", "////", "....", "\\\\\\\\", "xxxx")
MARKERS = ("o", "s", "^", "D", "v", "P")
DASHES = ("-", (0, (5, 1.5)), (0, (1.2, 1.2)), (0, (6, 1.5, 1.2, 1.5)), (0, (10, 2)))


def choose_look(index: int) -> Look:
    """Return the look of model number `index`; the looks of 0 to 19 differ in colour or dashes."""
    choices: tuple[Sequence[Any], ...] = (COLOURS, FILLS, HATCHES, MARKERS, DASHES)
    return Look(*(values[index % len(values)] for values in choices))


def create_figure(width: float, height: float, caption: str) -> Figure:
    """Return an empty figure with its caption below.

    Axes that are added to it are laid out without overlaps.

    Parameters
    ----------
    width, height : float
        The size in inches, without caption and margins.
    caption : str

    Returns
    -------
    matplotlib.figure.Figure
    """
    lines = textwrap.wrap(caption, int((width - 2 * MARGIN) * CAPTION_LETTERS))
    total = height + len(lines) * CAPTION_LINE + 2 * MARGIN
    figure = Figure(figsize=(width, total))
    FigureCanvasAgg(figure)
    foot = 1 - height / total
    figure.set_layout_engine(
        "constrained", rect=(0, foot, 1, 1 - foot), w_pad=MARGIN / 2, h_pad=MARGIN / 2
    )
    place = (MARGIN / width, MARGIN / total)
    text = figure.text(*place, "\n".join(lines), fontsize=CAPTION_SIZE, va="bottom")
    text.set(linespacing=1.3, gid="caption", parse_math=False)
    return figure


def save_figure(figure: Figure, path: Path) -> list[Path]:
    """Write `figure` atomically to `<path>.png` and `<path>.pdf` and return both paths.

    Equal figures give equal bytes on all machines.
    """
    name = path.name.removesuffix(".png").removesuffix(".pdf")
    path.parent.mkdir(parents=True, exist_ok=True)
    written = []
    for ending, metadata in METADATA.items():
        target = path.with_name(f"{name}.{ending}")
        with styled(), replaced(target) as temporary:
            figure.savefig(temporary, format=ending, metadata=metadata)
        written.append(target)
    return written


def join_words(words: list[str]) -> str:
    """Join words as in a sentence: "a, b and c"."""
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))
