"""A plain folder of tracks: what is found, what is ignored, and what is refused."""

import av
import numpy as np
import pytest
import soundfile

from jnet.audio.reading import read_audio
from jnet.data.layouts import OWN_SUFFIXES, find_folder_tracks
from jnet.errors import DataError
from tests.jnet.data.corpora import RATE, noise, write_stems, write_track


def test_tracks_are_found_by_partition_and_name(tmp_path):
    for name in ("test/x", "valid/y", "train/b", "train/a"):
        write_track(tmp_path / name, frames=10)
    tracks = find_folder_tracks(tmp_path)
    assert [(track.subset, track.name) for track in tracks] == [
        ("train", "a"),
        ("train", "b"),
        ("valid", "y"),
        ("test", "x"),
    ]
    assert tracks[0].stems["vocals"].path == tmp_path / "train" / "a" / "vocals.wav"
    assert tracks[0].stems["vocals"].stream is None


def test_empty_and_hidden_folders_and_hidden_files_are_ignored(tmp_path):
    write_track(tmp_path / "train" / "a", frames=10)
    write_track(tmp_path / "train" / ".b.partial", frames=10)
    (tmp_path / "train" / "c").mkdir()
    (tmp_path / "train" / "d").mkdir()
    (tmp_path / "train" / "d" / ".DS_Store").touch()
    (tmp_path / "train" / ".DS_Store").touch()
    (tmp_path / "notes").mkdir()
    assert [track.name for track in find_folder_tracks(tmp_path)] == ["a"]


@pytest.mark.parametrize(
    ("suffixes", "name", "message"),
    [
        ((".wav",), "vocals.flac", r"train/b/vocals\.flac: is not \.wav: convert it"),
        (OWN_SUFFIXES, "mixture.aiff", r"mixture\.aiff: is not \.wav or .* or \.m4a: convert it"),
        (OWN_SUFFIXES, "notes.txt", r"train/b: has no <source>\.wav or .* files"),
    ],
)
def test_a_track_in_another_format_is_refused(tmp_path, suffixes, name, message):
    write_track(tmp_path / "train" / "a", frames=10)
    (tmp_path / "train" / "b").mkdir()
    (tmp_path / "train" / "b" / name).touch()
    with pytest.raises(DataError, match=message):
        find_folder_tracks(tmp_path, suffixes=suffixes)


def test_two_files_of_one_source_are_refused(tmp_path):
    folder = write_track(tmp_path / "train" / "a", frames=10)
    (folder / "vocals.txt").touch()
    (folder / "vocals.flac").touch()
    assert len(find_folder_tracks(tmp_path)) == 1  # only wav
    with pytest.raises(DataError, match=r"vocals\.flac and .*vocals\.wav: are two files of one"):
        find_folder_tracks(tmp_path, suffixes=OWN_SUFFIXES)


def test_stems_of_your_own_tracks_can_have_several_formats(tmp_path):
    samples = {name: noise(name, 44100) for name in ("bass", "drums", "other", "mixture", "vocals")}
    folder = write_stems(tmp_path / "train" / "a", {"bass": samples["bass"]})
    for name, suffix in (("drums", "flac"), ("other", "ogg"), ("mixture", "FLAC")):
        soundfile.write(folder / f"{name}.{suffix}", samples[name], RATE)
    encode_aac(folder / "vocals.m4a", samples["vocals"])
    (track,) = find_folder_tracks(tmp_path, suffixes=OWN_SUFFIXES)
    assert sorted(track.stems) == sorted(samples)
    read = track.read(("bass", "drums", "other"))
    for index, name in enumerate(("bass", "drums")):
        np.testing.assert_array_equal(np.rint(read.sources[:, index] * 32768), samples[name])
    np.testing.assert_array_equal(np.rint(read.mix * 32768), samples["mixture"])
    assert np.corrcoef(read.sources[:, 2, 0], samples["other"][:, 0])[0, 1] > 0.5
    assert len(read_audio(track.stems["vocals"].path)[0]) >= 44100


def encode_aac(path, samples):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=RATE, layout="stereo")
        planar = np.ascontiguousarray(samples.T / 32768, np.float32)
        frame = av.AudioFrame.from_ndarray(planar, "fltp", "stereo")
        frame.sample_rate = RATE
        for packet in (*stream.encode(frame), *stream.encode(None)):
            container.mux(packet)


@pytest.mark.parametrize(
    ("name", "valid"), [("validation", "valid"), ("Train", "train"), ("tests", "test")]
)
def test_tracks_in_a_misspelled_partition_are_refused(tmp_path, name, valid):
    write_track(tmp_path / "train" / "a", frames=10)
    write_track(tmp_path / name / "b", frames=10)
    with pytest.raises(
        DataError, match=f"{name}: looks like a misspelled subset: rename it to '{valid}'"
    ):
        find_folder_tracks(tmp_path)


@pytest.mark.parametrize("name", ["extra", "originals", "demo"])
def test_other_folders_of_tracks_are_ignored(tmp_path, name):
    write_track(tmp_path / "train" / "a", frames=10)
    write_track(tmp_path / name / "b", frames=10)
    assert [track.name for track in find_folder_tracks(tmp_path)] == ["a"]


@pytest.mark.parametrize(
    "name", ["Ünïcödé – 日本語 🎵", 'it\'s "quoted" & $HOME; `x`', "a.b.npy", "-x"]
)
def test_a_track_can_have_any_name_of_a_folder(tmp_path, name):
    write_stems(tmp_path / "train" / name, {"vocals": noise("v", 10)})
    (track,) = find_folder_tracks(tmp_path)
    assert track.name == name
    assert len(track.read(("vocals",)).mix) == 10
