"""The titles of the figures of results, and functions that draw and write them.

Matplotlib takes a second to import, so these functions import it when they are called.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jnet.results.result import Result

FIGURES = {
    "figure2": "J-Net, Fig. 2: mean SDR of vocals, each U and its J",
    "figure3": "J-Net, Fig. 3: the same for accompaniment",
    "violins": "Wave-U-Net, Fig. 3: violins of the windows' SDR",
    "boxes": "Demucs: box plots of the tracks' medians",
}
# The figures that compare every U with its J, and their sources. The paper's caption of Fig. 3
# says "vocals" in one place, but the figure is about the accompaniment.
SOURCES_OF_PAIRS = {"figure2": "vocals", "figure3": "accompaniment"}


def draw_figure(name: str, results: Sequence[Result]) -> Any:
    """Draw the figure `name`, a key of `FIGURES`, and return it as a matplotlib `Figure`."""
    from jnet.reports.figures import distributions, pairs

    if name in SOURCES_OF_PAIRS:
        return pairs.draw_pairs(results, SOURCES_OF_PAIRS[name])
    draw = distributions.draw_violins if name == "violins" else distributions.draw_boxes
    return draw(results)


def write_figure(name: str, results: Sequence[Result], path: Path) -> list[Path]:
    """Draw a figure of results and save it as PNG and PDF.

    Parameters
    ----------
    name : str
        A key of `FIGURES`.
    results : sequence of Result
    path : Path
        The path of the files; its suffix .png or .pdf is optional.

    Returns
    -------
    list of Path
        The paths of both files.
    """
    from jnet.reports.figures.style import save_figure

    return save_figure(draw_figure(name, results), path)
