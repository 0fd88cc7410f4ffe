"""Which snippets a step hears: stateless, in proportion, and over the whole of every song."""

import numpy as np
import pytest
import scipy.stats

from Input.Draws import draw_batch

FRAMES = np.array([1000, 3000, 6000])
# Of step 5 with seed 1, when the draws were first made.
STORED_GAINS = [[0.8776823, 0.9594167], [0.9550104, 0.8344743]]
STORED_OFFSETS = [1000, 3589]


def draw(step, size=16, seed=1, frames=FRAMES, wanted=100, sources=2):
    return draw_batch(seed, step, size, frames, wanted, sources)


def equal(first, second):
    return all(
        np.array_equal(getattr(first, name), getattr(second, name))
        for name in ("songs", "offsets", "gains")
    )


def test_a_step_is_the_same_whatever_came_before():
    alone = draw(7)
    for step in (0, 3, 7, 2):
        after = draw(step)
    assert not equal(after, alone)
    assert equal(draw(7), alone)


def test_no_two_steps_or_seeds_are_alike():
    drawn = [draw(step, seed=seed).gains for seed in (0, 1, 2) for step in (0, 1, 2, 2**33)]
    rows = np.concatenate(drawn)
    assert len(np.unique(rows, axis=0)) == len(rows)


def test_draws_are_those_of_the_first_release():
    """A run is repeated on another machine only while these stay."""
    drawn = draw(5, size=2)
    random = np.random.Generator(np.random.Philox(key=1, counter=[0, 0, 5, 0]))
    uniform = random.random((2, 4))
    assert drawn.songs.tolist() == [int(u > 0.1) + int(u > 0.4) for u in uniform[:, 0]]
    np.testing.assert_allclose(drawn.gains, 0.7 + 0.3 * uniform[:, 2:], rtol=1e-6)
    np.testing.assert_allclose(drawn.gains, STORED_GAINS, rtol=1e-6)
    assert drawn.offsets.tolist() == STORED_OFFSETS


@pytest.mark.parametrize("smaller", [1, 16, 31])
def test_a_larger_batch_begins_with_the_smaller(smaller):
    large, small = draw(3, 32), draw(3, smaller)
    assert equal(small, type(large)(*(getattr(large, name)[:smaller] for name in vars(large))))


def test_songs_are_drawn_in_proportion_to_their_length():
    songs = draw(0, 100_000).songs
    counts = np.bincount(songs, minlength=3)
    assert scipy.stats.chisquare(counts, 100_000 * FRAMES / FRAMES.sum()).pvalue > 1e-4
    # And the test can fail: equal shares are not these.
    assert scipy.stats.chisquare(counts, np.full(3, 100_000 / 3)).pvalue < 1e-9


def test_offsets_are_uniform_from_the_first_to_the_last_that_fits():
    drawn = draw(0, 20_000, frames=np.array([109]))
    assert set(drawn.offsets) == set(range(10))  # 109 − 100 + 1 places
    assert scipy.stats.chisquare(np.bincount(drawn.offsets)).pvalue > 1e-4


def test_a_song_of_exactly_a_snippet_is_heard_from_its_start():
    assert not draw(0, 1000, frames=np.array([100])).offsets.any()


def test_no_snippet_reaches_over_the_end_of_its_song():
    for step in range(50):
        drawn = draw(step, 64)
        assert (drawn.offsets >= 0).all()
        assert (drawn.offsets + 100 <= FRAMES[drawn.songs]).all()


def test_gains_are_uniform_between_0_7_and_1_and_independent():
    gains = draw(0, 20_000).gains
    assert gains.dtype == np.float32
    assert gains.min() >= np.float32(0.7)
    assert gains.max() <= 1.0
    assert scipy.stats.kstest(gains.ravel(), "uniform", args=(0.7, 0.3)).pvalue > 1e-4
    assert abs(np.corrcoef(gains.T)[0, 1]) < 5 / np.sqrt(20_000)
