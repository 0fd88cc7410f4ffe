"""Interrupt and resume evaluations: finished tracks are kept, other evaluations are rejected."""

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from jnet.data.tracks import Stem, Track
from jnet.errors import ConfigError, DataError, RecordError, RunFailed
from jnet.scoring.evaluation import score_tracks
from jnet.scoring.finished import claim_evaluation, make_evaluation_fingerprint
from jnet.scoring.statistics import summarize
from jnet.separation.streaming import TrackSeparator
from jnet.system.files import MAX_NAME_BYTES
from jnet.system.locks import locked
from tests.jnet.data.corpora import contents, quiet

RATE = 8000
FRAMES = 12_000
WINDOWS = 12  # model windows of 1024 samples per track
SHA = "a" * 64


def split_mix(mix):
    """Separate a mix `[B, T, C]` into two scaled copies `[B, T, S, C]`."""
    return np.stack([0.75 * mix, 0.25 * mix], axis=2)


@pytest.fixture(scope="module")
def tracks(tmp_path_factory):
    """Write three mono tracks at the tiny model's sample rate."""
    random = np.random.default_rng(0)
    written_tracks = []
    for name in ("One", "Sønġ – “ü”", "Three"):
        folder = tmp_path_factory.mktemp("tracks") / name
        folder.mkdir()
        for source in ("vocals", "accompaniment"):
            samples = 0.2 * random.standard_normal(FRAMES)
            soundfile.write(folder / f"{source}.wav", samples, RATE, subtype="FLOAT")
        stems = {path.stem: Stem(path) for path in sorted(folder.iterdir())}
        written_tracks.append(Track(name, "test", stems))
    return written_tracks


class CountingModel:
    """A model that counts its windows and calls `callback` after every batch."""

    def __init__(self, callback=None):
        self.windows = 0
        self.callback = callback or (lambda windows, estimates: None)

    def __call__(self, mix):
        estimates = split_mix(mix)
        self.windows += len(mix)
        self.callback(self.windows, estimates)
        return estimates


def evaluate(run, tracks, folder, model=None, progress=quiet, sha=SHA, workers=1, **scoring):
    """Score tracks into a folder as an evaluation does and return the summary."""
    settings = replace(run.scoring, **scoring)
    wanted = make_evaluation_fingerprint(run.model, settings, sha, tracks)
    separator = TrackSeparator(model or CountingModel(), run.model, 4)
    with claim_evaluation(folder, tracks, wanted):
        return summarize(score_tracks(separator, tracks, settings, folder, workers, progress))


def read_files(folder: Path):
    """Return the bytes of all files except hidden ones by name."""
    return {name: content for name, content in contents(folder).items() if not name.startswith(".")}


@pytest.fixture(scope="module")
def scored(tiny_settings, tracks, tmp_path_factory):
    """Run an evaluation without interruption and return its folder and summary."""
    folder = tmp_path_factory.mktemp("scored")
    return folder, evaluate(tiny_settings, tracks, folder, save_estimates=True)


@pytest.fixture
def uninterrupted(scored):
    """Return the summary and the files of the evaluation without interruption."""
    return scored[1], read_files(scored[0])


@pytest.fixture
def folder(scored, tmp_path):
    """Copy the evaluation without interruption, so that a test can change it."""
    return shutil.copytree(scored[0], tmp_path / "scores")


def stop_after(count):
    def progress(name, done, total):
        if done == count:
            raise KeyboardInterrupt

    return progress


@pytest.mark.parametrize("done", [1, 2])
def test_finished_tracks_are_not_scored_again(tiny_settings, tracks, tmp_path, uninterrupted, done):
    folder = tmp_path / "stopped"
    first, second = CountingModel(), CountingModel()
    with pytest.raises(KeyboardInterrupt):
        evaluate(tiny_settings, tracks, folder, first, stop_after(done), save_estimates=True)
    assert len(list(folder.glob("museval/test/*.json"))) == done
    reports = []
    result = evaluate(
        tiny_settings,
        tracks,
        folder,
        second,
        lambda *report: reports.append(report),
        save_estimates=True,
    )
    assert second.windows == (3 - done) * WINDOWS
    assert reports == [(track.name, done + 1 + i, 3) for i, track in enumerate(tracks[done:])]
    assert (result, read_files(folder)) == uninterrupted  # to the last bit
    third = CountingModel()
    assert evaluate(tiny_settings, tracks, folder, third, save_estimates=True) == result
    assert third.windows == 0


def test_an_interrupted_track_is_scored_again_completely(
    tiny_settings, tracks, tmp_path, uninterrupted
):
    def stop(windows, estimates):
        if windows > WINDOWS + 4:
            raise KeyboardInterrupt

    folder = tmp_path / "stopped"
    with pytest.raises(KeyboardInterrupt):
        evaluate(tiny_settings, tracks, folder, CountingModel(stop), save_estimates=True)
    again = CountingModel()
    result = evaluate(tiny_settings, tracks, folder, again, save_estimates=True)
    assert again.windows == 2 * WINDOWS
    assert (result, read_files(folder)) == uninterrupted


def damage_json(path, how):
    content = path.read_bytes()
    if how == "truncated":
        path.write_bytes(content[: len(content) // 2])
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "missing":
        path.unlink()
    else:  # valid JSON without one of its entries
        document = json.loads(content)
        del document[how]
        path.write_text(json.dumps(document))


@pytest.mark.parametrize("how", ["truncated", "empty", "missing", "mixture", "targets"])
def test_a_track_with_a_damaged_json_is_scored_again(
    tiny_settings, tracks, folder, uninterrupted, how
):
    damage_json(folder / "museval" / "test" / f"{tracks[1].name}.json", how)
    again = CountingModel()
    result = evaluate(tiny_settings, tracks, folder, again, save_estimates=True)
    assert again.windows == WINDOWS
    assert (result, read_files(folder)) == uninterrupted


def test_estimates_that_are_requested_later_are_written(
    tiny_settings, tracks, tmp_path, uninterrupted
):
    folder = tmp_path / "without"
    evaluate(tiny_settings, tracks, folder)
    assert not (folder / "estimates").exists()
    again = CountingModel()
    result = evaluate(tiny_settings, tracks, folder, again, save_estimates=True)
    assert again.windows == 3 * WINDOWS
    assert (result, read_files(folder)) == uninterrupted


CHANGES = {
    "weights_sha256 is 'bbbbbb": lambda run, tracks: {"sha": "b" * 64},
    "passes is 2 and was 1": lambda run, tracks: {"passes": 2},
    "whole_track is True and was False": lambda run, tracks: {"whole_track": True},
    "window_seconds is 0.5 and was 1.0": lambda run, tracks: {"window_seconds": 0.5},
    "the tracks differ in test/Three": lambda run, tracks: {"tracks": tracks[:-1]},
    "num_frames is 512 and was 1024": lambda run, tracks: {
        "run": replace(run, model=replace(run.model, num_frames=512))
    },
}


@pytest.mark.parametrize("message", CHANGES)
def test_another_evaluation_is_rejected_with_the_differences(
    tiny_settings, tracks, folder, message
):
    before = read_files(folder)
    entries = {"run": tiny_settings, "tracks": tracks, **CHANGES[message](tiny_settings, tracks)}
    model = CountingModel()
    with pytest.raises(ConfigError, match="contains scores of another evaluation") as error:
        evaluate(folder=folder, model=model, **entries)
    assert message in str(error.value)
    assert str(error.value).count(" and was ") == (0 if "tracks" in message else 1)
    assert "\n" not in str(error.value)
    assert (read_files(folder), model.windows) == (before, 0)


def test_a_change_of_the_scorer_does_not_score_tracks_again(tiny_settings, tracks, folder):
    model = CountingModel()
    before = read_files(folder)
    evaluate(tiny_settings, tracks, folder, model, scorer="museval")
    assert (read_files(folder), model.windows) == (before, 0)


def test_the_error_names_all_differences(tiny_settings, tracks, folder):
    with pytest.raises(ConfigError, match=r"passes is 3 .*; weights_sha256 is 'cc.*tracks differ"):
        evaluate(tiny_settings, tracks[1:], folder, passes=3, sha="c" * 64)


def test_a_track_with_changed_audio_is_rejected(tiny_settings, tracks, folder, tmp_path):
    original = tracks[2].stems["vocals"].path
    samples, _ = soundfile.read(original, dtype="float32")
    other = tmp_path / original.name
    soundfile.write(other, samples[::-1], RATE, subtype="FLOAT")
    assert other.stat().st_size == original.stat().st_size
    changed = replace(tracks[2], stems={**tracks[2].stems, "vocals": Stem(other)})
    with pytest.raises(ConfigError, match="the tracks differ in test/Three:"):
        evaluate(tiny_settings, [*tracks[:2], changed], folder)


def test_a_moved_track_is_not_scored_again(tiny_settings, tracks, folder, tmp_path):
    place = shutil.copytree(tracks[2].folder, tmp_path / "elsewhere" / "Three")
    moved = replace(tracks[2], stems={path.stem: Stem(path) for path in sorted(place.iterdir())})
    model = CountingModel()
    evaluate(tiny_settings, [*tracks[:2], moved], folder, model)
    assert model.windows == 0


@pytest.mark.parametrize("name", ["museval/test/One.json", "museval/test/Else.json", "scores.json"])
def test_scores_without_a_fingerprint_are_neither_used_nor_overwritten(
    tiny_settings, tracks, tmp_path, name
):
    path = tmp_path / "scores" / name
    path.parent.mkdir(parents=True)
    path.write_text("{}")
    with pytest.raises(ConfigError, match="contains scores of unknown origin"):
        evaluate(tiny_settings, tracks, tmp_path / "scores")
    assert path.read_text() == "{}"


def test_a_json_of_another_track_is_rejected_beside_a_fingerprint(tiny_settings, tracks, folder):
    (folder / "museval" / "test" / "Else.json").write_text("{}")
    with pytest.raises(ConfigError, match=r"Else\.json: contains scores of unknown origin"):
        evaluate(tiny_settings, tracks, folder)


def test_an_evaluation_of_version_0_1_0_is_resumed(tiny_settings, tracks, folder, uninterrupted):
    """The old fingerprint has the key `whole_song`, which is `whole_track` now."""
    path = folder / "evaluation.json"
    stored = json.loads(path.read_text())
    stored["whole_song"] = stored.pop("whole_track")
    path.write_text(json.dumps(stored))
    (folder / "museval" / "test" / f"{tracks[1].name}.json").unlink()
    model = CountingModel()
    result = evaluate(tiny_settings, tracks, folder, model, save_estimates=True)
    assert (result, model.windows) == (uninterrupted[0], WINDOWS)
    with pytest.raises(ConfigError, match="whole_track is True and was False"):
        evaluate(tiny_settings, tracks, folder, whole_track=True)


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"tracks": 3}', "[" * 100_000])
def test_a_damaged_fingerprint_is_rejected(tiny_settings, tracks, folder, content):
    (folder / "evaluation.json").write_text(content)
    with pytest.raises(ConfigError, match=r"evaluation\.json: is damaged"):
        evaluate(tiny_settings, tracks, folder)


def test_a_second_evaluation_in_the_same_folder_is_rejected(tiny_settings, tracks, tmp_path):
    folder = tmp_path / "scores"
    with (
        locked(folder / ".evaluation.lock", "is locked"),
        pytest.raises(RecordError, match="another process is scoring into this folder"),
    ):
        evaluate(tiny_settings, tracks, folder)
    assert read_files(folder) == {}


def test_temporary_files_of_a_killed_process_are_removed(
    tiny_settings, tracks, tmp_path, uninterrupted
):
    folder = tmp_path / "killed"
    (folder / "museval" / "test").mkdir(parents=True)
    (folder / "museval" / "test" / ".One.json.123.tmp").write_text("half")
    evaluate(tiny_settings, tracks, folder, save_estimates=True)
    assert read_files(folder) == uninterrupted[1]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_track_with_non_finite_estimates_is_named_and_the_others_are_kept(
    tiny_settings, tracks, tmp_path, uninterrupted, workers
):
    def insert_nan(windows, estimates):
        if windows == WINDOWS + 4:  # the first windows of the second track
            estimates[1, 500, 1, 0] = np.nan

    folder = tmp_path / "scores"
    scoring = {"save_estimates": True, "workers": workers}
    message = (
        rf"^Sønġ – “ü”: the estimates of vocals have .* from sample {1024 + 500} \(0\.19 s\) on"
    )
    with pytest.raises(DataError, match=message) as error:
        evaluate(tiny_settings, tracks, folder, CountingModel(insert_nan), **scoring)
    assert "\n" not in str(error.value)
    assert not [name for name in read_files(folder) if "Three" in name or "Sønġ" in name]
    result = evaluate(tiny_settings, tracks, folder, **scoring)
    assert (result, read_files(folder)) == uninterrupted


class DeadlyArray(np.ndarray):
    """An array that ends the process that unpickles it."""

    def __reduce__(self):
        return os._exit, (1,)


class DeadlyTrack(Track):
    """A track that ends the process that scores it."""

    def read(self, sources):
        recording = super().read(sources)
        return replace(recording, mix=recording.mix.view(DeadlyArray))


def test_a_killed_process_is_reported_and_scored_tracks_are_kept(tiny_settings, tracks, tmp_path):
    deadly = DeadlyTrack(tracks[1].name, "test", tracks[1].stems)
    scoring = {"save_estimates": True, "workers": 2}
    with pytest.raises(RunFailed, match=r"was killed, .*: lower cfg\.num_workers"):
        evaluate(tiny_settings, [tracks[0], deadly, tracks[2]], tmp_path / "scores", **scoring)
    again = CountingModel()
    evaluate(tiny_settings, tracks, tmp_path / "scores", again, **scoring)
    assert again.windows in (WINDOWS, 2 * WINDOWS, 3 * WINDOWS)  # other processes end with it


@pytest.mark.parametrize(
    "name", ["../x", "..", ".", "", "a/b", ".hidden", "a\nb", "a\0b", "x" * 251]
)
def test_a_track_name_that_is_not_a_file_name_is_rejected(tiny_settings, tracks, tmp_path, name):
    folder = tmp_path / "in" / "scores"
    with pytest.raises(DataError, match="the track"):
        evaluate(tiny_settings, [replace(tracks[0], name=name)], folder, save_estimates=True)
    assert list(tmp_path.iterdir()) == []


def test_a_track_name_of_the_maximum_length_is_written(tiny_settings, tracks, tmp_path):
    track = replace(tracks[0], name="ü" * (MAX_NAME_BYTES // 2) + "x" * (MAX_NAME_BYTES % 2))
    evaluate(tiny_settings, [track], tmp_path / "scores", save_estimates=True)
    assert (tmp_path / "scores" / "museval" / "test" / f"{track.name}.json").is_file()
    assert (tmp_path / "scores" / "estimates" / "test" / track.name / "vocals.wav").is_file()
