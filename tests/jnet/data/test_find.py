"""The tracks of a run: their split and order, and an error for every invalid data set."""

import io
import re
import shutil
import sys
import threading
import time

import pytest

from jnet.data import demo as Demo
from jnet.data.demo import generate_missing
from jnet.data.find import find_tracks
from jnet.errors import DataError, RecordError
from jnet.system.locks import locked
from tests.jnet.data.corpora import (
    noise,
    quiet,
    settings,
    short_demo,
    write_corpus,
    write_stems,
    write_track,
)

SHORT = short_demo()


def find_error(data):
    """Return the error message of finding the tracks of `data`."""
    with pytest.raises(DataError) as error:
        find_tracks(data, quiet)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_tracks_are_found_and_split_in_order(tmp_path):
    tracks = find_tracks(settings(write_corpus(tmp_path)), quiet)
    # sha256sum of 'track 1' is 452d…, of 'track 2' 84fc…, of 'track 3' 2978…
    assert [(track.subset, track.name) for track in tracks] == [
        ("train", "track 1"),
        ("train", "track 2"),
        ("valid", "track 3"),
        ("test", "track 4"),
    ]


def test_an_existing_valid_partition_is_used_for_any_count(tmp_path):
    write_track(write_corpus(tmp_path) / "valid" / "mine")
    tracks = find_tracks(settings(tmp_path, num_validation_tracks=25), quiet)
    assert [track.name for track in tracks if track.subset == "valid"] == ["mine"]
    assert sum(track.subset == "train" for track in tracks) == 3


def test_ccmixter_is_used_for_training_only(tmp_path):
    write_corpus(tmp_path / "own")
    for index in range(5):
        write_stems(
            tmp_path / "cc" / f"mix {index}",
            {name: noise(name, 50) for name in ("mix", "source-01", "source-02")},
        )
    without = find_tracks(settings(tmp_path / "own"), quiet)
    tracks = find_tracks(settings(tmp_path / "own", ccmixter_path=str(tmp_path / "cc")), quiet)
    assert tracks[: len(without)] == without
    assert [track.subset for track in tracks[len(without) :]] == ["train"] * 5


@pytest.mark.parametrize(
    ("dataset", "message"),
    [("musdb18", "cfg.musdb_path=….*MUSDB_PATH"), ("folder", "cfg.folder_path=…")],
)
def test_a_missing_path_is_an_error_that_names_its_entry(dataset, message):
    assert re.search(message, find_error(settings(None, dataset=dataset)))


@pytest.mark.parametrize("dataset", ["musdb18", "folder"])
def test_a_path_that_is_not_a_folder_of_tracks_is_named(tmp_path, dataset):
    assert find_error(settings(tmp_path / "no", dataset=dataset)).startswith(
        f"{tmp_path}/no: does not exist"
    )
    (tmp_path / "file").touch()
    assert find_error(settings(tmp_path / "file", dataset=dataset)).startswith(
        f"{tmp_path}/file: is not a folder"
    )
    (tmp_path / "empty").mkdir()
    assert find_error(settings(tmp_path / "empty", dataset=dataset)).startswith(
        f"{tmp_path}/empty: has no tracks of the form <partition>/<track>"
    )


@pytest.mark.parametrize("dataset", ["musdb18", "folder"])
def test_the_right_folder_is_suggested_for_its_parent_and_its_subfolder(tmp_path, dataset):
    root = write_corpus(tmp_path / "music" / "musdb18hq")
    for wrong in (root / "train", root.parent):
        assert find_error(settings(wrong, dataset=dataset)).endswith(f"did you mean {root}?")


@pytest.mark.parametrize(
    ("subset", "message"),
    [("train", "has no training tracks"), ("test", "has no test tracks")],
)
def test_a_subset_without_tracks_is_named(tmp_path, subset, message):
    shutil.rmtree(write_corpus(tmp_path) / subset)
    assert (
        find_error(settings(tmp_path)) == f"{tmp_path}: {message}: add them to {tmp_path}/{subset}"
    )


def test_too_few_tracks_for_the_split_are_an_error(tmp_path):
    write_corpus(tmp_path)
    assert find_error(settings(tmp_path, num_validation_tracks=25)).startswith(
        f"{tmp_path}/train: of 3 training tracks, cfg.num_validation_tracks = 25 leaves none"
    )


def test_a_data_set_without_training_tracks_can_be_used_for_testing(tmp_path):
    root = write_corpus(tmp_path / "own", train=1, test=2, frames=10)
    shutil.rmtree(root / "train")
    # The path of CCMixter is not checked, because only training uses it.
    data = settings(root, ccmixter_path=str(tmp_path / "none"))
    tracks = find_tracks(data, quiet, subsets=("test",))
    assert [(track.subset, track.name) for track in tracks] == [
        ("test", "track 2"),
        ("test", "track 3"),
    ]
    for subset in ("train", "valid"):
        with pytest.raises(DataError, match="has no training tracks"):
            find_tracks(data, quiet, subsets=(subset,))


def test_a_data_set_without_test_tracks_can_be_used_for_training(tmp_path):
    root = write_corpus(tmp_path, test=0, frames=10)
    tracks = find_tracks(settings(root), quiet, subsets=("train", "valid"))
    assert [track.subset for track in tracks] == ["train", "train", "valid"]
    (validation,) = find_tracks(settings(root), quiet, subsets=("valid",))
    assert validation == tracks[2]
    with pytest.raises(DataError, match="has no test tracks"):
        find_tracks(settings(root), quiet, subsets=("test",))


def test_a_missing_stem_of_another_subset_is_not_an_error(tmp_path):
    root = write_corpus(tmp_path, frames=10)
    (root / "train" / "track 1" / "vocals.wav").unlink()
    assert len(find_tracks(settings(root), quiet, subsets=("test",))) == 1
    with pytest.raises(DataError, match="track 1: has no stem vocals"):
        find_tracks(settings(root), quiet)


def test_a_missing_stem_is_found_without_decoding(tmp_path):
    (write_corpus(tmp_path) / "test" / "track 4" / "vocals.wav").unlink()
    assert find_error(settings(tmp_path)).startswith(f"{tmp_path}/test/track 4: has no stem vocals")


def test_a_missing_demo_corpus_is_generated_once(tmp_path, monkeypatch):
    monkeypatch.setattr(Demo, "TRACKS", SHORT)
    reported = []
    data = settings(tmp_path / "demo", dataset="demo")
    tracks = find_tracks(data, lambda *each: reported.append(each))
    assert reported == [(track.name, index + 1, len(SHORT)) for index, track in enumerate(SHORT)]
    assert sorted(track.name for track in tracks) == sorted(track.name for track in SHORT)
    shutil.rmtree(tracks[0].folder)
    reported.clear()
    assert find_tracks(data, lambda *each: reported.append(each)) == tracks
    assert reported == [(tracks[0].name, 1, 1)]


def test_a_demo_corpus_that_cannot_be_written_is_an_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(RecordError, match="file"):
        generate_missing(tmp_path / "file" / "demo", quiet)


def test_a_process_that_waits_for_the_demo_corpus_does_not_generate_it_again(tmp_path, monkeypatch):
    monkeypatch.setattr(Demo, "TRACKS", SHORT[:1])
    # Not capsys: output of a thread is lost while `readouterr` empties its buffer.
    errors = io.StringIO()
    monkeypatch.setattr(sys, "stderr", errors)
    root, generated = tmp_path / "demo", []
    second = threading.Thread(
        target=generate_missing, args=(root, lambda *each: generated.append(each)), daemon=True
    )
    with locked(tmp_path / ".demo.lock", "is locked"):
        second.start()
        while not errors.getvalue().endswith("\n"):
            time.sleep(0.01)
        assert errors.getvalue() == f"another process is generating {root}: waiting for it\n"
        Demo.generate_corpus(root, tracks=SHORT[:1])
    second.join()
    assert generated == []


def test_a_track_in_two_subsets_is_refused(tmp_path):
    root = write_corpus(tmp_path / "own")
    track = next((root / "train").iterdir())
    shutil.copytree(track, root / "test" / track.name)
    with pytest.raises(DataError, match="are the same track in the train set and the test set"):
        find_tracks(settings(root, tmp_path), quiet)


def test_a_wav_file_outside_a_track_folder_is_refused(tmp_path):
    root = write_corpus(tmp_path / "own")
    track = next((root / "train").iterdir())
    shutil.copy(track / "vocals.wav", root / "train" / "loose.wav")
    with pytest.raises(DataError, match=r"loose\.wav: is not in the folder of a track"):
        find_tracks(settings(root, tmp_path), quiet)
