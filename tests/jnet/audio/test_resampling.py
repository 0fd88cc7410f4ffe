"""Resampling compared with another library, resampling in blocks, and conversion of channels."""

import numpy as np
import pytest
import scipy.signal
import soxr

from jnet.audio.resampling import BlockResampler, convert_channels, resample
from jnet.errors import DataError


@pytest.mark.parametrize(("rate", "wanted"), [(44100, 22050), (22050, 44100), (48000, 22050)])
def test_resampling_agrees_with_a_polyphase_filter_and_preserves_a_sine(rate, wanted):
    seconds = np.arange(rate * 2) / rate
    sine = (0.5 * np.sin(2 * np.pi * 1000 * seconds)).astype(np.float32)[:, np.newaxis]
    resampled = resample(sine, rate, wanted)
    divisor = np.gcd(rate, wanted)
    other = scipy.signal.resample_poly(sine[:, 0], wanted // divisor, rate // divisor)
    assert resampled.shape == (2 * wanted, 1)
    middle = slice(wanted // 2, 3 * wanted // 2)  # the filters differ at the ends
    exact = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(2 * wanted) / wanted)
    assert np.abs(resampled[middle, 0] - exact[middle]).max() < 1e-4
    assert np.abs(resampled[middle, 0] - other[middle]).max() < 2e-3


def test_resampling_removes_frequencies_above_the_new_nyquist_frequency():
    tone = np.sin(2 * np.pi * 15000 * np.arange(44100) / 44100).astype(np.float32)[:, np.newaxis]
    residual = resample(tone, 44100, 22050)[2000:-2000]
    assert 10 * np.log10(np.sum(residual**2) / np.sum(tone**2)) < -80


@pytest.mark.parametrize("samples", [1, 2, 3, 44099, 44100, 44101])
def test_lengths_have_the_ratio_of_the_rates(samples):
    resampled = resample(np.zeros((samples, 2), np.float32), 44100, 8000)
    assert abs(len(resampled) - samples * 8000 / 44100) <= 1
    assert resampled.shape[1] == 2


def test_channels_are_averaged_or_copied_but_never_dropped():
    stereo = np.array([[1.0, 0.0], [0.5, -0.5]], np.float32)
    np.testing.assert_array_equal(convert_channels(stereo, 1), [[0.5], [0.0]])
    np.testing.assert_array_equal(convert_channels(stereo[:, :1], 2), [[1, 1], [0.5, 0.5]])
    assert convert_channels(stereo, 2) is stereo
    with pytest.raises(DataError, match="6 channels cannot be converted to 2"):
        convert_channels(np.zeros((3, 6), np.float32), 2)


@pytest.mark.parametrize("shape", [(), (1,), (2, 3)], ids=str)
@pytest.mark.parametrize(
    ("rate", "wanted"), [(44100, 22050), (22050, 44100), (96000, 8192), (8192, 96000), (8000, 8000)]
)
def test_resampling_in_blocks_is_bit_identical_to_resampling_at_once(rate, wanted, shape):
    random = np.random.default_rng(rate)
    track = random.uniform(-1, 1, (50_021, *shape)).astype(np.float32)
    flat = track.reshape(len(track), -1)
    at_once = soxr.resample(flat, rate, wanted, quality="HQ") if rate != wanted else flat
    for size in (len(track), 7001, 311):
        resampler = BlockResampler(rate, wanted)
        parts = [
            resampler(track[first : first + size], False) for first in range(0, len(track), size)
        ]
        parts.append(resampler(track[:0], True))
        joined = np.concatenate(parts)
        assert joined.shape == (len(at_once), *shape)
        np.testing.assert_array_equal(joined.reshape(at_once.shape), at_once)
