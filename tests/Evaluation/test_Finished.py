"""An evaluation stopped and started again: nothing done twice, nothing lost, nothing mixed."""

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from Evaluation.Finished import claimed, statement_of
from Evaluation.Scores import summary
from Evaluation.Separate import Separator
from Evaluation.Songs import score_songs
from Input.Songs import Song, Stem
from Spec.Errors import ConfigError, DataError, RecordError, RunFailed
from Spec.Lock import locked
from tests.Input.songs import contents, quiet

RATE = 8000
FRAMES = 12_000
WINDOWS = 12  # of the tiny model, of 1024 frames at that rate
SHA = "a" * 64


def halves(mix):
    return np.stack([0.75 * mix, 0.25 * mix], axis=2)


@pytest.fixture(scope="module")
def songs(tmp_path_factory):
    """Three mono songs at the tiny model's own rate."""
    random = np.random.default_rng(0)
    found = []
    for name in ("One", "Sønġ – “ü”", "Three"):
        folder = tmp_path_factory.mktemp("songs") / name
        folder.mkdir()
        for source in ("vocals", "accompaniment"):
            samples = 0.2 * random.standard_normal(FRAMES)
            soundfile.write(folder / f"{source}.wav", samples, RATE, subtype="FLOAT")
        stems = {path.stem: Stem(path) for path in sorted(folder.iterdir())}
        found.append(Song(name, "test", stems))
    return found


class Counted:
    """A model that counts its windows, and calls `at` after the windows it is to be called at."""

    def __init__(self, at=None):
        self.windows = 0
        self.at = at or (lambda windows, estimates: None)

    def __call__(self, mix):
        estimates = halves(mix)
        self.windows += len(mix)
        self.at(self.windows, estimates)
        return estimates


def evaluate(run, songs, folder, model=None, progress=quiet, sha=SHA, **scoring):
    """Score into a folder as an evaluation does; the summary."""
    spec = replace(run.scoring, **scoring)
    statement = statement_of(run.model, spec, sha, songs)
    separator = Separator(model or Counted(), run.model, 4)
    with claimed(folder, songs, statement):
        return summary(score_songs(separator, songs, spec, folder, progress))


def written(folder: Path):
    """Every file but the lock, by its name, with its bytes."""
    return {name: held for name, held in contents(folder).items() if not name.startswith(".")}


@pytest.fixture(scope="module")
def scored(tiny_specs, songs, tmp_path_factory):
    """An evaluation that nothing stopped: its folder and its summary."""
    folder = tmp_path_factory.mktemp("scored")
    return folder, evaluate(tiny_specs, songs, folder, save_estimates=True)


@pytest.fixture
def undisturbed(scored):
    """Summary and files of that evaluation."""
    return scored[1], written(scored[0])


@pytest.fixture
def folder(scored, tmp_path):
    """A copy of that evaluation, to do something to."""
    return shutil.copytree(scored[0], tmp_path / "scores")


def stop_after(count):
    def progress(name, done, total):
        if done == count:
            raise KeyboardInterrupt

    return progress


@pytest.mark.parametrize("done", [1, 2])
def test_songs_that_are_finished_are_not_done_again(tiny_specs, songs, tmp_path, undisturbed, done):
    folder = tmp_path / "stopped"
    first, second = Counted(), Counted()
    with pytest.raises(KeyboardInterrupt):
        evaluate(tiny_specs, songs, folder, first, stop_after(done), save_estimates=True)
    assert len(list(folder.glob("museval/test/*.json"))) == done
    told = []
    result = evaluate(
        tiny_specs, songs, folder, second, lambda *said: told.append(said), save_estimates=True
    )
    assert second.windows == (3 - done) * WINDOWS
    assert told == [(song.name, done + 1 + i, 3) for i, song in enumerate(songs[done:])]
    assert (result, written(folder)) == undisturbed  # to the last bit
    third = Counted()
    assert evaluate(tiny_specs, songs, folder, third, save_estimates=True) == result
    assert third.windows == 0


def test_a_song_stopped_halfway_is_done_again_whole(tiny_specs, songs, tmp_path, undisturbed):
    def stop(windows, estimates):
        if windows > WINDOWS + 4:
            raise KeyboardInterrupt

    folder = tmp_path / "stopped"
    with pytest.raises(KeyboardInterrupt):
        evaluate(tiny_specs, songs, folder, Counted(stop), save_estimates=True)
    again = Counted()
    result = evaluate(tiny_specs, songs, folder, again, save_estimates=True)
    assert again.windows == 2 * WINDOWS
    assert (result, written(folder)) == undisturbed


def damaged(path, how):
    content = path.read_bytes()
    if how == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "gone":
        path.unlink()
    else:  # whole JSON, but not all of what was written
        whole = json.loads(content)
        del whole[how]
        path.write_text(json.dumps(whole))


@pytest.mark.parametrize("how", ["cut", "empty", "gone", "mixture", "targets"])
def test_a_json_that_is_not_whole_is_written_anew(tiny_specs, songs, folder, undisturbed, how):
    damaged(folder / "museval" / "test" / f"{songs[1].name}.json", how)
    again = Counted()
    result = evaluate(tiny_specs, songs, folder, again, save_estimates=True)
    assert again.windows == WINDOWS
    assert (result, written(folder)) == undisturbed


def test_estimates_that_are_asked_for_later_are_made(tiny_specs, songs, tmp_path, undisturbed):
    folder = tmp_path / "without"
    evaluate(tiny_specs, songs, folder)
    assert not (folder / "estimates").exists()
    again = Counted()
    result = evaluate(tiny_specs, songs, folder, again, save_estimates=True)
    assert again.windows == 3 * WINDOWS
    assert (result, written(folder)) == undisturbed


CHANGES = {
    "weights_sha256 is 'bbbbbb": lambda run, songs: {"sha": "b" * 64},
    "passes is 2 and was 1": lambda run, songs: {"passes": 2},
    "whole_song is True and was False": lambda run, songs: {"whole_song": True},
    "scorer is 'museval' and was 'bss_eval'": lambda run, songs: {"scorer": "museval"},
    "window_seconds is 0.5 and was 1.0": lambda run, songs: {"window_seconds": 0.5},
    "the songs differ in test/Three": lambda run, songs: {"songs": songs[:-1]},
    "num_frames is 512 and was 1024": lambda run, songs: {
        "run": replace(run, model=replace(run.model, num_frames=512))
    },
}


@pytest.mark.parametrize("said", CHANGES)
def test_another_evaluation_is_refused_with_what_differs(tiny_specs, songs, folder, said):
    before = written(folder)
    entries = {"run": tiny_specs, "songs": songs, **CHANGES[said](tiny_specs, songs)}
    model = Counted()
    with pytest.raises(ConfigError, match="holds scores of another evaluation") as error:
        evaluate(folder=folder, model=model, **entries)
    assert said in str(error.value)
    assert str(error.value).count(" and was ") == (0 if "songs" in said else 1)
    assert "\n" not in str(error.value)
    assert (written(folder), model.windows) == (before, 0)


def test_all_that_differs_is_named_at_once(tiny_specs, songs, folder):
    with pytest.raises(ConfigError, match=r"passes is 3 .*; weights_sha256 is 'cc.*songs differ"):
        evaluate(tiny_specs, songs[1:], folder, passes=3, sha="c" * 64)


def test_a_song_whose_audio_changed_is_another(tiny_specs, songs, folder, tmp_path):
    held = songs[2].stems["vocals"].path
    samples, _ = soundfile.read(held, dtype="float32")
    other = tmp_path / held.name
    soundfile.write(other, samples[::-1], RATE, subtype="FLOAT")
    assert other.stat().st_size == held.stat().st_size
    changed = replace(songs[2], stems={**songs[2].stems, "vocals": Stem(other)})
    with pytest.raises(ConfigError, match="the songs differ in test/Three:"):
        evaluate(tiny_specs, [*songs[:2], changed], folder)


def test_a_song_that_moved_elsewhere_is_the_same(tiny_specs, songs, folder, tmp_path):
    place = shutil.copytree(songs[2].folder, tmp_path / "elsewhere" / "Three")
    moved = replace(songs[2], stems={path.stem: Stem(path) for path in sorted(place.iterdir())})
    model = Counted()
    evaluate(tiny_specs, [*songs[:2], moved], folder, model)
    assert model.windows == 0


@pytest.mark.parametrize("name", ["museval/test/One.json", "museval/test/Else.json", "scores.json"])
def test_scores_without_a_statement_are_neither_taken_nor_overwritten(
    tiny_specs, songs, tmp_path, name
):
    path = tmp_path / "scores" / name
    path.parent.mkdir(parents=True)
    path.write_text("{}")
    with pytest.raises(ConfigError, match="not known how they were made"):
        evaluate(tiny_specs, songs, tmp_path / "scores")
    assert path.read_text() == "{}"


def test_a_song_that_does_not_belong_is_refused_beside_a_statement_too(tiny_specs, songs, folder):
    (folder / "museval" / "test" / "Else.json").write_text("{}")
    with pytest.raises(ConfigError, match=r"Else\.json: holds scores of which it is not known"):
        evaluate(tiny_specs, songs, folder)


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"songs": 3}', "[" * 100_000])
def test_a_damaged_statement_is_refused(tiny_specs, songs, folder, content):
    (folder / "evaluation.json").write_text(content)
    with pytest.raises(ConfigError, match=r"evaluation\.json: is damaged"):
        evaluate(tiny_specs, songs, folder)


def test_two_at_once_are_one_too_many(tiny_specs, songs, tmp_path):
    folder = tmp_path / "scores"
    with (
        locked(folder / ".evaluation.lock", "taken"),
        pytest.raises(RecordError, match="another process is scoring into this folder"),
    ):
        evaluate(tiny_specs, songs, folder)
    assert written(folder) == {}


def test_what_a_killed_process_left_is_cleared_away(tiny_specs, songs, tmp_path, undisturbed):
    folder = tmp_path / "killed"
    (folder / "museval" / "test").mkdir(parents=True)
    (folder / "museval" / "test" / ".One.json.123.tmp").write_text("half")
    evaluate(tiny_specs, songs, folder, save_estimates=True)
    assert written(folder) == undisturbed[1]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_song_whose_estimates_are_not_finite_is_named_and_the_others_stay(
    tiny_specs, songs, tmp_path, undisturbed, workers
):
    def spoil(windows, estimates):
        if windows == WINDOWS + 4:  # the first windows of the second song
            estimates[1, 500, 1, 0] = np.nan

    folder = tmp_path / "spoilt"
    scoring = {"save_estimates": True, "num_workers": workers}
    said = rf"^Sønġ – “ü”: the estimates of vocals hold .* from sample {1024 + 500} \(0\.19 s\) on"
    with pytest.raises(DataError, match=said) as error:
        evaluate(tiny_specs, songs, folder, Counted(spoil), **scoring)
    assert "\n" not in str(error.value)
    assert not [name for name in written(folder) if "Three" in name or "Sønġ" in name]
    result = evaluate(tiny_specs, songs, folder, **scoring)
    assert (result, written(folder)) == undisturbed


class Deadly(np.ndarray):
    """What ends the process it is sent to."""

    def __reduce__(self):
        return os._exit, (1,)


class DeadlySong(Song):
    def read(self, sources):
        recording = super().read(sources)
        return replace(recording, mix=recording.mix.view(Deadly))


def test_a_process_that_is_killed_is_told_and_what_is_scored_stays(tiny_specs, songs, tmp_path):
    deadly = DeadlySong(songs[1].name, "test", songs[1].stems)
    scoring = {"save_estimates": True, "num_workers": 2}
    with pytest.raises(RunFailed, match=r"was killed, .*: lower cfg\.num_workers"):
        evaluate(tiny_specs, [songs[0], deadly, songs[2]], tmp_path / "scores", **scoring)
    again = Counted()
    evaluate(tiny_specs, songs, tmp_path / "scores", again, **scoring)
    assert again.windows in (WINDOWS, 2 * WINDOWS, 3 * WINDOWS)  # who was at work was killed, too


@pytest.mark.parametrize(
    "name", ["../x", "..", ".", "", "a/b", ".hidden", "a\nb", "a\0b", "x" * 251]
)
def test_no_songs_name_leads_out_of_the_folder(tiny_specs, songs, tmp_path, name):
    folder = tmp_path / "in" / "scores"
    with pytest.raises(DataError, match="the song"):
        evaluate(tiny_specs, [replace(songs[0], name=name)], folder, save_estimates=True)
    assert list(tmp_path.iterdir()) == []


def test_a_long_name_that_a_file_system_takes_is_written(tiny_specs, songs, tmp_path):
    song = replace(songs[0], name="ü" * 115)  # 230 bytes
    evaluate(tiny_specs, [song], tmp_path / "scores", save_estimates=True)
    assert (tmp_path / "scores" / "museval" / "test" / f"{song.name}.json").is_file()
    assert (tmp_path / "scores" / "estimates" / "test" / song.name / "vocals.wav").is_file()
