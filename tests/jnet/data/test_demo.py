"""The demo corpus: reproducible files, exact sums, and a voice that sings the melody."""

import dataclasses
import hashlib
import itertools
from pathlib import Path

import numpy as np
import pytest
import soundfile

from jnet.data import demo

HALF_STEP = 0.5 / 32767  # half the distance of two 16-bit samples
STEMS = ("drums", "bass", "other", "vocals")
SHORT = tuple(
    dataclasses.replace(track, seconds=3.0, entry=0.5)
    for track in (demo.TRACKS[2], demo.TRACKS[-1])
)

# Values of SHORT[0] with seed 1 in the first release.
STORED_PITCHES = [53, 55, 52, 53, 55, 57]
STORED_RMS = {"drums": 0.07233, "bass": 0.08598, "other": 0.07833, "vocals": 0.12977}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    root = tmp_path_factory.mktemp("demo")
    demo.generate_corpus(root, seed=1, tracks=SHORT)
    return root


@pytest.fixture(scope="module", params=SHORT, ids=lambda track: track.name)
def stems(request):
    return request.param, demo.generate_track(request.param, seed=1)


def hash_files(root):
    """Return the SHA-256 of every file below `root`, including hidden files, by relative path."""
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files
    }


def energy_ratio_db(signal, reference):
    """Return the energy of `signal` relative to that of `reference`, in dB."""
    return 10 * np.log10(np.sum(np.square(signal)) / np.sum(np.square(reference)))


def measure_pitch(sound):
    """Measure the pitch in Hz by autocorrelation, between 80 and 900 Hz."""
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound)), 4 * len(sound))) ** 2
    correlation = np.fft.irfft(spectrum)
    low, high = demo.RATE // 900, demo.RATE // 80
    # The period is the first peak that is nearly the highest: the others are its multiples.
    peaks = [
        lag for lag in range(low, high) if correlation[lag] == correlation[lag - 2 : lag + 3].max()
    ]
    best = max(correlation[lag] for lag in peaks)
    lag = next(lag for lag in peaks if correlation[lag] > 0.9 * best)
    before, at, after = correlation[lag - 1 : lag + 2]
    # The peak of the parabola through three values.
    return demo.RATE / (lag + 0.5 * (before - after) / (before - 2 * at + after))


def test_the_layout_is_that_of_musdb18_hq(corpus):
    wanted = {
        f"{track.partition}/{track.name}/{stem}.wav"
        for track in SHORT
        for stem in ("mixture", *STEMS)
    }
    assert set(hash_files(corpus)) == wanted
    for path in corpus.rglob("*.wav"):
        info = soundfile.info(path)
        assert (info.samplerate, info.channels, info.subtype) == (44100, 2, "PCM_16")
        assert info.frames == 3 * 44100


def test_the_mixture_is_the_exact_sum_of_the_stems(corpus):
    for track in SHORT:
        folder = corpus / track.partition / track.name
        read = {
            stem: soundfile.read(folder / f"{stem}.wav", dtype="int16")[0].astype(int)
            for stem in ("mixture", *STEMS)
        }
        np.testing.assert_array_equal(read["mixture"], sum(read[stem] for stem in STEMS))
        # 0.9 of full scale, and at most half a step of rounding per stem: nothing is clipped.
        assert np.abs(read["mixture"]).max() == pytest.approx(0.9 * 32767, abs=2)


def test_files_are_equal_for_the_same_seed_and_differ_for_another(corpus, tmp_path):
    demo.generate_corpus(tmp_path / "again", seed=1, tracks=SHORT)
    assert hash_files(tmp_path / "again") == hash_files(corpus)
    demo.generate_corpus(tmp_path / "other", seed=2, tracks=SHORT)
    same = set(hash_files(tmp_path / "other").values()) & set(hash_files(corpus).values())
    assert not same


def test_a_track_does_not_depend_on_the_others(corpus, tmp_path):
    demo.generate_corpus(tmp_path, seed=1, tracks=SHORT[1:])
    single, all_tracks = hash_files(tmp_path), hash_files(corpus)
    assert len(single) == 5
    assert single.items() <= all_tracks.items()


def test_tracks_are_equal_to_those_of_the_first_release():
    """Scores on the demo corpus are only comparable if its tracks do not change."""
    track = SHORT[0]
    pitches = [note.pitch for note in demo.compose_melody(track, seed=1)]
    audio = demo.generate_track(track, seed=1)
    rms = {stem: float(np.sqrt(np.mean(np.square(samples)))) for stem, samples in audio.items()}
    assert pitches == STORED_PITCHES
    assert rms == pytest.approx(STORED_RMS, rel=1e-3)


def test_stems_have_valid_samples_and_levels(stems):
    track, audio = stems
    assert tuple(audio) == STEMS
    for samples in audio.values():
        assert samples.dtype == np.float32
        assert samples.shape == (round(track.seconds * 44100), 2)
        assert np.isfinite(samples).all()
    assert np.abs(sum(audio.values())).max() <= 0.9 + 1e-6
    accompaniment = audio["drums"] + audio["bass"] + audio["other"]
    assert abs(energy_ratio_db(audio["vocals"], accompaniment)) < 4
    for stem in ("drums", "bass", "other"):
        assert energy_ratio_db(audio[stem], accompaniment) > -12


def test_no_stem_has_energy_above_11_khz(stems):
    """A separator at 22,050 Hz, with frequencies up to 11,025 Hz, loses nothing."""
    track, audio = stems
    frequency = np.fft.rfftfreq(round(track.seconds * 44100), 1 / 44100)
    for stem in audio.values():
        spectrum = np.abs(np.fft.rfft(stem, axis=0))
        assert energy_ratio_db(spectrum[frequency > 11000], spectrum) < -50


def test_stems_are_neither_mono_nor_separable_by_panning_only(stems):
    _, audio = stems
    for stem in ("drums", "other", "vocals"):
        middle, side = audio[stem].sum(axis=1), np.diff(audio[stem], axis=1)
        assert -45 < energy_ratio_db(side, middle) < -3, stem


@pytest.mark.parametrize("track", demo.TRACKS, ids=lambda track: track.name)
def test_the_voice_sings_the_melody(track):
    track = dataclasses.replace(track, seconds=4.0, entry=0.5)
    voice = demo.sing_melody(track, seed=1).sum(axis=1)
    checked = 0
    for note in demo.compose_melody(track, seed=1):
        if note.seconds < 0.35:
            continue
        # After the consonant and its glide, and before the release.
        first, last = note.start + 0.15, note.start + note.seconds - 0.06
        measured = measure_pitch(voice[int(first * 44100) : int(last * 44100)])
        wanted = 440 * 2 ** ((note.pitch - 69) / 12)
        assert abs(1200 * np.log2(measured / wanted)) < 35  # in cents; the vibrato deviates by 30
        checked += 1
    assert checked >= 2


@pytest.mark.parametrize("track", demo.TRACKS, ids=lambda track: track.name)
def test_the_melody_stays_in_the_key_and_the_register(track):
    major, minor = {0, 2, 4, 5, 7, 9, 11}, {0, 2, 3, 5, 7, 8, 10}
    notes = demo.compose_melody(track, seed=0)
    assert len(notes) >= 10
    scale = major if track.mode == "major" else minor
    assert {(note.pitch - track.tonic) % 12 for note in notes} <= scale
    centres = {"baritone": 53, "tenor": 57, "alto": 64, "soprano": 68}
    assert all(abs(note.pitch - centres[track.voice]) <= 12 for note in notes)
    for note, following in itertools.pairwise(notes):
        assert note.start + note.seconds <= following.start + 1e-9


def test_the_voice_is_silent_between_phrases():
    """Phrases end at least 0.75 beats before the next bar, and reflections last at most 90 ms."""
    track = dataclasses.replace(SHORT[1], seconds=9.0)
    voice = demo.generate_track(track, seed=1)["vocals"]
    notes = demo.compose_melody(track, seed=1)
    rests = [
        (note.start + note.seconds + 0.2, following.start - 0.05)
        for note, following in itertools.pairwise(notes)
        if following.start - note.start - note.seconds > 0.3
    ]
    assert np.abs(voice[: int(0.9 * notes[0].start * 44100)]).max() < 1e-4
    assert len(rests) >= 2
    for first, last in rests:
        assert np.abs(voice[int(first * 44100) : int(last * 44100)]).max() < HALF_STEP


def test_the_sum_of_harmonics_is_the_sum_of_sines():
    phase = np.cumsum(np.linspace(0.01, 0.05, 10_000))
    rows = np.random.default_rng(0).uniform(0, 1, (10_000 // demo.HOP + 2, 7))
    frames = np.arange(10_000) / demo.HOP
    wanted = sum(
        np.interp(frames, np.arange(len(rows)), rows[:, k - 1]) * np.sin(k * phase)
        for k in range(1, 8)
    )
    np.testing.assert_allclose(demo.sum_harmonics(phase, rows), wanted, atol=1e-9)


def test_an_interrupted_track_is_completed(corpus, tmp_path, monkeypatch):
    def interrupt(path, target):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", interrupt)
        with pytest.raises(KeyboardInterrupt):
            demo.generate_corpus(tmp_path, seed=1, tracks=SHORT)
    assert not (tmp_path / SHORT[0].partition / SHORT[0].name).exists()
    leftovers = list(tmp_path.rglob("*.wav"))
    assert leftovers
    leftovers[0].write_bytes(b"half a file")
    leftovers[1].rename(leftovers[1].with_name("stale.wav"))
    demo.generate_corpus(tmp_path, seed=1, tracks=SHORT)
    assert hash_files(tmp_path) == hash_files(corpus)


def test_an_existing_track_is_kept(corpus, tmp_path):
    kept = tmp_path / SHORT[0].partition / SHORT[0].name / "mixture.wav"
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"mine")
    demo.generate_corpus(tmp_path, seed=1, tracks=SHORT)
    assert kept.read_bytes() == b"mine"
    assert len(hash_files(tmp_path)) == 1 + 5


def test_a_file_in_place_of_the_folder_is_an_os_error(tmp_path):
    (tmp_path / "root").write_text("a file where a folder should be")
    with pytest.raises(OSError, match="root"):
        demo.generate_corpus(tmp_path / "root", tracks=SHORT[:1])


def test_a_track_that_ends_before_its_voice_begins_is_an_error():
    track = dataclasses.replace(SHORT[0], seconds=1.0, entry=8)
    with pytest.raises(ValueError, match=r"Seven Bridges lasts 1\.0 s.*8 beats"):
        demo.generate_track(track, seed=0)


def test_the_corpus_is_small_and_its_names_are_valid_on_all_systems():
    names = [track.name for track in demo.TRACKS]
    assert len(set(names)) == len(names) == 11
    assert not any(set(name) & set('/\\:*?"<>|') for name in names)
    partitions = [track.partition for track in demo.TRACKS]
    assert (partitions.count("train"), partitions.count("test")) == (8, 3)
    assert sum(track.seconds for track in demo.TRACKS) == pytest.approx(196)
