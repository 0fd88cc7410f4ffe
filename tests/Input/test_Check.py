"""What a check finds, song by song, and how it reports it."""

import numpy as np
import soundfile

from Input.Check import Finding, check_songs, report
from tests.Input.songs import RATE, noise, quiet, spec, write_corpus, write_song, write_stems


def findings(data, shortest=0.1):
    return {found.name: found for found in check_songs(data, shortest, quiet)}


def test_good_songs_have_their_length_rate_and_sum(tmp_path):
    told = []
    found = check_songs(
        spec(write_corpus(tmp_path)), 0.1, lambda name, done, total: told.append((done, total))
    )
    assert [(item.subset, item.name) for item in found] == [
        ("train", "song 1"),
        ("valid", "song 2"),
        ("train", "song 3"),
        ("test", "song 4"),
    ]
    assert {(item.seconds, item.sample_rate, item.problem) for item in found} == {(0.5, RATE, "")}
    assert {item.additivity for item in found} == {-np.inf}  # 16-bit sums are exact in float32
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_every_damaged_song_is_found_and_the_others_are_checked_all_the_same(tmp_path):
    write_corpus(tmp_path, train=6)
    train = tmp_path / "train"
    (train / "song 1" / "vocals.wav").unlink()
    cut = train / "song 2" / "bass.wav"
    cut.write_bytes(cut.read_bytes()[:-4])
    write_stems(train / "song 3", {"drums": noise("d", 100)})
    write_stems(train / "song 4", {"mixture": noise("another song")})
    write_song(train / "song 6", frames=4000)
    samples = noise("n") / 32768
    samples[7] = np.inf
    soundfile.write(tmp_path / "test" / "song 7" / "other.wav", samples, RATE, subtype="FLOAT")
    found = findings(spec(tmp_path))
    said = {name: item.problem for name, item in found.items()}
    assert said.pop("song 5") == ""
    for name, words in {
        "song 1": "song 1: has no stem vocals",
        "song 2": "bass.wav: is cut off",
        "song 3": "song 3: its stems differ in frames",
        "song 4": "its mixture misses the sum of its stems by ",
        "song 6": "lasts 0.09 s, a snippet 0.10: remove it",
        "song 7": "other.wav: sample 7 is not a finite number",
    }.items():
        assert words in said.pop(name)
    assert not said


def test_what_is_odd_and_no_fault_is_noted(tmp_path):
    write_corpus(tmp_path)
    silence, loud = np.zeros((RATE // 2, 2), np.int16), noise("loud")
    rest = {"bass": loud, "drums": silence, "other": silence}
    write_stems(tmp_path / "train" / "song 1", {**rest, "vocals": silence, "mixture": loud})
    write_song(tmp_path / "test" / "PR - Oh No")
    found = findings(spec(tmp_path))
    assert {name: item.note for name, item in found.items() if item.note} == {
        "song 1": "vocals is silent throughout",
        "PR - Oh No": "its mixture is known not to be the sum of its stems",
    }
    assert not any(item.problem for item in found.values())
    said = report(list(found.values()), spec(tmp_path)).splitlines()
    assert "note: train/song 1: vocals is silent throughout" in said


def test_a_short_song_may_validate_and_test(tmp_path):
    write_corpus(tmp_path, frames=4000)
    problems = {item.subset: item.problem for item in check_songs(spec(tmp_path), 0.1, quiet)}
    assert problems["valid"] == problems["test"] == ""
    assert problems["train"].startswith("lasts 0.09 s")


def test_channels_that_cannot_be_had_are_a_problem(tmp_path):
    write_corpus(tmp_path)
    write_song(tmp_path / "train" / "song 1", channels=3)
    assert "3 channels cannot be made into 2" in findings(spec(tmp_path))["song 1"].problem


def test_the_report_counts_what_is_whole_and_names_what_is_wrong(tmp_path):
    found = [
        Finding("a", "train", 60.0, 44100, -30.26, ""),
        Finding("b", "train", 90.0, 48000, -20.04, ""),
        Finding("c", "train", 0.0, 0, None, "x/c.wav: is cut off"),
        Finding("d", "valid", 30.0, 44100, None, ""),
        Finding("e", "test", 6.0, 44100, -np.inf, ""),
    ]
    assert report(found, spec(tmp_path)).splitlines() == [
        "wrong: train/c: x/c.wav: is cut off",
        "train: 2 songs, 2.5 minutes, 44100 Hz, 48000 Hz, "
        "mixtures miss their sums by at most -20.0 dB",
        "valid: 1 songs, 0.5 minutes, 44100 Hz",
        "test: 1 songs, 0.1 minutes, 44100 Hz, mixtures equal their sums",
    ]


def test_the_report_remarks_on_a_musdb18_that_is_not_whole(tmp_path):
    data = spec(write_corpus(tmp_path, frames=10), dataset="musdb18")
    assert report([], data).endswith("and 50 to test; here are 3 and 1")
    assert report([], spec(tmp_path)) == ""
