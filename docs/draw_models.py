"""Draw docs/models.svg, the README's picture of U, J and L: `python docs/draw_models.py`.

Boxes and arrows are those of `Training.py describe`. They are close together, so that the trained
boxes have the shape of the letter.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from jnet.system.quiet_tensorflow import import_quietly

import_quietly()

# isort: split
from Config import DEFAULTS, config_ingredient, make_run_settings
from Models.Build import build
from Models.Describe import count_weights, get_state
from Models.Drawing import Box, Sheet

MODELS = {
    "U1": "U: everything trains",
    "J1": "J: encoder and skips random",
    "L": "L: decoder random",
}
LEVELS = ("1", "2", "3", "…", "10")
LEFT, TOP, PANEL = 24, 152, 226
WIDTH, ROW, MIDDLE = 82, 46, 40  # box width, row distance, space between encoder and decoder


def draw_model(sheet: Sheet, x: float, name: str, caption: str) -> None:
    """Draw the model of a named config with a caption and its number of weights.

    Parameters
    ----------
    sheet : Sheet
    x : float
        The left edge.
    name : str
        The named config.
    caption : str
        The caption.
    """
    changes = config_ingredient.named_configs[name]()
    entries = DEFAULTS | {key: changes[key] for key in changes if key in DEFAULTS}
    settings = make_run_settings(entries, 1).model

    def place(part: str, row: int, title: str, x: float, width: float = WIDTH) -> Box:
        note = get_state(part, settings)
        look = "frozen" if note == "random" else "trained"
        box = Box(f"{name}_{part}_{row}", title, note, look, x, TOP + row * ROW, width)
        sheet.draw_box(box)
        return box

    right = x + WIDTH + MIDDLE
    output = place("output", 0, "output", right)
    for row, level in enumerate(LEVELS, 1):
        encoder = place("encoder", row, f"encoder {level}", x)
        decoder = place("decoder", row, f"decoder {level}", right)
        sheet.draw_arrows(f"skip_{level}", [encoder, decoder])
    bottom = place("bottleneck", len(LEVELS) + 1, "bottleneck", x, right + WIDTH - x)

    mix, sources = x + WIDTH / 2, right + WIDTH / 2
    sheet.draw_text((mix, TOP - 34), "mix", "name")
    sheet.draw_arrow((mix, TOP - 28), (mix, TOP + ROW))
    sheet.draw_arrow((mix, TOP + 21), output.point_at(0, 0.5))
    sheet.draw_text((sources, TOP - 34), "sources", "name")
    sheet.draw_arrow((sources, TOP), (sources, TOP - 28))
    total, trainable, _, _ = count_weights(build(settings))
    middle, foot = bottom.point_at(0.5, 1)
    sheet.draw_text((middle, foot + 26), caption, "name")
    sheet.draw_text((middle, foot + 44), f"{trainable:,} of {total:,} weights train", "note")
    sheet.height = foot + 68


def draw_models() -> str:
    """Return the drawing as the text of an SVG file."""
    sheet = Sheet()
    for place, (name, caption) in enumerate(MODELS.items()):
        draw_model(sheet, LEFT + place * PANEL, name, caption)
    return sheet.render("U, J and L: which parts of the separator train")


if __name__ == "__main__":
    Path(__file__).with_name("models.svg").write_text(draw_models(), encoding="utf-8")
