"""The random draw of excerpts: stateless, in proportion to length, from all of every track."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.stats

from Config import DEFAULTS
from jnet.data.excerpts import draw_batch
from jnet.settings.augmentation import AugmentationSettings
from Models.Entries import from_entries

GAINS_ONLY = from_entries(AugmentationSettings, DEFAULTS)
LENGTHS = np.array([1000, 3000, 6000])  # of three tracks, in samples
# The draws of step 5 with seed 1 in the first release.
STORED_GAINS = [[0.8776823, 0.9594167], [0.9550104, 0.8344743]]
STORED_OFFSETS = [1000, 3589]


def draw(step, size=16, seed=1, lengths=LENGTHS, wanted=100, sources=2, **changes):
    settings = SimpleNamespace(sources=sources * ("a",), output_samples=wanted, sample_rate=10)
    return draw_batch(seed, step, size, lengths, settings, replace(GAINS_ONLY, **changes))


def is_equal(first, second):
    return all(
        np.array_equal(getattr(first, name), getattr(second, name))
        for name in ("tracks", "offsets", "gains")
    )


def test_the_draws_of_a_step_do_not_depend_on_earlier_draws():
    first = draw(7)
    for step in (0, 3, 7, 2):
        last = draw(step)
    assert not is_equal(last, first)
    assert is_equal(draw(7), first)


def test_all_steps_and_seeds_have_different_draws():
    drawn = [draw(step, seed=seed).gains for seed in (0, 1, 2) for step in (0, 1, 2, 2**33)]
    rows = np.concatenate(drawn)
    assert len(np.unique(rows, axis=0)) == len(rows)


def test_draws_are_those_of_the_first_release():
    """Otherwise a run could not be repeated with another release."""
    drawn = draw(5, size=2)
    random = np.random.Generator(np.random.Philox(key=1, counter=[0, 0, 5, 0]))
    uniform = random.random((2, 4))
    assert drawn.tracks.tolist() == [int(u > 0.1) + int(u > 0.4) for u in uniform[:, 0]]
    np.testing.assert_allclose(drawn.gains, 0.7 + 0.3 * uniform[:, 2:], rtol=1e-6)
    np.testing.assert_allclose(drawn.gains, STORED_GAINS, rtol=1e-6)
    assert drawn.offsets.tolist() == STORED_OFFSETS


@pytest.mark.parametrize("smaller", [1, 16, 31])
def test_a_larger_batch_begins_with_the_smaller(smaller):
    large, small = draw(3, 32), draw(3, smaller)
    begin = (getattr(large, name)[:smaller] for name in ("tracks", "offsets", "gains"))
    assert is_equal(small, type(large)(*begin))


def test_tracks_are_drawn_in_proportion_to_their_length():
    tracks = draw(0, 100_000).tracks
    counts = np.bincount(tracks, minlength=3)
    assert scipy.stats.chisquare(counts, 100_000 * LENGTHS / LENGTHS.sum()).pvalue > 1e-4
    # The test has enough power: equal shares are rejected.
    assert scipy.stats.chisquare(counts, np.full(3, 100_000 / 3)).pvalue < 1e-9


def test_offsets_are_uniform_from_the_first_to_the_last_that_fits():
    drawn = draw(0, 20_000, lengths=np.array([109]))
    assert set(drawn.offsets) == set(range(10))  # 109 − 100 + 1 offsets
    assert scipy.stats.chisquare(np.bincount(drawn.offsets)).pvalue > 1e-4


def test_a_track_as_long_as_an_excerpt_is_used_from_its_start():
    assert not draw(0, 1000, lengths=np.array([100])).offsets.any()


def test_no_excerpt_exceeds_its_track():
    for step in range(50):
        drawn = draw(step, 64)
        assert (drawn.offsets >= 0).all()
        assert (drawn.offsets + 100 <= LENGTHS[drawn.tracks]).all()


def test_gains_are_uniform_between_0_7_and_1_and_independent():
    gains = draw(0, 20_000).gains
    assert gains.dtype == np.float32
    assert gains.min() >= np.float32(0.7)
    assert gains.max() <= 1.0
    assert scipy.stats.kstest(gains.ravel(), "uniform", args=(0.7, 0.3)).pvalue > 1e-4
    assert abs(np.corrcoef(gains.T)[0, 1]) < 5 / np.sqrt(20_000)
