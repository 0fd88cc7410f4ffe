"""The training step and its optimizer, compared with NumPy and Keras."""

from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf

from Config import make_run_settings
from jnet.data.pipeline import make_validation_batches
from jnet.errors import ConfigError
from jnet.training.losses import build_validation_loss
from jnet.training.step import Adam, TrainingStep, build_loss, build_training_step
from Models.Build import build


def test_adam_compiles_with_xla_as_on_a_gpu():
    optimizer, weight = Adam(1e-2), keras.Variable(np.ones(3, np.float32))
    optimizer.build([weight])
    gradient = tf.constant([1.0, -2.0, 0.0])
    tf.function(lambda: optimizer.apply([gradient], [weight]), jit_compile=True)()
    np.testing.assert_allclose(weight, [0.99, 1.01, 1.0], rtol=1e-5)


def test_weights_and_state_of_adam_equal_those_of_keras():
    random = np.random.default_rng(0)
    starts = [random.normal(size=shape).astype(np.float32) for shape in ((4, 3), (5,))]
    pairs = []
    for optimizer_class in (Adam, keras.optimizers.Adam):
        optimizer = optimizer_class(1e-2, beta_1=0.9, beta_2=0.999, epsilon=1e-8)
        weights = [
            keras.Variable(start, name=f"weight_{index}") for index, start in enumerate(starts)
        ]
        optimizer.build(weights)
        pairs.append((optimizer, weights))
    for step in range(30):
        gradients = [random.normal(size=start.shape).astype(np.float32) for start in starts]
        for optimizer, weights in pairs:
            if step == 20:
                optimizer.learning_rate.assign(1e-3)
            optimizer.apply(gradients, weights)
    (ours, our_weights), (theirs, their_weights) = pairs
    assert [variable.path.split("/")[1] for variable in ours.variables] == [
        variable.path.split("/")[1] for variable in theirs.variables
    ]
    for variable, wanted in zip(
        [*our_weights, *ours.variables], [*their_weights, *theirs.variables], strict=True
    ):
        np.testing.assert_allclose(variable, wanted, rtol=2e-5, atol=1e-6)


def test_the_optimizer_is_adam_with_the_parameters_of_kingma_and_ba(tiny_settings):
    """Compare with their Algorithm 1 for a gradient so small that the value of ε is visible.

    With Keras' default of 1e-7, the second step would be seven times smaller.
    """
    step = build_training_step(tiny_settings.model, tiny_settings.training)
    optimizer = Adam.from_config(step.optimizer.get_config())  # for another weight
    assert isinstance(optimizer, keras.optimizers.Adam)
    assert not optimizer.amsgrad
    variable = keras.Variable([1.0])
    optimizer.build([variable])
    value, mean, square, gradient, rate = 1.0, 0.0, 0.0, 1e-6, 1e-3
    optimizer.learning_rate.assign(rate)
    for step in (1, 2, 3):
        mean = 0.9 * mean + 0.1 * gradient
        square = 0.999 * square + 0.001 * gradient**2
        scaled = rate * np.sqrt(1 - 0.999**step) / (1 - 0.9**step)
        value -= scaled * mean / (np.sqrt(square) + 1e-8)
        optimizer.apply([np.array([gradient], np.float32)], [variable])
        assert float(variable[0]) - 1 == pytest.approx(value - 1, rel=1e-3)


def test_a_training_starts_with_the_learning_rate_of_the_first_stage(tiny_settings):
    step = build_training_step(tiny_settings.model, tiny_settings.training)
    assert float(step.optimizer.learning_rate) == pytest.approx(1e-3)


@pytest.mark.parametrize("frozen", [(), ("encoder", "skip"), ("decoder",)], ids=str)
def test_all_weights_that_are_not_frozen_are_trained(tiny, frozen):
    entries = make_run_settings({**tiny, "frozen": list(frozen)}, seed=1)
    step = build_training_step(entries.model, entries.training)
    parts = {variable.path.split("_")[0] for variable in step.model.trainable_variables}
    assert parts == {"encoder", "bottleneck", "decoder", "output"} - set(frozen)
    free = build_training_step(replace(entries.model, frozen=()), entries.training)
    for weight, other in zip(step.model.weights, free.model.weights, strict=True):
        np.testing.assert_array_equal(weight, other)


def make_batch(settings):
    random = np.random.default_rng(0)
    sources = random.uniform(-0.5, 0.5, (2, settings.num_frames, 2, 2)).astype(np.float32)
    return sources.sum(axis=2), sources


@pytest.mark.parametrize("frozen", [(), ("encoder", "skip")], ids=str)
def test_a_training_step_equals_train_on_batch_of_keras(tiny, frozen):
    """Compare three steps with `train_on_batch` of the plain graph and Keras' Adam."""
    entries = make_run_settings({**tiny, "frozen": list(frozen)}, seed=1)
    step = build_training_step(entries.model, entries.training)
    plain = build(entries.model)
    plain.compile(
        keras.optimizers.Adam(1e-3, beta_1=0.9, beta_2=0.999, epsilon=1e-8),
        loss="mse",
        jit_compile=False,
    )
    mix, sources = make_batch(entries.model)
    for number in range(3):
        step.loss_sum.assign(0.0)
        step.train_on_batch(mix, sources, number)
        wanted = plain.train_on_batch(mix, sources)
        assert float(step.loss_sum) == pytest.approx(wanted, rel=1e-4)
    for weight, other in zip(step.model.weights, plain.weights, strict=True):
        assert weight.path == other.path
        np.testing.assert_allclose(weight, other, atol=2e-5)
    assert int(step.optimizer.iterations) == 3


def compute_losses(step, batch, count):
    """Return the losses of `count` steps on the same batch."""
    losses = []
    for number in range(count):
        step.loss_sum.assign(0.0)
        step.train_on_batch(*batch, number)
        losses.append(float(step.loss_sum))
    return losses


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
def test_the_loss_decreases_with_both_precisions(tiny, precision):
    entries = make_run_settings({**tiny, "precision": precision}, seed=1)
    step = build_training_step(entries.model, entries.training)
    losses = compute_losses(step, make_batch(entries.model), 30)
    assert losses[-1] < 0.9 * losses[0]
    assert {weight.dtype for weight in step.model.weights} == {"float32"}


def test_float16_is_rejected_without_a_gpu(tiny_settings, monkeypatch):
    monkeypatch.setattr("tensorflow.config.list_physical_devices", lambda kind: [])
    training = replace(tiny_settings.training, precision="mixed_float16")
    with pytest.raises(ConfigError, match="needs a GPU: on a CPU choose"):
        build_training_step(tiny_settings.model, training)


def test_validation_is_float32_for_any_training_precision(tiny, tiny_store):
    losses = []
    for precision in ("float32", "mixed_bfloat16"):
        entries = make_run_settings({**tiny, "precision": precision}, seed=1)
        step = build_training_step(entries.model, entries.training)
        batches = make_validation_batches(tiny_store, "valid", entries.model, 4)
        losses.append(build_validation_loss(step.model, entries.model)(batches))
    assert losses[0] == losses[1]


def test_loss_scaling_skips_an_overflowing_step_and_halves_the_scale(tiny_settings):
    """The test is in float32 with a large scale; in float16, gradients overflow similarly."""
    model, batch = build(tiny_settings.model), make_batch(tiny_settings.model)
    optimizer = keras.optimizers.LossScaleOptimizer(Adam(1e-3), initial_scale=2.0**127)
    loss = build_loss(model, tiny_settings.model, tiny_settings.training, "fast")
    step = TrainingStep(model, optimizer, loss)
    before = [weight.numpy() for weight in model.weights]
    first, *_ = compute_losses(step, tuple(100 * part for part in batch), 1)
    assert step.find_failed_step() is None
    assert float(optimizer.dynamic_scale) == 2.0**126
    for weight, other in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(weight, other)
    optimizer.dynamic_scale.assign(2.0**10)
    losses = compute_losses(step, batch, 30)
    assert np.isfinite(first)
    assert losses[-1] < 0.9 * losses[0]
