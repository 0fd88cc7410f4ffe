"""Draws docs/models.svg, the README's picture of U, J and L: `python docs/draw_models.py`.

What trains is dark and solid; what stays random is light, hatched and dashed, so that the two
also differ in grey print.
"""

from dataclasses import dataclass
from html import escape
from pathlib import Path

LEVELS = ("1", "2", "3", "⋮", "10")  # the segments of either path, the shallowest first
WIDTH, HEIGHT, PANEL = 1200, 638, 400
STROKE = 78  # thickness of the letter's strokes
LEFT, RIGHT = 82, 318  # outer edges of the letter in its panel
TOP, SEGMENT, GAP = 146, 46, 5
BEND, INNER = 62, 10  # outer and inner radius of the letter's corners

INK, MUTED, PAPER, FRAME = "#1f2328", "#57606a", "#ffffff", "#d0d7de"
TRAINED, RANDOM, HATCH = "#17456f", "#f4f6f8", "#c3cbd3"

STYLE = f"""
  text {{ font-family: Helvetica, Arial, 'DejaVu Sans', sans-serif; fill: {INK}; }}
  .letter {{ font-size: 46px; font-weight: bold; }}
  .name {{ font-size: 21px; }}
  .small {{ font-size: 19px; fill: {MUTED}; }}
  .trained {{ fill: {TRAINED}; stroke: {TRAINED}; stroke-width: 2; }}
  .random {{ fill: url(#hatch); stroke: {MUTED}; stroke-width: 1.8; stroke-dasharray: 6 4; }}
  .on-trained {{ fill: {PAPER}; }}
  .wire {{ fill: none; stroke: {INK}; stroke-width: 2.4; marker-end: url(#tip); }}
  .random-wire {{ fill: none; stroke: {MUTED}; stroke-width: 2; stroke-dasharray: 6 4;
                  marker-end: url(#tip); }}
"""


@dataclass(frozen=True)
class Letter:
    """One panel: the letter, what it says beneath it, and the parts that stay random."""

    letter: str
    says: str
    weights: str
    random: tuple[str, ...] = ()

    def look(self, part: str) -> str:
        """The class that draws `part`."""
        return "random" if part in self.random else "trained"

    def label(self, part: str) -> str:
        """What is written on `part`, or beside it."""
        return f"{part}, {self.look(part)}"


LETTERS = (
    Letter("U", "everything trains", "6,181,278 weights train"),
    Letter("J", "encoder and skips random", "3,328,038 of 6,181,278 train", ("encoder", "skip")),
    Letter("L", "decoder random", "3,803,958 of 6,181,278 train", ("decoder",)),
)


def text(x: float, y: float, said: str, kind: str, anchor: str = "middle", turn: int = 0) -> str:
    """A line of text; `turn` in degrees about its own place."""
    turned = f' transform="rotate({turn} {x} {y})"' if turn else ""
    return (
        f'<text x="{x}" y="{y}" class="{kind}" text-anchor="{anchor}"{turned}>{escape(said)}</text>'
    )


def box(x: float, y: float, width: float, height: float, kind: str) -> str:
    """A segment of a stroke."""
    return f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="4" class="{kind}"/>'


def wire(path: str, kind: str = "wire") -> str:
    """A line that carries signal, with an arrow's tip at its end."""
    return f'<path d="{path}" class="{kind}"/>'


def segment_top(row: int) -> float:
    """Upper edge of a path's segment; the row after the last is the bottleneck's."""
    return TOP + row * (SEGMENT + GAP)


def stroke(letter: Letter, part: str, x: float) -> list[str]:
    """A path, level under level."""
    kind = letter.look(part)
    ink = "name on-trained" if kind == "trained" else "name"
    drawn = []
    for row, level in enumerate(LEVELS):
        y = segment_top(row)
        drawn.append(box(x, y, STROKE, SEGMENT, kind))
        if kind == "random":  # a clear place in the hatching, for the number to be read
            drawn.append(f'<circle cx="{x + STROKE / 2}" cy="{y + 23}" r="17" fill="{RANDOM}"/>')
        drawn.append(text(x + STROKE / 2, y + 30, level, ink))
    return drawn


def bottom(letter: Letter) -> list[str]:
    """The bottleneck: the bend that joins both paths."""
    y = segment_top(len(LEVELS))
    low = y + BEND + 26
    high = low - STROKE
    left, right = LEFT + STROKE, RIGHT - STROKE
    outline = (
        f"M{LEFT} {y} V{low - BEND} Q{LEFT} {low} {LEFT + BEND} {low} H{RIGHT - BEND} "
        f"Q{RIGHT} {low} {RIGHT} {low - BEND} V{y} H{right} "
        f"Q{right} {high} {right - INNER} {high} H{left + INNER} Q{left} {high} {left} {y} Z"
    )
    return [
        f'<path d="{outline}" class="{letter.look("bottleneck")}" stroke-linejoin="round"/>',
        text((LEFT + RIGHT) / 2, (high + low) / 2 + 7, "bottleneck", "name on-trained"),
    ]


def wires(letter: Letter) -> list[str]:
    """The mix in, the sources out, and what crosses from the left to the right."""
    middle_left, middle_right = LEFT + STROKE / 2, RIGHT - STROKE / 2
    drawn = [
        wire(f"M{middle_left} {TOP - 80} V{TOP - 5}"),
        wire(f"M{middle_left} {TOP - 30} H{RIGHT - STROKE - 5}"),
        wire(f"M{middle_right} {TOP - 52} V{TOP - 80}"),
        text(middle_left, TOP - 94, "mix", "name"),
        text(middle_right, TOP - 94, "sources", "name"),
    ]
    skip = "random-wire" if letter.look("skip") == "random" else "wire"
    for row, level in enumerate(LEVELS):
        if level != "⋮":
            y = segment_top(row) + SEGMENT / 2
            drawn.append(wire(f"M{LEFT + STROKE + 5} {y} H{RIGHT - STROKE - 5}", skip))
    between = segment_top(3) + SEGMENT / 2 + 6
    drawn.append(text((LEFT + RIGHT) / 2, between, "skips", "name"))
    return drawn


def panel(letter: Letter) -> list[str]:
    """One letter with its labels."""
    middle = segment_top(2) + SEGMENT / 2
    output = letter.look("output")
    return [
        *wires(letter),
        *stroke(letter, "encoder", LEFT),
        *stroke(letter, "decoder", RIGHT - STROKE),
        *bottom(letter),
        box(RIGHT - STROKE, TOP - 48, STROKE, 40, output),
        text(RIGHT - STROKE / 2, TOP - 21, "output", "name on-trained"),
        text(LEFT - 16, middle, letter.label("encoder"), "name", turn=-90),
        text(RIGHT + 16, middle, letter.label("decoder"), "name", turn=90),
        text(80, 550, letter.letter, "letter", "end"),
        text(96, 533, letter.says, "name", "start"),
        text(96, 559, letter.weights, "small", "start"),
    ]


def legend() -> list[str]:
    """What the two looks mean."""
    y = 592
    return [
        f'<path d="M40 {y - 16} H{WIDTH - 40}" stroke="{FRAME}" stroke-width="2"/>',
        box(82, y, 44, 26, "trained"),
        text(138, y + 20, "trained", "name", "start"),
        box(250, y, 44, 26, "random"),
        text(306, y + 20, "random, never trained", "name", "start"),
        wire(f"M560 {y + 13} H616"),
        text(628, y + 20, "copied along", "name", "start"),
        wire(f"M790 {y + 13} H846", "random-wire"),
        text(858, y + 20, "random where it has weights", "name", "start"),
    ]


def drawing() -> str:
    """The whole picture, as SVG."""
    panels = [
        line
        for place, letter in enumerate(LETTERS)
        for line in (f'<g transform="translate({place * PANEL} 0)">', *panel(letter), "</g>")
    ]
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'width="{WIDTH}" height="{HEIGHT}" role="img">',
        "<title>U, J and L: which parts of the separator train</title>",
        f"<style>{STYLE}</style>",
        '<defs><pattern id="hatch" width="9" height="9" patternUnits="userSpaceOnUse" '
        'patternTransform="rotate(45)">'
        f'<rect width="9" height="9" fill="{RANDOM}"/>'
        f'<rect width="2.6" height="9" fill="{HATCH}"/></pattern>'
        '<marker id="tip" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="11" '
        'markerHeight="11" markerUnits="userSpaceOnUse" orient="auto">'
        f'<path d="M0 0 L10 5 L0 10 Z" fill="{INK}"/></marker></defs>',
        f'<rect x="1" y="1" width="{WIDTH - 2}" height="{HEIGHT - 2}" rx="14" fill="{PAPER}" '
        f'stroke="{FRAME}" stroke-width="2"/>',
        *panels,
        *legend(),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    Path(__file__).with_name("models.svg").write_text(drawing(), encoding="utf-8")
