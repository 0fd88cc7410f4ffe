"""Freezing: it concerns all weights of a part, and every weight belongs to a part."""

import keras
import numpy as np
import pytest

from Config import DEFAULTS, make_run_settings
from jnet.errors import ConfigError, JNetError
from Models.Build import build
from Models.Freezing import count_scalars, freeze, get_part, group_weights_by_part
from Models.Settings import ModelSettings

PARTS = ModelSettings.PARTS

TINY = {**DEFAULTS, "num_layers": 2, "num_initial_filters": 4, "num_frames": 64}
FROZEN_ENCODER = make_run_settings({**TINY, "frozen": ["encoder"]}, 1).model


@pytest.mark.parametrize(
    "frozen",
    [[], ["encoder"], ["decoder"], ["encoder", "skip"], ["bottleneck", "output"], list(PARTS[:-1])],
    ids=str,
)
def test_all_weights_of_frozen_parts_and_no_others_are_frozen(frozen):
    model = build(make_run_settings({**TINY, "frozen": frozen}, 1).model)
    trainable = {variable.path for variable in model.trainable_variables}
    wanted = {
        variable.path for variable in model.weights if variable.path.split("_")[0] not in frozen
    }
    assert trainable == wanted
    assert len(model.weights) == 12  # two per convolution: 2 down, 1 bottom, 2 up, 1 head


def test_freezing_changes_no_value_and_no_layer():
    free, frozen = (
        build(make_run_settings({**TINY, "frozen": f}, 1).model) for f in ([], ["encoder"])
    )
    assert all(layer.trainable for layer in frozen.layers)
    mix = np.random.default_rng(0).uniform(-1, 1, (1, 64, 2)).astype(np.float32)
    np.testing.assert_array_equal(frozen(mix), free(mix))


def test_every_weight_belongs_to_the_part_in_its_name():
    model = build(make_run_settings(TINY, 1).model)
    parts = group_weights_by_part(model, make_run_settings(TINY, 1).model)
    assert tuple(parts) == PARTS
    assert sorted(v.path for part in parts.values() for v in part) == sorted(
        v.path for v in model.weights
    )
    # Conv1D(taps, in, out) with its biases: Fc = 4, fd = 15, fu = 5, stereo, L = 2.
    assert {part: count_scalars(variables) for part, variables in parts.items()} == {
        "encoder": (15 * 2 * 4 + 4) + (15 * 4 * 8 + 8),
        "bottleneck": 15 * 8 * 12 + 12,
        "skip": 0,
        "decoder": (5 * (12 + 8) * 8 + 8) + (5 * (8 + 4) * 4 + 4),
        "output": 1 * 6 * 2 + 2,
    }


@pytest.mark.parametrize("name", ["conv1d", "encoders_01_conv", "middle_conv", "my_encoder_conv"])
def test_a_weight_without_a_part_is_an_error(name):
    mix = keras.Input((8, 2))
    x = keras.layers.Conv1D(2, 3, name="encoder_01_conv")(mix)
    model = keras.Model(mix, keras.layers.Conv1D(2, 3, name=name)(x))
    with pytest.raises(JNetError, match=f"'{name}/kernel' belongs to no part"):
        freeze(model, FROZEN_ENCODER)


def test_a_weight_of_a_nested_layer_belongs_to_the_part_of_the_outer_layer():
    inner = keras.Sequential([keras.layers.Dense(1, name="dense")], name="skip_01_unit1")
    inner.build((None, 2))
    assert [get_part(variable, PARTS) for variable in inner.weights] == ["skip", "skip"]


def build_normalised_model():
    mix = keras.Input((8, 2))
    x = keras.layers.BatchNormalization(name="encoder_01_norm", momentum=0.5)(mix)
    return keras.Model(mix, keras.layers.Conv1D(2, 1, name="decoder_01_conv")(x))


def test_a_frozen_batch_normalization_updates_its_statistics_in_training():
    model = freeze(build_normalised_model(), FROZEN_ENCODER)
    norm = model.get_layer("encoder_01_norm")
    x = np.random.default_rng(0).normal(5.0, 2.0, (4, 8, 2)).astype(np.float32)
    model.compile(optimizer="sgd", loss="mse")
    model.fit(x, np.zeros((4, 8, 2)), batch_size=4, epochs=1, verbose=0)
    np.testing.assert_allclose(norm.moving_mean, 0.5 * x.mean((0, 1)), rtol=1e-4)
    np.testing.assert_allclose(norm.moving_variance, 0.5 + 0.5 * x.var((0, 1)), rtol=1e-3)
    np.testing.assert_array_equal(norm.gamma, [1, 1])
    np.testing.assert_array_equal(norm.beta, [0, 0])
    assert [variable.path for variable in model.trainable_variables] == [
        "decoder_01_conv/kernel",
        "decoder_01_conv/bias",
    ]


def test_a_frozen_batch_normalization_uses_batch_statistics_in_training():
    model = freeze(build_normalised_model(), FROZEN_ENCODER)
    norm = model.get_layer("encoder_01_norm")
    x = np.random.default_rng(0).normal(5.0, 2.0, (4, 8, 2)).astype(np.float32)
    out = np.array(norm(x, training=True))
    np.testing.assert_allclose(out.mean((0, 1)), 0, atol=1e-4)
    np.testing.assert_allclose(out.std((0, 1)), 1, atol=1e-2)


def test_freezing_only_parts_without_weights_is_an_error(tiny):
    with pytest.raises(ConfigError, match="no weights in these parts"):
        make_run_settings({**tiny, "frozen": ["skip"]}, seed=1)
    build(make_run_settings({**tiny, "frozen": ["encoder", "skip"]}, seed=1).model)
