"""Whether a mixture is the sum of its stems: where the bound is, and which songs may miss it."""

import numpy as np
import pytest

from Input.Additivity import ADDITIVITY_BOUND, additivity_db, measured, wrong_sum
from Input.Musdb import find_musdb_songs
from Input.Songs import Recording, Song, Stem
from tests.Input.songs import STEMS, noise

VOICE = ("accompaniment", "vocals")


@pytest.mark.parametrize(
    ("missed", "decibels"), [(0.0, -np.inf), (0.1, -20.0), (1.0, 0.0), (10.0, 20.0)]
)
def test_additivity_is_the_energy_that_is_missed(missed, decibels):
    mix = np.random.default_rng(0).standard_normal((1000, 2)).astype(np.float32)
    sources = np.stack([mix, np.float32(missed) * mix], axis=1)
    assert additivity_db(mix, sources) == pytest.approx(decibels, abs=1e-4)


def test_silence_adds_up_and_a_silent_mixture_of_sound_does_not():
    silence, sound = np.zeros((10, 2), np.float32), np.ones((10, 2), np.float32)
    assert additivity_db(silence, silence[:, np.newaxis]) == -np.inf
    assert additivity_db(silence, sound[:, np.newaxis]) == np.inf


def test_a_real_song_is_within_the_bound_and_a_shifted_one_is_not(shared_data):
    (song,) = find_musdb_songs(shared_data / "MUSDB18-7")
    read = song.read(("accompaniment", "vocals"))
    assert additivity_db(read.mix, read.sources) < ADDITIVITY_BOUND - 5
    shifted = np.roll(read.sources, 20, axis=0)
    assert additivity_db(read.mix, shifted) > ADDITIVITY_BOUND


def test_the_bound_is_one_number_and_a_known_song_has_its_own():
    # MUSDB18 decoded whole: 149 songs up to 0.047 of the mixture's RMS, "PR - Oh No" 0.416.
    healthy, known = (20 * np.log10(ratio) for ratio in (0.047, 0.416))
    assert wrong_sum("any song", healthy) == wrong_sum("any song", ADDITIVITY_BOUND) == ""
    assert wrong_sum("PR - Oh No", known) == ""
    assert "misses the sum of its stems by -7.6 dB" in wrong_sum("any song", known)
    assert "by -1.0 dB: replace the stem that is wrong, or remove" in wrong_sum("PR - Oh No", -1.0)
    assert wrong_sum("any song", None) == ""


@pytest.mark.parametrize(
    ("stems", "sources", "judged"),
    [
        ((*STEMS, "mixture"), VOICE, True),
        ((*STEMS, "mixture"), STEMS, True),
        (("accompaniment", "vocals", "mixture"), VOICE, True),
        (STEMS, VOICE, False),  # there is no mixture
        ((*STEMS, "mixture"), ("vocals",), False),  # the mixture holds more
        ((*STEMS, "mixture"), ("bass", "vocals"), False),
    ],
)
def test_a_sum_is_judged_where_there_are_a_mixture_and_all_it_is_made_of(stems, sources, judged):
    song = Song("a", "train", {name: Stem(None) for name in stems})
    mix = (noise("m") / 32768).astype(np.float32)
    parts = np.stack([mix / len(sources)] * len(sources), axis=1)
    additivity = measured(song, Recording(44100, mix, parts), sources)
    assert (additivity is not None) == judged
    assert additivity is None or additivity < -100  # float32 rounds
