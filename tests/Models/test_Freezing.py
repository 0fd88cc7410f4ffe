"""Freezing: whole parts, variables only, and no weight that belongs nowhere."""

import keras
import numpy as np
import pytest

from Config import DEFAULTS, specs
from Models.Build import build
from Models.Freezing import count, freeze, part_of, weights_by_part
from Spec.Errors import ConfigError, JNetError
from Spec.Model import PARTS

TINY = {**DEFAULTS, "num_layers": 2, "num_initial_filters": 4, "num_frames": 64}


@pytest.mark.parametrize(
    "frozen",
    [[], ["encoder"], ["decoder"], ["encoder", "skip"], ["bottleneck", "output"], list(PARTS)],
    ids=str,
)
def test_a_frozen_part_has_nothing_trainable_and_the_others_have_everything(frozen):
    model = build(specs({**TINY, "frozen": frozen}, 1).model)
    trainable = {variable.path for variable in model.trainable_variables}
    wanted = {
        variable.path for variable in model.weights if variable.path.split("_")[0] not in frozen
    }
    assert trainable == wanted
    assert len(model.weights) == 12  # two of every convolution: 2 levels down, 1, 2 up, 1 head


def test_freezing_changes_no_value_and_no_layer():
    free, frozen = (build(specs({**TINY, "frozen": f}, 1).model) for f in ([], ["encoder"]))
    assert all(layer.trainable for layer in frozen.layers)
    mix = np.random.default_rng(0).uniform(-1, 1, (1, 64, 2)).astype(np.float32)
    np.testing.assert_array_equal(frozen(mix), free(mix))


def test_parts_are_read_from_names_and_cover_every_weight_once():
    model = build(specs(TINY, 1).model)
    parts = weights_by_part(model)
    assert tuple(parts) == PARTS
    assert sorted(v.path for part in parts.values() for v in part) == sorted(
        v.path for v in model.weights
    )
    # Conv1D(taps, in, out) with its biases, by hand: Fc = 4, fd = 15, fu = 5, stereo, L = 2.
    assert {part: count(variables) for part, variables in parts.items()} == {
        "encoder": (15 * 2 * 4 + 4) + (15 * 4 * 8 + 8),
        "bottleneck": 15 * 8 * 12 + 12,
        "skip": 0,
        "decoder": (5 * (12 + 8) * 8 + 8) + (5 * (8 + 4) * 4 + 4),
        "output": 1 * 6 * 2 + 2,
    }


@pytest.mark.parametrize("name", ["conv1d", "encoders_01_conv", "middle_conv", "my_encoder_conv"])
def test_a_weight_of_no_part_is_an_error_that_names_it(name):
    mix = keras.Input((8, 2))
    x = keras.layers.Conv1D(2, 3, name="encoder_01_conv")(mix)
    model = keras.Model(mix, keras.layers.Conv1D(2, 3, name=name)(x))
    with pytest.raises(JNetError, match=f"'{name}/kernel' belongs to no part"):
        freeze(model, ("encoder",))


def test_a_weight_within_a_nested_layer_belongs_to_the_part_around_it():
    inner = keras.Sequential([keras.layers.Dense(1, name="dense")], name="skip_01_unit1")
    inner.build((None, 2))
    assert [part_of(variable) for variable in inner.weights] == ["skip", "skip"]


def normalised_model():
    mix = keras.Input((8, 2))
    x = keras.layers.BatchNormalization(name="encoder_01_norm", momentum=0.5)(mix)
    return keras.Model(mix, keras.layers.Conv1D(2, 1, name="decoder_01_conv")(x))


def test_a_frozen_batch_normalization_still_learns_its_statistics_in_training():
    model = freeze(normalised_model(), ("encoder",))
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


def test_a_frozen_batch_normalization_uses_the_batchs_statistics_in_training():
    model = freeze(normalised_model(), ("encoder",))
    norm = model.get_layer("encoder_01_norm")
    x = np.random.default_rng(0).normal(5.0, 2.0, (4, 8, 2)).astype(np.float32)
    out = np.array(norm(x, training=True))
    np.testing.assert_allclose(out.mean((0, 1)), 0, atol=1e-4)
    np.testing.assert_allclose(out.std((0, 1)), 1, atol=1e-2)


def test_freezing_only_parts_without_weights_is_refused(tiny):
    with pytest.raises(ConfigError, match="no weights there"):
        build(specs({**tiny, "frozen": ["skip"]}, seed=1).model)
    build(specs({**tiny, "frozen": ["encoder", "skip"]}, seed=1).model)
