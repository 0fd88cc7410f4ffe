"""CCMixter: its files are the stems they are, and an incomplete song is not skipped."""

import numpy as np
import pytest

from Input.CCMixter import find_ccmixter_songs
from Spec.Errors import DataError
from tests.Input.songs import noise, write_stems


def write(folder, without=()):
    stems = {
        "mix": noise("a") // 2 + noise("b") // 2,
        "source-01": noise("a") // 2,
        "source-02": noise("b") // 2,
    }
    return write_stems(folder, {name: stems[name] for name in stems if name not in without})


def test_source_01_is_the_accompaniment_and_source_02_the_voice(tmp_path):
    write(tmp_path / "b")
    write(tmp_path / "a")
    songs = find_ccmixter_songs(tmp_path)
    assert [(song.name, song.subset) for song in songs] == [("a", "train"), ("b", "train")]
    read = songs[0].read(("accompaniment", "vocals"))
    np.testing.assert_array_equal(np.rint(read.sources[:, 0] * 32768), noise("a") // 2)
    np.testing.assert_array_equal(np.rint(read.sources[:, 1] * 32768), noise("b") // 2)
    np.testing.assert_allclose(read.mix, read.sources.sum(axis=1), atol=1e-6)


@pytest.mark.parametrize(
    ("without", "said"),
    [("source-01", "has no stem accompaniment"), ("source-02", "has no stem vocals")],
)
def test_a_song_without_a_source_is_found_and_refused(tmp_path, without, said):
    write(tmp_path / "a", without=(without,))
    (song,) = find_ccmixter_songs(tmp_path)
    with pytest.raises(DataError, match=f"a: {said}"):
        song.read(("accompaniment", "vocals"))


def test_a_song_without_its_mix_is_not_skipped(tmp_path):
    write(tmp_path / "a", without=("mix",))
    (song,) = find_ccmixter_songs(tmp_path)
    assert song.read(("accompaniment", "vocals")).mix.shape == noise("a").shape


def test_a_folder_without_ccmixter_says_so(tmp_path):
    (tmp_path / "a").mkdir()
    with pytest.raises(DataError, match=f"{tmp_path}: holds no CCMixter"):
        find_ccmixter_songs(tmp_path)
