"""The picture of a separator: every part stands on it, looks frozen where it is, and fits."""

import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from Config import DEFAULTS, specs
from Models.Build import build
from Models.Picture import draw, text
from Spec.Model import PARTS
from tests.Models.tiny import TINY

SPECTROGRAM = {
    **DEFAULTS,
    "network": "unet_spectrogram",
    "num_frames": 1024 + 768 * 63,
    "num_channels": 1,
    "num_layers": 6,
}
U2_3_10 = {**DEFAULTS, "res_path_units": 3, "res_path_levels": "first10"}  # the widest
CHANGES = [
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
WIDTH_OF_LETTER = 0.6  # of the font's size: about that of DejaVu Sans, wider than Helvetica


def drawn(entries):
    """The root of the parsed picture, and what it is of."""
    spec = specs(entries, 1).model
    separator = build(spec)
    return ElementTree.fromstring(draw(separator, spec)), separator, spec


def boxes(root):
    """Look and texts of every box by its name."""
    return {
        group.get("id"): (
            group.get("class").split()[1],
            [t.text for t in group.iter(f"{NAMESPACE}text")],
        )
        for group in root.iter(f"{NAMESPACE}g")
        if group.get("class").startswith("box ")
    }


def skips(root):
    """Number of arrows of every skip by its name."""
    return {
        group.get("id"): len(group.findall(f"{NAMESPACE}path"))
        for group in root.iter(f"{NAMESPACE}g")
        if group.get("class") == "skip"
    }


def weights_in(note):
    found = re.search(r"([\d,]+) weights", note)
    return int(found[1].replace(",", "")) if found else 0


@pytest.mark.parametrize("changes", CHANGES, ids=str)
def test_there_is_one_box_per_level_unit_and_source(changes):
    root, _, spec = drawn({**TINY, **changes})
    levels = range(1, spec.num_layers + 1)
    wanted = {"mix", "bottleneck", "output_concat", *(f"output_{s}" for s in spec.sources)}
    wanted |= {f"{part}_{level:02d}" for part in ("encoder", "decoder") for level in levels}
    wanted |= {
        f"skip_{level:02d}_unit{unit}"
        for level in spec.res_path_levels
        for unit in range(1, spec.res_path_units + 1)
    }
    assert set(boxes(root)) == wanted
    assert len([g for g in root.iter(f"{NAMESPACE}g") if g.get("id") in wanted]) == len(wanted)


@pytest.mark.parametrize("changes", CHANGES, ids=str)
def test_the_boxes_hold_every_weight_of_the_model_once(changes):
    root, separator, _ = drawn({**TINY, **changes})
    assert sum(weights_in(note) for _, (_, note) in boxes(root).values()) == (
        separator.count_params()
    )


@pytest.mark.parametrize("frozen", [[], *([part] for part in PARTS), list(PARTS)], ids=str)
def test_exactly_the_boxes_of_frozen_parts_look_frozen(frozen):
    entries = {**TINY, "res_path_units": 1, "frozen": frozen, "task": "multi_instrument"}
    looks = {name: look for name, (look, _) in boxes(drawn(entries)[0]).items()}
    without = {"mix", "output_concat", "output_vocals"}
    assert {name for name, look in looks.items() if look == "plain"} == without
    assert {name for name, look in looks.items() if look == "frozen"} == {
        name for name in looks if name.split("_")[0] in frozen and name not in without
    }
    assert set(looks.values()) <= {"plain", "frozen", "trained"}


def test_a_skip_is_drawn_where_there_is_one_and_the_inputs_always():
    assert skips(drawn({**TINY, "skip_levels": [1, 3]})[0]) == {
        "skip_mix": 1,
        "skip_01": 1,
        "skip_03": 1,
    }
    assert skips(drawn({**TINY, "skip_levels": "none"})[0]) == {"skip_mix": 1}


def test_a_res_path_stands_on_its_skip_and_on_no_other():
    changes = {"res_path_units": 2, "res_path_levels": [1, 2], "skip_levels": [2, 3]}
    root, _, _ = drawn({**TINY, **changes})
    assert {name for name in boxes(root) if name.startswith("skip")} == {
        "skip_02_unit1",
        "skip_02_unit2",
    }
    # to the first unit, to the second, to the decoder
    assert skips(root) == {"skip_mix": 1, "skip_02": 3, "skip_03": 1}


def test_a_box_says_what_stands_there_its_shape_and_its_weights():
    root, _, _ = drawn({**TINY, "multires_levels": [2], "res_path_units": 1, "num_channels": 1})
    found = {name: texts for name, (_, texts) in boxes(root).items()}
    # Conv1D(taps, in, out) and its biases, by hand
    assert found["encoder_01"] == ["encoder 1 · convolution", "64 × 4 · 24 weights"]
    multires = (5 * 4 * 8 + 8) + (5 * 8 * 8 + 8) + (4 * 16 + 16)
    assert found["encoder_02"] == ["encoder 2 · MultiRes", f"32 × 16 · {multires} weights"]
    assert found["bottleneck"] == [
        "bottleneck · convolution",
        f"8 × 16 · {5 * 12 * 16 + 16} weights",
    ]
    unit = (5 * 4 * 4 + 4) + (4 * 4 + 4)
    assert found["skip_01_unit1"] == ["Res path 1 · unit 1", f"64 × 4 · {unit} weights"]
    assert found["output_accompaniment"] == ["accompaniment · convolution", "64 × 1 · 6 weights"]
    assert found["output_vocals"] == ["vocals · mix − the others", "64 × 1"]


def test_with_a_head_for_every_source_none_is_a_difference():
    root, _, _ = drawn({**TINY, "output_type": "direct"})
    assert boxes(root)["output_vocals"] == (
        "trained",
        ["vocals · convolution", "64 × 2 · 14 weights"],
    )
    assert not [g for g in root.iter(f"{NAMESPACE}g") if g.get("class") == "difference"]


def test_in_context_mode_the_arrows_say_what_is_cropped():
    root, separator, _ = drawn({**TINY, "context": True})
    labels = [t.text for t in root.iter(f"{NAMESPACE}text") if t.get("class") == "label end"]
    shapes = [
        separator.get_layer(name).output.shape[1:]
        for name in ("output_crop_mix", "skip_01_crop", "skip_02_crop", "skip_03_crop")
    ]
    assert labels == [f"cropped to {frames} × {channels}" for frames, channels in shapes]


def test_the_title_counts_weights_and_frames():
    root, separator, _ = drawn({**TINY, "frozen": ["encoder"], "num_channels": 1})
    title = next(t.text for t in root.iter(f"{NAMESPACE}text") if t.get("class") == "title")
    frozen = 24 + (5 * 4 * 8 + 8) + (5 * 8 * 12 + 12)
    total = separator.count_params()
    assert title == (
        f"weights: total {total:,}, trainable {total - frozen:,}, frozen {frozen:,} · "
        f"frames: 64 in, 64 out"
    )


def test_the_spectrogram_u_net_is_drawn_once_for_all_sources():
    root, separator, spec = drawn({**SPECTROGRAM, "frozen": ["encoder"]})
    found = boxes(root)
    levels = [f"encoder_{level:02d}_accompaniment" for level in range(1, 7)]
    assert {name for name, (look, _) in found.items() if look == "frozen"} == set(levels)
    levels += [f"decoder_{level:02d}_accompaniment" for level in range(1, 6)]
    outputs = [f"output_{source}_istft" for source in spec.sources]
    rest = ["mix", "input_stft", "input_log", "output_masks", "output_accompaniment"]
    assert set(found) == {*levels, *outputs, *rest}
    assert skips(root) == {"skip_stft": 1, **{f"skip_{level:02d}": 1 for level in range(1, 6)}}
    texts = [t.text for t in root.iter(f"{NAMESPACE}text")]
    assert "one such U-Net for each of: accompaniment, vocals" in texts
    drawn_weights = sum(weights_in(note) for _, (_, note) in found.values())
    assert 2 * drawn_weights == separator.count_params()


@pytest.mark.parametrize(
    "entries", [*({**TINY, **changes} for changes in CHANGES), SPECTROGRAM, U2_3_10]
)
def test_nothing_leaves_the_sheet_and_no_box_or_text_covers_another(entries):
    root, _, _ = drawn(entries)
    left, top, width, height = map(float, root.get("viewBox").split())
    areas = []
    for group in root.iter(f"{NAMESPACE}g"):
        if group.get("class").startswith("box "):
            x, y, w, h = (
                float(group.find(f"{NAMESPACE}rect").get(k)) for k in ("x", "y", "width", "height")
            )
            areas.append((x, y, x + w, y + h))
            for line in group.iter(f"{NAMESPACE}text"):
                a, b, c, d = extent(line)
                assert x <= a < c <= x + w, line.text
                assert y <= b < d <= y + h, line.text
    inside = {id(t) for g in root.iter(f"{NAMESPACE}g") if "box" in g.get("class") for t in g}
    areas += [extent(t) for t in root.iter(f"{NAMESPACE}text") if id(t) not in inside]
    for place, (a, b, c, d) in enumerate(areas):
        assert left <= a < c <= left + width
        assert top <= b < d <= top + height
        for e, f, g, h in areas[:place]:
            assert c <= e or g <= a or d <= f or h <= b


def extent(line):
    """Left, upper, right and lower end of a text, from a guess of its letters' width."""
    look = line.get("class").split()
    size = next((FONT_SIZES[name] for name in look if name in FONT_SIZES), 11)
    width, x, y = (
        len(line.text) * size * WIDTH_OF_LETTER,
        float(line.get("x")),
        float(line.get("y")),
    )
    before = width if "end" in look else width / 2 if {"name", "note"} & set(look) else 0
    return x - before, y - 0.8 * size, x - before + width, y + 0.2 * size


def test_the_picture_needs_nothing_but_itself():
    spec = specs(TINY, 1).model
    svg = draw(build(spec), spec)
    assert re.findall(r"https?://[^\"]*", svg) == ["http://www.w3.org/2000/svg"]
    assert not re.search(r"<script|href|@import|@font-face|\son\w+=", svg)
    assert 'fill="#fff"' in svg.split("</style>")[1].splitlines()[1]


def test_text_is_escaped():
    line = text((0, 0), "a < b & <script>")
    assert ElementTree.fromstring(line).text == "a < b & <script>"


def test_the_same_model_gives_the_same_picture_whatever_its_seed():
    spec = specs(TINY, 1).model
    other = replace(spec, seed=2)
    assert draw(build(spec), spec) == draw(build(other), other)
