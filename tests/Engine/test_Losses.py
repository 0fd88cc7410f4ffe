"""The losses of progressive learning, the identity loss and U7a, against sums made by hand."""

from dataclasses import replace

import keras
import numpy as np
import pytest
import scipy.signal

from Config import specs
from Engine.Losses import magnitude_loss, separation_loss, training_loss
from Models.Build import build
from Models.UnetSpectrogramSeparator import masked_magnitudes

SPECTROGRAM = {
    "network": "unet_spectrogram",
    "num_channels": 1,
    "filter_size": 15,
    "merge_filter_size": 5,
}


@pytest.fixture(scope="module")
def batch():
    random = np.random.default_rng(5)
    sources = random.uniform(-0.5, 0.5, (3, 64, 2, 2)).astype(np.float32)  # [B, T, S, C]
    return sources.sum(axis=2), sources


@pytest.fixture(scope="module")
def small(tiny):
    return specs({**tiny, "num_frames": 64, "num_initial_filters": 2}, seed=3)


@pytest.fixture(scope="module")
def separator(small):
    return build(small.model)


def single_pass(separator, mix):
    """What the network makes of one mix in training, [B, T, S, C] as NumPy."""
    return keras.ops.convert_to_numpy(separator(mix, training=True))


def mean_square(sources, estimates):
    return float(np.mean(np.square(np.float64(estimates) - sources)))


def test_separation_loss_is_the_mean_over_sources_of_their_mean_squared_errors(batch):
    _, sources = batch
    estimates = sources[::-1]
    by_hand = np.mean([mean_square(sources[:, :, s], estimates[:, :, s]) for s in range(2)])
    assert float(separation_loss(sources, estimates)) == pytest.approx(by_hand, rel=1e-6)


@pytest.mark.parametrize("passes", [2, 3])
def test_loss_of_several_passes_is_the_sum_over_passes(separator, small, batch, passes):
    mix, sources = batch
    estimates = single_pass(separator, mix)
    by_hand = mean_square(sources, estimates)
    for _ in range(passes - 1):
        estimates = np.stack(
            [single_pass(separator, estimates[:, :, s])[:, :, s] for s in range(2)], axis=2
        )
        by_hand += mean_square(sources, estimates)
    spec = replace(small.training, train_passes=passes)
    loss = training_loss(separator, sources, separator(mix, training=True), spec)
    assert float(loss) == pytest.approx(by_hand, rel=1e-5)


@pytest.mark.parametrize("weight", [1.0, 0.25])
def test_identity_loss_holds_each_clean_source_against_its_own_output(
    separator, small, batch, weight
):
    mix, sources = batch
    by_hand = mean_square(sources, single_pass(separator, mix))
    own = np.stack([single_pass(separator, sources[:, :, s])[:, :, s] for s in range(2)], axis=2)
    by_hand += weight * mean_square(sources, own)
    spec = replace(small.training, identity_weight=weight)
    loss = training_loss(separator, sources, separator(mix, training=True), spec)
    assert float(loss) == pytest.approx(by_hand, rel=1e-5)


def test_shared_weights_get_the_gradient_of_both_passes(separator, small, batch):
    """Against central differences of the two-pass loss, weight by weight."""
    import tensorflow as tf

    mix, sources = batch
    spec = replace(small.training, train_passes=2)

    def loss():
        return training_loss(separator, sources, separator(mix, training=True), spec)

    with tf.GradientTape(persistent=True) as tape:
        first = separator(mix, training=True)
        both = training_loss(separator, sources, first, spec)
        one = separation_loss(sources, first)
    variable = separator.get_layer("decoder_02_conv").kernel
    gradient = tape.gradient(both, variable.value).numpy()
    alone = tape.gradient(one, variable.value).numpy()
    start = variable.numpy()
    for place in [(0, 0, 0), (1, 3, 1), (2, 5, 3)]:
        sides = []
        for sign in (1, -1):
            moved = start.copy()
            moved[place] += sign * 1e-2
            variable.assign(moved)
            sides.append(float(loss()))
        variable.assign(start)
        numeric = (sides[0] - sides[1]) / 2e-2
        assert gradient[place] == pytest.approx(numeric, rel=0.02, abs=1e-6)
    assert np.abs(gradient - alone).max() > 0.1 * np.abs(alone).max()


def test_magnitude_loss_is_the_mean_difference_of_scipys_magnitudes(tiny):
    entries = {**tiny, **SPECTROGRAM, "num_initial_filters": 1}
    spec = specs({**entries, "loss": "magnitude"}, seed=1).model
    magnitudes_of = masked_magnitudes(build(spec))
    random = np.random.default_rng(0)
    frames = magnitudes_of.input_shape[1]
    sources = random.uniform(-0.5, 0.5, (1, frames, 2, 1)).astype(np.float32)
    magnitudes = keras.ops.convert_to_numpy(magnitudes_of(sources.sum(axis=2), training=False))
    window = scipy.signal.get_window("hann", 1024, fftbins=True)
    transform = scipy.signal.ShortTimeFFT(window, 768, fs=1, fft_mode="onesided")
    wanted = np.stack(
        [
            np.abs(
                [
                    np.fft.rfft(window * sources[0, first : first + 1024, s, 0])
                    for first in range(0, frames - 1023, 768)
                ]
            )
            for s in range(2)
        ],
        axis=-1,
    )
    assert transform.f_pts == wanted.shape[1]
    by_hand = np.mean(np.abs(magnitudes[0] - wanted))
    assert float(magnitude_loss(sources, magnitudes)) == pytest.approx(by_hand, rel=1e-5)
