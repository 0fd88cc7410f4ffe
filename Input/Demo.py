"""The demo corpus: a few minutes of invented songs, written as MUSDB18-HQ is, from NumPy alone.

A song is a row of `SONGS`: key, tempo, chord progression, groove, instrument and voice. From it
come drums, a bass line, chords (`other`) and a voice that sings a melody in the key over the
chords: glottal pulses through moving formants, with vibrato, consonants and rests for breath.
Everything ends below 11 kHz, so that a separator at 22,050 Hz hears all of it.
"""

import hashlib
import io
import itertools
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

RATE = 44100  # frames per second of every file
HOP = 128  # frames between two values of a control (pitch, formant, gain): 2.9 ms
STEMS = ("drums", "bass", "other", "vocals")
LEVELS = {"drums": 0.62, "bass": 0.62, "other": 0.58, "vocals": 1.0}  # RMS where a stem sounds
PEAK = 0.9  # of the mixture
BAND = (9000.0, 10500.0)  # Hz: full level below, nothing above


@dataclass(frozen=True)
class Song:
    """What varies from song to song. Another length is `dataclasses.replace(song, seconds=3)`."""

    name: str  # "Artist - Title", the folder
    partition: str  # train or test
    seconds: float
    tonic: int  # pitch class of the key: 0 is C, 9 is A
    mode: str  # a key of MODES
    progression: tuple[int, ...]  # scale degree of each bar's chord, 1 is the tonic
    beats_per_minute: float
    groove: str  # a key of GROOVES
    instrument: str  # a key of INSTRUMENTS, plays the chords
    voice: str  # a key of VOICES
    entry: float = 0.5  # beats before the voice enters
    chords_pan: float = 0.0  # -1 is left, 1 is right
    hihat_pan: float = 0.3
    voice_pan: float = 0.0


MAJOR_POP, MINOR_POP, DOO_WOP = (1, 5, 6, 4), (1, 6, 3, 7), (1, 6, 4, 5)
# fmt: off
SONGS = (  # in the order of the fields above
    Song("Ada Marlow - Paper Lanterns", "train", 20.0, 9, "major", MAJOR_POP, 104, "rock",
         "keys", "alto", 4, -0.4, 0.4, 0.05),
    Song("The Quiet Harbour - Low Tide", "train", 20.0, 4, "minor", MINOR_POP, 92, "ballad",
         "guitar", "baritone", 4, 0.4, 0.3, 0.0),
    Song("Nils Okafor - Seven Bridges", "train", 20.0, 0, "major", (1, 4, 6, 5), 118, "disco",
         "keys", "tenor", 0.5, 0.3, -0.4, -0.05),
    Song("Velvet Kites - Northbound", "train", 20.0, 2, "minor", (1, 4, 7, 3), 110, "funk",
         "pad", "soprano", 4, -0.2, 0.3, 0.0),
    Song("Juniper Vale - Salt and Honey", "train", 20.0, 7, "major", DOO_WOP, 98, "ballad",
         "guitar", "soprano", 0.5, 0.5, -0.3, 0.1),
    Song("Copper Static - Night Shift", "train", 20.0, 11, "minor", (1, 7, 6, 7), 126, "disco",
         "pad", "baritone", 0.5, 0.2, 0.5, -0.1),
    Song("Mira Solano - Second Summer", "train", 20.0, 5, "major", (6, 4, 1, 5), 112, "rock",
         "guitar", "alto", 0.5, -0.5, -0.3, 0.0),
    Song("Old Ferry Road - Lanternlight", "train", 20.0, 10, "major", (1, 3, 4, 5), 88, "funk",
         "keys", "tenor", 4, 0.4, 0.3, 0.1),
    Song("Tamsin Reyes - Glass Garden", "test", 12.0, 3, "major", (4, 1, 5, 6), 108, "rock",
         "pad", "alto", 0.5, 0.3, 0.3, -0.05),
    Song("Harlan Wick - Empty Stations", "test", 12.0, 6, "minor", (1, 6, 4, 5), 100, "funk",
         "guitar", "tenor", 0.5, -0.4, -0.3, 0.05),
    Song("Luma and the Foxes - Daybreak", "test", 12.0, 8, "major", (1, 2, 4, 5), 121, "disco",
         "keys", "soprano", 0.5, -0.3, 0.4, 0.0),
)
# fmt: on

MODES = {"major": (0, 2, 4, 5, 7, 9, 11), "minor": (0, 2, 3, 5, 7, 8, 10)}

# fmt: off
# A bar in sixteenths. Drums: x a stroke, o a soft one. Bass: 1 root, 5 fifth, 8 octave.
GROOVES = {
    "rock": {"kick": "x.......x.x.....", "snare": "....x.......x...",
             "hihat": "x.o.x.o.x.o.x.o.", "bass": "1.1.1.1.1.1.5.8."},
    "disco": {"kick": "x...x...x...x...", "snare": "....x.......x...",
              "hihat": "o.x.o.x.o.x.o.x.", "bass": "1...8...1...8.5."},
    "funk": {"kick": "x..x......x.....", "snare": "....x..o.o..x...",
             "hihat": "xoxoxoxoxoxoxoxo", "bass": "1..1....8.1...5."},
    "ballad": {"kick": "x.........x.....", "snare": "........x.......",
               "hihat": "x...o...x...o...", "bass": "1.......5...8..."},
}
# fmt: on


@dataclass(frozen=True)
class Instrument:
    """A pitched instrument: its spectrum, how a note begins and ends, and how it plays a chord."""

    slope: float  # harmonic k has amplitude k ** -slope at the start of a note
    harmonics: int
    attack: float  # seconds
    decay: float  # seconds to 1 / e of the first harmonic
    damping: float  # how much faster harmonic k dies: its decay is decay / (1 + damping (k - 1))
    bar: str = ""  # a bar in sixteenths: x the whole chord, 1 to 4 one of its notes


BASS = Instrument(slope=1.6, harmonics=8, attack=0.008, decay=0.7, damping=0.5)
INSTRUMENTS = {
    "keys": Instrument(1.5, 8, 0.006, 0.9, 0.6, "x.....x.....x..."),
    "guitar": Instrument(1.1, 12, 0.003, 0.5, 0.3, "1.2.3.4.3.2.4.3."),
    "pad": Instrument(1.3, 10, 0.12, 6.0, 0.1, "x..............."),
}

# Centre of the melody (MIDI note) and length of the vocal tract against the formants' table.
VOICES = {
    "baritone": (53, 1.00),
    "tenor": (57, 1.03),
    "alto": (64, 1.14),
    "soprano": (68, 1.20),
}
# Formants in Hz of an adult male's sung vowels, and their bandwidths.
VOWELS = {
    "a": (700, 1150, 2600, 3300, 4200),
    "e": (450, 1850, 2500, 3350, 4200),
    "i": (300, 2150, 2900, 3500, 4200),
    "o": (450, 850, 2500, 3200, 4200),
    "u": (330, 750, 2300, 3200, 4200),
}
BANDWIDTHS = (90, 110, 160, 220, 300)
# Seconds, noise from and to Hz, level of the noise, and of the voice during the consonant.
CONSONANTS = {
    "s": (0.09, 4000, 8500, 0.35, 0.0),
    "sh": (0.09, 2200, 6500, 0.40, 0.0),
    "t": (0.03, 3000, 8000, 0.50, 0.0),
    "k": (0.04, 1500, 4500, 0.50, 0.0),
    "h": (0.06, 900, 4500, 0.20, 0.1),
    "m": (0.07, 200, 800, 0.02, 0.3),
    "l": (0.05, 300, 2000, 0.02, 0.4),
}
# Rhythms of a melody's bar: onset and length in beats. A phrase is a moving and a closing bar.
MOVING_BARS = (
    ((0.0, 1.0), (1.0, 0.5), (1.5, 0.5), (2.0, 1.0), (3.0, 0.5), (3.5, 0.5)),
    ((0.0, 0.75), (0.75, 0.75), (1.5, 0.5), (2.0, 1.5), (3.5, 0.5)),
    ((0.5, 0.5), (1.0, 1.0), (2.0, 0.5), (2.5, 0.5), (3.0, 1.0)),
)
CLOSING_BARS = (
    ((0.0, 1.0), (1.0, 1.0), (2.0, 1.25)),
    ((0.0, 0.5), (0.5, 0.5), (1.0, 2.0)),
    ((0.0, 1.5), (1.5, 0.5), (2.0, 1.0)),
)


@dataclass(frozen=True)
class Note:
    """One sung note: seconds from the song's start, and its pitch as a MIDI note (69 is 440 Hz)."""

    start: float
    seconds: float
    pitch: int


def generator(seed: int, *names: str) -> np.random.Generator:
    """Random numbers of one purpose: neither another song nor another stem changes them."""
    digest = hashlib.sha256("/".join((str(seed), *names)).encode()).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(digest[:16], "little")))


def hertz(pitch):
    """Frequency of a MIDI note in equal temperament."""
    return 440.0 * 2.0 ** ((np.asarray(pitch, float) - 69.0) / 12.0)


# ---------------------------------------------------------------------------- what is played


def bars(song: Song) -> list[tuple[float, int]]:
    """Start in seconds and chord (scale degree, 0 is the tonic) of each bar that begins in time."""
    length = 240.0 / song.beats_per_minute
    count = int(np.ceil(song.seconds / length))
    return [(i * length, song.progression[i % len(song.progression)] - 1) for i in range(count)]


def scale_pitch(song: Song, degree: int) -> int:
    """MIDI note of a scale degree (0 is the tonic between C1 and B1, 7 an octave above it)."""
    return 24 + song.tonic + 12 * (degree // 7) + MODES[song.mode][degree % 7]


def near(pitch: int, centre: float) -> int:
    """The same pitch class in the octave around `centre`."""
    return int(pitch + 12 * np.round((centre - pitch) / 12))


def melody(song: Song, seed: int) -> list[Note]:
    """What the voice sings: phrases of two bars in the form A A B A, each ending in a rest.

    On the beats 1 and 3 of a bar stand notes of its chord, between them neighbours in the scale;
    a phrase that comes again is moved along the scale with its chords.
    """
    random = generator(seed, song.name, "melody")
    phrases = {name: [_motif(random, moving) for moving in (True, False)] for name in "AB"}
    centre, _ = VOICES[song.voice]
    beat, previous, notes = 60.0 / song.beats_per_minute, float(centre), []
    for index, (start, chord) in enumerate(bars(song)):
        for onset, length, step in phrases["AABA"[index // 2 % 4]][index % 2]:
            begin = start + onset * beat
            if begin < song.entry * beat - 1e-9 or begin >= song.seconds - 0.3:
                continue
            pitch = near(scale_pitch(song, chord + step), 0.5 * previous + 0.5 * centre)
            notes.append(Note(begin, min(length * beat, song.seconds - begin), pitch))
            previous = pitch
    return notes


def _motif(random, moving: bool) -> list[tuple[float, float, int]]:
    """One bar of melody: onset and length in beats, scale steps above the chord's root."""
    rhythms = MOVING_BARS if moving else CLOSING_BARS
    motif, step = [], int(random.choice((0, 2, 4)))
    for onset, length in rhythms[random.integers(len(rhythms))]:
        step += int(random.choice((-1, 1)))
        if onset % 2.0 == 0.0:
            step = int(random.choice((0, 2, 4)))
        motif.append((onset, length, step))
    return motif


# ---------------------------------------------------------------------------- how it sounds


def additive(phase: np.ndarray, amplitudes: np.ndarray) -> np.ndarray:
    """Sum of the harmonics k = 1..K: `amplitudes[:, k - 1] * sin(k * phase)`.

    phase: radians, [T]. amplitudes: [M, K] with M > T / HOP, a row per HOP frames, straight
    lines between. Clenshaw's recurrence: one sine and one cosine whatever K is.
    """
    out = np.empty(len(phase))
    ramp = np.arange(HOP) / HOP
    rows = 64  # keeps the arrays below in the processor's cache
    for first in range(0, -(-len(phase) // HOP), rows):
        part = phase[first * HOP : (first + rows) * HOP]
        count = -(-len(part) // HOP)
        angle = np.resize(part, (count, HOP))  # the last row's surplus is cut off again
        edges = amplitudes[first : first + count + 1, :, None]  # [count + 1, K, 1]
        start, change = edges[:-1], np.diff(edges, axis=0)
        double_cosine = 2.0 * np.cos(angle)
        after, current = np.zeros_like(angle), np.zeros_like(angle)
        for k in reversed(range(amplitudes.shape[1])):
            after, current = current, double_cosine * current - after
            current += start[:, k] + change[:, k] * ramp
        out[first * HOP : first * HOP + len(part)] = (current * np.sin(angle)).ravel()[: len(part)]
    return out


def band_noise(random, frames: int, low: float, high: float) -> np.ndarray:
    """White noise between two frequencies in Hz, RMS 1, [frames]; its edges lie outside."""
    frequency = np.fft.rfftfreq(frames, 1 / RATE)
    octaves = np.log2(np.maximum(frequency, 1.0))
    rise = np.clip((octaves - np.log2(low)) * 2 + 1, 0, 1)
    fall = np.clip((np.log2(high) - octaves) * 4 + 1, 0, 1)
    noise = np.fft.irfft(np.fft.rfft(random.standard_normal(frames)) * rise * fall, frames)
    return noise / np.sqrt(np.mean(noise**2))


def tone(pitch: int, seconds: float, instrument: Instrument) -> np.ndarray:
    """One note of an instrument, with a release of 30 ms inside its length, [T]."""
    frames = int(seconds * RATE)
    time = np.arange(-(-frames // HOP) + 1)[:, None] * (HOP / RATE)  # [M, 1]
    k = np.arange(1, instrument.harmonics + 1)
    rates = (1 + instrument.damping * (k - 1)) / instrument.decay
    amplitudes = k**-instrument.slope * np.exp(-time * rates) * _in_band(k * hertz(pitch))
    amplitudes *= np.clip(time / instrument.attack, 0, 1) * np.clip((seconds - time) / 0.03, 0, 1)
    return additive(2 * np.pi * hertz(pitch) / RATE * np.arange(frames), amplitudes)


def _in_band(frequency):
    return np.clip((BAND[1] - frequency) / (BAND[1] - BAND[0]), 0.0, 1.0)


def _add(track: np.ndarray, sound: np.ndarray, start: float, gain: float = 1.0, pan: float = 0.0):
    """Put a mono sound into a stereo track at `start` seconds, cut at its end; constant power."""
    first = round(start * RATE)
    part = sound[: max(0, len(track) - first), None]
    angle = (pan + 1) * np.pi / 4
    track[first : first + len(part)] += gain * part * np.array([np.cos(angle), np.sin(angle)])


def _room(track: np.ndarray, random, level: float) -> np.ndarray:
    """Early reflections, different left and right, none later than 90 ms: silence stays silence."""
    out, mono = track.copy(), (track[:, 0] + track[:, 1]) / 2
    for channel in range(2):
        for delay in random.uniform(0.011, 0.09, 6):
            shift = int(delay * RATE)
            gain = level * random.choice((-1.0, 1.0)) * np.exp(-delay / 0.05)
            out[shift:, channel] += gain * mono[: len(mono) - shift]
    return out


def _drum_kit(random) -> dict[str, np.ndarray]:
    """One stroke of each drum; small differences in size and decay from song to song."""
    size = random.uniform(0.9, 1.1)
    time = np.arange(int(0.35 * RATE)) / RATE
    sweep = 2 * np.pi * size * (48 * time + 80 * 0.03 * (1 - np.exp(-time / 0.03)))
    kick = np.sin(sweep) * np.exp(-time / (0.11 * size))
    skin = np.sin(2 * np.pi * 185 * size * time) * np.exp(-time / 0.06)
    snare = 0.5 * skin + 0.32 * band_noise(random, len(time), 900, 6000) * np.exp(-time / 0.07)
    hihat = 0.16 * band_noise(random, len(time), 6000, 8800) * np.exp(-time / 0.03)
    fade_in, fade_out = np.clip(time / 0.001, 0, 1), np.clip((time[-1] - time) / 0.03, 0, 1)
    kit = {"kick": kick, "snare": snare, "hihat": hihat}
    return {name: stroke * fade_in * fade_out for name, stroke in kit.items()}


def drums(song: Song, seed: int) -> np.ndarray:
    """The drums' track, [T, 2]: every bar the groove, each stroke a little louder or softer."""
    random = generator(seed, song.name, "drums")
    kit, track = _drum_kit(random), _silence(song)
    pans = {"kick": 0.0, "snare": -0.1, "hihat": song.hihat_pan}
    sixteenth = 15.0 / song.beats_per_minute
    for start, _ in bars(song):
        for name, stroke in kit.items():
            for step, mark in enumerate(GROOVES[song.groove][name]):
                gain = {".": 0.0, "o": 0.45, "x": 1.0}[mark] * random.uniform(0.85, 1.0)
                if gain and start + step * sixteenth < song.seconds:
                    _add(track, stroke, start + step * sixteenth, gain, pans[name])
    return _room(track, random, 0.05)


def _onsets(pattern: str) -> list[int]:
    """The sixteenths on which a note begins, and the bar's end."""
    return [step for step, mark in enumerate(pattern) if mark != "."] + [len(pattern)]


def bass(song: Song, seed: int) -> np.ndarray:
    """The bass line, [T, 2]: root, fifth and octave of each chord, each note until the next."""
    random = generator(seed, song.name, "bass")
    track, sixteenth = _silence(song), 15.0 / song.beats_per_minute
    pattern = GROOVES[song.groove]["bass"]
    onsets = _onsets(pattern)
    for start, chord in bars(song):
        for step, following in itertools.pairwise(onsets):
            degree = chord + int(pattern[step]) - 1
            root = near(scale_pitch(song, chord), 34)
            pitch = root + scale_pitch(song, degree) - scale_pitch(song, chord)
            sound = tone(pitch, (following - step) * sixteenth * 0.95, BASS)
            _add(track, sound, start + step * sixteenth, random.uniform(0.85, 1.0))
    return track


def other(song: Song, seed: int) -> np.ndarray:
    """The chords, [T, 2]: root, third, fifth and octave, spread around the instrument's place."""
    random = generator(seed, song.name, "other")
    track, sixteenth = _silence(song), 15.0 / song.beats_per_minute
    instrument = INSTRUMENTS[song.instrument]
    onsets = _onsets(instrument.bar)
    for start, chord in bars(song):
        pitches = sorted(near(scale_pitch(song, chord + step), 58) for step in (0, 2, 4))
        pitches.append(pitches[0] + 12)
        for step, following in itertools.pairwise(onsets):
            mark = instrument.bar[step]
            length = (following - step) * sixteenth
            # A plucked string rings on into the next ones.
            ring = length if mark == "x" else 3 * length
            for voice in range(4) if mark == "x" else (int(mark) - 1,):
                sound = tone(pitches[voice], ring, instrument)
                pan = np.clip(song.chords_pan + (voice - 1.5) * 0.15, -1, 1)
                _add(track, sound, start + step * sixteenth, random.uniform(0.85, 1.0), pan)
    return _room(track, random, 0.12)


def vocals(song: Song, seed: int) -> np.ndarray:
    """The voice, [T, 2]: `melody` sung in syllables, a consonant and a gliding vowel each."""
    random = generator(seed, song.name, "vocals")
    notes, frames = melody(song, seed), len(_silence(song))
    controls = -(-frames // HOP) + 1
    gain, noise = np.zeros(controls), np.zeros(frames)
    pitch, vibrato = np.full(controls, float(VOICES[song.voice][0])), np.zeros(controls)
    formants = np.tile(np.array(VOWELS["a"], float), (controls, 1))  # [M, 5]
    for note in notes:
        first, last = (int(t * RATE / HOP) for t in (note.start, note.start + note.seconds))
        seconds, low, high, hiss, voiced = CONSONANTS[random.choice(list(CONSONANTS))]
        opening = min(first + int(seconds * RATE / HOP), last)
        closing = max(opening, last - int(0.03 * RATE / HOP))
        from_vowel, to_vowel = (VOWELS[v] for v in random.choice(list(VOWELS), 2))
        gain[first:opening] = voiced
        gain[opening:closing] = random.uniform(0.8, 1.0)
        pitch[first:] = note.pitch  # held through the rest, so that no glide comes from nowhere
        age = np.arange(last - first) * (HOP / RATE)
        glide = 0.6 * (age[:, None] / note.seconds) ** 2
        formants[first:last] = (1 - glide) * from_vowel + glide * to_vowel
        swing = 0.3 * np.clip((age - 0.1) / 0.3, 0, 1) * np.sin(2 * np.pi * 5.5 * age)
        vibrato[first:last] = swing
        burst = band_noise(random, int(seconds * RATE), low, high)
        burst *= np.hanning(len(burst)) * hiss
        begin = int(note.start * RATE)
        noise[begin : begin + len(burst)] += burst
    pitch, formants = _smooth(pitch, 0.06) + vibrato, _smooth(formants, 0.06)
    voice = _sing(pitch, _smooth(gain, 0.04), formants * VOICES[song.voice][1], frames)
    # The consonants' table is relative to a vowel of RMS 1.
    loud = np.sqrt(np.mean(voice**2) / max(np.mean(gain > 0.5), 1e-3))
    track = _silence(song)
    _add(track, voice / loud + noise, 0.0, pan=song.voice_pan)
    return _room(track, random, 0.08)


def _sing(pitch, gain, formants, frames: int) -> np.ndarray:
    """Glottal pulses through formants, [frames]: each harmonic as loud as the tract makes it.

    pitch (MIDI), gain: [M]; formants in Hz: [M, 5].
    """
    fundamental = hertz(pitch)  # [M]
    per_frame = np.interp(np.arange(frames) / HOP, np.arange(len(pitch)), fundamental)
    phase = 2 * np.pi * np.cumsum(per_frame) / RATE
    k = np.arange(1, int(BAND[1] / fundamental.min()) + 1)
    frequency = fundamental[:, None] * k  # [M, K]
    square = frequency**2
    # 1 / f is the flow's -12 dB per octave and the lips' +6; the formants, in cascade, shape it.
    envelope = _in_band(frequency) / k
    for i, bandwidth in enumerate(BANDWIDTHS):
        centre = formants[:, i : i + 1] ** 2
        envelope *= centre / np.sqrt((centre - square) ** 2 + bandwidth**2 * square)
    # Equal loudness of all vowels and pitches: their RMS is set, the gain then shapes it.
    envelope *= (gain / np.sqrt(np.sum(envelope**2, axis=1)))[:, None]
    return additive(phase, envelope)


def _smooth(track: np.ndarray, seconds: float) -> np.ndarray:
    """A control, [M] or [M, N], through a Hann window of `seconds`; the ends are held."""
    window = np.hanning(max(3, int(seconds * RATE / HOP) // 2 * 2 + 3))
    half = len(window) // 2
    columns = track.reshape(len(track), -1).T
    padded = np.pad(columns, ((0, 0), (half, half)), mode="edge")
    smooth = [np.convolve(column, window / window.sum(), "valid") for column in padded]
    return np.array(smooth).T.reshape(track.shape)


def _silence(song: Song) -> np.ndarray:
    return np.zeros((round(song.seconds * RATE), 2))


# ---------------------------------------------------------------------------- songs and files


def generate_song(song: Song, seed: int) -> dict[str, np.ndarray]:
    """The stems of one song, name -> float32 [T, 2] at 44.1 kHz; their sum stays within 0.9.

    A stem's level is set by its RMS where it sounds, so that a resting voice is not made louder.
    Raises ValueError for a song that ends before its voice has begun.
    """
    if not melody(song, seed):
        raise ValueError(
            f"{song.name} lasts {song.seconds} s, too short for a voice that enters after "
            f"{song.entry} beats: choose more seconds, or an earlier entry"
        )
    players = {"drums": drums, "bass": bass, "other": other, "vocals": vocals}
    stems = {stem: players[stem](song, seed) for stem in STEMS}
    frames = len(stems["vocals"])
    fade = np.clip((frames - 1 - np.arange(frames)) / (0.25 * RATE), 0, 1)[:, None]
    for stem, track in stems.items():
        energy = np.add.reduceat(track[:, 0] ** 2 + track[:, 1] ** 2, range(0, frames, 1024))
        power = energy / (2 * 1024)
        sounding = power > 1e-3 * power.max()
        track *= fade * (LEVELS[stem] / np.sqrt(power[sounding].mean()))
    peak = np.abs(sum(stems.values())).max()
    return {stem: (track * (PEAK / peak)).astype(np.float32) for stem, track in stems.items()}


def generate(
    root: Path,
    seed: int = 0,
    songs: Iterable[Song] = SONGS,
    progress: Callable[[str], None] | None = None,
) -> None:
    """Write `<root>/<partition>/<song>/{mixture,drums,bass,other,vocals}.wav`, 16 bits, 44.1 kHz.

    The mixture is the sum of the four stems to the last bit. A song is complete or absent: it is
    written under a hidden name and then renamed. A song whose folder is there already is kept as
    it is. `progress(name)` is called after each song. Raises OSError when a file cannot be written.
    """
    for song in songs:
        folder = Path(root) / song.partition / song.name
        if not folder.exists():
            partial = folder.with_name(f".{song.name}.partial")
            if partial.exists():  # an interrupted run's
                shutil.rmtree(partial)
            partial.mkdir(parents=True)
            _write(partial, generate_song(song, seed))
            partial.rename(folder)
        if progress is not None:
            progress(song.name)


def _write(folder: Path, stems: dict[str, np.ndarray]) -> None:
    tracks = {stem: np.round(track * 32767.0).astype(np.int32) for stem, track in stems.items()}
    tracks["mixture"] = np.sum(list(tracks.values()), axis=0)
    for stem, track in tracks.items():
        # Through memory, because a full disk is an OSError to Python and none to libsndfile.
        encoded = io.BytesIO()
        soundfile.write(encoded, track.astype(np.int16), RATE, "PCM_16", format="WAV")
        (folder / f"{stem}.wav").write_bytes(encoded.getvalue())
