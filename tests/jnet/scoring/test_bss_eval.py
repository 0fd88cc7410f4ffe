"""Compare this BSS Eval with museval's, for every window and metric, including NaN."""

import numpy as np
import pytest
from scipy.signal import butter, sosfilt

from jnet.data.layouts import make_stem_track
from jnet.scoring import bss_eval as BssEval
from jnet.scoring.bss_eval import sdr
from jnet.scoring.museval_scorer import bss_eval, ensure_ffmpeg

WINDOW = 1000


def make_signals(frames, channels, sources=2, seed=0):
    """Return references and estimates `[T, S, C]`; an estimate is its reference with noise."""
    random = np.random.default_rng(seed)
    references = random.standard_normal((frames, sources, channels))
    return references, references + 0.5 * random.standard_normal(references.shape)


def compute_museval_sdr(references, estimates, window, hop):
    """Return museval's SDR `[S, K]` with filters of 8 taps instead of 512.

    The SDR does not depend on the filters, but most of museval's running time does.
    """
    ensure_ffmpeg()
    from museval.metrics import bss_eval

    parts = (part.transpose(1, 0, 2) for part in (references, estimates))
    return bss_eval(*parts, window=window, hop=hop, filters_len=8)[0]


def assert_sdr_equals_museval(references, estimates, window=WINDOW, hop=WINDOW):
    theirs = compute_museval_sdr(references, estimates, window, hop)
    ours = sdr(references, estimates, window, hop)
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-9, equal_nan=True)
    return ours


@pytest.mark.parametrize(("sources", "channels"), [(2, 1), (2, 2), (4, 1)])
def test_sdr_equals_musevals(channels, sources):
    scores = assert_sdr_equals_museval(*make_signals(3000, channels, sources))
    assert scores.shape == (sources, 3)
    assert np.isfinite(scores).all()


@pytest.mark.parametrize(
    ("frames", "count"), [(999, 1), (1000, 1), (1001, 1), (1999, 1), (2000, 2), (2600, 2)]
)
def test_short_tracks_and_incomplete_windows_are_treated_as_in_museval(frames, count):
    assert assert_sdr_equals_museval(*make_signals(frames, 1)).shape == (2, count)


def test_overlapping_windows_equal_musevals():
    assert assert_sdr_equals_museval(*make_signals(2600, 1), hop=400).shape == (2, 5)


def test_a_silent_reference_window_is_nan_for_all_sources():
    references, estimates = make_signals(4000, 1)
    references[1000:2000, 0] = 0
    scores = assert_sdr_equals_museval(references, estimates)
    assert np.isnan(scores).tolist() == [[False, True, False, False]] * 2


def test_a_silent_estimate_window_is_nan_for_all_sources():
    references, estimates = make_signals(4000, 1)
    estimates[2000:3000, 1] = 0
    scores = assert_sdr_equals_museval(references, estimates)
    assert np.isnan(scores).tolist() == [[False, False, True, False]] * 2


def test_channels_that_cancel_are_silent_as_in_museval():
    references, estimates = make_signals(3000, 2)
    references[:1000, 0, 1] = -references[:1000, 0, 0]
    scores = assert_sdr_equals_museval(references, estimates)
    assert np.isnan(scores).tolist() == [[True, False, False]] * 2


def test_single_precision_estimates_are_scored_in_double_precision():
    references, estimates = make_signals(2000, 2)
    single = references.astype(np.float32), estimates.astype(np.float32)
    in_double = sdr(*(part.astype(np.float64) for part in single), WINDOW, WINDOW)
    np.testing.assert_array_equal(sdr(*single, WINDOW, WINDOW), in_double)


def test_an_estimate_scaled_by_a_tenth_has_the_sdr_of_the_closed_form():
    references, _ = make_signals(2000, 2)
    np.testing.assert_allclose(
        sdr(references, 0.1 * references, WINDOW, WINDOW), -20 * np.log10(0.9), atol=1e-12
    )


def test_the_sdr_of_an_exact_estimate_is_infinite():
    references, _ = make_signals(2000, 1)
    assert np.isposinf(sdr(references, references, WINDOW, WINDOW)).all()


def make_coloured_signals(frames, channels, sources=2, seed=0):
    """Return signals with a coloured spectrum; estimates have leakage, a 9-tap filter and noise."""
    references, _ = make_signals(frames, channels, sources, seed)
    references = references + 0.9 * np.roll(references, 1, axis=0)
    random = np.random.default_rng(seed + 1)
    response = random.standard_normal(9)
    leaked = references + 0.2 * references[:, ::-1]
    filtered = np.apply_along_axis(lambda x: np.convolve(x, response)[:frames], 0, leaked)
    return references, filtered + 0.1 * random.standard_normal(references.shape)


def assert_all_metrics_equal_museval(
    references, estimates, window=WINDOW, hop=WINDOW, tolerance=1e-7
):
    theirs = bss_eval(references, estimates, window, hop)
    ours = BssEval.bss_eval(references, estimates, window, hop)
    assert ours.shape == theirs.shape
    np.testing.assert_array_equal(np.isnan(ours), np.isnan(theirs))
    for our_sdr in (ours[0], sdr(references, estimates, window, hop)):
        np.testing.assert_allclose(our_sdr, theirs[0], rtol=0, atol=1e-9, equal_nan=True)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=tolerance, equal_nan=True)
    return ours


def test_all_metrics_equal_musevals():
    """Three sources of two channels: all axes differ in length, so that mixed-up axes fail."""
    scores = assert_all_metrics_equal_museval(*make_coloured_signals(5700, channels=2, sources=3))
    assert scores.shape == (4, 3, 5)
    assert np.isfinite(scores).all()


@pytest.mark.parametrize(
    ("frames", "window", "hop"),
    [(900, 1000, 1000), (2000, 300, 300), (2100, 511, 511), (2600, 1000, 400), (3000, 999, 1500)],
)
def test_short_blocks_and_unusual_windows_equal_musevals(frames, window, hop):
    assert_all_metrics_equal_museval(*make_coloured_signals(frames, 1), window, hop)


def test_silence_is_treated_as_in_museval_in_all_metrics():
    references, estimates = make_coloured_signals(5000, 2)
    references[1000:2000, 0] = 0
    estimates[3000:4000, 1, 1] = -estimates[3000:4000, 1, 0]
    scores = assert_all_metrics_equal_museval(references, estimates)
    assert np.isnan(scores).any(axis=(0, 1)).tolist() == [False, True, False, True, False]


def test_a_silent_channel_is_scored_as_in_museval():
    references, estimates = make_coloured_signals(3000, 2)
    references[:, 1, 1] = 0
    assert_all_metrics_equal_museval(references, estimates, tolerance=1e-6)


def test_linearly_dependent_references_have_musevals_scores():
    """Equal channels make the system singular.

    Its solution is not unique, but the projection is, and so are the scores up to rounding noise.
    """
    references, estimates = make_coloured_signals(3000, 2)
    references[:, 0, 1] = references[:, 0, 0]
    ours = BssEval.bss_eval(references, estimates, WINDOW, WINDOW)
    theirs = bss_eval(references, estimates, WINDOW, WINDOW)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-9)


def test_a_16_bit_lowpass_track_with_equal_channels_is_scored_as_in_museval():
    """The system is singular except for rounding noise, as for real mono recordings."""
    references, estimates = make_coloured_signals(4000, 2)
    low = butter(8, 0.3, output="sos")
    references = np.rint(sosfilt(low, references, axis=0) * 4096) / 4096
    references[:, :, 1] = references[:, :, 0]
    noise = sosfilt(low, np.random.default_rng(0).standard_normal(references.shape), axis=0)
    estimates = references + 0.1 * references[:, ::-1] + 0.1 * noise
    assert_all_metrics_equal_museval(references, estimates, tolerance=1e-4)


def test_a_real_track_is_scored_as_in_museval(shared_data):
    path = next((shared_data / "MUSDB18-7" / "train").glob("*.stem.mp4"))
    recording = make_stem_track(path, "train").read(("accompaniment", "vocals"))
    random = np.random.default_rng(0)
    rate = recording.sample_rate
    references = recording.sources[: 2 * rate].astype(np.float64)
    estimates = references + 0.3 * references[:, ::-1]
    estimates = 0.8 * estimates + 0.003 * random.standard_normal(references.shape)
    assert_all_metrics_equal_museval(references, estimates, rate, rate, tolerance=1e-5)
