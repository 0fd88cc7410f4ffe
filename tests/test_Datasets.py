"""`python Datasets.py`: what it prints, leaves and ends with, on good data and on bad."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile

import Datasets
from Input import Demo
from Spec.Errors import DataError
from tests.Input.songs import noise, short_demo, write_corpus, write_song, write_stems

ROOT = Path(__file__).parent.parent


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path, monkeypatch):
    """Records go to `runs/` of the working directory; the user's own paths are not used."""
    monkeypatch.chdir(tmp_path)
    for variable in ("MUSDB_PATH", "CCMIXTER_PATH", "JNET_MONGO_URL"):
        monkeypatch.delenv(variable, raising=False)


@pytest.fixture
def own(tmp_path) -> Path:
    return write_corpus(tmp_path / "own")


def run(command, **entries):
    """One command, with the small corpus in `own` unless `entries` say otherwise."""
    given = {
        "dataset": "folder",
        "folder_path": "own",
        "store_path": "store",
        "num_validation_songs": 1,
        "num_workers": 1,
        "num_layers": 3,
        "num_frames": 1024,
        "sample_rate": 8000,
        **entries,
    }
    return Datasets.ex.run(command, config_updates={"cfg": given})


def command_line(*words, **environment):
    """Exit status, output and errors of `python Datasets.py …`."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "Datasets.py"), *words],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
    )
    return done.returncode, done.stdout, done.stderr


def test_prepare_says_what_it_made_and_the_second_time_makes_nothing(own, capsys):
    run("prepare")
    (folder,) = Path("store").glob("folder-*")
    assert capsys.readouterr().out.splitlines() == [
        "preparing songs: 4 songs",
        f"{folder} is whole: 2 train, 1 valid, 1 test songs",
    ]
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["sample_rate"] == 8000
    times = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    run("prepare")
    assert capsys.readouterr().out.splitlines() == [
        f"{folder} is whole: 2 train, 1 valid, 1 test songs"
    ]
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == times


def test_check_reports_good_songs_and_leaves_nothing(own, capsys):
    assert run("check").status == "COMPLETED"
    assert capsys.readouterr().out.splitlines()[1:] == [
        "train: 2 songs, 0.0 minutes, 44100 Hz, mixtures equal their sums",
        "valid: 1 songs, 0.0 minutes, 44100 Hz, mixtures equal their sums",
        "test: 1 songs, 0.0 minutes, 44100 Hz, mixtures equal their sums",
    ]
    assert [path.name for path in Path.cwd().iterdir()] == ["own"]


def cut_a_stem(song):
    path = song / "bass.wav"
    path.write_bytes(path.read_bytes()[:-1000])


def remove_a_stem(song):
    (song / "drums.wav").unlink()


def shorten_a_stem(song):
    write_stems(song, {"other": noise("o", 500)})


def change_a_rate(song):
    soundfile.write(song / "other.wav", noise("o"), 48000)


def shorten_the_song(song):
    shutil.rmtree(song)
    write_song(song, frames=5000)


def empty_a_stem(song):
    (song / "vocals.wav").write_bytes(b"")


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (cut_a_stem, "own/train/song 1/bass.wav: is cut off"),
        (remove_a_stem, "own/train/song 1: has no stem drums: add it or remove the song"),
        (shorten_a_stem, "own/train/song 1: its stems differ in frames"),
        (change_a_rate, "own/train/song 1: its stems differ in Hz"),
        (shorten_the_song, "lasts 0.11 s, a snippet 0.13: remove it"),
        (empty_a_stem, "own/train/song 1/vocals.wav: is empty"),
    ],
)
def test_check_names_each_kind_of_damage(own, capsys, damage, said):
    damage(own / "train" / "song 1")
    with pytest.raises(DataError, match="1 of 4 songs are wrong, the first is 'song 1'"):
        run("check")
    wrong = [line for line in capsys.readouterr().out.splitlines() if line.startswith("wrong: ")]
    assert len(wrong) == 1
    assert wrong[0].startswith("wrong: train/song 1: ")
    assert said in wrong[0]


def test_check_reads_what_is_prepared_and_names_each_damage(own, capsys):
    run("prepare")
    (folder,) = Path("store").glob("folder-*")
    capsys.readouterr()
    run("check")
    assert capsys.readouterr().out.splitlines()[-2:] == [
        "checking prepared songs: 4 songs",
        f"{folder} holds what was prepared",
    ]
    (folder / "train" / "song 1.npy").unlink()
    flipped = bytearray((folder / "test" / "song 4.npy").read_bytes())
    flipped[-1] ^= 1
    (folder / "test" / "song 4.npy").write_bytes(flipped)
    (folder / "valid" / ".song 2.npy.77.tmp").touch()
    with pytest.raises(DataError) as error:
        run("check")
    assert error.value.exit_status == 2
    assert str(error.value) == (
        f"{folder}: is damaged in 3 places, the first is train/song 1.npy: is missing: remove the "
        f"files named and manifest.json, then prepare again"
    )
    printed = capsys.readouterr().out.splitlines()
    assert [line for line in printed if line.startswith("damaged: ")] == [
        "damaged: train/song 1.npy: is missing",
        "damaged: test/song 4.npy: its samples have changed since they were prepared",
        "damaged: valid/.song 2.npy.77.tmp: does not belong there",
    ]


def test_check_says_that_a_store_is_not_whole_yet(own, capsys):
    run("prepare")
    (manifest,) = Path("store").rglob("manifest.json")
    manifest.unlink()
    run("check")
    said = f"{manifest.parent} is not whole yet: to prepare goes on with it"
    assert capsys.readouterr().out.splitlines()[-1] == said


@pytest.mark.parametrize("damage", [cut_a_stem, remove_a_stem, shorten_a_stem, empty_a_stem])
def test_prepare_refuses_damage_and_writes_no_manifest(own, damage):
    damage(own / "test" / "song 4")
    with pytest.raises(DataError, match="own/test/song 4"):
        run("prepare")
    assert not list(Path("store").rglob("manifest.json"))
    assert not list(Path("store").rglob("*.tmp"))


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ({"dataset": "musdb18"}, "cfg.musdb_path=….*MUSDB_PATH"),
        ({"dataset": "musdb18", "musdb_path": "none"}, "none: there is no such folder"),
        ({"folder_path": "own/train"}, "own/train: holds no songs as .*did you mean .*own?"),
        ({"num_validation_songs": 25}, "own/train: 3 training songs are too few .*lower it"),
        ({"ccmixter_path": "own"}, "own: holds no CCMixter"),
        ({"store_path": "own/train/song 1/bass.wav"}, "cannot be written .*store_path"),
        ({"store_path": "/dev/full"}, "/dev/full/.*: cannot be written .*store_path"),
    ],
)
def test_prepare_refuses_wrong_paths_and_counts(own, entries, said):
    with pytest.raises(DataError, match=said) as error:
        run("prepare", **entries)
    assert error.value.exit_status == 2
    assert "\n" not in str(error.value)


def test_real_songs_in_a_musdb_folder_go_through_preparation(shared_data, tmp_path, capsys):
    import importlib.util

    # stempeg itself would need ffmpeg to be imported; its song lies beside it.
    package = Path(str(importlib.util.find_spec("stempeg").origin)).parent
    (other,) = (package / "data").glob("*.stem.mp4")
    (first,) = (shared_data / "MUSDB18-7" / "train").glob("*.stem.mp4")
    for subset, path, name in (
        ("train", first, first.name),
        ("train", other, other.name),
        ("test", first, f"again {first.name}"),
    ):
        (tmp_path / "musdb" / subset).mkdir(parents=True, exist_ok=True)
        shutil.copy(path, tmp_path / "musdb" / subset / name)
    given = {"dataset": "musdb18", "musdb_path": "musdb", "sample_rate": 22050}
    run("prepare", **given)
    assert "is whole: 1 train, 1 valid, 1 test songs" in capsys.readouterr().out
    stored = json.loads(next(Path("store").rglob("manifest.json")).read_text())["songs"]
    # 300032 and 268288 frames at 44.1 kHz, as stempeg decodes them.
    assert {song["name"]: song["frames"] for song in stored} == {
        "Music Delta - 80s Rock": 150016,
        "The Easton Ellises - Falcon 69": 134144,
        "again Music Delta - 80s Rock": 150016,
    }
    run("check", **given)
    assert "here are 2 and 1" in capsys.readouterr().out


def test_demo_generates_what_is_missing_and_check_finds_it_right(monkeypatch, capsys):
    songs = short_demo()
    monkeypatch.setattr(Demo, "SONGS", songs)
    run("demo", dataset="demo", demo_path="music")
    run("demo", dataset="demo", demo_path="music")
    assert capsys.readouterr().out.splitlines() == [
        "generating songs: 4 songs",
        "music is whole",
        "music is whole",
    ]
    assert len(list(Path("music").rglob("mixture.wav"))) == len(songs)
    run("check", dataset="demo", demo_path="music")


def test_the_command_line_ends_bad_input_with_one_line_and_status_2(own):
    cut_a_stem(own / "train" / "song 1")
    given = ["cfg.dataset=folder", "cfg.folder_path=own", "cfg.num_validation_songs=1"]
    given += ["cfg.store_path=store", "cfg.num_layers=3", "cfg.num_frames=1024"]
    status, printed, said = command_line("prepare", "with", *given)
    assert (status, said.count("\n")) == (2, 1)
    assert said.startswith("Datasets.py: own/train/song 1/bass.wav: is cut off, its header ")
    assert "Traceback" not in printed
    status, printed, said = command_line("check", "with", *given)
    assert (status, said.count("\n")) == (2, 1)
    assert said == "Datasets.py: 1 of 4 songs are wrong, the first is 'song 1'\n"
    assert "wrong: train/song 1: own/train/song 1/bass.wav: is cut off" in printed


def test_the_command_line_takes_the_path_from_the_environment():
    status, _, said = command_line("check", MUSDB_PATH="nowhere")
    assert (status, said) == (
        2,
        "Datasets.py: nowhere: there is no such folder: correct the path\n",
    )
