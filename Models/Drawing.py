"""A drawing of a model in the shape of a U, as one self-contained SVG file.

The encoder is the left column, the bottleneck the bottom row and the decoder the right column.
Skips are horizontal arrows, and each source has a box at the top right. Shapes and numbers of
weights come from the built model. Each network draws itself in the module `Drawing` of its folder.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from pathlib import Path
from string import Template
from typing import Any

import keras

from Models.Build import build
from Models.Describe import count_weights, describe, format_output_shape, get_state
from Models.Freezing import count_scalars
from Models.Networks import import_network
from Models.Settings import ModelSettings

TEMPLATE = Path(__file__).with_name("drawing.svg")  # styles and legend
WIDTH, HEIGHT, GAP = 236, 42, 64  # size of a box; gap between two columns of boxes
COLUMN, ROW = WIDTH + GAP, 68  # distance from one column or row of boxes to the next
LEFT, TOP = 24, 124  # position of the first box

Point = tuple[float, float]


@dataclass(frozen=True)
class Box:
    """A box of the drawing, with its upper left corner at (`x`, `y`) in SVG units.

    `look` is "trained", "frozen", or "plain" for a part without weights.
    """

    name: str
    title: str
    note: str
    look: str
    x: float
    y: float
    width: float = WIDTH

    def point_at(self, across: float, down: float) -> Point:
        """Return a point of the box, given as fractions of its width and height.

        (0, ½) is the middle of the left side and (½, 1) the middle of the lower side.
        """
        return self.x + across * self.width, self.y + down * HEIGHT


class Sheet:
    """A list of SVG elements, and the width and height of the sheet that they need."""

    def __init__(self) -> None:
        self.elements: list[str] = []
        self.width = self.height = 0.0

    def draw_box(self, box: Box) -> None:
        """Draw a box with its two lines of text."""
        self.width = max(self.width, box.x + box.width + LEFT + GAP / 2)
        self.height = max(self.height, box.y + ROW)
        self.elements.append(
            f'<g class="box {box.look}" id="{escape(box.name)}">'
            f'<rect x="{box.x:g}" y="{box.y:g}" width="{box.width:g}" height="{HEIGHT}" rx="4"/>'
        )
        x, y = box.point_at(0.5, 0)
        self.draw_text((x, y + 17), box.title, "name")
        self.draw_text((x, y + 33), box.note, "note")
        self.elements.append("</g>")

    def draw_text(self, at: Point, text: str, look: str = "") -> None:
        """Draw a line of text.

        Parameters
        ----------
        at : Point
            The anchor (x, y) of the text.
        text : str
            The text.
        look : str
            Its CSS classes, which decide whether the anchor is the start, middle or end of the
            text.
        """
        x, y = at
        self.elements.append(f'<text class="{look}" x="{x:g}" y="{y:g}">{escape(text)}</text>')

    def draw_arrow(self, *points: Point, look: str = "arrow") -> None:
        """Draw an arrow along `points`; with `look` "line" it has no tip."""
        path = "L".join(f"{x:g} {y:g}" for x, y in points)
        self.elements.append(f'<path class="{look}" d="M{path}"/>')

    def draw_u(self, down: Sequence[Box], bottom: Box | None, up: Sequence[Box]) -> None:
        """Draw the arrows down the left column, across the bottom and up the right column.

        Parameters
        ----------
        down : Sequence[Box]
            The left column, from top to bottom.
        bottom : Box or None
            The bottleneck, if there is one.
        up : Sequence[Box]
            The right column, also from top to bottom.
        """
        for upper, lower in pairwise(down):
            self.draw_arrow(upper.point_at(0.5, 1), lower.point_at(0.5, 0))
        for upper, lower in pairwise(up):
            self.draw_arrow(lower.point_at(0.5, 0), upper.point_at(0.5, 1))
        (left, foot), (right, other_foot) = down[-1].point_at(0.5, 1), up[-1].point_at(0.5, 1)
        if bottom is None:
            y = foot + (ROW - HEIGHT) / 2
            self.height = max(self.height, y + LEFT)
            self.draw_arrow((left, foot), (left, y), (right, y), (right, other_foot))
            return
        y = bottom.point_at(0, 0.5)[1]
        self.draw_arrow((left, foot), (left, y), bottom.point_at(0, 0.5))
        self.draw_arrow(bottom.point_at(1, 0.5), (right, y), (right, other_foot))

    def draw_arrows(self, name: str, stops: Sequence[Box]) -> None:
        """Draw the arrows of a skip, from box to box along a row; `name` is their CSS class."""
        for start, end in pairwise(stops):
            self.draw_arrow(start.point_at(1, 0.5), end.point_at(0, 0.5), look=f"arrow {name}")

    def draw_fan(self, start: Box, ends: Sequence[Box]) -> None:
        """Draw an arrow from a box to each box of the column to its right."""
        x, y = start.point_at(1, 0.5)
        turn = x + GAP / 2
        for end in ends:
            self.draw_arrow(
                (x, y), (turn, y), (turn, end.point_at(0, 0.5)[1]), end.point_at(0, 0.5)
            )

    def draw_frame(self, upper_left: Point, lower_right: Point, text: str) -> None:
        """Draw a frame around a rectangle, with a line of text at its lower edge.

        Parameters
        ----------
        upper_left, lower_right : Point
            Corners of the rectangle; the frame is 12 units larger on each side.
        text : str
            The text.
        """
        x, y = (coordinate - 12 for coordinate in upper_left)
        right, foot = (coordinate + 12 for coordinate in lower_right)
        self.height = max(self.height, foot + LEFT)
        self.elements.append(f'<path class="frame" d="M{x:g} {y:g}H{right:g}V{foot:g}H{x:g}Z"/>')
        self.draw_text(((x + right) / 2, foot - 12), text, "note")

    def render(self, title: str) -> str:
        """Return the sheet as the text of an SVG file; `title` is its heading."""
        return Template(TEMPLATE.read_text(encoding="utf-8")).substitute(
            width=f"{self.width:g}",
            height=f"{self.height:g}",
            title=escape(title),
            drawn="\n".join(self.elements),
        )


class ModelSheet(Sheet):
    """A sheet for the boxes of a model, with access to its layers by name."""

    def __init__(self, separator: keras.Model, settings: Any):
        super().__init__()
        self.layers = {layer.name: layer for layer in separator.layers}
        self.settings = settings

    def draw_layers(self, name: str, title: str, role: str, column: float, row: int) -> Box:
        """Draw a box for the layers `name` and `name_…`.

        Parameters
        ----------
        name : str
            The common beginning of the names of the layers. The box shows the sum of their weights.
        title : str
            The first line of text.
        role : str
            The box shows the output shape of the layer `name_role`, or of `name` if `role` is
            empty.
        column, row : float, int
            Position on the grid of boxes; a column can be a fraction.

        Returns
        -------
        Box
            The box that was drawn.
        """
        layers = [layer for key, layer in self.layers.items() if f"{key}_".startswith(f"{name}_")]
        weights = sum(count_scalars(layer.weights) for layer in layers)
        note, look = format_output_shape(self.layers[f"{name}_{role}" if role else name]), "plain"
        if weights:
            note += f" · {weights:,} weights"
            look = "frozen" if get_state(name, self.settings) == "random" else "trained"
        box = Box(name, title, note, look, LEFT + column * COLUMN, TOP + row * ROW)
        self.draw_box(box)
        return box

    def draw_shape(self, at: Point, prefix: str, layer: str, look: str = "label") -> None:
        """Write the output shape of a layer, if the model has the layer.

        Parameters
        ----------
        at : Point
            The anchor (x, y) of the text.
        prefix : str
            The text before the shape.
        layer : str
            The name of the layer.
        look : str
            The CSS classes of the text.
        """
        if layer in self.layers:
            self.draw_text(at, f"{prefix} {format_output_shape(self.layers[layer])}", look)


def describe_and_draw(settings: ModelSettings, picture: Path) -> str:
    """Build a model, write its drawing to the file `picture` and return its description."""
    separator = build(settings)
    picture.write_text(draw(separator, settings), encoding="utf-8")
    return describe(separator, settings)


def draw(separator: keras.Model, settings: ModelSettings) -> str:
    """Return the drawing of a model as the text of an SVG file.

    Its title gives the numbers of weights and the samples of a segment.
    """
    sheet = ModelSheet(separator, settings)
    import_network(settings).draw(sheet)
    total, trainable, frozen, statistics = count_weights(separator)
    weights = f"weights: total {total:,}, trainable {trainable:,}, frozen {frozen:,}"
    if statistics:
        weights += f", running statistics {statistics:,}"
    samples = f"samples: {settings.input_samples} in, {settings.output_samples} out"
    return sheet.render(f"{weights} · {samples}")
