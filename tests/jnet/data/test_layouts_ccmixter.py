"""CCMixter: the stems of its files, and errors for incomplete tracks."""

import numpy as np
import pytest

from jnet.data.layouts import find_ccmixter_tracks
from jnet.errors import DataError
from tests.jnet.data.corpora import noise, write_stems


def write_track(folder, without=()):
    stems = {
        "mix": noise("a") // 2 + noise("b") // 2,
        "source-01": noise("a") // 2,
        "source-02": noise("b") // 2,
    }
    return write_stems(folder, {name: stems[name] for name in stems if name not in without})


def test_source_01_is_the_accompaniment_and_source_02_the_voice(tmp_path):
    write_track(tmp_path / "b")
    write_track(tmp_path / "a")
    tracks = find_ccmixter_tracks(tmp_path)
    assert [(track.name, track.subset) for track in tracks] == [("a", "train"), ("b", "train")]
    read = tracks[0].read(("accompaniment", "vocals"))
    np.testing.assert_array_equal(np.rint(read.sources[:, 0] * 32768), noise("a") // 2)
    np.testing.assert_array_equal(np.rint(read.sources[:, 1] * 32768), noise("b") // 2)
    np.testing.assert_allclose(read.mix, read.sources.sum(axis=1), atol=1e-6)


@pytest.mark.parametrize(
    ("without", "message"),
    [("source-01", "has no stem accompaniment"), ("source-02", "has no stem vocals")],
)
def test_a_track_without_a_source_is_found_and_refused(tmp_path, without, message):
    write_track(tmp_path / "a", without=(without,))
    (track,) = find_ccmixter_tracks(tmp_path)
    with pytest.raises(DataError, match=f"a: {message}"):
        track.read(("accompaniment", "vocals"))


def test_a_track_without_its_mix_is_not_skipped(tmp_path):
    write_track(tmp_path / "a", without=("mix",))
    (track,) = find_ccmixter_tracks(tmp_path)
    assert track.read(("accompaniment", "vocals")).mix.shape == noise("a").shape


def test_a_folder_without_ccmixter_is_refused(tmp_path):
    (tmp_path / "a").mkdir()
    with pytest.raises(DataError, match=f"{tmp_path}: has no CCMixter tracks"):
        find_ccmixter_tracks(tmp_path)
