"""The drawing of a model: it is complete, marks frozen parts, and nothing overlaps."""

import functools
import json
import re
from collections import Counter
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from Config import DEFAULTS, make_run_settings
from Models.Build import build
from Models.Drawing import Sheet, draw
from Models.Settings import ModelSettings
from tests.Models.tiny import TINY

PARTS = ModelSettings.PARTS

SPECTROGRAM = {
    **DEFAULTS,
    "network": "unet_spectrogram",
    "num_frames": 1024 + 768 * 63,  # 64 frames of the STFT
    "num_channels": 1,
}
U2_3_10 = {**DEFAULTS, "res_path_units": 3, "res_path_levels": "first10"}  # the widest drawing
DEMUCS = {
    **DEFAULTS,
    "network": "demucs",
    "task": "multi_instrument",
    "num_layers": 3,
    "num_initial_filters": 4,
    "num_frames": 441000,
}
TINY_VARIANTS = [
    {},
    {"num_layers": 1, "task": "multi_instrument"},
    {"task": "multi_instrument", "output_type": "direct", "num_channels": 1},
    {"context": True, "upsampling": "learned", "frozen": ["decoder"]},
    {"skip_levels": "last2", "multires_levels": "first1", "frozen": ["encoder", "skip"]},
    {"res_path_units": 3, "res_path_levels": "first2", "frozen": ["encoder", "skip"]},
    {"res_path_units": 2, "res_path_levels": [1], "context": True, "frozen": ["bottleneck"]},
    {"skip_levels": "none", "frozen": ["output"]},
]
NAMESPACE = "{http://www.w3.org/2000/svg}"
FONT_SIZES = {"title": 15, "label": 10}
LETTER_WIDTH = 0.6  # fraction of the font size: about that of DejaVu Sans, wider than Helvetica


def build_and_draw(settings):
    """Build a model and return it and its drawing."""
    separator = build(settings)
    return separator, draw(separator, settings)


@functools.cache
def draw_cached(entries):
    """Build the model of config entries, given as JSON text, and draw it.

    Returns the root of the parsed SVG, the model and its settings.
    """
    settings = make_run_settings(json.loads(entries), 1).model
    separator, svg = build_and_draw(settings)
    return ElementTree.fromstring(svg), separator, settings


def draw_parsed(entries):
    """Build the model of config entries and draw it, once for equal entries."""
    return draw_cached(json.dumps(entries))


def find_boxes(root):
    """Return the look and the texts of every box by its name."""
    return {
        group.get("id"): (
            group.get("class").split()[1],
            [t.text for t in group.iter(f"{NAMESPACE}text")],
        )
        for group in root.iter(f"{NAMESPACE}g")
        if group.get("class").startswith("box ")
    }


def count_skip_arrows(root):
    """Return the number of arrows of every skip by its name."""
    looks = [path.get("class", "").split() for path in root.iter(f"{NAMESPACE}path")]
    return Counter(name for look in looks for name in look if name.startswith("skip_"))


def parse_weight_count(note):
    """Return the number of weights that the second line of a box states, or 0."""
    match = re.search(r"([\d,]+) weights", note)
    return int(match[1].replace(",", "")) if match else 0


@pytest.mark.parametrize("changes", TINY_VARIANTS, ids=str)
def test_every_level_unit_and_source_has_one_box(changes):
    root, _, settings = draw_parsed({**TINY, **changes})
    levels = range(1, settings.num_layers + 1)
    wanted = {"mix", "bottleneck", "output_concat", *(f"output_{s}" for s in settings.sources)}
    wanted |= {f"{part}_{level:02d}" for part in ("encoder", "decoder") for level in levels}
    wanted |= {
        f"skip_{level:02d}_unit{unit}"
        for level in settings.res_path_levels
        for unit in range(1, settings.res_path_units + 1)
    }
    assert set(find_boxes(root)) == wanted
    assert len([g for g in root.iter(f"{NAMESPACE}g") if g.get("id") in wanted]) == len(wanted)


@pytest.mark.parametrize("changes", TINY_VARIANTS, ids=str)
def test_the_boxes_count_every_weight_of_the_model_once(changes):
    root, separator, _ = draw_parsed({**TINY, **changes})
    assert sum(parse_weight_count(note) for _, (_, note) in find_boxes(root).values()) == (
        separator.count_params()
    )


@pytest.mark.parametrize("changes", [{}, {"lstm_layers": 0, "rewrite": "none"}, {"glu": False}])
def test_the_boxes_of_demucs_count_every_weight_once(changes):
    root, separator, settings = draw_parsed({**DEMUCS, **changes, "frozen": ["decoder"]})
    boxes = find_boxes(root)
    levels = range(1, settings.num_layers + 1)
    wanted = {f"{part}_{level:02d}" for part in ("encoder", "decoder") for level in levels}
    wanted |= {"lstm"} if settings.lstm_layers else set()
    assert set(boxes) == wanted | {"mix", "output_sources"}
    assert sum(parse_weight_count(note) for _, (_, note) in boxes.values()) == (
        separator.count_params()
    )
    frozen = {name for name, (look, _) in boxes.items() if look == "frozen"}
    assert frozen == {f"decoder_{level:02d}" for level in levels}
    assert count_skip_arrows(root) == {f"skip_{level:02d}": 1 for level in levels}


@pytest.mark.parametrize("frozen", [[], *([part] for part in PARTS), list(PARTS[:-1])], ids=str)
def test_only_the_boxes_of_frozen_parts_look_frozen(frozen):
    entries = {**TINY, "res_path_units": 1, "frozen": frozen, "task": "multi_instrument"}
    looks = {name: look for name, (look, _) in find_boxes(draw_parsed(entries)[0]).items()}
    without_weights = {"mix", "output_concat", "output_vocals"}
    assert {name for name, look in looks.items() if look == "plain"} == without_weights
    assert {name for name, look in looks.items() if look == "frozen"} == {
        name for name in looks if name.split("_")[0] in frozen and name not in without_weights
    }
    assert set(looks.values()) <= {"plain", "frozen", "trained"}


def test_only_existing_skips_and_the_skip_of_the_mix_are_drawn():
    assert count_skip_arrows(draw_parsed({**TINY, "skip_levels": [1, 3]})[0]) == {
        "skip_mix": 1,
        "skip_01": 1,
        "skip_03": 1,
    }
    assert count_skip_arrows(draw_parsed({**TINY, "skip_levels": "none"})[0]) == {"skip_mix": 1}


def test_a_res_path_is_drawn_only_for_an_existing_skip():
    changes = {"res_path_units": 2, "res_path_levels": [1, 2], "skip_levels": [2, 3]}
    root, _, _ = draw_parsed({**TINY, **changes})
    assert {name for name in find_boxes(root) if name.startswith("skip")} == {
        "skip_02_unit1",
        "skip_02_unit2",
    }
    # to the first unit, to the second, to the decoder
    assert count_skip_arrows(root) == {"skip_mix": 1, "skip_02": 3, "skip_03": 1}


def test_a_box_shows_block_shape_and_number_of_weights():
    root, _, _ = draw_parsed(
        {**TINY, "multires_levels": [2], "res_path_units": 1, "num_channels": 1}
    )
    texts = {name: lines for name, (_, lines) in find_boxes(root).items()}
    # Conv1D(taps, in, out) and its biases
    assert texts["encoder_01"] == ["encoder 1 · convolution", "64 × 4 · 24 weights"]
    multires = (5 * 4 * 8 + 8) + (5 * 8 * 8 + 8) + (4 * 16 + 16)
    assert texts["encoder_02"] == ["encoder 2 · MultiRes", f"32 × 16 · {multires} weights"]
    assert texts["bottleneck"] == [
        "bottleneck · convolution",
        f"8 × 16 · {5 * 12 * 16 + 16} weights",
    ]
    unit = (5 * 4 * 4 + 4) + (4 * 4 + 4)
    assert texts["skip_01_unit1"] == ["Res path 1 · unit 1", f"64 × 4 · {unit} weights"]
    assert texts["output_accompaniment"] == [
        "accompaniment · convolution",
        "64 × 1 · 6 weights",
    ]
    assert texts["output_vocals"] == ["vocals · mix − the others", "64 × 1"]


def test_the_direct_output_has_no_difference_box():
    root, _, _ = draw_parsed({**TINY, "output_type": "direct"})
    assert find_boxes(root)["output_vocals"] == (
        "trained",
        ["vocals · convolution", "64 × 2 · 14 weights"],
    )
    assert not [
        path for path in root.iter(f"{NAMESPACE}path") if path.get("class") == "line"
    ]  # mix minus


def test_in_context_mode_the_arrows_show_the_cropped_shapes():
    root, separator, _ = draw_parsed({**TINY, "context": True})
    labels = [t.text for t in root.iter(f"{NAMESPACE}text") if t.get("class") == "label end"]
    shapes = [
        separator.get_layer(name).output.shape[1:]
        for name in ("output_crop_mix", "skip_01_crop", "skip_02_crop", "skip_03_crop")
    ]
    assert labels == [f"cropped to {samples} × {channels}" for samples, channels in shapes]


def test_the_title_shows_weights_and_samples():
    root, separator, _ = draw_parsed({**TINY, "frozen": ["encoder"], "num_channels": 1})
    title = next(t.text for t in root.iter(f"{NAMESPACE}text") if t.get("class") == "title")
    frozen = 24 + (5 * 4 * 8 + 8) + (5 * 8 * 12 + 12)
    total = separator.count_params()
    assert title == (
        f"weights: total {total:,}, trainable {total - frozen:,}, frozen {frozen:,} · "
        f"samples: 64 in, 64 out"
    )


def test_the_spectrogram_u_net_is_drawn_once_for_all_sources():
    root, separator, settings = draw_parsed({**SPECTROGRAM, "frozen": ["encoder"]})
    boxes = find_boxes(root)
    levels = [f"encoder_{level:02d}_accompaniment" for level in range(1, 7)]
    assert {name for name, (look, _) in boxes.items() if look == "frozen"} == set(levels)
    levels += [f"decoder_{level:02d}_accompaniment" for level in range(1, 6)]
    outputs = [f"output_{source}_istft" for source in settings.sources]
    rest = ["mix", "input_stft", "input_log", "output_masks", "output_accompaniment"]
    assert set(boxes) == {*levels, *outputs, *rest}
    assert count_skip_arrows(root) == {
        "skip_stft": 1,
        **{f"skip_{level:02d}": 1 for level in range(1, 6)},
    }
    texts = [t.text for t in root.iter(f"{NAMESPACE}text")]
    assert "a U-Net of this form for each of: accompaniment, vocals" in texts
    drawn_weights = sum(parse_weight_count(note) for _, (_, note) in boxes.values())
    assert len(settings.sources) * drawn_weights == separator.count_params()


@pytest.mark.parametrize(
    "entries", [*({**TINY, **changes} for changes in TINY_VARIANTS), SPECTROGRAM, U2_3_10, DEMUCS]
)
def test_boxes_and_texts_are_inside_the_sheet_and_do_not_overlap(entries):
    root, _, _ = draw_parsed(entries)
    left, top, width, height = map(float, root.get("viewBox").split())
    areas = []
    for group in root.iter(f"{NAMESPACE}g"):
        if group.get("class").startswith("box "):
            x, y, w, h = (
                float(group.find(f"{NAMESPACE}rect").get(k)) for k in ("x", "y", "width", "height")
            )
            areas.append((x, y, x + w, y + h))
            for line in group.iter(f"{NAMESPACE}text"):
                a, b, c, d = estimate_extent(line)
                assert x <= a < c <= x + w, line.text
                assert y <= b < d <= y + h, line.text
    inside = {id(t) for g in root.iter(f"{NAMESPACE}g") if "box" in g.get("class") for t in g}
    areas += [estimate_extent(t) for t in root.iter(f"{NAMESPACE}text") if id(t) not in inside]
    for place, (a, b, c, d) in enumerate(areas):
        assert left <= a < c <= left + width
        assert top <= b < d <= top + height
        for e, f, g, h in areas[:place]:
            assert c <= e or g <= a or d <= f or h <= b


def estimate_extent(line):
    """Return the left, upper, right and lower edge of a text, estimated from the letter width."""
    look = line.get("class", "").split()
    size = next((FONT_SIZES[name] for name in look if name in FONT_SIZES), 11)
    width, x, y = (
        len(line.text) * size * LETTER_WIDTH,
        float(line.get("x")),
        float(line.get("y")),
    )
    before = width if "end" in look else width / 2 if {"name", "note"} & set(look) else 0
    return x - before, y - 0.8 * size, x - before + width, y + 0.2 * size


def test_the_drawing_is_self_contained():
    settings = make_run_settings(TINY, 1).model
    _, svg = build_and_draw(settings)
    assert re.findall(r"https?://[^\"]*", svg) == ["http://www.w3.org/2000/svg"]
    assert not re.search(r"<script|href|@import|@font-face|\son\w+=", svg)
    assert 'fill="#fff"' in svg.split("</style>")[1].splitlines()[1]


def test_text_is_escaped():
    sheet = Sheet()
    sheet.draw_text((0, 0), "a < b & <script>")
    assert ElementTree.fromstring(sheet.elements[0]).text == "a < b & <script>"


def test_the_drawing_does_not_depend_on_the_seed():
    settings = make_run_settings(TINY, 1).model
    other = replace(settings, seed=2)
    assert build_and_draw(settings)[1] == build_and_draw(other)[1]
