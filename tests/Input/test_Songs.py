"""A song: which stems make a source, and what stems that do not fit together are told."""

import re

import numpy as np
import pytest
import soundfile

from Input.Musdb import stem_song
from Input.Songs import Song, Stem, visible
from Spec.Errors import DataError
from tests.Input.songs import RATE, STEMS, noise, write_song, write_stems


def song(folder):
    stems = {path.stem: Stem(path) for path in folder.glob("*.wav")}
    return Song(folder.name, "train", stems)


def test_accompaniment_is_the_sum_of_bass_drums_and_other(tmp_path):
    folder = write_song(tmp_path / "a")
    read = song(folder).read(("accompaniment", "vocals"))
    wanted = sum(
        soundfile.read(folder / f"{name}.wav", dtype="int16")[0].astype(int)
        for name in ("bass", "drums", "other")
    )
    assert read.sample_rate == RATE
    np.testing.assert_array_equal(np.rint(read.sources[:, 0] * 32768), wanted)
    np.testing.assert_array_equal(read.mix, soundfile.read(folder / "mixture.wav")[0])


def test_sources_come_in_the_order_asked_for(tmp_path):
    folder = write_song(tmp_path / "a")
    read = song(folder).read(STEMS).sources
    assert read.shape == (RATE // 2, 4, 2)
    for index, name in enumerate(STEMS):
        np.testing.assert_array_equal(read[:, index], soundfile.read(folder / f"{name}.wav")[0])


def test_an_accompaniment_of_its_own_is_used_as_it_is(tmp_path):
    stems = {"accompaniment": noise("x"), "vocals": noise("y"), "bass": noise("z")}
    read = song(write_stems(tmp_path / "a", stems)).read(("accompaniment", "vocals"))
    np.testing.assert_array_equal(np.rint(read.sources[:, 0] * 32768), noise("x"))


def test_a_song_without_mixture_is_mixed_from_its_sources(tmp_path):
    folder = write_song(tmp_path / "a")
    with_mixture = song(folder).read(STEMS).mix
    (folder / "mixture.wav").unlink()
    np.testing.assert_allclose(song(folder).read(STEMS).mix, with_mixture, atol=1e-6)


@pytest.mark.parametrize(
    ("removed", "said"),
    [
        (("vocals",), "has no stem vocals: add it"),
        (("drums",), "has no stem drums: add it"),
        (("bass", "drums"), "has no stem bass and no stem drums: add it"),
        (("bass", "drums", "other"), "has no stem accompaniment: add it"),
    ],
)
def test_a_missing_stem_is_named_with_its_folder(tmp_path, removed, said):
    folder = write_song(tmp_path / "a")
    for name in removed:
        (folder / f"{name}.wav").unlink()
    with pytest.raises(DataError, match=re.escape(f"{folder}: {said}")):
        song(folder).read(("accompaniment", "vocals"))


def test_a_song_says_where_it_is(tmp_path):
    assert song(write_song(tmp_path / "a")).folder == tmp_path / "a"
    one = Song("b", "train", {"vocals": Stem(tmp_path / "b" / "vocals.wav")})
    assert one.folder == tmp_path / "b"
    path = tmp_path / "c.stem.mp4"
    assert stem_song(path, "train").folder == path


def test_what_systems_hide_in_a_folder_is_not_seen(tmp_path):
    for name in ("b.wav", "a.wav", ".DS_Store", "._a.wav", ".a.partial"):
        (tmp_path / name).touch()
    assert [path.name for path in visible(tmp_path)] == ["a.wav", "b.wav"]
    assert visible(tmp_path / "nothing here") == []
