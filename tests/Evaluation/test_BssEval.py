"""Our SDR against museval's own, window by window, NaN by NaN."""

import numpy as np
import pytest

from Evaluation.BssEval import sdr
from Evaluation.Museval import bss_eval

WINDOW = 1000


def signals(frames, channels, sources=2, seed=0):
    """References and estimates `[T, S, C]` that have something to do with each other."""
    random = np.random.default_rng(seed)
    references = random.standard_normal((frames, sources, channels))
    return references, references + 0.5 * random.standard_normal(references.shape)


def assert_as_museval(references, estimates, window=WINDOW, hop=WINDOW):
    theirs = bss_eval(references, estimates, window, hop)[0]  # [S, K]
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
