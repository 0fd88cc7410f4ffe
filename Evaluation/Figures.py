"""What all figures share: looks that survive grey print, a caption, files equal byte for byte.

The figures themselves are in FigurePairs (J-Net, Fig. 2 and 3), FigureScores (Wave-U-Net, Fig. 3,
and Demucs' box plots), FigureSpectrogram (Wave-U-Net, Fig. 4) and FigureCurves.
"""

import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from Spec.Files import replaced

STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans",  # matplotlib brings it along, so a file is the same everywhere
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": "#d8d8d8",
    "grid.linewidth": 0.6,
    "hatch.linewidth": 0.6,
    "hatch.color": "#555555",
    "legend.frameon": False,
    "pdf.fonttype": 42,  # letters stay letters, for searching and editing
}
DPI = 200
# Without the hour, and without the version of matplotlib.
METADATA: dict[str, dict[str, Any]] = {
    "png": {"Software": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}
CAPTION_SIZE, CAPTION_LINE = 7.5, 0.145  # in points; in inches
CAPTION_LETTERS = 16.5  # letters that surely fit into an inch
MARGIN = 0.12  # inches round the sheet


@dataclass(frozen=True)
class Look:
    """How one of several things drawn together is told from the others, in colour and in grey."""

    colour: str
    fill: str
    hatch: str
    marker: str
    dashes: str | tuple[float, tuple[float, ...]]


# Colours of different lightness from viridis, which colour-blind readers tell apart.
COLOURS = ("#440154", "#21918c", "#3b528b", "#5ec962")
FILLS = ("#8f86c0", "#8fcfc6", "#f5f0c4", "#c4a297")
HATCHES = ("", "////", "....", "\\\\\\\\", "xxxx")
MARKERS = ("o", "s", "^", "D", "v", "P")
DASHES: tuple[str | tuple[float, tuple[float, ...]], ...] = (
    "-",
    (0, (5, 1.5)),
    (0, (1.2, 1.2)),
    (0, (6, 1.5, 1.2, 1.5)),
    (0, (10, 2)),
)


def look(index: int) -> Look:
    """The look of the thing number `index`; the first 20 all differ."""

    def turn(choices: tuple) -> Any:
        return choices[index % len(choices)]

    return Look(turn(COLOURS), turn(FILLS), turn(HATCHES), turn(MARKERS), turn(DASHES))


def sheet(width: float, height: float, caption: str) -> Figure:
    """An empty figure of `width` × `height` inches above its caption.

    What is drawn in it arranges itself so that nothing overlaps.
    """
    lines = textwrap.wrap(caption, int((width - 2 * MARGIN) * CAPTION_LETTERS))
    foot = len(lines) * CAPTION_LINE + 2 * MARGIN
    figure = Figure(figsize=(width, height + foot), dpi=DPI)
    FigureCanvasAgg(figure)
    share = foot / (height + foot)
    figure.set_layout_engine(
        "constrained", rect=(0, share, 1, 1 - share), w_pad=MARGIN / 2, h_pad=MARGIN / 2
    )
    figure.text(
        MARGIN / width,
        MARGIN / (height + foot),
        "\n".join(lines),
        fontsize=CAPTION_SIZE,
        va="bottom",
        linespacing=1.3,
        gid="caption",
        parse_math=False,
    )
    return figure


def styled() -> Any:
    """The context in which figures are made and saved."""
    params: Any = {**matplotlib.rcParamsDefault, **STYLE}  # whatever a matplotlibrc says
    return matplotlib.rc_context(params)


def save(figure: Figure, path: Path) -> list[Path]:
    """Write `figure` as `<path>.png` and `<path>.pdf`, whole or not at all.

    The same figure gives the same bytes whenever and wherever it is saved.
    """
    name = path.name.removesuffix(".png").removesuffix(".pdf")
    path.parent.mkdir(parents=True, exist_ok=True)
    written = []
    for kind, metadata in METADATA.items():
        target = path.with_name(f"{name}.{kind}")
        with styled(), replaced(target) as temporary:
            figure.savefig(temporary, format=kind, metadata=metadata)
        written.append(target)
    return written


def number(value: float) -> str:
    """A number with two decimals and a true minus."""
    return f"{value:.2f}".replace("-", "−")


def listing(words: list[str]) -> str:
    """Words as in a sentence: a, b and c."""
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))
