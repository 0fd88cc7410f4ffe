"""Whole songs through a model of windows: lengths, rates, channels, batches, places."""

from dataclasses import replace

import numpy as np
import pytest

from Evaluation.Separate import Separator
from Input.Audio import resample
from Spec.Shapes import input_frames, output_frames

HOP = 1024  # of the tiny model


def identity(mix):
    """Every source is the mix: `[B, T, C]` → `[B, T, S, C]`."""
    return np.repeat(mix[:, :, np.newaxis], 2, axis=2)


def halves(mix):
    """Two sources that add up to the mix, and tell which is which."""
    return np.stack([0.75 * mix, 0.25 * mix], axis=2)


def noise(frames, channels, seed=0):
    return np.random.default_rng(seed).uniform(-0.5, 0.5, (frames, channels)).astype(np.float32)


@pytest.fixture(scope="module")
def stereo(tiny_specs):
    return tiny_specs.model


@pytest.fixture(scope="module")
def mono(tiny_specs):
    return replace(tiny_specs.model, num_channels=1)


@pytest.mark.parametrize("frames", [1, HOP - 1, HOP, HOP + 1, 5 * HOP + 7])
def test_at_the_models_own_rate_nothing_but_the_model_touches_a_sample(stereo, frames):
    mix = noise(frames, 2)
    estimates = Separator(halves, stereo, 2).separate(mix, stereo.sample_rate)
    assert estimates.shape == (frames, 2, 2)
    np.testing.assert_array_equal(estimates[:, 0], 0.75 * mix)
    np.testing.assert_array_equal(estimates[:, 1], 0.25 * mix)


@pytest.mark.parametrize("rate", [8000, 11025, 22050, 44100, 48000, 96000, 192000])
@pytest.mark.parametrize("frames", [1, 2, 5, HOP - 1, HOP, HOP + 1, 12345])
def test_estimates_are_exactly_as_long_as_the_song_at_any_rate(stereo, rate, frames):
    estimates = Separator(identity, stereo, 4).separate(noise(frames, 2), rate)
    assert estimates.shape == (frames, 2, 2)
    assert np.isfinite(estimates).all()


@pytest.mark.parametrize("channels", [1, 2, 6])
@pytest.mark.parametrize("model", ["mono", "stereo"])
@pytest.mark.parametrize("rate", [8000, 44100])
def test_estimates_have_the_songs_channels(request, model, channels, rate):
    spec = request.getfixturevalue(model)
    estimates = Separator(identity, spec, 4).separate(noise(3000, channels), rate)
    assert estimates.shape == (3000, 2, channels)


def test_six_channels_through_a_stereo_model_stay_apart(stereo):
    mix = noise(3000, 6)
    estimates = Separator(halves, stereo, 4).separate(mix, stereo.sample_rate)
    np.testing.assert_allclose(estimates[:, 1], 0.25 * mix, atol=1e-7)


def test_through_a_mono_model_every_channel_gets_the_estimate_of_their_average(mono):
    mix = noise(3000, 2)
    estimates = Separator(identity, mono, 4).separate(mix, mono.sample_rate)
    for channel in range(2):
        np.testing.assert_allclose(estimates[:, 0, channel], mix.mean(axis=1), atol=1e-7)


@pytest.mark.parametrize("rate", [22050, 44100, 48000])
def test_a_tone_comes_back_in_place_and_in_size(stereo, rate):
    time = np.arange(rate) / rate
    tone = np.repeat(0.5 * np.sin(2 * np.pi * 440 * time)[:, np.newaxis], 2, axis=1)
    estimates = Separator(identity, stereo, 4).separate(tone.astype(np.float32), rate)
    inner = slice(rate // 10, -rate // 10)
    np.testing.assert_allclose(estimates[inner, 0], tone[inner], atol=1e-4)


def test_the_estimate_is_the_mix_resampled_there_and_back(stereo):
    mix = noise(44100, 2)
    back = resample(resample(mix, 44100, 8000), 8000, 44100)
    estimates = Separator(identity, stereo, 4).separate(mix, 44100)
    common = min(len(back), len(mix))
    np.testing.assert_allclose(estimates[:common, 1], back[:common], atol=1e-6)


@pytest.mark.parametrize("batch_size", [1, 2, 5, 100])
def test_the_batch_size_changes_nothing(stereo, batch_size):
    seen = []

    def counting(mix):
        seen.append(len(mix))
        return identity(np.cumsum(mix, axis=1))  # depends on where a window starts

    mix = noise(7 * HOP + 11, 2)
    estimates = Separator(counting, stereo, batch_size).one_pass()(mix, True)
    windows = [
        np.cumsum(np.pad(mix[i : i + HOP], ((0, HOP), (0, 0)))[:HOP], axis=0)
        for i in range(0, len(mix), HOP)
    ]
    np.testing.assert_allclose(estimates[:, 0], np.concatenate(windows)[: len(mix)], atol=1e-4)
    assert seen == {1: 8 * [1], 2: 4 * [2], 5: [5, 3], 100: [8]}[batch_size]


def test_windows_of_a_context_model_are_those_of_a_plain_loop(stereo):
    spec = replace(stereo, context=True)
    hop, length = output_frames(spec), input_frames(spec)
    context = (length - hop) // 2
    assert context > 0

    def middle(mix):
        """What a model with context hears left and right of the middle, too."""
        assert mix.shape[1] == length
        inner = mix[:, context : context + hop]
        return np.stack([inner, mix[:, :hop], mix[:, -hop:]], axis=2)

    mix = noise(3 * hop + 5, 2)
    estimates = Separator(middle, spec, 2).one_pass()(mix, True)
    np.testing.assert_array_equal(estimates[:, 0], mix)
    around = np.pad(mix, ((context, length), (0, 0)))
    np.testing.assert_array_equal(estimates[:, 1], around[: len(mix)])
    after = length - hop
    np.testing.assert_array_equal(estimates[:, 2], around[after : after + len(mix)])


def test_every_further_pass_hears_each_estimate_alone(stereo):
    mix = noise(2000, 2)
    estimates = Separator(halves, stereo, 4, passes=3).separate(mix, stereo.sample_rate)
    np.testing.assert_allclose(estimates[:, 0], 0.75**3 * mix, rtol=1e-6)
    np.testing.assert_allclose(estimates[:, 1], 0.25**3 * mix, rtol=1e-6)
