"""A separator drawn as the U it is: one SVG that needs nothing else, like Keras' `plot_model`.

Down the left the encoder, along the bottom the bottleneck, up the right the decoder, across the
skips, and at the top right one box per source. Shapes and weights are read off the built model.
"""

from dataclasses import dataclass
from html import escape
from itertools import pairwise

import keras

from Models.Describe import frozen_weights, layer_rows
from Models.Freezing import count
from Spec.Model import ModelSpec
from Spec.Shapes import SPECTROGRAM_HALVINGS, input_frames, output_frames

WIDTH, HEIGHT, PITCH = 236, 42, 68  # of a box, and from one row of boxes to the next
UNIT_WIDTH, UNIT_GAP = 190, 26  # of a Res path unit, and between two
MIDDLE, CROP_ROOM = 320, 150  # least width between the columns; room for a skip's cropped shape
MARGIN, TOP, GAP = 24, 124, 64  # round the sheet, above the boxes, before the outputs
BLOCKS = {"convolution": ("convolution", "conv"), "multires": ("MultiRes", "activation")}
LEGEND = {"trained": "trained", "frozen": "left at its random start", "plain": "without weights"}
HEAD = """<defs>
<pattern id="hatch" width="7" height="7" patternUnits="userSpaceOnUse"
 patternTransform="rotate(45)"><rect width="7" height="7" fill="#fafafa"/>
<path d="M0 0V7" stroke="#c4c4c4" stroke-width="2"/></pattern>
<marker id="tip" viewBox="0 0 8 8" refX="7.5" refY="4" markerWidth="8" markerHeight="8"
 orient="auto"><path d="M0 0.5L8 4L0 7.5z" fill="#333"/></marker>
</defs>
<style>
text { font: 11px Helvetica, Arial, "DejaVu Sans", sans-serif; fill: #000; }
text.title { font-size: 15px; font-weight: bold; }
text.name { font-weight: bold; text-anchor: middle; }
text.note { text-anchor: middle; }
text.label { font-size: 10px; fill: #333; }
text.end { text-anchor: end; }
.frozen text { stroke: #fafafa; stroke-width: 3px; paint-order: stroke; }
.trained rect { fill: #bcd6ee; stroke: #1d3f5e; stroke-width: 1.6; }
.frozen rect { fill: url(#hatch); stroke: #333; stroke-width: 1.4; stroke-dasharray: 6 3; }
.plain rect { fill: #fff; stroke: #777; }
.arrow { fill: none; stroke: #333; stroke-width: 1.3; marker-end: url(#tip); }
.difference path:not(:first-child) { marker-end: none; }
.frame { fill: none; stroke: #777; stroke-dasharray: 2 4; }
</style>"""

Point = tuple[float, float]


@dataclass(frozen=True)
class Box:
    """A part of the separator on the sheet: what it is, and where its upper left corner is."""

    name: str
    title: str
    note: str
    look: str
    x: float
    y: float
    width: float

    def side(self, across: float, down: float) -> Point:
        """A point of the border: (0, ½) in the middle of the left side, (½, 1) of the lower."""
        return self.x + across * self.width, self.y + down * HEIGHT


class Sheet:
    """The layers by name, and where the sheet's columns of boxes stand."""

    def __init__(self, separator: keras.Model, spec: ModelSpec):
        self.rows = {row.name: row for row in layer_rows(separator)}
        self.spec = spec
        units = spec.res_path_units if spec.res_path_levels else 0
        needed = units * (UNIT_WIDTH + UNIT_GAP) + UNIT_GAP + CROP_ROOM * spec.context
        self.encoder = MARGIN
        self.decoder = MARGIN + WIDTH + max(MIDDLE, needed)
        self.middle = (self.encoder + self.decoder) / 2
        self.outputs = self.decoder + WIDTH + GAP
        self.end = self.outputs + WIDTH + GAP / 2 + MARGIN

    def shape(self, layer: str) -> str:
        """Frames × channels of a layer's output, of a spectrogram windows × bins × channels."""
        return " × ".join(map(str, self.rows[layer].shape))

    def box(
        self, name: str, title: str, role: str, x: float, line: int, width: float = WIDTH
    ) -> Box:
        """The box of the layers `name` and `name_…`, with the weights of all and the shape after
        `name_role`."""
        own = [row for row in self.rows.values() if f"{row.name}_".startswith(f"{name}_")]
        weights = sum(row.weights for row in own)
        note = self.shape(f"{name}_{role}" if role else name)
        y = TOP + line * PITCH
        if not weights:
            return Box(name, title, note, "plain", x, y, width)
        look = "frozen" if name.split("_")[0] in self.spec.frozen else "trained"
        return Box(name, title, f"{note} · {weights:,} weights", look, x, y, width)


def draw(separator: keras.Model, spec: ModelSpec) -> str:
    """The separator, of the description `spec`, as the text of an SVG file."""
    sheet = Sheet(separator, spec)
    drawn, lines = PICTURES[spec.network](sheet)
    width, height = f"{sheet.end:g}", f"{TOP + max(lines, len(spec.sources)) * PITCH:g}"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}">',
        HEAD,
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
        *heading(separator, spec),
        *drawn,
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def heading(separator: keras.Model, spec: ModelSpec) -> list[str]:
    """The weights, the window, and what the looks of the boxes mean."""
    total = count(separator.weights)
    trainable = count(separator.trainable_variables)
    frozen = frozen_weights(separator, spec)
    weights = f"weights: total {total:,}, trainable {trainable:,}, frozen {frozen:,}"
    if total - trainable - frozen:
        weights += f", running statistics {total - trainable - frozen:,}"
    window = f"frames: {input_frames(spec)} in, {output_frames(spec)} out"
    parts = [text((MARGIN, 34), f"{weights} · {window}", "title")]
    for place, (look, meaning) in enumerate(LEGEND.items()):
        x = MARGIN + 210 * place
        parts.append(f'<g class="legend {look}"><rect x="{x}" y="54" width="34" height="18"/></g>')
        parts.append(text((x + 42, 67), meaning))
    return parts


def wave_u_net(sheet: Sheet) -> tuple[list[str], int]:
    """The Wave-U-Net (its paper, Fig. 1), and how many lines of boxes it has."""
    levels = range(1, sheet.spec.num_layers + 1)
    mix = sheet.box("mix", "mix", "", sheet.encoder, 0)
    joined = sheet.box("output_concat", "mix beside the features", "", sheet.decoder, 0)
    down = [level_box(sheet, "encoder", level, sheet.encoder) for level in levels]
    up = [level_box(sheet, "decoder", level, sheet.decoder) for level in levels]
    title = "bottleneck · convolution"
    bottom = sheet.box("bottleneck", title, "conv", sheet.middle, len(levels) + 1)
    drawn = u_turn([mix, *down], bottom, [joined, *up])
    drawn += crossing(sheet, "skip_mix", [mix, joined], "output_crop_mix")
    for level, left, right in zip(levels, down, up, strict=True):
        drawn += skip(sheet, level, left, right)
        drawn.append(below(left, f"decimated to {sheet.shape(f'{left.name}_decimate')}"))
        drawn.append(below(right, f"upsampled to {sheet.shape(f'{right.name}_upsample')}"))
    return drawn + heads(sheet, joined), len(levels) + 2


def level_box(sheet: Sheet, part: str, level: int, x: float) -> Box:
    """One level of the encoder or the decoder."""
    kind, role = BLOCKS[sheet.spec.block(level)]
    return sheet.box(f"{part}_{level:02d}", f"{part} {level} · {kind}", role, x, level)


def skip(sheet: Sheet, level: int, left: Box, right: Box) -> list[str]:
    """What leads across at a level: nothing, an arrow, or one through the Res path's units."""
    kind, name = sheet.spec.skip(level), f"skip_{level:02d}"
    if kind == "none":
        return []
    units = []
    for unit in range(1, sheet.spec.res_path_units + 1 if kind == "res_path" else 1):
        x = left.x + WIDTH + UNIT_GAP + (unit - 1) * (UNIT_WIDTH + UNIT_GAP)
        title = f"Res path {level} · unit {unit}"
        units.append(
            sheet.box(f"{name}_unit{unit}", title, "activation", x, level, width=UNIT_WIDTH)
        )
    arrows = crossing(sheet, name, [left, *units, right], f"{name}_crop")
    return [*arrows, *map(boxed, units)]


def crossing(sheet: Sheet, name: str, stops: list[Box], crop: str = "") -> list[str]:
    """Arrows from one column through `stops` to the other, and what the layer `crop` leaves."""
    arrows = [arrow(one.side(1, 0.5), two.side(0, 0.5)) for one, two in pairwise(stops)]
    if crop in sheet.rows:
        x, y = stops[-1].side(0, 0.5)
        arrows.append(text((x - 34, y - 5), f"cropped to {sheet.shape(crop)}", "label end"))
    return [f'<g class="skip" id="{name}">', *arrows, "</g>"]


def heads(sheet: Sheet, joined: Box) -> list[str]:
    """One box per source; of the difference output the last is what the others leave of the mix."""
    boxes: list[Box] = []
    heard: list[Box] = []
    lines: list[str] = []
    for place, source in enumerate(sheet.spec.sources):
        rest = f"output_{source}_difference" in sheet.rows
        title = f"{source} · mix − the others" if rest else f"{source} · convolution"
        role = "difference" if rest else "conv"
        boxes.append(sheet.box(f"output_{source}", title, role, sheet.outputs, place))
        if rest:
            lines = difference(joined, heard, boxes[-1])
        else:
            heard.append(boxes[-1])
    return [*lines, *fan(joined, heard), *map(boxed, boxes)]


def difference(joined: Box, others: list[Box], rest: Box) -> list[str]:
    """Lines that bring the mix, over the top, and the other estimates to the last source."""
    x, y = rest.side(1, 0.5)
    turn, over = x + GAP / 2, joined.y - 14
    left, height = joined.side(0, 0.5)
    mix = [(left - 24, height), (left - 24, over), (turn, over), (turn, y)]
    lines = [arrow(*mix, (x, y))]
    lines += [arrow(other.side(1, 0.5), (turn, other.side(1, 0.5)[1])) for other in others]
    return ['<g class="difference">', *lines, "</g>"]


def spectrogram_u_net(sheet: Sheet) -> tuple[list[str], int]:
    """The U-Net of one source between STFT and masks, and how many lines of boxes it has."""
    first, deepest = sheet.spec.sources[0], SPECTROGRAM_HALVINGS
    mix = sheet.box("mix", "mix", "", sheet.encoder, 0)
    stft = sheet.box("input_stft", "STFT", "", sheet.encoder, 1)
    heard = sheet.box("input_log", "log magnitudes", "", sheet.encoder, 2)
    masks = sheet.box("output_masks", "masks, one per source, × STFT", "", sheet.decoder, 1)
    title = "mask · transposed convolution"
    mask = sheet.box(f"output_{first}", title, "conv", sheet.decoder, 2)
    down, up = [], []
    for level in range(1, deepest + 1):
        name, title = f"encoder_{level:02d}_{first}", f"encoder {level} · convolution"
        x = sheet.middle if level == deepest else sheet.encoder
        down.append(sheet.box(name, title, "norm", x, level + 2))
    for level in range(1, deepest):
        name, title = f"decoder_{level:02d}_{first}", f"decoder {level} · transposed convolution"
        up.append(sheet.box(name, title, "norm", sheet.decoder, level + 2))
    drawn = frame(sheet, heard, down[-1])
    drawn += u_turn([mix, stft, heard, *down[:-1]], down[-1], [masks, mask, *up])
    drawn += crossing(sheet, "skip_stft", [stft, masks])
    for level, ends in enumerate(zip(down[:-1], up, strict=True), 1):
        drawn += crossing(sheet, f"skip_{level:02d}", list(ends))
    outputs = [
        sheet.box(f"output_{source}_istft", f"{source} · inverse STFT", "", sheet.outputs, place)
        for place, source in enumerate(sheet.spec.sources, 1)
    ]
    return [*drawn, *fan(masks, outputs), *map(boxed, outputs)], deepest + 4


def frame(sheet: Sheet, top: Box, bottom: Box) -> list[str]:
    """What surrounds the one U-Net drawn for all sources."""
    x, y = top.x - 12, top.y - 12
    width, height = sheet.decoder + WIDTH + 12 - x, bottom.y + PITCH - y + 8
    note = f"one such U-Net for each of: {', '.join(sheet.spec.sources)}"
    return [
        f'<rect class="frame" x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="8"/>',
        text((x + width / 2, y + height - 12), note, "note"),
    ]


PICTURES = {"unet": wave_u_net, "unet_spectrogram": spectrogram_u_net}


def u_turn(down: list[Box], bottom: Box, up: list[Box]) -> list[str]:
    """The boxes of both columns and the bottom, and the arrows down, round and up."""
    arrows = [arrow(one.side(0.5, 1), two.side(0.5, 0)) for one, two in pairwise(down)]
    (left, _), (right, _) = down[-1].side(0.5, 1), up[-1].side(0.5, 1)
    y = bottom.side(0, 0.5)[1]
    arrows.append(arrow(down[-1].side(0.5, 1), (left, y), bottom.side(0, 0.5)))
    arrows.append(arrow(bottom.side(1, 0.5), (right, y), up[-1].side(0.5, 1)))
    arrows += [arrow(two.side(0.5, 0), one.side(0.5, 1)) for one, two in pairwise(up)]
    return arrows + [boxed(one) for one in (*down, bottom, *up)]


def fan(start: Box, ends: list[Box]) -> list[str]:
    """Arrows from one box to each box of the column to its right."""
    x, y = start.side(1, 0.5)
    turn = x + GAP / 2
    return [arrow((x, y), (turn, y), (turn, to.side(0, 0.5)[1]), to.side(0, 0.5)) for to in ends]


def boxed(one: Box) -> str:
    """The SVG of a box."""
    x, y = one.side(0.5, 0)
    return (
        f'<g class="box {one.look}" id="{escape(one.name)}">'
        f'<rect x="{one.x:g}" y="{one.y:g}" width="{one.width:g}" height="{HEIGHT}" rx="4"/>'
        f"{text((x, y + 17), one.title, 'name')}{text((x, y + 33), one.note, 'note')}</g>"
    )


def below(one: Box, words: str) -> str:
    """A label on the arrow below a box: what happens to the frames there."""
    x, y = one.side(0.5, 1)
    return text((x + 9, y + (PITCH - HEIGHT) / 2 + 3), words, "label")


def text(at: Point, words: str, look: str = "") -> str:
    """The SVG of a line of text that begins, or has its middle or end, at a point."""
    return f'<text class="{look}" x="{at[0]:g}" y="{at[1]:g}">{escape(words)}</text>'


def arrow(*points: Point) -> str:
    """The SVG of an arrow along the points."""
    return f'<path class="arrow" d="M{"L".join(f"{x:g} {y:g}" for x, y in points)}"/>'
