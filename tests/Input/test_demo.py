"""The demo corpus: the same bytes each time, true sums, and a voice that sings the melody."""

import dataclasses
import hashlib
import itertools
from pathlib import Path

import numpy as np
import pytest
import soundfile

from Input import Demo

STEMS = ("drums", "bass", "other", "vocals")
SHORT = tuple(
    dataclasses.replace(song, seconds=3.0, entry=0.5) for song in (Demo.SONGS[2], Demo.SONGS[-1])
)

# Of SHORT[0] with seed 1, when the corpus was first made.
STORED_PITCHES = [53, 55, 52, 53, 55, 57]
STORED_RMS = {"drums": 0.07233, "bass": 0.08598, "other": 0.07833, "vocals": 0.12977}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    root = tmp_path_factory.mktemp("demo")
    Demo.generate(root, seed=1, songs=SHORT)
    return root


@pytest.fixture(scope="module", params=SHORT, ids=lambda song: song.name)
def stems(request):
    return request.param, Demo.generate_song(request.param, seed=1)


def digests(root):
    """Relative path -> SHA-256 of every file below `root`, hidden ones too."""
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files
    }


def decibels(part, whole):
    return 10 * np.log10(np.sum(np.square(part)) / np.sum(np.square(whole)))


def fundamental(sound):
    """Pitch in Hz by autocorrelation between 80 and 900 Hz, to a fraction of a frame."""
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound)), 4 * len(sound))) ** 2
    correlation = np.fft.irfft(spectrum)
    low, high = Demo.RATE // 900, Demo.RATE // 80
    # The first of the peaks that are nearly the highest: the others are its multiples.
    peaks = [
        lag for lag in range(low, high) if correlation[lag] == correlation[lag - 2 : lag + 3].max()
    ]
    best = max(correlation[lag] for lag in peaks)
    lag = next(lag for lag in peaks if correlation[lag] > 0.9 * best)
    before, at, after = correlation[lag - 1 : lag + 2]
    return Demo.RATE / (lag + 0.5 * (before - after) / (before - 2 * at + after))


def test_layout_is_that_of_musdb_hq(corpus):
    wanted = {
        f"{song.partition}/{song.name}/{stem}.wav" for song in SHORT for stem in ("mixture", *STEMS)
    }
    assert set(digests(corpus)) == wanted
    for path in corpus.rglob("*.wav"):
        info = soundfile.info(path)
        assert (info.samplerate, info.channels, info.subtype) == (44100, 2, "PCM_16")
        assert info.frames == 3 * 44100


def test_mixture_is_the_exact_sum_of_the_stems(corpus):
    for song in SHORT:
        folder = corpus / song.partition / song.name
        read = {
            stem: soundfile.read(folder / f"{stem}.wav", dtype="int16")[0].astype(int)
            for stem in ("mixture", *STEMS)
        }
        np.testing.assert_array_equal(read["mixture"], sum(read[stem] for stem in STEMS))
        # 0.9 of full scale and at most half a step of rounding per stem: loud, and never clipped.
        assert np.abs(read["mixture"]).max() == pytest.approx(0.9 * 32767, abs=2)


def test_same_seed_same_bytes_and_another_seed_other_bytes(corpus, tmp_path):
    Demo.generate(tmp_path / "again", seed=1, songs=SHORT)
    assert digests(tmp_path / "again") == digests(corpus)
    Demo.generate(tmp_path / "other", seed=2, songs=SHORT)
    same = set(digests(tmp_path / "other").values()) & set(digests(corpus).values())
    assert not same


def test_a_song_does_not_depend_on_the_others(corpus, tmp_path):
    Demo.generate(tmp_path, seed=1, songs=SHORT[1:])
    alone, all_songs = digests(tmp_path), digests(corpus)
    assert len(alone) == 5
    assert alone.items() <= all_songs.items()


def test_songs_are_those_of_the_first_release():
    """A demo's score compares with another machine's only while the songs stay as they are."""
    song = SHORT[0]
    pitches = [note.pitch for note in Demo.melody(song, seed=1)]
    tracks = Demo.generate_song(song, seed=1)
    rms = {stem: float(np.sqrt(np.mean(np.square(track)))) for stem, track in tracks.items()}
    assert pitches == STORED_PITCHES
    assert rms == pytest.approx(STORED_RMS, rel=1e-3)


def test_every_stem_sounds_at_its_level(stems):
    song, tracks = stems
    assert tuple(tracks) == STEMS
    for track in tracks.values():
        assert track.dtype == np.float32
        assert track.shape == (round(song.seconds * 44100), 2)
        assert np.isfinite(track).all()
    assert np.abs(sum(tracks.values())).max() <= 0.9 + 1e-6
    accompaniment = tracks["drums"] + tracks["bass"] + tracks["other"]
    assert abs(decibels(tracks["vocals"], accompaniment)) < 4
    for stem in ("drums", "bass", "other"):
        assert decibels(tracks[stem], accompaniment) > -12


def test_nothing_is_left_above_11_khz(stems):
    """A separator at 22,050 Hz hears the whole corpus."""
    song, tracks = stems
    frequency = np.fft.rfftfreq(round(song.seconds * 44100), 1 / 44100)
    for track in tracks.values():
        spectrum = np.abs(np.fft.rfft(track, axis=0))
        assert decibels(spectrum[frequency > 11000], spectrum) < -50


def test_stereo_is_neither_mono_nor_separable_by_panning_alone(stems):
    _, tracks = stems
    for stem in ("drums", "other", "vocals"):
        middle, side = tracks[stem].sum(axis=1), np.diff(tracks[stem], axis=1)
        assert -45 < decibels(side, middle) < -3, stem


@pytest.mark.parametrize("song", Demo.SONGS, ids=lambda song: song.name)
def test_the_voice_sings_the_melody(song):
    song = dataclasses.replace(song, seconds=4.0, entry=0.5)
    voice = Demo.vocals(song, seed=1).sum(axis=1)
    checked = 0
    for note in Demo.melody(song, seed=1):
        if note.seconds < 0.35:
            continue
        # Between the consonant with its glide and the release.
        first, last = note.start + 0.15, note.start + note.seconds - 0.06
        measured = fundamental(voice[int(first * 44100) : int(last * 44100)])
        wanted = 440 * 2 ** ((note.pitch - 69) / 12)
        assert abs(1200 * np.log2(measured / wanted)) < 35  # cents; the vibrato is 30
        checked += 1
    assert checked >= 2


@pytest.mark.parametrize("song", Demo.SONGS, ids=lambda song: song.name)
def test_the_melody_stays_in_the_key_and_the_register(song):
    major, minor = {0, 2, 4, 5, 7, 9, 11}, {0, 2, 3, 5, 7, 8, 10}
    notes = Demo.melody(song, seed=0)
    assert len(notes) >= 10
    scale = major if song.mode == "major" else minor
    assert {(note.pitch - song.tonic) % 12 for note in notes} <= scale
    centres = {"baritone": 53, "tenor": 57, "alto": 64, "soprano": 68}
    assert all(abs(note.pitch - centres[song.voice]) <= 12 for note in notes)
    for note, following in itertools.pairwise(notes):
        assert note.start + note.seconds <= following.start + 1e-9


def test_the_voice_rests_in_silence_between_phrases():
    """A phrase's last note ends at least 0.75 beats before the next bar; the room has 90 ms."""
    song = dataclasses.replace(SHORT[1], seconds=9.0)
    voice = Demo.generate_song(song, seed=1)["vocals"]
    notes = Demo.melody(song, seed=1)
    rests = [
        (note.start + note.seconds + 0.2, following.start - 0.05)
        for note, following in itertools.pairwise(notes)
        if following.start - note.start - note.seconds > 0.3
    ]
    assert np.abs(voice[: int(0.9 * notes[0].start * 44100)]).max() < 1e-4
    assert len(rests) >= 2
    for first, last in rests:
        assert np.abs(voice[int(first * 44100) : int(last * 44100)]).max() < 0.5 / 32767


def test_additive_synthesis_is_the_sum_of_its_sines():
    phase = np.cumsum(np.linspace(0.01, 0.05, 10_000))
    rows = np.random.default_rng(0).uniform(0, 1, (10_000 // Demo.HOP + 2, 7))
    at = np.arange(10_000) / Demo.HOP
    wanted = sum(
        np.interp(at, np.arange(len(rows)), rows[:, k - 1]) * np.sin(k * phase) for k in range(1, 8)
    )
    np.testing.assert_allclose(Demo.additive(phase, rows), wanted, atol=1e-9)


def test_an_interrupted_song_is_completed(corpus, tmp_path, monkeypatch):
    def interrupted(path, target):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", interrupted)
        with pytest.raises(KeyboardInterrupt):
            Demo.generate(tmp_path, seed=1, songs=SHORT)
    assert not (tmp_path / SHORT[0].partition / SHORT[0].name).exists()
    left = list(tmp_path.rglob("*.wav"))
    assert left
    left[0].write_bytes(b"half a file")
    left[1].rename(left[1].with_name("stale.wav"))
    Demo.generate(tmp_path, seed=1, songs=SHORT)
    assert digests(tmp_path) == digests(corpus)


def test_a_song_that_is_there_is_kept_and_reported(corpus, tmp_path):
    kept = tmp_path / SHORT[0].partition / SHORT[0].name / "mixture.wav"
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"mine")
    told = []
    Demo.generate(tmp_path, seed=1, songs=SHORT, progress=told.append)
    assert told == [song.name for song in SHORT]
    assert kept.read_bytes() == b"mine"
    assert len(digests(tmp_path)) == 1 + 5


def test_a_file_system_error_is_an_os_error(tmp_path):
    (tmp_path / "root").write_text("a file where a folder should be")
    with pytest.raises(OSError, match="root"):
        Demo.generate(tmp_path / "root", songs=SHORT[:1])


def test_a_song_without_time_to_sing_says_so():
    song = dataclasses.replace(SHORT[0], seconds=1.0, entry=8)
    with pytest.raises(ValueError, match=r"Seven Bridges lasts 1\.0 s.*8 beats"):
        Demo.generate_song(song, seed=0)


def test_the_corpus_is_small_and_every_name_is_one_folder():
    names = [song.name for song in Demo.SONGS]
    assert len(set(names)) == len(names) == 11
    assert not any(set(name) & set('/\\:*?"<>|') for name in names)
    partitions = [song.partition for song in Demo.SONGS]
    assert (partitions.count("train"), partitions.count("test")) == (8, 3)
    assert sum(song.seconds for song in Demo.SONGS) == pytest.approx(196)
