"""The Wave-U-Net: outputs as in the NumPy reference, numbers of weights as in the papers."""

import dataclasses

import keras
import numpy as np
import pytest
import scipy.signal

from Config import DEFAULTS, make_run_settings
from Models.Build import build
from Models.Freezing import count_scalars, group_weights_by_part
from tests.Models import reference
from tests.Models.reference import Net, get_weights
from tests.Models.tiny import TINY


def build_with_biases(entries, seed=1):
    """Return a model with random biases and its settings."""
    settings = make_run_settings(entries, seed).model
    model = build(settings)
    random = np.random.default_rng(seed)
    for variable in model.weights:
        if variable.path.endswith("bias"):
            variable.assign(random.uniform(-0.3, 0.3, variable.shape))
    return model, settings


def make_reference(model, settings):
    """Return the reference implementation of `settings` with the weights of the model."""
    blocks = dict.fromkeys(settings.multires_levels, reference.multires)
    paths = dict.fromkeys(settings.res_path_levels, reference.res_path(settings.res_path_units))
    upsampling = {
        "linear": reference.linear_upsampling,
        "learned": reference.learned_upsampling,
    }
    return Net(
        get_weights(model),
        settings.num_layers,
        settings.sources,
        settings.skip_levels,
        padded=not settings.context,
        difference=settings.output_type == "difference",
        upsampling=upsampling[settings.upsampling],
        down=blocks,
        up=blocks,
        skip=paths,
    )


def make_noise(*shape, seed=0, peak=1.0):
    return np.random.default_rng(seed).uniform(-peak, peak, shape).astype(np.float32)


# The reference itself


def test_the_reference_convolution_equals_scipys_correlation():
    x, kernel, bias = make_noise(1, 20, 2), make_noise(5, 2, 3, seed=1), make_noise(3, seed=2)
    for padded, mode in ((True, "same"), (False, "valid")):
        wanted = [
            sum(scipy.signal.correlate(x[0, :, i], kernel[:, i, o], mode) for i in range(2)) + b
            for o, b in enumerate(bias)
        ]
        convolved = reference.correlate(x, kernel, bias, padded)
        np.testing.assert_allclose(convolved[0].T, wanted, atol=1e-6)


@pytest.mark.parametrize(
    ("input_samples", "output_samples", "num_layers"),
    [(147443, 16389, 12), (233459, 102405, 12)],
    ids=["M3 to M6", "M7"],
)
def test_the_reference_has_the_papers_lengths_with_input_context(
    input_samples, output_samples, num_layers
):
    """Wave-U-Net paper, Section 4.3."""
    kernels = {f"encoder_{level:02d}_conv": (15, 1, 1) for level in range(1, num_layers + 1)}
    kernels |= {f"decoder_{level:02d}_conv": (5, 2, 1) for level in range(1, num_layers + 1)}
    kernels |= {"bottleneck_conv": (15, 1, 1), "output_a_conv": (1, 2, 1)}
    weights = {f"{name}/kernel": np.ones(shape) for name, shape in kernels.items()}
    weights |= {f"{name}/bias": np.zeros(1) for name in kernels}
    net = Net(weights, num_layers, ("a", "b"), range(1, num_layers + 1), padded=False)
    assert net.separate(np.zeros((1, input_samples, 1))).shape == (1, output_samples, 2, 1)


def test_learned_upsampling_of_the_reference_with_weight_zero_is_linear():
    x = make_noise(2, 7, 3)
    net = Net({"decoder_01_upsample/interpolation": np.zeros(3)}, 1, ("a", "b"), (), padded=False)
    learned = reference.learned_upsampling(net, "decoder_01", x)
    np.testing.assert_allclose(learned, reference.linear_upsampling(net, "", x), atol=1e-7)
    padded = dataclasses.replace(net, padded=True)
    last = reference.learned_upsampling(padded, "decoder_01", x)[:, -1]
    np.testing.assert_allclose(last, x[:, -1] / 2, atol=1e-7)


# The forward pass


def test_u1_in_full_size_equals_the_reference():
    model, settings = build_with_biases(DEFAULTS)
    mix = make_noise(1, 16384, 2)
    wanted = make_reference(model, settings).separate(mix)
    assert wanted.shape == (1, 16384, 2, 2)
    assert wanted.std() > 0.05
    np.testing.assert_allclose(model(mix), wanted, atol=1e-5)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"skip_levels": "first1"},
        {"skip_levels": "first2"},
        {"skip_levels": "last1"},
        {"skip_levels": "last2"},
        {"skip_levels": [1, 3]},
        {"skip_levels": "none"},
        {"task": "multi_instrument"},
        {"num_channels": 1},
        {"num_channels": 3},
        {"num_layers": 1, "num_frames": 2},
        {"num_frames": 24},
        {"filter_size": 1, "merge_filter_size": 7},
        {"output_type": "direct"},
        {"output_type": "direct", "task": "multi_instrument", "num_channels": 1},
        {"upsampling": "learned"},
        {"context": True},
        {"context": True, "upsampling": "learned", "skip_levels": "last1"},
        {"context": True, "num_frames": 100, "task": "multi_instrument"},
        {"context": True, "filter_size": 1, "merge_filter_size": 1},
        {"res_path_units": 1},
        {"res_path_units": 2, "res_path_levels": "first2"},
        {"res_path_units": 3, "res_path_levels": "last1", "skip_levels": "last2"},
        {"res_path_units": 1, "res_path_levels": "all", "skip_levels": "first1"},
        {"multires_levels": "all"},
        {"multires_levels": "first2"},
        {"multires_levels": [2], "res_path_units": 2},
        {"context": True, "multires_levels": "first1", "res_path_units": 2},
        {"context": True, "multires_levels": "all", "upsampling": "learned"},
    ],
    ids=str,
)
@pytest.mark.parametrize("training", [False, True])
def test_every_variant_equals_the_reference(changes, training):
    model, settings = build_with_biases({**TINY, **changes})
    mix = make_noise(2, model.input_shape[1], settings.num_channels)
    wanted = make_reference(model, settings).separate(mix, training)
    assert wanted.shape == (
        2,
        settings.output_samples,
        len(settings.sources),
        settings.num_channels,
    )
    assert settings.output_samples >= settings.num_frames
    assert model.output_shape[1:] == wanted.shape[1:]
    np.testing.assert_allclose(model(mix, training=training), wanted, atol=1e-5)


@pytest.mark.parametrize("task", ["voice", "multi_instrument"])
def test_the_estimates_sum_to_the_mix_in_training(task):
    model, settings = build_with_biases({**TINY, "task": task})
    mix = make_noise(2, settings.num_frames, 2)
    np.testing.assert_allclose(np.sum(model(mix, training=True), axis=2), mix, atol=1e-6)


def test_only_the_last_source_is_clipped_and_only_outside_training():
    model, settings = build_with_biases(TINY)
    mix = make_noise(2, settings.num_frames, 2, peak=3)
    trained, used = np.array(model(mix, training=True)), np.array(model(mix))
    assert np.abs(trained[:, :, 1]).max() > 1.5
    np.testing.assert_array_equal(used[:, :, 1], trained[:, :, 1].clip(-1, 1))
    np.testing.assert_array_equal(used[:, :, 0], trained[:, :, 0])
    np.testing.assert_array_equal(model.predict(mix, verbose=0), used)


def test_estimates_are_in_the_order_of_the_sources():
    model, settings = build_with_biases({**TINY, "task": "multi_instrument"})
    for variable in model.weights:
        variable.assign(np.zeros(variable.shape))
    biases = {"bass": 0.1, "drums": 0.2, "other": 0.3}
    for source, bias in biases.items():
        model.get_layer(f"output_{source}_conv").bias.assign([bias, bias])
    estimates = np.array(model(np.zeros((1, settings.num_frames, 2))))
    wanted = [*np.tanh(list(biases.values())), -np.tanh(list(biases.values())).sum()]
    np.testing.assert_allclose(estimates[0, :, :, 0], np.tile(wanted, (64, 1)), atol=1e-6)


# The weights


def count_conv_weights(taps, inputs, filters):
    return taps * inputs * filters + filters


def count_by_closed_form(settings):
    """Return the numbers of weights by part, from Table 1 of the paper."""
    fc, depth = settings.num_initial_filters, settings.num_layers
    fd, fu, channels = settings.filter_size, settings.merge_filter_size, settings.num_channels
    levels = range(1, depth + 1)
    heads = len(settings.sources) - 1
    return {
        "encoder": sum(
            count_conv_weights(fd, fc * (i - 1) if i > 1 else channels, fc * i) for i in levels
        ),
        "bottleneck": count_conv_weights(fd, fc * depth, fc * (depth + 1)),
        "skip": 0,
        "decoder": sum(
            count_conv_weights(
                fu, fc * (i + 1) + (fc * i if i in settings.skip_levels else 0), fc * i
            )
            for i in levels
        ),
        "output": heads * count_conv_weights(1, fc + channels, channels),
    }


PUBLISHED = {
    "encoder": 2_853_240,
    "bottleneck": 950_664,
    "skip": 0,
    "decoder": 2_377_320,
    "output": 54,
}


def named_entries(name):
    """Return the defaults with the entries of a named config."""
    from Config import config_ingredient

    return {**DEFAULTS, **dict(config_ingredient.named_configs[name]())}


@pytest.mark.parametrize(
    ("name", "trained", "total"),
    [
        ("U1", 6_181_278, 6_181_278),
        ("J1", 3_328_038, 6_181_278),
        ("L", 3_803_958, 6_181_278),
        ("L_first3", 3_803_958, None),
        ("L_last3", 3_803_958, None),
    ],
)
def test_a_named_model_has_the_papers_numbers_of_weights(name, trained, total):
    settings = make_run_settings(named_entries(name), 1).model
    model = build(settings)
    parts = {
        part: count_scalars(variables)
        for part, variables in group_weights_by_part(model, settings).items()
    }
    assert parts == count_by_closed_form(settings)
    assert count_scalars(model.trainable_variables) == trained
    assert model.count_params() == sum(parts.values())
    if total:
        assert parts == PUBLISHED
        assert model.count_params() == total == sum(PUBLISHED.values())


@pytest.mark.parametrize(
    ("task", "weights"), [("voice", 10_263_390), ("multi_instrument", 10_263_498)], ids=["M4", "M6"]
)
def test_twelve_levels_have_the_numbers_of_weights_of_the_wave_u_net(task, weights):
    settings = make_run_settings({**DEFAULTS, "num_layers": 12, "task": task}, 1).model
    model = build(settings)
    assert model.count_params() == weights == sum(count_by_closed_form(settings).values())


@pytest.mark.parametrize(
    ("name", "kept"), [("L_first3", (1, 2, 3)), ("L_last3", (8, 9, 10)), ("L", range(1, 11))]
)
def test_a_level_without_skip_has_no_concat(name, kept):
    settings = make_run_settings({**named_entries(name), "num_initial_filters": 2}, 1).model
    model = build(settings)
    joined = {layer.name for layer in model.layers if isinstance(layer, keras.layers.Concatenate)}
    assert joined == {"output_concat", *(f"decoder_{level:02d}_concat" for level in kept)}
    for level in range(1, 11):
        inputs = model.get_layer(f"decoder_{level:02d}_conv").kernel.shape[1]
        assert inputs == 2 * (level + 1) + (2 * level if level in kept else 0)


@pytest.mark.parametrize(
    "changes", [{}, {"task": "multi_instrument"}, {"skip_levels": "none"}], ids=str
)
def test_every_layer_with_weights_is_named_part_level_role(changes):
    model, _ = build_with_biases({**TINY, **changes})
    for variable in model.weights:
        part, *rest = variable.path.split("/")[0].split("_")
        assert part in ("encoder", "bottleneck", "decoder", "output")
        assert rest[-1] == "conv"
        assert part not in ("encoder", "decoder") or rest[0] in ("01", "02", "03")


def test_kernels_start_glorot_uniform_and_biases_at_zero():
    model = build(make_run_settings(TINY, 1).model)
    for variable in model.weights:
        values = variable.numpy()
        if variable.path.endswith("bias"):
            assert not values.any()
        else:
            taps, inputs, outputs = values.shape
            limit = np.sqrt(6 / (taps * inputs + taps * outputs))
            assert 0.8 * limit < np.abs(values).max() <= limit * (1 + 1e-6)
