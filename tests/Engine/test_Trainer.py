"""The loss that is trained, the loss that is validated and the optimizer, against NumPy."""

from dataclasses import replace

import keras
import numpy as np
import pytest

from Config import specs
from Engine.Steps import Steps
from Engine.Trainer import compiled_trainer, validation_loss
from Input.Pipeline import validation_batches
from Models.Build import build
from Spec.Errors import ConfigError
from tests.Models.reference import Net, weights_of


@pytest.fixture(scope="module")
def model(tiny_specs):
    return build(tiny_specs.model)


def net_of(model, spec):
    return Net(weights_of(model), spec.num_layers, spec.sources, spec.skip_levels)


def songs_of(store, subset):
    """The songs' sources as they were before they were stored, [T, S, C] in float64."""
    return [store.open(song).astype(np.float64) * song.scale for song in store.subset(subset)]


def mean_squared_error(net, songs, frames):
    """Over every frame of every song once: windows side by side, the last filled with silence."""
    total, count = 0.0, 0
    for sources in songs:
        windows = -(-len(sources) // frames)
        padded = np.zeros((windows * frames, *sources.shape[1:]))
        padded[: len(sources)] = sources
        mix = padded.sum(axis=1).reshape(windows, frames, -1)
        estimates = net.separate(mix).reshape(padded.shape)[: len(sources)]
        total += np.square(estimates - sources).sum()
        count += sources.size
    return total / count


@pytest.mark.parametrize("subset", ["train", "valid", "test"])
def test_validation_is_the_mean_over_every_frame_once_whatever_the_batch_size(
    tiny_specs, tiny_store, model, subset
):
    spec, songs = tiny_specs.model, songs_of(tiny_store, subset)
    assert any(len(song) % spec.num_frames for song in songs), "no tail to test with"
    assert sum(len(song) for song in songs) > 17 * spec.num_frames
    wanted = mean_squared_error(net_of(model, spec), songs, spec.num_frames)
    loss_of = validation_loss(model, spec)
    for batch_size in (1, 3, 16):
        batches = validation_batches(tiny_store, subset, spec, batch_size)
        assert loss_of(batches) == pytest.approx(wanted, rel=1e-5)


def test_validation_weighs_frames_not_batches(tiny_specs, tiny_store, model):
    """A song's last window counts only with its own frames: the mean of window means is another
    number, which the test would otherwise not tell apart."""
    spec, songs = tiny_specs.model, songs_of(tiny_store, "valid")
    net, frames = net_of(model, spec), spec.num_frames
    means = [
        mean_squared_error(net, [song[first : first + frames]], frames)
        for song in songs
        for first in range(0, len(song), frames)
    ]
    right = mean_squared_error(net, songs, frames)
    assert abs(np.mean(means) / right - 1) > 1e-3
    loss = validation_loss(model, spec)(validation_batches(tiny_store, "valid", spec, 4))
    assert loss == pytest.approx(right, rel=1e-5)


def test_validation_hears_a_change_of_the_weights(tiny_specs, tiny_store):
    """The loss is traced once and then used all through the training."""
    spec = tiny_specs.model
    model = build(spec)
    loss_of = validation_loss(model, spec)
    batches = validation_batches(tiny_store, "valid", spec, 4)
    before = loss_of(batches)
    for variable in model.weights:
        variable.assign(0 * variable)
    songs = songs_of(tiny_store, "valid")
    after = loss_of(batches)  # nothing for the accompaniment, the whole mix for the vocals
    wanted = np.mean([np.square(song[:, 0]).mean() for song in songs])
    assert after == pytest.approx(wanted, rel=1e-5)
    assert abs(after - before) > 1e-3 * before


def test_the_training_loss_is_the_mean_over_sources_of_the_squared_error(tiny_specs):
    trainer = compiled_trainer(tiny_specs.model, tiny_specs.training)
    random = np.random.default_rng(0)
    sources, estimates = random.normal(size=(2, 3, 1024, 2, 2)).astype(np.float32)
    of_each = [np.square(estimates[:, :, s] - sources[:, :, s]).mean() for s in range(2)]
    loss = trainer.compute_loss(y=sources, y_pred=estimates)
    assert float(loss) == pytest.approx(np.mean(of_each), rel=1e-5)


def test_the_optimizer_is_adam_as_kingma_and_ba_recommend(tiny_specs):
    """Their Algorithm 1 in its efficient order, on a gradient so small that ε decides: with Keras'
    own 1e-7 the second step would be seven times smaller."""
    optimizer = compiled_trainer(tiny_specs.model, tiny_specs.training).optimizer
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


def test_a_trainer_starts_with_the_learning_rate_of_the_first_stage(tiny_specs):
    trainer = compiled_trainer(tiny_specs.model, tiny_specs.training)
    assert float(trainer.optimizer.learning_rate) == pytest.approx(1e-3)


@pytest.mark.parametrize("frozen", [(), ("encoder", "skip"), ("decoder",)], ids=str)
def test_a_trainer_trains_what_is_not_frozen(tiny, frozen):
    entries = specs({**tiny, "frozen": list(frozen)}, seed=1)
    trainer = compiled_trainer(entries.model, entries.training)
    parts = {variable.path.split("_")[0] for variable in trainer.trainable_variables}
    assert parts == {"encoder", "bottleneck", "decoder", "output"} - set(frozen)
    free = compiled_trainer(replace(entries.model, frozen=()), entries.training)
    for one, other in zip(trainer.separator.weights, free.separator.weights, strict=True):
        np.testing.assert_array_equal(one, other)


def batch_of(spec):
    random = np.random.default_rng(0)
    sources = random.uniform(-0.5, 0.5, (2, spec.num_frames, 2, 2)).astype(np.float32)
    return sources.sum(axis=2), sources


@pytest.mark.parametrize("frozen", [(), ("encoder", "skip")], ids=str)
def test_a_training_step_is_one_of_keras_on_the_plain_graph(tiny, frozen):
    """Three steps of `train_on_batch` of the separator alone, with the same optimizer."""
    entries = specs({**tiny, "frozen": list(frozen)}, seed=1)
    trainer = compiled_trainer(entries.model, entries.training)
    steps = Steps(trainer)
    plain = build(entries.model)
    plain.compile(
        keras.optimizers.Adam(1e-3, beta_1=0.9, beta_2=0.999, epsilon=1e-8),
        loss="mse",
        jit_compile=False,
    )
    mix, sources = batch_of(entries.model)
    for number in range(3):
        steps.begin_epoch()
        steps.take_batch(mix, sources, number)
        wanted = plain.train_on_batch(mix, sources)
        assert float(steps.loss_sum) == pytest.approx(wanted, rel=1e-4)
    for one, other in zip(trainer.separator.weights, plain.weights, strict=True):
        assert one.path == other.path
        np.testing.assert_allclose(one, other, atol=2e-5)
    assert int(trainer.optimizer.iterations) == 3


def losses_of(steps, batch, count):
    """The losses of as many steps on the one batch."""
    losses = []
    for number in range(count):
        steps.begin_epoch()
        steps.take_batch(*batch, number)
        losses.append(float(steps.loss_sum))
    return losses


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
def test_a_training_learns_in_either_precision(tiny, precision):
    entries = specs({**tiny, "precision": precision}, seed=1)
    trainer = compiled_trainer(entries.model, entries.training)
    losses = losses_of(Steps(trainer), batch_of(entries.model), 30)
    assert losses[-1] < 0.9 * losses[0]
    assert {weight.dtype for weight in trainer.separator.weights} == {"float32"}


def test_float16_is_refused_where_only_a_cpu_is(tiny_specs, monkeypatch):
    monkeypatch.setattr("tensorflow.config.list_physical_devices", lambda kind: [])
    half = replace(tiny_specs.training, precision="mixed_float16")
    with pytest.raises(ConfigError, match="only GPUs compute in: on a CPU choose"):
        compiled_trainer(tiny_specs.model, half)


def test_validation_is_float32_whatever_the_training_is(tiny, tiny_store):
    losses = []
    for precision in ("float32", "mixed_bfloat16"):
        entries = specs({**tiny, "precision": precision}, seed=1)
        trainer = compiled_trainer(entries.model, entries.training)
        batches = validation_batches(tiny_store, "valid", entries.model, 4)
        losses.append(validation_loss(trainer.separator, entries.model)(batches))
    assert losses[0] == losses[1]


def test_with_loss_scaling_a_step_that_overflows_is_left_out_and_the_scale_halved(tiny_specs):
    """As in float16, whose gradients overflow until the scale fits; here they do in float32."""
    trainer = compiled_trainer(tiny_specs.model, tiny_specs.training)
    trainer.optimizer = keras.optimizers.LossScaleOptimizer(
        trainer.optimizer, initial_scale=2.0**127
    )
    steps, batch = Steps(trainer), batch_of(tiny_specs.model)
    before = [weight.numpy() for weight in trainer.separator.weights]
    first, *_ = losses_of(steps, tuple(100 * part for part in batch), 1)
    assert steps.failed_step() is None
    assert float(trainer.optimizer.dynamic_scale) == 2.0**126
    for one, other in zip(trainer.separator.weights, before, strict=True):
        np.testing.assert_array_equal(one, other)
    trainer.optimizer.dynamic_scale.assign(2.0**10)
    losses = losses_of(steps, batch, 30)
    assert np.isfinite(first)
    assert losses[-1] < 0.9 * losses[0]
