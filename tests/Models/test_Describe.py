"""What is said of a separator: weights as in the papers, cost in closed form, reach as measured."""

from itertools import pairwise

import keras
import numpy as np
import pytest

from Config import DEFAULTS, config_ingredient, specs
from Models.Build import build
from Models.Describe import describe, layer_rows, multiply_adds_per_second
from Spec.Shapes import receptive_field

TINY = {
    **DEFAULTS,
    "num_layers": 2,
    "num_initial_filters": 2,
    "filter_size": 5,
    "merge_filter_size": 3,
    "num_frames": 256,
    "num_channels": 1,
    "output_type": "direct",
}


def named(name):
    """A named config's model and its description."""
    changes = config_ingredient.named_configs[name]()
    known = {key: value for key, value in changes.items() if key in DEFAULTS}
    spec = specs({**DEFAULTS, **known}, 1).model
    return build(spec), spec


# Weights


@pytest.mark.parametrize(
    ("name", "total", "trainable", "frozen"),
    [
        ("U1", 6181278, 6181278, 0),
        ("J1", 6181278, 3328038, 2853240),
        ("L", 6181278, 3803958, 2377320),
        ("L_last3", 5778078, 3803958, 1974120),
        ("M1", 10263028, 10263028, 0),
        ("M5", 10265550, 10265550, 0),
    ],
)
def test_the_last_line_has_the_papers_weights(name, total, trainable, frozen):
    last = describe(*named(name)).splitlines()[-1]
    assert last == f"weights: total {total}, trainable {trainable}, frozen {frozen}"


@pytest.mark.parametrize(
    ("name", "looks"),
    [
        ("U1", ("trained", "trained", "trained", "trained")),
        ("J1", ("random", "trained", "trained", "trained")),
        ("L", ("trained", "trained", "random", "trained")),
    ],
)
def test_every_part_has_its_line(name, looks):
    lines = [line.split() for line in describe(*named(name)).splitlines()]
    weights = {"encoder": 2853240, "bottleneck": 950664, "decoder": 2377320, "output": 54}
    for (part, count), look in zip(weights.items(), looks, strict=True):
        assert lines.count([part, str(count), look]) == 1
    assert not [line for line in lines if line[:1] == ["skip"]]


def test_the_frozen_res_path_is_a_part_of_its_own():
    lines = [line.split() for line in describe(*named("J2_2_5")).splitlines()]
    units = 2 * sum(
        (15 * (24 * i) ** 2 + 24 * i) + ((24 * i) ** 2 + 24 * i) for i in range(1, 6)
    )  # a convolution of 15 taps and one of 1, from 24 i channels to as many
    assert ["skip", str(units), "random"] in lines
    assert lines[-1] == [
        *("weights:", "total", f"{6181278 + units},"),
        *("trainable", "3328038,", "frozen", str(2853240 + units)),
    ]


def spectrogram_weights():
    """Weights and running statistics of one of U7's U-Nets (Jansson et al., 2017, Section 3.1)."""
    down, up = [1, 16, 32, 64, 128, 256, 512], [512, 256, 128, 64, 32, 16]
    encoder = sum(25 * a * b + b + 2 * b for a, b in pairwise(down))
    heard = [up[0], *(2 * filters for filters in up[1:])]  # beside the skip: twice as many
    decoder = sum(25 * a * b + b + 2 * b for a, b in zip(heard[:-1], up[1:], strict=True))
    return encoder, decoder, 25 * heard[-1] + 1, 2 * (sum(down[1:]) + sum(up[1:]))


def test_running_statistics_are_neither_trainable_nor_frozen():
    encoder, decoder, output, statistics = (2 * weights for weights in spectrogram_weights())
    lines = describe(*named("U7")).splitlines()
    trainable = encoder + decoder + output
    assert lines[-2] == (f"running statistics of batch normalisation, never trained: {statistics}")
    assert lines[-1] == (
        f"weights: total {trainable + statistics}, trainable {trainable}, frozen 0"
    )


def test_a_frozen_normalisations_running_statistics_are_not_counted_as_frozen():
    changes = {**config_ingredient.named_configs["U7"](), "frozen": ["encoder"]}
    known = {key: value for key, value in changes.items() if key in DEFAULTS}
    spec = specs({**DEFAULTS, **known}, 1).model
    encoder, decoder, output, _ = (2 * weights for weights in spectrogram_weights())
    last = describe(build(spec), spec).splitlines()[-1]
    assert last.endswith(f"trainable {decoder + output}, frozen {encoder}")


def test_rows_are_the_layers_with_their_shapes_and_weights():
    model = build(specs({**TINY, "frozen": ["encoder"]}, 1).model)
    rows = layer_rows(model)
    assert [row.name for row in rows] == [layer.name for layer in model.layers]
    assert sum(row.weights for row in rows) == model.count_params()
    by_name = {row.name: row for row in rows}
    conv = by_name["decoder_02_conv"]
    assert (conv.shape, conv.weights, conv.part) == ((128, 4), 3 * (6 + 4) * 4 + 4, "decoder")
    decimate = by_name["encoder_01_decimate"]
    assert (decimate.shape, decimate.weights, decimate.part) == ((128, 2), 0, "")
    assert decimate.multiply_adds == 0


# Cost


def u1_multiply_adds():
    """Of U1 for one window: taps × channels in × channels out × frames, level by level."""
    filters = [2, *(24 * level for level in range(1, 12))]  # stereo, levels 1 to 10, bottleneck
    frames = [16384 >> level for level in range(11)]  # of level i + 1
    encoder = [15 * filters[i] * filters[i + 1] * frames[i] for i in range(10)]
    bottleneck = 15 * filters[10] * filters[11] * frames[10]
    decoder = [
        5 * (filters[i + 1] + filters[i + 2]) * filters[i + 1] * frames[i] for i in range(10)
    ]
    head = (24 + 2) * 2 * frames[0]
    return encoder, sum(encoder) + bottleneck + sum(decoder) + head


def test_the_multiply_adds_of_u1_are_the_closed_form():
    model, spec = named("U1")
    rows = layer_rows(model)
    encoder, total = u1_multiply_adds()
    assert sum(row.multiply_adds for row in rows) == total
    found = {row.name: row.multiply_adds for row in rows}
    assert [found[f"encoder_{level:02d}_conv"] for level in range(1, 11)] == encoder
    assert multiply_adds_per_second(rows, spec) == pytest.approx(total * 22050 / 16384)


def test_the_closed_form_is_a_training_step_of_231_6_gflop():
    """Forward, input gradient and weight gradient cost the same; the first layer has no input
    gradient. Two operations a multiply-add, batch 16."""
    encoder, total = u1_multiply_adds()
    assert round(2 * 16 * (3 * total - encoder[0]) / 1e9, 1) == 231.6


def test_context_makes_the_same_second_dearer():
    per_second = [
        multiply_adds_per_second(layer_rows(model), spec)
        for model, spec in map(named, ("M2", "M3"))
    ]
    assert per_second[1] > 2 * per_second[0]


def test_a_transposed_convolution_applies_its_kernel_once_for_every_input():
    x = keras.Input((8, 4, 3))
    layer = keras.layers.Conv2DTranspose(5, (3, 2), strides=2, padding="same", name="decoder_01")
    (_, row) = layer_rows(keras.Model(x, layer(x)))
    assert row.shape == (16, 8, 5)
    assert row.multiply_adds == (3 * 2 * 3 * 5) * (8 * 4)


# Reach


def measured_reach(entries):
    """The most input frames any output frame hears of, found by one impulse at every frame.

    All kernels are positive and the silence around an impulse is exact, so nothing cancels.
    """
    spec = specs(entries, 1).model
    model = build(spec)
    for variable in model.weights:
        if variable.path.endswith("kernel"):
            variable.assign(np.full(variable.shape, 1 / np.prod(variable.shape[:-1])))
    frames = model.input_shape[1]
    estimates = np.array(model(np.eye(frames, dtype=np.float32)[:, :, None]))  # [T in, T, S, C]
    return (estimates != 0).any((2, 3)).sum(0).max(), receptive_field(spec), frames


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"num_layers": 1},
        {"num_layers": 3},
        {"filter_size": 3, "merge_filter_size": 7},
        {"merge_filter_size": 1},
        {"upsampling": "learned"},
        {"skip_levels": "none"},
        {"multires_levels": "all"},
        {"multires_levels": [1]},
        {"multires_levels": [2], "filter_size": 7},
        {"res_path_units": 1},
        {"res_path_units": 3, "res_path_levels": [1]},
        {"res_path_units": 3, "skip_levels": [1], "res_path_levels": [1, 2]},
    ],
    ids=str,
)
@pytest.mark.parametrize("context", [False, True])
def test_the_receptive_field_is_the_measured_one(changes, context):
    entries = {**TINY, **changes, "context": context}
    measured, said, frames = measured_reach({**entries, "num_frames": 64} if context else entries)
    assert frames > said + 8  # a window long enough, wherever its frames stand
    assert said == measured


@pytest.mark.parametrize("units", [3, 4])
def test_a_res_path_at_the_deepest_level_reaches_further_than_the_bottleneck(units):
    measured, said, frames = measured_reach({**TINY, "res_path_units": units})
    assert frames > said + 8
    assert said == measured
