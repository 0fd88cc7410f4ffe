"""The losses of training and validation, compared with sums in NumPy."""

from dataclasses import replace

import keras
import numpy as np
import pytest
import scipy.signal

from Config import make_run_settings
from jnet.data.pipeline import make_validation_batches
from jnet.training.losses import build_validation_loss, separation_loss, training_loss
from Models.Build import build
from Models.SpectrogramUnet.UnetSpectrogramSeparator import build_magnitude_graph, magnitude_error
from tests.Models.reference import Net, get_weights
from tests.Models.tiny import as_spectrogram_unet


@pytest.fixture(scope="module")
def batch():
    random = np.random.default_rng(5)
    sources = random.uniform(-0.5, 0.5, (3, 64, 2, 2)).astype(np.float32)  # [B, T, S, C]
    return sources.sum(axis=2), sources


@pytest.fixture(scope="module")
def small(tiny):
    return make_run_settings({**tiny, "num_frames": 64, "num_initial_filters": 2}, seed=3)


@pytest.fixture(scope="module")
def separator(small):
    return build(small.model)


def separate_once(separator, mix):
    """Return the estimates of one pass in training mode, [B, T, S, C] in NumPy."""
    return keras.ops.convert_to_numpy(separator(mix, training=True))


def mean_squared_difference(sources, estimates):
    return float(np.mean(np.square(np.float64(estimates) - sources)))


def test_separation_loss_is_the_mean_over_sources_of_their_mean_squared_errors(batch):
    _, sources = batch
    estimates = sources[::-1]
    wanted = np.mean(
        [mean_squared_difference(sources[:, :, s], estimates[:, :, s]) for s in range(2)]
    )
    assert float(separation_loss(sources, estimates)) == pytest.approx(wanted, rel=1e-6)


@pytest.mark.parametrize("passes", [2, 3])
def test_loss_of_several_passes_is_the_sum_over_passes(separator, small, batch, passes):
    mix, sources = batch
    estimates = separate_once(separator, mix)
    wanted = mean_squared_difference(sources, estimates)
    for _ in range(passes - 1):
        estimates = np.stack(
            [separate_once(separator, estimates[:, :, s])[:, :, s] for s in range(2)], axis=2
        )
        wanted += mean_squared_difference(sources, estimates)
    settings = replace(small.training, train_passes=passes)
    loss = training_loss(separator, sources, separator(mix, training=True), settings)
    assert float(loss) == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize("weight", [1.0, 0.25])
def test_identity_loss_compares_each_clean_source_with_its_own_output(
    separator, small, batch, weight
):
    mix, sources = batch
    wanted = mean_squared_difference(sources, separate_once(separator, mix))
    identity = np.stack(
        [separate_once(separator, sources[:, :, s])[:, :, s] for s in range(2)], axis=2
    )
    wanted += weight * mean_squared_difference(sources, identity)
    settings = replace(small.training, identity_weight=weight)
    loss = training_loss(separator, sources, separator(mix, training=True), settings)
    assert float(loss) == pytest.approx(wanted, rel=1e-5)


def test_shared_weights_receive_the_gradient_of_both_passes(separator, small, batch):
    """Compare with central differences of the two-pass loss for three weights."""
    import tensorflow as tf

    mix, sources = batch
    settings = replace(small.training, train_passes=2)

    def loss():
        return training_loss(separator, sources, separator(mix, training=True), settings)

    with tf.GradientTape(persistent=True) as tape:
        first = separator(mix, training=True)
        both = training_loss(separator, sources, first, settings)
        single = separation_loss(sources, first)
    variable = separator.get_layer("decoder_02_conv").kernel
    gradient = tape.gradient(both, variable.value).numpy()
    single_gradient = tape.gradient(single, variable.value).numpy()
    start = variable.numpy()
    for index in [(0, 0, 0), (1, 3, 1), (2, 5, 3)]:
        losses = []
        for sign in (1, -1):
            moved = start.copy()
            moved[index] += sign * 1e-2
            variable.assign(moved)
            losses.append(float(loss()))
        variable.assign(start)
        numeric = (losses[0] - losses[1]) / 2e-2
        assert gradient[index] == pytest.approx(numeric, rel=0.02, abs=1e-6)
    assert np.abs(gradient - single_gradient).max() > 0.1 * np.abs(single_gradient).max()


def test_magnitude_loss_is_the_mean_difference_of_scipys_magnitudes(tiny):
    settings = make_run_settings(as_spectrogram_unet(tiny, loss="magnitude"), seed=1).model
    magnitudes_of = build_magnitude_graph(build(settings))
    random = np.random.default_rng(0)
    samples = magnitudes_of.input_shape[1]
    sources = random.uniform(-0.5, 0.5, (1, samples, 2, 1)).astype(np.float32)
    magnitudes = keras.ops.convert_to_numpy(magnitudes_of(sources.sum(axis=2), training=False))
    window = scipy.signal.get_window("hann", 1024, fftbins=True)
    transform = scipy.signal.ShortTimeFFT(window, 768, fs=1, fft_mode="onesided")
    wanted = np.stack(
        [
            np.abs(
                [
                    np.fft.rfft(window * sources[0, first : first + 1024, s, 0])
                    for first in range(0, samples - 1023, 768)
                ]
            )
            for s in range(2)
        ],
        axis=-1,
    )
    assert transform.f_pts == wanted.shape[1]
    wanted = np.mean(np.abs(magnitudes[0] - wanted))
    assert float(magnitude_error(sources, magnitudes)) == pytest.approx(wanted, rel=1e-5)


# Validation


@pytest.fixture(scope="module")
def model(tiny_settings):
    return build(tiny_settings.model)


def reference_net(model, settings):
    return Net(get_weights(model), settings.num_layers, settings.sources, settings.skip_levels)


def read_sources(store, subset):
    """Return the sources of all tracks of a subset with their original scale, [T, S, C]."""
    return [store.open(track).astype(np.float64) * track.scale for track in store.subset(subset)]


def mean_squared_error(net, tracks, length):
    """Return the error over all samples of all tracks, with adjacent segments of `length`.

    The last segment of a track is padded with zeros, which are not counted.
    """
    total, count = 0.0, 0
    for sources in tracks:
        segments = -(-len(sources) // length)
        padded = np.zeros((segments * length, *sources.shape[1:]))
        padded[: len(sources)] = sources
        mix = padded.sum(axis=1).reshape(segments, length, -1)
        estimates = net.separate(mix).reshape(padded.shape)[: len(sources)]
        total += np.square(estimates - sources).sum()
        count += sources.size
    return total / count


@pytest.mark.parametrize("subset", ["train", "valid", "test"])
def test_validation_is_the_mean_over_all_samples_for_any_batch_size(
    tiny_settings, tiny_store, model, subset
):
    settings, tracks = tiny_settings.model, read_sources(tiny_store, subset)
    assert any(len(track) % settings.num_frames for track in tracks), (
        "no track ends within a segment"
    )
    assert sum(len(track) for track in tracks) > 17 * settings.num_frames
    wanted = mean_squared_error(reference_net(model, settings), tracks, settings.num_frames)
    validation_loss = build_validation_loss(model, settings)
    for batch_size in (1, 3, 16):
        batches = make_validation_batches(tiny_store, subset, settings, batch_size)
        assert validation_loss(batches) == pytest.approx(wanted, rel=1e-5)


def test_validation_weights_samples_not_segments(tiny_settings, tiny_store, model):
    """The mean over segments of their means is a different number, as the test verifies."""
    settings, tracks = tiny_settings.model, read_sources(tiny_store, "valid")
    net, length = reference_net(model, settings), settings.num_frames
    means = [
        mean_squared_error(net, [track[first : first + length]], length)
        for track in tracks
        for first in range(0, len(track), length)
    ]
    wanted = mean_squared_error(net, tracks, length)
    assert abs(np.mean(means) / wanted - 1) > 1e-3
    loss = build_validation_loss(model, settings)(
        make_validation_batches(tiny_store, "valid", settings, 4)
    )
    assert loss == pytest.approx(wanted, rel=1e-5)


def test_validation_uses_the_current_weights(tiny_settings, tiny_store):
    """The loss is compiled once and used during the complete training."""
    settings = tiny_settings.model
    model = build(settings)
    validation_loss = build_validation_loss(model, settings)
    batches = make_validation_batches(tiny_store, "valid", settings, 4)
    before = validation_loss(batches)
    for variable in model.weights:
        variable.assign(0 * variable)
    tracks = read_sources(tiny_store, "valid")
    after = validation_loss(batches)  # zeros for the accompaniment, the mix for the vocals
    wanted = np.mean([np.square(track[:, 0]).mean() for track in tracks])
    assert after == pytest.approx(wanted, rel=1e-5)
    assert abs(after - before) > 1e-3 * before


def test_the_l1_loss_is_the_mean_absolute_error(batch):
    _, sources = batch
    estimates = sources[::-1]
    wanted = np.mean(np.abs(np.float64(estimates) - sources))
    assert float(separation_loss(sources, estimates, "waveform_l1")) == pytest.approx(wanted, 1e-6)
