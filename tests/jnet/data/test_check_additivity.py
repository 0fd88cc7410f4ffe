"""Additivity, the difference of a mixture from the sum of its stems, and its bounds."""

import numpy as np
import pytest

from jnet.data.check import (
    ADDITIVITY_BOUND,
    additivity_db,
    describe_wrong_sum,
    measure_additivity,
)
from jnet.data.layouts import find_musdb_tracks
from jnet.data.tracks import Stem, Track, TrackAudio
from tests.jnet.data.corpora import STEMS, noise

VOICE = ("accompaniment", "vocals")


@pytest.mark.parametrize(
    ("factor", "decibels"), [(0.0, -np.inf), (0.1, -20.0), (1.0, 0.0), (10.0, 20.0)]
)
def test_additivity_is_the_energy_of_the_difference(factor, decibels):
    mix = np.random.default_rng(0).standard_normal((1000, 2)).astype(np.float32)
    sources = np.stack([mix, np.float32(factor) * mix], axis=1)
    assert additivity_db(mix, sources) == pytest.approx(decibels, abs=1e-4)


def test_silent_stems_add_up_to_silence_and_others_do_not():
    silence, sound = np.zeros((10, 2), np.float32), np.ones((10, 2), np.float32)
    assert additivity_db(silence, silence[:, np.newaxis]) == -np.inf
    assert additivity_db(silence, sound[:, np.newaxis]) == np.inf


def test_a_real_track_is_within_the_bound_and_a_shifted_one_is_not(shared_data):
    (track,) = find_musdb_tracks(shared_data / "MUSDB18-7")
    read = track.read(("accompaniment", "vocals"))
    assert additivity_db(read.mix, read.sources) < ADDITIVITY_BOUND - 5
    shifted = np.roll(read.sources, 20, axis=0)
    assert additivity_db(read.mix, shifted) > ADDITIVITY_BOUND


def test_all_tracks_have_the_same_bound_except_a_known_one():
    # Measured on MUSDB18: at most 0.047 of the RMS of the mixture, but 0.416 for "PR - Oh No".
    healthy, known = (20 * np.log10(ratio) for ratio in (0.047, 0.416))
    assert describe_wrong_sum("any track", healthy) == ""
    assert describe_wrong_sum("any track", ADDITIVITY_BOUND) == ""
    assert describe_wrong_sum("PR - Oh No", known) == ""
    assert "differs from the sum of its stems by -7.6 dB" in describe_wrong_sum("any track", known)
    message = describe_wrong_sum("PR - Oh No", -1.0)
    assert "by -1.0 dB: replace the wrong stem or remove" in message
    assert describe_wrong_sum("any track", None) == ""


@pytest.mark.parametrize(
    ("stems", "sources", "measured"),
    [
        ((*STEMS, "mixture"), VOICE, True),
        ((*STEMS, "mixture"), STEMS, True),
        (("accompaniment", "vocals", "mixture"), VOICE, True),
        (STEMS, VOICE, False),  # no mixture
        ((*STEMS, "mixture"), ("vocals",), False),  # the mixture has other sources, too
        ((*STEMS, "mixture"), ("bass", "vocals"), False),
    ],
)
def test_additivity_is_measured_only_with_a_mixture_and_all_its_stems(stems, sources, measured):
    track = Track("a", "train", {name: Stem(None) for name in stems})
    mix = (noise("m") / 32768).astype(np.float32)
    parts = np.stack([mix / len(sources)] * len(sources), axis=1)
    additivity = measure_additivity(track, TrackAudio(44100, mix, parts), sources)
    assert (additivity is not None) == measured
    assert additivity is None or additivity < -100  # float32 rounds
