"""A track: the stems of a source, and errors for missing stems."""

import re

import numpy as np
import pytest
import soundfile

from jnet.data.layouts import make_stem_track
from jnet.data.tracks import Stem, Track, list_visible
from jnet.errors import DataError
from tests.jnet.data.corpora import RATE, STEMS, noise, write_stems, write_track


def make_track(folder):
    stems = {path.stem: Stem(path) for path in folder.glob("*.wav")}
    return Track(folder.name, "train", stems)


def test_accompaniment_is_the_sum_of_bass_drums_and_other(tmp_path):
    folder = write_track(tmp_path / "a")
    read = make_track(folder).read(("accompaniment", "vocals"))
    wanted = sum(
        soundfile.read(folder / f"{name}.wav", dtype="int16")[0].astype(int)
        for name in ("bass", "drums", "other")
    )
    assert read.sample_rate == RATE
    np.testing.assert_array_equal(np.rint(read.sources[:, 0] * 32768), wanted)
    np.testing.assert_array_equal(read.mix, soundfile.read(folder / "mixture.wav")[0])


def test_sources_have_the_requested_order(tmp_path):
    folder = write_track(tmp_path / "a")
    read = make_track(folder).read(STEMS).sources
    assert read.shape == (RATE // 2, 4, 2)
    for index, name in enumerate(STEMS):
        np.testing.assert_array_equal(read[:, index], soundfile.read(folder / f"{name}.wav")[0])


def test_an_accompaniment_file_is_used_unchanged(tmp_path):
    stems = {"accompaniment": noise("x"), "vocals": noise("y"), "bass": noise("z")}
    read = make_track(write_stems(tmp_path / "a", stems)).read(("accompaniment", "vocals"))
    np.testing.assert_array_equal(np.rint(read.sources[:, 0] * 32768), noise("x"))


def test_the_mix_of_a_track_without_mixture_is_the_sum_of_its_sources(tmp_path):
    folder = write_track(tmp_path / "a")
    with_mixture = make_track(folder).read(STEMS).mix
    (folder / "mixture.wav").unlink()
    np.testing.assert_allclose(make_track(folder).read(STEMS).mix, with_mixture, atol=1e-6)


@pytest.mark.parametrize(
    ("removed", "message"),
    [
        (("vocals",), "has no stem vocals: add missing stems"),
        (("drums",), "has no stem drums: add missing stems"),
        (("bass", "drums"), "has no stem bass and no stem drums: add missing stems"),
        (("bass", "drums", "other"), "has no stem accompaniment: add missing stems"),
    ],
)
def test_a_missing_stem_is_named_with_its_folder(tmp_path, removed, message):
    folder = write_track(tmp_path / "a")
    for name in removed:
        (folder / f"{name}.wav").unlink()
    with pytest.raises(DataError, match=re.escape(f"{folder}: {message}")):
        make_track(folder).read(("accompaniment", "vocals"))


def test_the_folder_of_a_track_is_that_of_its_stems_or_its_stem_mp4(tmp_path):
    assert make_track(write_track(tmp_path / "a")).folder == tmp_path / "a"
    track = Track("b", "train", {"vocals": Stem(tmp_path / "b" / "vocals.wav")})
    assert track.folder == tmp_path / "b"
    path = tmp_path / "c.stem.mp4"
    assert make_stem_track(path, "train").folder == path


def test_hidden_files_are_ignored(tmp_path):
    for name in ("b.wav", "a.wav", ".DS_Store", "._a.wav", ".a.partial"):
        (tmp_path / name).touch()
    assert [path.name for path in list_visible(tmp_path)] == ["a.wav", "b.wav"]
    assert list_visible(tmp_path / "missing") == []
