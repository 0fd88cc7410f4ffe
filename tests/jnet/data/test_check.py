"""The check of a data set: findings per track, and the report."""

import numpy as np
import soundfile

from jnet.data.check import Finding, check_tracks, report_findings
from tests.jnet.data.corpora import (
    RATE,
    noise,
    quiet,
    settings,
    write_corpus,
    write_stems,
    write_track,
)


def check_by_name(data, shortest=0.1):
    return {finding.name: finding for finding in check_tracks(data, shortest, quiet)}


def test_good_tracks_have_length_rate_and_additivity(tmp_path):
    reported = []
    found = check_tracks(
        settings(write_corpus(tmp_path)),
        0.1,
        lambda name, done, total: reported.append((done, total)),
    )
    assert [(item.subset, item.name) for item in found] == [
        ("train", "track 1"),
        ("train", "track 2"),
        ("valid", "track 3"),
        ("test", "track 4"),
    ]
    assert {(item.seconds, item.sample_rate, item.problem) for item in found} == {(0.5, RATE, "")}
    assert {item.additivity for item in found} == {-np.inf}  # 16-bit sums are exact in float32
    assert reported == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_every_damaged_track_is_found_and_all_others_are_checked(tmp_path):
    write_corpus(tmp_path, train=6)
    train = tmp_path / "train"
    (train / "track 1" / "vocals.wav").unlink()
    cut = train / "track 2" / "bass.wav"
    cut.write_bytes(cut.read_bytes()[:-4])
    write_stems(train / "track 3", {"drums": noise("d", 100)})
    write_stems(train / "track 4", {"mixture": noise("another track")})
    write_track(train / "track 6", frames=4000)
    samples = noise("n") / 32768
    samples[7] = np.inf
    soundfile.write(tmp_path / "test" / "track 7" / "other.wav", samples, RATE, subtype="FLOAT")
    found = check_by_name(settings(tmp_path))
    problems = {name: item.problem for name, item in found.items()}
    assert problems.pop("track 5") == ""
    for name, words in {
        "track 1": "track 1: has no stem vocals",
        "track 2": "bass.wav: is truncated",
        "track 3": "track 3: its stems differ in samples",
        "track 4": "its mixture differs from the sum of its stems by ",
        "track 6": "lasts 0.09 s, less than the 0.10 s of an excerpt: remove it",
        "track 7": "other.wav: sample 7 is not a finite number",
    }.items():
        assert words in problems.pop(name)
    assert not problems


def test_unusual_but_valid_tracks_get_a_note(tmp_path):
    write_corpus(tmp_path)
    silence, loud = np.zeros((RATE // 2, 2), np.int16), noise("loud")
    rest = {"bass": loud, "drums": silence, "other": silence}
    write_stems(tmp_path / "train" / "track 1", {**rest, "vocals": silence, "mixture": loud})
    write_track(tmp_path / "test" / "PR - Oh No")
    found = check_by_name(settings(tmp_path))
    assert {name: item.note for name, item in found.items() if item.note} == {
        "track 1": "vocals is silent throughout",
        "PR - Oh No": "its mixture is known not to be the sum of its stems",
    }
    assert not any(item.problem for item in found.values())
    report = report_findings(list(found.values()), settings(tmp_path)).splitlines()
    assert "note: train/track 1: vocals is silent throughout" in report


def test_short_tracks_are_valid_for_validation_and_test(tmp_path):
    write_corpus(tmp_path, frames=4000)
    problems = {item.subset: item.problem for item in check_tracks(settings(tmp_path), 0.1, quiet)}
    assert problems["valid"] == problems["test"] == ""
    assert problems["train"].startswith("lasts 0.09 s")


def test_channels_that_cannot_be_converted_are_a_problem(tmp_path):
    write_corpus(tmp_path)
    write_track(tmp_path / "train" / "track 1", channels=3)
    assert (
        "3 channels cannot be converted to 2"
        in check_by_name(settings(tmp_path))["track 1"].problem
    )


def test_the_report_counts_good_tracks_and_names_wrong_ones(tmp_path):
    found = [
        Finding("a", "train", 60.0, 44100, -30.26, ""),
        Finding("b", "train", 90.0, 48000, -20.04, ""),
        Finding("c", "train", 0.0, 0, None, "x/c.wav: is truncated"),
        Finding("d", "valid", 30.0, 44100, None, ""),
        Finding("e", "test", 6.0, 44100, -np.inf, ""),
    ]
    assert report_findings(found, settings(tmp_path)).splitlines() == [
        "wrong: train/c: x/c.wav: is truncated",
        "train: 2 tracks, 2.5 minutes, 44100 Hz, 48000 Hz, "
        "mixtures differ from the sums of their stems by at most -20.0 dB",
        "valid: 1 track, 0.5 minutes, 44100 Hz",
        "test: 1 track, 0.1 minutes, 44100 Hz, mixtures are equal to the sums of their stems",
    ]


def test_the_report_has_a_note_on_an_incomplete_musdb18(tmp_path):
    data = settings(write_corpus(tmp_path, frames=10), dataset="musdb18")
    assert report_findings([], data).endswith("and 50 test tracks; this folder has 3 and 1")
    complete = [Finding("a", subset, 1.0, RATE, None, "") for subset in ("train", "valid", "test")]
    assert "note" not in report_findings(complete, settings(tmp_path))
