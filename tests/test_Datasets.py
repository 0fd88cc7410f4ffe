"""`python Datasets.py`: its output, files and exit status on valid and damaged data."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile

import Datasets
from jnet.data import demo as Demo
from jnet.errors import DataError
from tests.jnet.data.corpora import (
    append_empty_part,
    noise,
    short_demo,
    write_corpus,
    write_stems,
    write_track,
)

ROOT = Path(__file__).parent.parent


@pytest.fixture(autouse=True)
def use_temporary_folder(tmp_path, monkeypatch):
    """Run each test in an empty folder, where records are written, without paths of the user."""
    monkeypatch.chdir(tmp_path)
    for variable in ("MUSDB_PATH", "CCMIXTER_PATH", "JNET_MONGO_URL"):
        monkeypatch.delenv(variable, raising=False)


@pytest.fixture
def corpus(tmp_path) -> Path:
    return write_corpus(tmp_path / "own")


def run(command, **entries):
    """Run a command on the small corpus in the folder `own`, with changed `entries`."""
    config = {
        "dataset": "folder",
        "folder_path": "own",
        "store_path": "store",
        "num_validation_tracks": 1,
        "num_workers": 1,
        "num_layers": 3,
        "num_frames": 1024,
        "sample_rate": 8000,
        **entries,
    }
    return Datasets.ex.run(command, config_updates={"cfg": config})


def run_command_line(*words, **environment):
    """Return the exit status, output and errors of `python Datasets.py …`."""
    process = subprocess.run(
        [sys.executable, str(ROOT / "Datasets.py"), *words],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
    )
    return process.returncode, process.stdout, process.stderr


def test_prepare_reports_the_store_and_changes_nothing_when_repeated(corpus, capsys):
    run("prepare")
    (folder,) = Path("store").glob("folder-*")
    assert capsys.readouterr().out.splitlines() == [
        "preparing tracks: 4 tracks",
        f"{folder} is complete: 2 train, 1 valid, 1 test tracks",
    ]
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["sample_rate"] == 8000
    times = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    run("prepare")
    assert capsys.readouterr().out.splitlines() == [
        f"{folder} is complete: 2 train, 1 valid, 1 test tracks"
    ]
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == times


def test_check_reports_undamaged_tracks_and_writes_no_files(corpus, capsys):
    assert run("check").status == "COMPLETED"
    assert capsys.readouterr().out.splitlines()[1:] == [
        "train: 2 tracks, 0.0 minutes, 44100 Hz, mixtures are equal to the sums of their stems",
        "valid: 1 track, 0.0 minutes, 44100 Hz, mixtures are equal to the sums of their stems",
        "test: 1 track, 0.0 minutes, 44100 Hz, mixtures are equal to the sums of their stems",
    ]
    assert [path.name for path in Path.cwd().iterdir()] == ["own"]


@pytest.mark.parametrize(
    ("subset", "count", "notes"),
    [
        ("test", 1, ["training", "validation"]),
        ("train", 1, ["test"]),
        ("train", 25, ["validation", "test"]),
    ],
)
@pytest.mark.parametrize("dataset", ["folder", "musdb18"])
def test_a_part_of_a_data_set_can_be_checked(corpus, capsys, dataset, subset, count, notes):
    shutil.rmtree(corpus / {"test": "train", "train": "test"}[subset])
    entries = {"dataset": dataset, "num_validation_tracks": count}
    entries |= {"musdb_path": "own", "folder_path": None} if dataset == "musdb18" else {}
    run("check", **entries)
    printed = capsys.readouterr().out.splitlines()
    assert [line for line in printed if line.startswith("note: there")] == [
        f"note: there are no {name} tracks, which training needs" for name in notes
    ]
    assert ("note: MUSDB18 has 100" in printed[-1]) == (dataset == "musdb18")
    cut_a_stem(next((corpus / subset).iterdir()))
    with pytest.raises(DataError, match="tracks are wrong, the first is"):
        run("check", **entries)
    with pytest.raises(DataError, match=r"has no (test|training) tracks"):
        run("prepare", **entries)


def cut_a_stem(track):
    path = track / "bass.wav"
    path.write_bytes(path.read_bytes()[:-1000])


def remove_a_stem(track):
    (track / "drums.wav").unlink()


def shorten_a_stem(track):
    write_stems(track, {"other": noise("o", 500)})


def change_a_rate(track):
    soundfile.write(track / "other.wav", noise("o"), 48000)


def shorten_the_track(track):
    shutil.rmtree(track)
    write_track(track, frames=5000)


def empty_a_stem(track):
    (track / "vocals.wav").write_bytes(b"")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (cut_a_stem, "own/train/track 1/bass.wav: is truncated"),
        (
            remove_a_stem,
            "own/train/track 1: has no stem drums: add missing stems or remove the track",
        ),
        (shorten_a_stem, "own/train/track 1: its stems differ in samples"),
        (change_a_rate, "own/train/track 1: its stems differ in Hz"),
        (shorten_the_track, "lasts 0.11 s, less than the 0.13 s of an excerpt: remove it"),
        (empty_a_stem, "own/train/track 1/vocals.wav: is empty"),
    ],
)
def test_check_reports_each_kind_of_damage(corpus, capsys, damage, message):
    damage(corpus / "train" / "track 1")
    with pytest.raises(DataError, match="1 of 4 tracks are wrong, the first is 'track 1'"):
        run("check")
    wrong = [line for line in capsys.readouterr().out.splitlines() if line.startswith("wrong: ")]
    assert len(wrong) == 1
    assert wrong[0].startswith("wrong: train/track 1: ")
    assert message in wrong[0]


def test_check_reports_each_damage_of_the_store(corpus, capsys):
    run("prepare")
    (folder,) = Path("store").glob("folder-*")
    capsys.readouterr()
    run("check")
    assert capsys.readouterr().out.splitlines()[-2:] == [
        "checking prepared tracks: 4 tracks",
        f"{folder} is undamaged",
    ]
    (folder / "train" / "track 1.npy").unlink()
    flipped = bytearray((folder / "test" / "track 4.npy").read_bytes())
    flipped[-1] ^= 1
    (folder / "test" / "track 4.npy").write_bytes(flipped)
    (folder / "valid" / ".track 3.npy.77.tmp").touch()
    with pytest.raises(DataError) as error:
        run("check")
    assert error.value.exit_status == 2
    assert str(error.value) == (
        f"{folder}: is damaged in 3 places, the first is train/track 1.npy: is missing: remove the "
        f"damaged files and manifest.json, then prepare again"
    )
    printed = capsys.readouterr().out.splitlines()
    assert [line for line in printed if line.startswith("damaged: ")] == [
        "damaged: train/track 1.npy: is missing",
        "damaged: test/track 4.npy: its samples have changed since the preparation",
        "damaged: valid/.track 3.npy.77.tmp: does not belong to the store",
    ]


def test_check_reports_an_incomplete_store(corpus, capsys):
    run("prepare")
    (manifest,) = Path("store").rglob("manifest.json")
    manifest.unlink()
    run("check")
    message = f"{manifest.parent} is incomplete: `python Datasets.py prepare` completes it"
    assert capsys.readouterr().out.splitlines()[-1] == message


@pytest.mark.parametrize("damage", [cut_a_stem, remove_a_stem, shorten_a_stem, empty_a_stem])
def test_prepare_rejects_damaged_tracks_and_writes_no_manifest(corpus, damage):
    damage(corpus / "test" / "track 4")
    with pytest.raises(DataError, match="own/test/track 4"):
        run("prepare")
    assert not list(Path("store").rglob("manifest.json"))
    assert not list(Path("store").rglob("*.tmp"))


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"dataset": "musdb18"}, "cfg.musdb_path=….*MUSDB_PATH"),
        ({"dataset": "musdb18", "musdb_path": "none"}, "none: does not exist"),
        (
            {"folder_path": "own/train"},
            "own/train: has no tracks .*did you mean .*own?",
        ),
        ({"num_validation_tracks": 25}, "own/train: of 3 training tracks, .*lower it"),
        ({"ccmixter_path": "own"}, "own: has no CCMixter tracks"),
        ({"store_path": "own/train/track 1/bass.wav"}, "cannot be written .*store_path"),
        ({"store_path": "/dev/full"}, "/dev/full/.*: cannot be written .*store_path"),
    ],
)
def test_prepare_rejects_wrong_paths_and_counts(corpus, entries, message):
    with pytest.raises(DataError, match=message) as error:
        run("prepare", **entries)
    assert error.value.exit_status == 2
    assert "\n" not in str(error.value)


def test_real_tracks_in_a_musdb_folder_are_prepared(shared_data, tmp_path, capsys):
    import importlib.util

    # Importing stempeg needs ffmpeg; only the track in its package is used.
    package = Path(str(importlib.util.find_spec("stempeg").origin)).parent
    (second,) = (package / "data").glob("*.stem.mp4")
    (first,) = (shared_data / "MUSDB18-7" / "train").glob("*.stem.mp4")
    for subset, path, name in (
        ("train", first, first.name),
        ("train", second, second.name),
        ("test", first, f"again {first.name}"),
    ):
        (tmp_path / "musdb" / subset).mkdir(parents=True, exist_ok=True)
        shutil.copy(path, tmp_path / "musdb" / subset / name)
    append_empty_part(tmp_path / "musdb" / "test" / name, 1)
    entries = {"dataset": "musdb18", "musdb_path": "musdb", "sample_rate": 22050}
    run("prepare", **entries)
    assert "is complete: 1 train, 1 valid, 1 test tracks" in capsys.readouterr().out
    stored = json.loads(next(Path("store").rglob("manifest.json")).read_text())["songs"]
    # stempeg decodes 300032 and 268288 samples at 44.1 kHz.
    assert {track["name"]: track["frames"] for track in stored} == {
        "Music Delta - 80s Rock": 150016,
        "The Easton Ellises - Falcon 69": 134144,
        "again Music Delta - 80s Rock": 150016,
    }
    run("check", **entries)
    assert "this folder has 2 and 1" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["prepare", "check"])
def test_the_same_audio_in_two_subsets_is_an_error_that_names_both(corpus, command):
    shutil.copytree(corpus / "train" / "track 1", corpus / "test" / "another name")
    (corpus / "test" / "another name" / "mixture.wav").unlink()
    message = (
        "'own/train/track 1' in the train set and 'own/test/another name' in the test set have the "
        "same audio: remove one of them"
    )
    with pytest.raises(DataError, match=f"^{message}$"):
        run(command)


def test_the_same_silence_in_two_subsets_is_accepted(corpus):
    for subset, track in (("train", "track 1"), ("test", "track 4")):
        write_stems(corpus / subset / track, {"vocals": 0 * noise("v")})
        (corpus / subset / track / "mixture.wav").unlink()
    run("prepare")


def test_demo_generates_missing_tracks_that_check_accepts(monkeypatch, capsys):
    tracks = short_demo()
    monkeypatch.setattr(Demo, "TRACKS", tracks)
    run("demo", demo_path="music")
    run("demo", dataset="demo", demo_path="music")
    assert capsys.readouterr().out.splitlines() == [
        "generating tracks: 4 tracks",
        "music is complete",
        "music is complete",
    ]
    assert len(list(Path("music").rglob("mixture.wav"))) == len(tracks)
    run("check", dataset="demo", demo_path="music")


def test_damaged_input_ends_with_one_line_and_status_2(corpus):
    cut_a_stem(corpus / "train" / "track 1")
    words = ["cfg.dataset=folder", "cfg.folder_path=own", "cfg.num_validation_tracks=1"]
    words += ["cfg.store_path=store", "cfg.num_layers=3", "cfg.num_frames=1024"]
    status, output, errors = run_command_line("prepare", "with", *words)
    assert (status, errors.count("\n")) == (2, 1)
    assert errors.startswith("Datasets.py: own/train/track 1/bass.wav: is truncated, it has ")
    assert "Traceback" not in output


def test_the_error_of_check_names_the_first_damaged_track(corpus, capsys):
    cut_a_stem(corpus / "train" / "track 1")
    with pytest.raises(DataError, match=r"^1 of 4 tracks are wrong, the first is 'track 1'$"):
        run("check")
    assert (
        "wrong: train/track 1: own/train/track 1/bass.wav: is truncated" in capsys.readouterr().out
    )


def test_the_path_is_read_from_the_environment(monkeypatch):
    monkeypatch.setenv("MUSDB_PATH", "nowhere")
    with pytest.raises(DataError, match=r"^nowhere: does not exist: correct the path$"):
        Datasets.ex.run("check")
