"""Draw docs/layout.svg, the layers of the code in CONTRIBUTING.md: `python docs/draw_layout.py`.

Layers and their order are those that tests/test_layers.py checks: each imports only lower ones.
"""

import sys
from html import escape
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.test_layers import LAYERS, MODULES, SCRIPTS

# The contents of each module and package except the programs.
CONTENTS = {
    "Config": "config entries, named configs",
    "jnet.reproduction": "plan and run what a table or figure needs",
    "jnet.reports": "tables, figures, listening page",
    "jnet.results": "recorded scores, published numbers",
    "jnet": "jnet.load, jnet.score",
    "jnet.scoring": "BSS Eval v4, evaluation of a test set",
    "jnet.training": "training step, checkpoints, resuming",
    "jnet.separation": "separation of tracks with a model",
    "jnet.conversion": "weights of the original implementations",
    "jnet.weights": "weights files and their manifests",
    "jnet.data": "data sets, demo tracks, store, batches",
    "jnet.audio": "reading, writing, resampling of audio files",
    "jnet.settings": "checked settings of a run",
    "jnet.recording": "Sacred, run folders, MongoDB",
    "jnet.system": "files, locks, signals, processes",
    "jnet.errors": "errors of one line",
    "jnet.names": "names of files and entries",
    "Models": "networks, one folder each; initialisation, freezing",
}
WIDTH, HEIGHT, GAP, MARGIN = 720, 28, 8, 16  # row width, row height, gap, margin of the drawing
STYLE = """<style>
text { font: 12px Helvetica, Arial, "DejaVu Sans", sans-serif; fill: #000; text-anchor: middle; }
.name { font-weight: bold; }
.program { fill: #bcd6ee; stroke: #1d3f5e; }
.package { fill: #fff; stroke: #1d3f5e; }
</style>"""


def list_rows() -> list[list[str]]:
    """Return the names of each layer, the highest first; all layers of `Models` are one row."""
    rows = [
        list(dict.fromkeys("Models" if name.startswith("Models") else name for name in layer))
        for layer in reversed(LAYERS)
    ]
    return [row for index, row in enumerate(rows) if row not in rows[:index]]


def draw_box(name: str, x: float, y: float, width: float) -> str:
    """Return the SVG elements of a box with the name of a module or package and its contents."""
    look = "program" if name in (*SCRIPTS, "Config") else "package"
    label = str(MODULES[name].relative_to(ROOT))
    if name != "jnet":
        label = label.removesuffix("/__init__.py")
    contents = "" if name in SCRIPTS else f"  {CONTENTS[name]}"
    return (
        f'<rect class="{look}" x="{x:g}" y="{y:g}" width="{width:g}" height="{HEIGHT}" rx="4"/>\n'
        f'<text xml:space="preserve" x="{x + width / 2:g}" y="{y + 18:g}">'
        f'<tspan class="name">{label}</tspan>{escape(contents)}</text>'
    )


def draw_layout() -> str:
    """Return the drawing as the text of an SVG file."""
    rows = list_rows()
    width = WIDTH + 2 * MARGIN
    height = len(rows) * (HEIGHT + GAP) - GAP + 2 * MARGIN
    elements = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" role="img">',
        "<title>Layers of the code: each imports only lower ones</title>",
        STYLE,
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
    ]
    for index, row in enumerate(rows):
        y = MARGIN + index * (HEIGHT + GAP)
        box_width = (WIDTH - (len(row) - 1) * GAP) / len(row)
        elements += [
            draw_box(name, MARGIN + column * (box_width + GAP), y, box_width)
            for column, name in enumerate(row)
        ]
    return "\n".join([*elements, "</svg>", ""])


if __name__ == "__main__":
    Path(__file__).with_name("layout.svg").write_text(draw_layout(), encoding="utf-8")
