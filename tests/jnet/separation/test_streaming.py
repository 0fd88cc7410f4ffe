"""Separation of tracks: lengths, rates, channels, batches, segments and passes."""

from dataclasses import replace

import numpy as np
import pytest

from jnet.audio.resampling import resample
from jnet.separation.streaming import TrackSeparator
from Models.Networks import make_model_settings

HOP = 1024  # of the tiny model


def copy_mix(mix):
    """Return the mix as the estimate of both sources, [B, T, C] → [B, T, S, C]."""
    return np.repeat(mix[:, :, np.newaxis], 2, axis=2)


def split_unequally(mix):
    """Return two different estimates that add up to the mix."""
    return np.stack([0.75 * mix, 0.25 * mix], axis=2)


def noise(samples, channels, seed=0):
    return np.random.default_rng(seed).uniform(-0.5, 0.5, (samples, channels)).astype(np.float32)


@pytest.fixture(scope="module")
def stereo(tiny_settings):
    return tiny_settings.model


@pytest.fixture(scope="module")
def mono(tiny_settings):
    return replace(tiny_settings.model, num_channels=1)


@pytest.mark.parametrize("samples", [1, HOP - 1, HOP, HOP + 1, 5 * HOP + 7])
def test_at_the_models_rate_only_the_model_changes_samples(stereo, samples):
    mix = noise(samples, 2)
    estimates = TrackSeparator(split_unequally, stereo, 2).separate(mix, stereo.sample_rate)
    assert estimates.shape == (samples, 2, 2)
    np.testing.assert_array_equal(estimates[:, 0], 0.75 * mix)
    np.testing.assert_array_equal(estimates[:, 1], 0.25 * mix)


@pytest.mark.parametrize("rate", [8000, 11025, 22050, 44100, 48000, 96000, 192000])
@pytest.mark.parametrize("samples", [1, 2, 5, HOP - 1, HOP, HOP + 1, 12345])
def test_estimates_have_the_length_of_the_track_at_any_rate(stereo, rate, samples):
    estimates = TrackSeparator(copy_mix, stereo, 4).separate(noise(samples, 2), rate)
    assert estimates.shape == (samples, 2, 2)
    assert np.isfinite(estimates).all()


@pytest.mark.parametrize("channels", [1, 2, 6])
@pytest.mark.parametrize("model", ["mono", "stereo"])
@pytest.mark.parametrize("rate", [8000, 44100])
def test_estimates_have_the_channels_of_the_track(request, model, channels, rate):
    settings = request.getfixturevalue(model)
    estimates = TrackSeparator(copy_mix, settings, 4).separate(noise(3000, channels), rate)
    assert estimates.shape == (3000, 2, channels)


def test_a_stereo_model_separates_six_channels_independently(stereo):
    mix = noise(3000, 6)
    estimates = TrackSeparator(split_unequally, stereo, 4).separate(mix, stereo.sample_rate)
    np.testing.assert_allclose(estimates[:, 1], 0.25 * mix, atol=1e-7)


def test_a_mono_model_returns_the_estimate_of_the_average_in_every_channel(mono):
    mix = noise(3000, 2)
    estimates = TrackSeparator(copy_mix, mono, 4).separate(mix, mono.sample_rate)
    for channel in range(2):
        np.testing.assert_allclose(estimates[:, 0, channel], mix.mean(axis=1), atol=1e-7)


@pytest.mark.parametrize("rate", [22050, 44100, 48000])
def test_a_tone_keeps_its_position_and_amplitude(stereo, rate):
    time = np.arange(rate) / rate
    tone = np.repeat(0.5 * np.sin(2 * np.pi * 440 * time)[:, np.newaxis], 2, axis=1)
    estimates = TrackSeparator(copy_mix, stereo, 4).separate(tone.astype(np.float32), rate)
    inner = slice(rate // 10, -rate // 10)
    np.testing.assert_allclose(estimates[inner, 0], tone[inner], atol=1e-4)


def test_the_estimate_is_resampled_to_the_models_rate_and_back(stereo):
    mix = noise(44100, 2)
    back = resample(resample(mix, 44100, 8000), 8000, 44100)
    estimates = TrackSeparator(copy_mix, stereo, 4).separate(mix, 44100)
    common = min(len(back), len(mix))
    np.testing.assert_allclose(estimates[:common, 1], back[:common], atol=1e-6)


@pytest.mark.parametrize("batch_size", [1, 2, 5, 100])
def test_the_batch_size_does_not_change_estimates(stereo, batch_size):
    batches = []

    def count_segments(mix):
        batches.append(len(mix))
        return copy_mix(np.cumsum(mix, axis=1))  # depends on the start of the segment

    mix = noise(7 * HOP + 11, 2)
    estimates = TrackSeparator(count_segments, stereo, batch_size).stream_pass()(mix, True)
    segments = [
        np.cumsum(np.pad(mix[i : i + HOP], ((0, HOP), (0, 0)))[:HOP], axis=0)
        for i in range(0, len(mix), HOP)
    ]
    np.testing.assert_allclose(estimates[:, 0], np.concatenate(segments)[: len(mix)], atol=1e-4)
    assert batches == {1: 8 * [1], 2: 4 * [2], 5: [5, 3], 100: [8]}[batch_size]


def test_segments_of_a_model_with_context_are_cut_at_the_right_positions(stereo):
    settings = replace(stereo, context=True)
    hop, length = settings.output_samples, settings.input_samples
    context = (length - hop) // 2
    assert context > 0

    def copy_input(mix):
        """Return the centre, the beginning and the end of the input."""
        assert mix.shape[1] == length
        centre = mix[:, context : context + hop]
        return np.stack([centre, mix[:, :hop], mix[:, -hop:]], axis=2)

    mix = noise(3 * hop + 5, 2)
    estimates = TrackSeparator(copy_input, settings, 2).stream_pass()(mix, True)
    np.testing.assert_array_equal(estimates[:, 0], mix)
    padded = np.pad(mix, ((context, length), (0, 0)))
    np.testing.assert_array_equal(estimates[:, 1], padded[: len(mix)])
    offset = length - hop
    np.testing.assert_array_equal(estimates[:, 2], padded[offset : offset + len(mix)])


def test_further_passes_separate_each_estimate_alone(stereo):
    mix = noise(2000, 2)
    estimates = TrackSeparator(split_unequally, stereo, 4, passes=3).separate(
        mix, stereo.sample_rate
    )
    np.testing.assert_allclose(estimates[:, 0], 0.75**3 * mix, rtol=1e-6)
    np.testing.assert_allclose(estimates[:, 1], 0.25**3 * mix, rtol=1e-6)


def estimate_constant(mix):
    """Return the mix, and ones: 1 becomes the deviation plus the mean of the track."""
    return np.stack([mix, np.ones_like(mix)], axis=2)


@pytest.fixture(scope="module")
def demucs(tiny):
    sizes = {"num_layers": 2, "num_initial_filters": 2, "num_frames": 1024, "sample_rate": 8000}
    return make_model_settings({**tiny, **sizes, "network": "demucs"}, seed=1)


def crop_context(settings):
    """Return a model that normalised segments pass unchanged."""
    context = (settings.input_samples - settings.output_samples) // 2
    return lambda mix: estimate_constant(mix[:, context : context + settings.output_samples])


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_a_track_is_normalised_by_the_mean_and_deviation_of_its_mono_mix(demucs, channels):
    mix = 0.3 * noise(5000, channels) + 0.1
    separator = TrackSeparator(crop_context(demucs), demucs, 2)
    blocks = [mix[:1000], mix[1000:1001], mix[1001:]]
    stream = separator.stream(channels, demucs.sample_rate, lambda: blocks)
    parts = [stream(block, False) for block in blocks] + [stream(mix[:0], True)]
    for estimates in (separator.separate(mix, demucs.sample_rate), np.concatenate(parts)):
        np.testing.assert_allclose(estimates[:, 0], mix, atol=1e-6)
        parts_alone = mix.T if channels > 2 else [mix.mean(axis=1)]
        for channel, mono in enumerate(np.float64(parts_alone)):
            wanted = mono.mean() + mono.std(ddof=1)
            np.testing.assert_allclose(estimates[:, 1, channel], wanted, rtol=1e-5)


def test_silence_is_separated_into_silence(demucs):
    separator = TrackSeparator(crop_context(demucs), demucs, 2)
    estimates = separator.separate(np.zeros((3000, 2), np.float32), demucs.sample_rate)
    assert np.abs(estimates).max() < 1e-7
