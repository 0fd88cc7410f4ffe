"""The demo corpus: about three minutes of synthetic tracks in the layout of MUSDB18-HQ.

The corpus is generated with NumPy from a seed. `demo.toml` describes the music of each track: key,
tempo, chord progression, groove, instrument and voice. The stems are drums, a bass line, chords
(`other`) and a voice (`vocals`) that sings a melody over the chords. The voice is a glottal pulse
train filtered by moving formants, with vibrato, consonants and rests. All energy is below 11 kHz,
so that a separator at 22,050 Hz processes all of it.

In the shapes below, M counts the frames of a control signal, one per `HOP` samples.
"""

import hashlib
import io
import itertools
import shutil
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from jnet.system.locks import creation_lock
from jnet.system.progress import Progress

RATE = 44100  # sample rate in Hz
HOP = 128  # samples (2.9 ms) between two values of a control signal: pitch, formants or gain
# Relative RMS of the stems, measured where they are not silent.
LEVELS = {"drums": 0.62, "bass": 0.62, "other": 0.58, "vocals": 1.0}
PEAK = 0.9  # maximum absolute value of the mixture
BAND = (9000.0, 10500.0)  # Hz: harmonics fade out between these frequencies
BANDWIDTHS = (90, 110, 160, 220, 300)  # Hz, of the formants


@dataclass(frozen=True)
class DemoTrack:
    """The description of a track.

    `dataclasses.replace(track, seconds=3)` describes the same track with another length.
    """

    name: str  # "Artist - Title", the name of the folder
    partition: str  # "train" or "test"
    seconds: float
    tonic: int  # pitch class of the key: 0 is C, 9 is A
    mode: str  # a key of `modes` in demo.toml
    progression: list[int]  # scale degree of the chord of each bar; 1 is the tonic
    beats_per_minute: float
    groove: str  # a key of `grooves`
    instrument: str  # a key of `instruments`; plays the chords
    voice: str  # a key of `voices`
    entry: float  # number of beats before the voice begins
    pan: dict[str, float]  # of chords, hihat and voice: -1 is left, 1 is right


@dataclass(frozen=True)
class Instrument:
    """A pitched instrument: the spectrum and envelope of its notes, and its rhythm for chords."""

    slope: float  # harmonic k has amplitude k ** -slope at the start of a note
    harmonics: int  # number of harmonics
    attack: float  # seconds
    decay: float  # seconds in which the first harmonic falls to 1 / e
    damping: float  # harmonic k falls to 1 / e in decay / (1 + damping * (k - 1)) seconds
    bar: str = ""  # one character per sixteenth: x plays the chord, 1 to 4 one of its notes


MUSIC = tomllib.loads(Path(__file__).with_name("demo.toml").read_text(encoding="utf-8"))
TRACKS = tuple(DemoTrack(**track) for track in MUSIC["tracks"])
INSTRUMENTS = {name: Instrument(**values) for name, values in MUSIC["instruments"].items()}


@dataclass(frozen=True)
class Note:
    """One sung note."""

    start: float  # seconds from the start of the track
    seconds: float
    pitch: int  # MIDI note: 69 is 440 Hz


def make_generator(seed: int, *names: str) -> np.random.Generator:
    """Return a random generator that depends only on `seed` and `names` (a track and a stem)."""
    digest = hashlib.sha256("/".join((str(seed), *names)).encode()).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(digest[:16], "little")))


def hertz(pitch):
    """Return the frequency in Hz of a MIDI note in equal temperament."""
    return 440.0 * 2.0 ** ((np.asarray(pitch, float) - 69.0) / 12.0)


# ---------------------------------------------------------------------------- composition


def list_bars(track: DemoTrack) -> list[tuple[float, int]]:
    """Return the start in seconds and the chord of every bar, as a scale degree (0: tonic)."""
    length = 240.0 / track.beats_per_minute
    count = int(np.ceil(track.seconds / length))
    return [(i * length, track.progression[i % len(track.progression)] - 1) for i in range(count)]


def get_scale_pitch(track: DemoTrack, degree: int) -> int:
    """Return the MIDI note of a scale degree: 0 is the tonic between C1 and B1, 7 its octave."""
    return 24 + track.tonic + 12 * (degree // 7) + MUSIC["modes"][track.mode][degree % 7]


def move_near(pitch: int, centre: float) -> int:
    """Move `pitch` by octaves to the octave around `centre`."""
    return int(pitch + 12 * np.round((centre - pitch) / 12))


def compose_melody(track: DemoTrack, seed: int) -> list[Note]:
    """Compose the melody: phrases of two bars in the form A A B A, each followed by a rest.

    Beats 1 and 3 of a bar have notes of its chord; the notes between them are steps in the scale. A
    repeated phrase is transposed within the scale to its chords.
    """
    random = make_generator(seed, track.name, "melody")
    phrases = {name: [compose_bar(random, kind) for kind in ("moving", "closing")] for name in "AB"}
    centre = MUSIC["voices"][track.voice]["centre"]
    beat, previous, notes = 60.0 / track.beats_per_minute, float(centre), []
    for index, (start, chord) in enumerate(list_bars(track)):
        for onset, length, step in phrases["AABA"[index // 2 % 4]][index % 2]:
            begin = start + onset * beat
            if begin < track.entry * beat - 1e-9 or begin >= track.seconds - 0.3:
                continue
            pitch = move_near(get_scale_pitch(track, chord + step), 0.5 * previous + 0.5 * centre)
            notes.append(Note(begin, min(length * beat, track.seconds - begin), pitch))
            previous = pitch
    return notes


def compose_bar(random, kind: str) -> list[tuple[float, float, int]]:
    """Draw one bar of melody, which is 'moving' or 'closing' (the `rhythms` of demo.toml).

    Returns the onset in beats, the length in beats and the pitch of every note. The pitch is in
    scale steps above the root of the chord.
    """
    rhythms = MUSIC["rhythms"][kind]
    motif, step = [], int(random.choice((0, 2, 4)))
    for onset, length in rhythms[random.integers(len(rhythms))]:
        step += int(random.choice((-1, 1)))
        if onset % 2.0 == 0.0:
            step = int(random.choice((0, 2, 4)))
        motif.append((onset, length, step))
    return motif


# ---------------------------------------------------------------------------- sound synthesis


def sum_harmonics(phase: np.ndarray, amplitudes: np.ndarray) -> np.ndarray:
    """Return the sum of `amplitudes[:, k - 1] * sin(k * phase)` for the harmonics k = 1..K.

    Clenshaw's recurrence needs only one sine and one cosine for all harmonics.

    Parameters
    ----------
    phase : np.ndarray
        Phase of the first harmonic in radians, [T].
    amplitudes : np.ndarray
        Amplitudes of the harmonics, [M, K] with M > T / HOP; linearly interpolated between frames.

    Returns
    -------
    np.ndarray
        The sum, [T].
    """
    out = np.empty(len(phase))
    ramp = np.arange(HOP) / HOP
    rows = 64  # so few frames at a time that the arrays below fit into the processor's cache
    for first in range(0, -(-len(phase) // HOP), rows):
        part = phase[first * HOP : (first + rows) * HOP]
        count = -(-len(part) // HOP)
        angle = np.resize(part, (count, HOP))  # the surplus in the last row is removed below
        edges = amplitudes[first : first + count + 1, :, None]  # [count + 1, K, 1]
        start, change = edges[:-1], np.diff(edges, axis=0)
        double_cosine = 2.0 * np.cos(angle)
        after, current = np.zeros_like(angle), np.zeros_like(angle)
        for k in reversed(range(amplitudes.shape[1])):
            after, current = current, double_cosine * current - after
            current += start[:, k] + change[:, k] * ramp
        out[first * HOP : first * HOP + len(part)] = (current * np.sin(angle)).ravel()[: len(part)]
    return out


def make_band_noise(random, num_samples: int, low: float, high: float) -> np.ndarray:
    """Return band-limited white noise with an RMS of 1, [T].

    Parameters
    ----------
    random : np.random.Generator
        The random generator.
    num_samples : int
        The length T.
    low, high : float
        The passband in Hz. The noise fades out below and above it.

    Returns
    -------
    np.ndarray
        The noise, [T].
    """
    frequency = np.fft.rfftfreq(num_samples, 1 / RATE)
    octaves = np.log2(np.maximum(frequency, 1.0))
    rise = np.clip((octaves - np.log2(low)) * 2 + 1, 0, 1)
    fall = np.clip((np.log2(high) - octaves) * 4 + 1, 0, 1)
    spectrum = np.fft.rfft(random.standard_normal(num_samples)) * rise * fall
    noise = np.fft.irfft(spectrum, num_samples)
    return noise / np.sqrt(np.mean(noise**2))


def play_note(pitch: int, seconds: float, instrument: Instrument) -> np.ndarray:
    """Synthesise one note, [T].

    Parameters
    ----------
    pitch : int
        The MIDI note.
    seconds : float
        The length of the note, including a release of 30 ms.
    instrument : Instrument
        The instrument that plays the note.

    Returns
    -------
    np.ndarray
        The sound of the note, mono.
    """
    num_samples = int(seconds * RATE)
    time = np.arange(-(-num_samples // HOP) + 1)[:, None] * (HOP / RATE)  # [M, 1]
    k = np.arange(1, instrument.harmonics + 1)
    rates = (1 + instrument.damping * (k - 1)) / instrument.decay
    amplitudes = k**-instrument.slope * np.exp(-time * rates) * compute_band_gain(k * hertz(pitch))
    amplitudes *= np.clip(time / instrument.attack, 0, 1) * np.clip((seconds - time) / 0.03, 0, 1)
    return sum_harmonics(2 * np.pi * hertz(pitch) / RATE * np.arange(num_samples), amplitudes)


def compute_band_gain(frequency):
    """Return the gain of a harmonic at a frequency in Hz: 1 below `BAND` and 0 above it."""
    return np.clip((BAND[1] - frequency) / (BAND[1] - BAND[0]), 0.0, 1.0)


def add_sound(
    audio: np.ndarray, sound: np.ndarray, start: float, gain: float = 1.0, pan: float = 0.0
):
    """Add a mono sound to stereo audio, in place.

    Parameters
    ----------
    audio : np.ndarray
        The stereo audio, [T, 2]. The sound is cut at its end.
    sound : np.ndarray
        The mono sound.
    start : float
        The position of the sound in seconds.
    gain : float
        The gain of the sound.
    pan : float
        The stereo position from −1 (left) to 1 (right), with constant power.
    """
    first = round(start * RATE)
    part = sound[: max(0, len(audio) - first), None]
    angle = (pan + 1) * np.pi / 4
    audio[first : first + len(part)] += gain * part * np.array([np.cos(angle), np.sin(angle)])


def add_reflections(audio: np.ndarray, random, level: float) -> np.ndarray:
    """Add early reflections to stereo audio, different in each channel.

    No reflection is later than 90 ms, so that rests remain silent.

    Parameters
    ----------
    audio : np.ndarray
        The stereo audio, [T, 2].
    random : np.random.Generator
        The random generator of the delays and signs.
    level : float
        The gain of a reflection without delay.

    Returns
    -------
    np.ndarray
        The audio with reflections, [T, 2].
    """
    out, mono = audio.copy(), (audio[:, 0] + audio[:, 1]) / 2
    for channel in range(2):
        for delay in random.uniform(0.011, 0.09, 6):
            shift = int(delay * RATE)
            gain = level * random.choice((-1.0, 1.0)) * np.exp(-delay / 0.05)
            out[shift:, channel] += gain * mono[: len(mono) - shift]
    return out


def make_drum_kit(random) -> dict[str, np.ndarray]:
    """Return the sound of one stroke of each drum, with a random size."""
    size = random.uniform(0.9, 1.1)
    time = np.arange(int(0.35 * RATE)) / RATE
    sweep = 2 * np.pi * size * (48 * time + 80 * 0.03 * (1 - np.exp(-time / 0.03)))
    kick = np.sin(sweep) * np.exp(-time / (0.11 * size))
    skin = np.sin(2 * np.pi * 185 * size * time) * np.exp(-time / 0.06)
    snare = 0.5 * skin + 0.32 * make_band_noise(random, len(time), 900, 6000) * np.exp(-time / 0.07)
    hihat = 0.16 * make_band_noise(random, len(time), 6000, 8800) * np.exp(-time / 0.03)
    fade_in, fade_out = np.clip(time / 0.001, 0, 1), np.clip((time[-1] - time) / 0.03, 0, 1)
    kit = {"kick": kick, "snare": snare, "hihat": hihat}
    return {name: stroke * fade_in * fade_out for name, stroke in kit.items()}


def play_drums(track: DemoTrack, seed: int) -> np.ndarray:
    """Play the groove on the drums in every bar, with random variations of the level, [T, 2]."""
    random = make_generator(seed, track.name, "drums")
    kit, audio = make_drum_kit(random), make_silence(track)
    pans = {"kick": 0.0, "snare": -0.1, "hihat": track.pan["hihat"]}
    sixteenth = 15.0 / track.beats_per_minute
    for start, _ in list_bars(track):
        for name, stroke in kit.items():
            for step, mark in enumerate(MUSIC["grooves"][track.groove][name]):
                gain = {".": 0.0, "o": 0.45, "x": 1.0}[mark] * random.uniform(0.85, 1.0)
                if gain and start + step * sixteenth < track.seconds:
                    add_sound(audio, stroke, start + step * sixteenth, gain, pans[name])
    return add_reflections(audio, random, 0.05)


def repeat_pattern(track: DemoTrack, pattern: str) -> Iterator[tuple[float, int, str, float]]:
    """Repeat a pattern of sixteenths in every bar and yield its notes.

    A note is a tuple of its start in seconds, the chord of the bar, its character in the pattern,
    and the seconds until the next note or the end of the bar.
    """
    sixteenth = 15.0 / track.beats_per_minute
    onsets = [step for step, mark in enumerate(pattern) if mark != "."]
    for start, chord in list_bars(track):
        for step, following in itertools.pairwise([*onsets, len(pattern)]):
            length = (following - step) * sixteenth
            yield start + step * sixteenth, chord, pattern[step], length


def play_bass(track: DemoTrack, seed: int) -> np.ndarray:
    """Play the bass line of the groove: root, fifth and octave of each chord, [T, 2]."""
    random = make_generator(seed, track.name, "bass")
    audio = make_silence(track)
    pattern = MUSIC["grooves"][track.groove]["bass"]
    for start, chord, mark, length in repeat_pattern(track, pattern):
        root = get_scale_pitch(track, chord)
        pitch = move_near(root, 34) + get_scale_pitch(track, chord + int(mark) - 1) - root
        sound = play_note(pitch, length * 0.95, INSTRUMENTS["bass"])
        add_sound(audio, sound, start, random.uniform(0.85, 1.0))
    return audio


def play_chords(track: DemoTrack, seed: int) -> np.ndarray:
    """Play the chords: root, third, fifth and octave, spread in the stereo image, [T, 2]."""
    random = make_generator(seed, track.name, "other")
    audio, instrument = make_silence(track), INSTRUMENTS[track.instrument]
    for start, chord, mark, length in repeat_pattern(track, instrument.bar):
        pitches = sorted(move_near(get_scale_pitch(track, chord + step), 58) for step in (0, 2, 4))
        pitches.append(pitches[0] + 12)
        # A single note sounds longer and overlaps with the next notes.
        seconds = length if mark == "x" else 3 * length
        for voice in range(4) if mark == "x" else (int(mark) - 1,):
            sound = play_note(pitches[voice], seconds, instrument)
            pan = np.clip(track.pan["chords"] + (voice - 1.5) * 0.15, -1, 1)
            add_sound(audio, sound, start, random.uniform(0.85, 1.0), pan)
    return add_reflections(audio, random, 0.12)


def sing_melody(track: DemoTrack, seed: int) -> np.ndarray:
    """Sing the melody, [T, 2]. Each note is a syllable of a consonant and a gliding vowel."""
    random = make_generator(seed, track.name, "vocals")
    singer, vowels = MUSIC["voices"][track.voice], MUSIC["vowels"]
    consonants = MUSIC["consonants"]
    notes, num_samples = compose_melody(track, seed), len(make_silence(track))
    controls = -(-num_samples // HOP) + 1
    gain, noise = np.zeros(controls), np.zeros(num_samples)
    pitch, vibrato = np.full(controls, float(singer["centre"])), np.zeros(controls)
    formants = np.tile(np.array(vowels["a"], float), (controls, 1))  # [M, 5]
    for note in notes:
        first, last = (int(t * RATE / HOP) for t in (note.start, note.start + note.seconds))
        seconds, low, high, hiss, voiced = consonants[random.choice(list(consonants))]
        opening = min(first + int(seconds * RATE / HOP), last)
        closing = max(opening, last - int(0.03 * RATE / HOP))
        from_vowel, to_vowel = (vowels[v] for v in random.choice(list(vowels), 2))
        gain[first:opening] = voiced
        gain[opening:closing] = random.uniform(0.8, 1.0)
        pitch[first:] = note.pitch  # kept during rests, so that the next glide starts here
        age = np.arange(last - first) * (HOP / RATE)
        glide = 0.6 * (age[:, None] / note.seconds) ** 2
        formants[first:last] = (1 - glide) * from_vowel + glide * to_vowel
        swing = 0.3 * np.clip((age - 0.1) / 0.3, 0, 1) * np.sin(2 * np.pi * 5.5 * age)
        vibrato[first:last] = swing
        burst = make_band_noise(random, int(seconds * RATE), low, high)
        burst *= np.hanning(len(burst)) * hiss
        begin = int(note.start * RATE)
        noise[begin : begin + len(burst)] += burst
    pitch, formants = smooth_control(pitch, 0.06) + vibrato, smooth_control(formants, 0.06)
    voice = synthesise_voice(
        pitch, smooth_control(gain, 0.04), formants * singer["tract"], num_samples
    )
    # The levels of consonants in demo.toml are relative to a vowel with an RMS of 1.
    level = np.sqrt(np.mean(voice**2) / max(np.mean(gain > 0.5), 1e-3))
    audio = make_silence(track)
    add_sound(audio, voice / level + noise, 0.0, pan=track.pan["voice"])
    return add_reflections(audio, random, 0.08)


def synthesise_voice(
    pitch: np.ndarray, gain: np.ndarray, formants: np.ndarray, num_samples: int
) -> np.ndarray:
    """Synthesise a glottal pulse train filtered by formants.

    Parameters
    ----------
    pitch : np.ndarray
        The MIDI note, which need not be an integer, [M].
    gain : np.ndarray
        The RMS of the voice, [M].
    formants : np.ndarray
        The centre frequencies of the formants in Hz, [M, 5].
    num_samples : int
        The length T.

    Returns
    -------
    np.ndarray
        The voice, [T].
    """
    fundamental = hertz(pitch)  # [M]
    per_sample = np.interp(np.arange(num_samples) / HOP, np.arange(len(pitch)), fundamental)
    phase = 2 * np.pi * np.cumsum(per_sample) / RATE
    k = np.arange(1, int(BAND[1] / fundamental.min()) + 1)
    frequency = fundamental[:, None] * k  # [M, K]
    square = frequency**2
    # The source has a slope of 1 / f: -12 dB per octave of the glottal flow and +6 of the lips. The
    # formants are resonances in cascade.
    envelope = compute_band_gain(frequency) / k
    for i, bandwidth in enumerate(BANDWIDTHS):
        centre = formants[:, i : i + 1] ** 2
        envelope *= centre / np.sqrt((centre - square) ** 2 + bandwidth**2 * square)
    # Normalise the RMS, so that all vowels and pitches are equally loud, and apply the gain.
    envelope *= (gain / np.sqrt(np.sum(envelope**2, axis=1)))[:, None]
    return sum_harmonics(phase, envelope)


def smooth_control(control: np.ndarray, seconds: float) -> np.ndarray:
    """Smooth a control signal, [M] or [M, N], with a Hann window; its end values are repeated."""
    window = np.hanning(max(3, int(seconds * RATE / HOP) // 2 * 2 + 3))
    half = len(window) // 2
    columns = control.reshape(len(control), -1).T
    padded = np.pad(columns, ((0, 0), (half, half)), mode="edge")
    smooth = [np.convolve(column, window / window.sum(), "valid") for column in padded]
    return np.array(smooth).T.reshape(control.shape)


def make_silence(track: DemoTrack) -> np.ndarray:
    """Return silence with the length of a track, [T, 2]."""
    return np.zeros((round(track.seconds * RATE), 2))


# ---------------------------------------------------------------------------- tracks and files


def generate_track(track: DemoTrack, seed: int) -> dict[str, np.ndarray]:
    """Generate the stems of one track.

    The level of a stem is set by its RMS where it is not silent, so that rests do not change the
    level of the voice.

    Parameters
    ----------
    track : DemoTrack
        The description of the track.
    seed : int
        The seed of the random generators.

    Returns
    -------
    dict
        Stems by name, float32 [T, 2] at 44.1 kHz. The peak of their sum is `PEAK`.

    Raises
    ------
    ValueError
        If the track ends before its voice begins.
    """
    if not compose_melody(track, seed):
        raise ValueError(
            f"{track.name} lasts {track.seconds} s, too short for a voice that enters after "
            f"{track.entry} beats: use more seconds or an earlier entry"
        )
    players = {
        "drums": play_drums,
        "bass": play_bass,
        "other": play_chords,
        "vocals": sing_melody,
    }
    stems = {stem: play(track, seed) for stem, play in players.items()}
    num_samples = len(stems["vocals"])
    fade = np.clip((num_samples - 1 - np.arange(num_samples)) / (0.25 * RATE), 0, 1)[:, None]
    for stem, audio in stems.items():
        energy = np.add.reduceat(audio[:, 0] ** 2 + audio[:, 1] ** 2, range(0, num_samples, 1024))
        power = energy / (2 * 1024)
        sounding = power > 1e-3 * power.max()
        audio *= fade * (LEVELS[stem] / np.sqrt(power[sounding].mean()))
    peak = np.abs(sum(stems.values())).max()
    return {stem: (audio * (PEAK / peak)).astype(np.float32) for stem, audio in stems.items()}


def generate_corpus(
    root: Path,
    seed: int = 0,
    tracks: Iterable[DemoTrack] | None = None,
    progress: Progress = lambda *_: None,
) -> None:
    """Write `<root>/<partition>/<track>/{mixture,drums,bass,other,vocals}.wav` for every track.

    The files have 16 bits and 44.1 kHz, and the mixture is the exact sum of the four stems. A track
    is written to a hidden folder that is renamed at the end, so that it is either complete or does
    not exist. Existing tracks are kept.

    Parameters
    ----------
    root : Path
        The folder of the corpus.
    seed : int
        The seed of the random generators.
    tracks : iterable of DemoTrack, optional
        The tracks to generate, by default all.
    progress : Progress
        Called after every track.

    Raises
    ------
    OSError
        If a file cannot be written.
    """
    missing = find_missing(root, tracks)
    for done, track in enumerate(missing, 1):
        folder = root / track.partition / track.name
        partial = folder.with_name(f".{track.name}.partial")
        if partial.exists():  # of an interrupted run
            shutil.rmtree(partial)
        partial.mkdir(parents=True)
        write_stems(partial, generate_track(track, seed))
        partial.rename(folder)
        progress(track.name, done, len(missing))


def write_stems(folder: Path, stems: dict[str, np.ndarray]) -> None:
    """Write stems [T, 2] and their sum, the mixture, as 16-bit wav files."""
    rounded = {stem: np.round(audio * 32767.0).astype(np.int32) for stem, audio in stems.items()}
    rounded["mixture"] = np.sum(list(rounded.values()), axis=0)
    for stem, audio in rounded.items():
        # Encode in memory, because libsndfile raises no OSError if the disk is full.
        encoded = io.BytesIO()
        soundfile.write(encoded, audio.astype(np.int16), RATE, "PCM_16", format="WAV")
        (folder / f"{stem}.wav").write_bytes(encoded.getvalue())


def generate_missing(root: Path, progress: Progress) -> None:
    """Generate the missing tracks of the demo corpus; other processes wait meanwhile."""
    if find_missing(root):
        with creation_lock(root, "generating"):
            generate_corpus(root, progress=progress)


def find_missing(root: Path, tracks: Iterable[DemoTrack] | None = None) -> list[DemoTrack]:
    """Return the tracks without a folder, among `tracks` or by default all tracks of the corpus."""
    tracks = TRACKS if tracks is None else tracks
    return [track for track in tracks if not (root / track.partition / track.name).exists()]
