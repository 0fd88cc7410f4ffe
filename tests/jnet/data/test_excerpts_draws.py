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


# Augmentation

CHANGED = {"flip_sign": True, "swap_channels": True, "shift_seconds": 2.0, "remix_group": 4}


def test_augmentation_leaves_the_draws_of_excerpts_as_they_are():
    plain, changed = draw(3), draw(3, **CHANGED, lengths=LENGTHS + 20)
    assert plain.changes is None
    np.testing.assert_array_equal(plain.tracks, changed.tracks)
    np.testing.assert_array_equal(plain.gains, np.abs(changed.gains))


def test_changes_depend_on_seed_and_step_only():
    first, again = (draw(7, **CHANGED) for _ in range(2))
    for name in ("shifts", "swaps", "origins"):
        np.testing.assert_array_equal(getattr(first.changes, name), getattr(again.changes, name))
        others = [draw(8, **CHANGED), draw(7, seed=2, **CHANGED)]
        for other in others:
            assert not np.array_equal(getattr(first.changes, name), getattr(other.changes, name))


def test_changes_have_the_distributions_of_the_original_code():
    """Signs and swaps are even, shifts uniform below the maximum, per source."""
    drawn = draw(0, 20_000, lengths=np.array([400]), **CHANGED)
    shifts, swaps = drawn.changes.shifts, drawn.changes.swaps
    assert set(shifts.ravel()) == set(range(20))  # below 2 s at 10 Hz
    assert scipy.stats.chisquare(np.bincount(shifts.ravel())).pvalue > 1e-4
    for choices in (swaps, drawn.gains < 0):
        for source in choices.T:
            assert scipy.stats.binomtest(int(source.sum()), 20_000, 0.5).pvalue > 1e-4
        assert abs(np.corrcoef(choices.T)[0, 1]) < 0.03
    assert (drawn.offsets + shifts.max(axis=1) + 100 <= 400).all()


def test_sources_are_exchanged_within_groups_and_independently():
    origins = draw(0, 4003, **CHANGED).changes.origins
    groups = origins[:4000].reshape(-1, 4, 2)
    firsts = 4 * np.arange(1000)[:, np.newaxis, np.newaxis]
    wanted = np.broadcast_to(firsts + np.arange(4)[:, np.newaxis], groups.shape)
    np.testing.assert_array_equal(np.sort(groups, axis=1), wanted)
    np.testing.assert_array_equal(np.sort(origins[4000:], axis=0).T, [[4000, 4001, 4002]] * 2)
    same = (groups[..., 0] == groups[..., 1]).mean()
    assert 0.22 < same < 0.28  # a quarter
    counts = np.bincount((groups[:, 0, 0] - firsts[:, 0, 0]).ravel(), minlength=4)
    assert scipy.stats.chisquare(counts).pvalue > 1e-4


def test_only_the_given_changes_are_drawn():
    signs = draw(0, 100, flip_sign=True)
    assert (signs.gains < 0).any()
    assert not signs.changes.shifts.any()
    assert not signs.changes.swaps.any()
    np.testing.assert_array_equal(
        signs.changes.origins, np.repeat(np.arange(100), 2).reshape(-1, 2)
    )
    wide = draw(0, 1000, gains=(0.25, 1.25))
    assert wide.changes is None
    assert 0.25 <= wide.gains.min() < 0.3
    assert 1.2 < wide.gains.max() <= 1.25
