"""The description: weights as in the papers, cost in closed form, measured receptive field."""

from itertools import pairwise

import keras
import numpy as np
import pytest

from Config import DEFAULTS, config_ingredient, make_run_settings
from Models.Build import build
from Models.Describe import (
    describe,
    multiply_adds,
    multiply_adds_per_second,
    training_memory,
)

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


def build_named(name):
    """Return the model of a named config and its settings."""
    changes = config_ingredient.named_configs[name]()
    entries = {key: value for key, value in changes.items() if key in DEFAULTS}
    settings = make_run_settings({**DEFAULTS, **entries}, 1).model
    return build(settings), settings


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
def test_the_last_line_has_the_papers_numbers_of_weights(name, total, trainable, frozen):
    last = describe(*build_named(name)).splitlines()[-1]
    assert last == f"weights: total {total}, trainable {trainable}, frozen {frozen}"


@pytest.mark.parametrize(
    ("name", "looks"),
    [
        ("U1", ("trained", "trained", "trained", "trained")),
        ("J1", ("random", "trained", "trained", "trained")),
        ("L", ("trained", "trained", "random", "trained")),
    ],
)
def test_every_part_with_weights_has_one_line(name, looks):
    lines = [line.split() for line in describe(*build_named(name)).splitlines()]
    weights = {"encoder": 2853240, "bottleneck": 950664, "decoder": 2377320, "output": 54}
    for (part, count), look in zip(weights.items(), looks, strict=True):
        assert lines.count([part, str(count), look]) == 1
    assert not [line for line in lines if line[:1] == ["skip"]]


def test_frozen_res_paths_are_a_separate_part():
    lines = [line.split() for line in describe(*build_named("J2_2_5")).splitlines()]
    units = 2 * sum(
        (15 * (24 * i) ** 2 + 24 * i) + ((24 * i) ** 2 + 24 * i) for i in range(1, 6)
    )  # convolutions of 15 taps and of 1 tap, with 24 i input and output channels
    assert ["skip", str(units), "random"] in lines
    assert lines[-1] == [
        *("weights:", "total", f"{6181278 + units},"),
        *("trainable", "3328038,", "frozen", str(2853240 + units)),
    ]


def count_spectrogram_weights():
    """Return the weights and running statistics of a U-Net of U7 (Jansson et al., 2017, Sec. 3.1).

    They are the weights of encoder, decoder and output, and the number of running statistics.
    """
    down, up = [1, 16, 32, 64, 128, 256, 512], [512, 256, 128, 64, 32, 16]
    encoder = sum(25 * a * b + b + 2 * b for a, b in pairwise(down))
    inputs = [up[0], *(2 * filters for filters in up[1:])]  # with the skip: twice as many
    decoder = sum(25 * a * b + b + 2 * b for a, b in zip(inputs[:-1], up[1:], strict=True))
    return encoder, decoder, 25 * inputs[-1] + 1, 2 * (sum(down[1:]) + sum(up[1:]))


def test_running_statistics_are_neither_trainable_nor_frozen():
    encoder, decoder, output, statistics = (2 * weights for weights in count_spectrogram_weights())
    lines = describe(*build_named("U7")).splitlines()
    trainable = encoder + decoder + output
    assert lines[-2] == (f"running statistics of batch normalisation, never trained: {statistics}")
    assert lines[-1] == (
        f"weights: total {trainable + statistics}, trainable {trainable}, frozen 0"
    )


def test_running_statistics_of_frozen_parts_are_not_counted_as_frozen():
    changes = {**config_ingredient.named_configs["U7"](), "frozen": ["encoder"]}
    entries = {key: value for key, value in changes.items() if key in DEFAULTS}
    settings = make_run_settings({**DEFAULTS, **entries}, 1).model
    encoder, decoder, output, _ = (2 * weights for weights in count_spectrogram_weights())
    last = describe(build(settings), settings).splitlines()[-1]
    assert last.endswith(f"trainable {decoder + output}, frozen {encoder}")


def test_every_layer_has_a_line_with_shape_weights_and_state():
    settings = make_run_settings({**TINY, "frozen": ["encoder"]}, 1).model
    model = build(settings)
    lines = describe(model, settings).splitlines()[: len(model.layers)]
    rows = {line.split()[0]: line.split()[1:] for line in lines}
    assert list(rows) == [layer.name for layer in model.layers]
    assert rows["decoder_02_conv"] == ["128", "×", "4", str(3 * (6 + 4) * 4 + 4), "trained"]
    assert rows["encoder_02_conv"] == ["128", "×", "4", str(5 * 2 * 4 + 4), "random"]
    assert rows["encoder_01_decimate"] == ["128", "×", "2"]
    assert multiply_adds(model.get_layer("encoder_01_decimate")) == 0


# Cost


def count_u1_multiply_adds():
    """Return the multiply-adds of U1 for one segment: of the encoder levels, and the total.

    Each convolution has taps × input channels × output channels × samples.
    """
    filters = [2, *(24 * level for level in range(1, 12))]  # stereo, levels 1 to 10, bottleneck
    samples = [16384 >> level for level in range(11)]  # of level i + 1
    encoder = [15 * filters[i] * filters[i + 1] * samples[i] for i in range(10)]
    bottleneck = 15 * filters[10] * filters[11] * samples[10]
    decoder = [
        5 * (filters[i + 1] + filters[i + 2]) * filters[i + 1] * samples[i] for i in range(10)
    ]
    head = (24 + 2) * 2 * samples[0]
    return encoder, sum(encoder) + bottleneck + sum(decoder) + head


def test_the_multiply_adds_of_u1_have_the_closed_form():
    model, settings = build_named("U1")
    encoder, total = count_u1_multiply_adds()
    assert sum(map(multiply_adds, model.layers)) == total
    levels = [model.get_layer(f"encoder_{level:02d}_conv") for level in range(1, 11)]
    assert [multiply_adds(layer) for layer in levels] == encoder
    assert multiply_adds_per_second(model, settings) == pytest.approx(total * 22050 / 16384)


def test_a_training_step_of_u1_has_231_6_gflop():
    """Forward pass, input gradient and weight gradient have equal costs.

    The first layer has no input gradient. A multiply-add is two operations; the batch size is 16.
    """
    encoder, total = count_u1_multiply_adds()
    assert round(2 * 16 * (3 * total - encoder[0]) / 1e9, 1) == 231.6


def test_context_increases_the_cost_per_second():
    per_second = [
        multiply_adds_per_second(model, settings)
        for model, settings in map(build_named, ("M2", "M3"))
    ]
    assert per_second[1] > 2 * per_second[0]


def test_a_transposed_convolution_applies_its_kernel_once_per_input_position():
    x = keras.Input((8, 4, 3))
    layer = keras.layers.Conv2DTranspose(5, (3, 2), strides=2, padding="same", name="decoder_01")
    layer(x)
    assert multiply_adds(layer) == (3 * 2 * 3 * 5) * (8 * 4)


# Receptive field


def measure_receptive_field(entries):
    """Measure the receptive field with one impulse at every input sample.

    All kernels are positive and the samples around an impulse are zero, so nothing cancels. Return
    the measured and the computed receptive field and the number of input samples.
    """
    settings = make_run_settings(entries, 1).model
    model = build(settings)
    for variable in model.weights:
        if variable.path.endswith("kernel"):
            variable.assign(np.full(variable.shape, 1 / np.prod(variable.shape[:-1])))
    samples = model.input_shape[1]
    estimates = np.array(model(np.eye(samples, dtype=np.float32)[:, :, None]))  # [T in, T, S, C]
    return (estimates != 0).any((2, 3)).sum(0).max(), settings.receptive_field, samples


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
def test_the_receptive_field_equals_the_measured_one(changes, context):
    entries = {**TINY, **changes, "context": context}
    changed = {**entries, "num_frames": 64} if context else entries
    measured, computed, samples = measure_receptive_field(changed)
    assert samples > computed + 8  # the segment is long enough for all positions on the grid
    assert computed == measured


@pytest.mark.parametrize("units", [3, 4])
def test_a_res_path_at_the_deepest_level_reaches_further_than_the_bottleneck(units):
    measured, computed, samples = measure_receptive_field({**TINY, "res_path_units": units})
    assert samples > computed + 8
    assert computed == measured


def test_multiply_adds_of_an_lstm_are_those_of_its_four_gates():
    inputs = keras.Input((7, 3))
    layer = keras.layers.LSTM(5, return_sequences=True)
    layer(inputs)
    assert multiply_adds(layer) == 7 * 4 * (3 * 5 + 5 * 5)


def test_memory_of_a_training_step_counts_weights_moments_and_outputs():
    inputs = keras.Input((10, 2))
    outputs = keras.layers.Conv1D(4, 3, padding="same")(inputs)
    model = keras.Model(inputs, keras.ops.relu(outputs))
    weights = 3 * 2 * 4 + 4
    assert training_memory(model) == (4 * 4 * weights, 4 * 10 * (2 + 4 + 4))
    model.layers[1].kernel.trainable = False
    assert training_memory(model)[0] == 4 * (weights + 3 * 4)
