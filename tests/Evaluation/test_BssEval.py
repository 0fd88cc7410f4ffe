"""Our BSS Eval against museval's own, window by window, metric by metric, NaN by NaN."""

import numpy as np
import pytest
from scipy.signal import butter, sosfilt

from Evaluation import BssEval
from Evaluation.BssEval import sdr
from Evaluation.Ffmpeg import ensure_ffmpeg
from Evaluation.Museval import bss_eval
from Input.Musdb import stem_song

WINDOW = 1000


def signals(frames, channels, sources=2, seed=0):
    """References and estimates `[T, S, C]` that have something to do with each other."""
    random = np.random.default_rng(seed)
    references = random.standard_normal((frames, sources, channels))
    return references, references + 0.5 * random.standard_normal(references.shape)


def musevals_sdr(references, estimates, window, hop):
    """`[S, K]` by museval with filters of 8 taps instead of 512, which the SDR does not depend on
    and most of museval's time does."""
    ensure_ffmpeg()
    from museval.metrics import bss_eval

    parts = (part.transpose(1, 0, 2) for part in (references, estimates))
    return bss_eval(*parts, window=window, hop=hop, filters_len=8)[0]


def assert_as_museval(references, estimates, window=WINDOW, hop=WINDOW):
    theirs = musevals_sdr(references, estimates, window, hop)
    ours = sdr(references, estimates, window, hop)
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-9, equal_nan=True)
    return ours


@pytest.mark.parametrize(("sources", "channels"), [(2, 1), (2, 2), (4, 1)])
def test_sdr_is_musevals(channels, sources):
    scores = assert_as_museval(*signals(3000, channels, sources))
    assert scores.shape == (sources, 3)
    assert np.isfinite(scores).all()


@pytest.mark.parametrize(
    ("frames", "count"), [(999, 1), (1000, 1), (1001, 1), (1999, 1), (2000, 2), (2600, 2)]
)
def test_short_songs_and_tails_have_musevals_windows(frames, count):
    assert assert_as_museval(*signals(frames, 1)).shape == (2, count)


def test_overlapping_windows_are_musevals():
    assert assert_as_museval(*signals(2600, 1), hop=400).shape == (2, 5)


def test_a_silent_reference_window_is_nan_for_all_sources():
    references, estimates = signals(4000, 1)
    references[1000:2000, 0] = 0
    scores = assert_as_museval(references, estimates)
    assert np.isnan(scores).tolist() == [[False, True, False, False]] * 2


def test_a_silent_estimate_window_is_nan_for_all_sources():
    references, estimates = signals(4000, 1)
    estimates[2000:3000, 1] = 0
    scores = assert_as_museval(references, estimates)
    assert np.isnan(scores).tolist() == [[False, False, True, False]] * 2


def test_channels_that_cancel_are_silent_as_museval_has_it():
    references, estimates = signals(3000, 2)
    references[:1000, 0, 1] = -references[:1000, 0, 0]
    scores = assert_as_museval(references, estimates)
    assert np.isnan(scores).tolist() == [[True, False, False]] * 2


def test_single_precision_estimates_are_measured_in_double():
    references, estimates = signals(2000, 2)
    single = references.astype(np.float32), estimates.astype(np.float32)
    in_double = sdr(*(part.astype(np.float64) for part in single), WINDOW, WINDOW)
    np.testing.assert_array_equal(sdr(*single, WINDOW, WINDOW), in_double)


def test_an_estimate_ten_times_too_quiet_has_the_sdr_of_the_closed_form():
    references, _ = signals(2000, 2)
    np.testing.assert_allclose(
        sdr(references, 0.1 * references, WINDOW, WINDOW), -20 * np.log10(0.9), atol=1e-12
    )


def test_an_exact_estimate_is_infinite():
    references, _ = signals(2000, 1)
    assert np.isposinf(sdr(references, references, WINDOW, WINDOW)).all()


def coloured(frames, channels, sources=2, seed=0):
    """As `signals`, but with the spectrum and the leakage of music, and a 9-tap room."""
    references, _ = signals(frames, channels, sources, seed)
    references = references + 0.9 * np.roll(references, 1, axis=0)
    random = np.random.default_rng(seed + 1)
    room = random.standard_normal(9)
    leaked = references + 0.2 * references[:, ::-1]
    heard = np.apply_along_axis(lambda x: np.convolve(x, room)[:frames], 0, leaked)
    return references, heard + 0.1 * random.standard_normal(references.shape)


def assert_all_as_museval(references, estimates, window=WINDOW, hop=WINDOW, tolerance=1e-7):
    theirs = bss_eval(references, estimates, window, hop)
    ours = BssEval.bss_eval(references, estimates, window, hop)
    assert ours.shape == theirs.shape
    np.testing.assert_array_equal(np.isnan(ours), np.isnan(theirs))
    for alone in (ours[0], sdr(references, estimates, window, hop)):
        np.testing.assert_allclose(alone, theirs[0], rtol=0, atol=1e-9, equal_nan=True)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=tolerance, equal_nan=True)
    return ours


def test_all_metrics_are_musevals():
    """Three sources of two channels: no two axes are of one length, whichever is which."""
    scores = assert_all_as_museval(*coloured(5700, channels=2, sources=3))
    assert scores.shape == (4, 3, 5)
    assert np.isfinite(scores).all()


@pytest.mark.parametrize(
    ("frames", "window", "hop"),
    [(900, 1000, 1000), (2000, 300, 300), (2100, 511, 511), (2600, 1000, 400), (3000, 999, 1500)],
)
def test_blocks_shorter_than_the_filters_and_other_windows_are_musevals(frames, window, hop):
    assert_all_as_museval(*coloured(frames, 1), window, hop)


def test_silence_is_musevals_in_all_metrics():
    references, estimates = coloured(5000, 2)
    references[1000:2000, 0] = 0
    estimates[3000:4000, 1, 1] = -estimates[3000:4000, 1, 0]
    scores = assert_all_as_museval(references, estimates)
    assert np.isnan(scores).any(axis=(0, 1)).tolist() == [False, True, False, True, False]


def test_a_silent_channel_is_scored_as_museval_scores_it():
    references, estimates = coloured(3000, 2)
    references[:, 1, 1] = 0
    assert_all_as_museval(references, estimates, tolerance=1e-6)


def test_of_dependent_references_the_projections_are_musevals():
    """Equal channels make the system singular: its solution is not unique, what it projects on
    is, and so are the scores down to the noise of the problem."""
    references, estimates = coloured(3000, 2)
    references[:, 0, 1] = references[:, 0, 0]
    ours = BssEval.bss_eval(references, estimates, WINDOW, WINDOW)
    theirs = bss_eval(references, estimates, WINDOW, WINDOW)
    np.testing.assert_allclose(ours[0], theirs[0], atol=1e-9)
    np.testing.assert_allclose(ours, theirs, atol=0.01)


def test_a_mono_song_without_high_notes_in_16_bits_is_scored_as_museval_scores_it():
    """Singular twice over, but for the noise of its last bit: as songs come."""
    references, estimates = coloured(4000, 2)
    low = butter(8, 0.3, output="sos")
    references = np.rint(sosfilt(low, references, axis=0) * 4096) / 4096
    references[:, :, 1] = references[:, :, 0]
    noise = sosfilt(low, np.random.default_rng(0).standard_normal(references.shape), axis=0)
    estimates = references + 0.1 * references[:, ::-1] + 0.1 * noise
    assert_all_as_museval(references, estimates, tolerance=1e-4)


def test_real_songs_are_scored_as_by_museval(shared_data):
    path = next((shared_data / "MUSDB18-7" / "train").glob("*.stem.mp4"))
    recording = stem_song(path, "train").read(("accompaniment", "vocals"))
    random = np.random.default_rng(0)
    rate = recording.sample_rate
    references = recording.sources[: 3 * rate].astype(np.float64)
    estimates = references + 0.3 * references[:, ::-1]
    estimates = 0.8 * estimates + 0.003 * random.standard_normal(references.shape)
    assert_all_as_museval(references, estimates, rate, rate, tolerance=1e-5)
