"""Reading audio: every format whole and right, every damaged file an error that names it."""

import io
import re
import struct
import subprocess
from pathlib import Path

import av
import numpy as np
import pytest
import scipy.signal
import soundfile

from Input.Audio import read_audio, read_streams, resample, to_channels
from Input.Musdb import STREAMS
from Spec.Errors import DataError

RATE = 44100
ALL = tuple(range(len(STREAMS)))
HALF_STEP = 0.5 / 32768


def music(seconds=1.0, rate=RATE):
    """Two sines and a little noise, stereo: `[T, 2]`."""
    frames = np.arange(int(seconds * rate))[:, np.newaxis]
    sines = 0.4 * np.sin(2 * np.pi * np.array([220.0, 330.0]) * frames / rate)
    return (sines + 0.01 * np.random.default_rng(0).standard_normal(sines.shape)).astype(np.float32)


def encode(path, samples, codec, container=None):
    """Write `[T, 2]` with PyAV, one stream."""
    with av.open(str(path), "w", format=container) as box:
        stream = box.add_stream(codec, rate=RATE, layout="stereo")
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(samples.T), format="fltp", layout="stereo"
        )
        frame.sample_rate = RATE
        for packet in (*stream.encode(frame), *stream.encode(None)):
            box.mux(packet)


def decibels(missed, whole):
    return 10 * np.log10(np.sum(np.square(missed)) / np.sum(np.square(whole)))


@pytest.fixture(scope="module")
def ffmpeg():
    from Evaluation.Ffmpeg import ensure_ffmpeg

    ensure_ffmpeg()
    return lambda *arguments: subprocess.run(
        ["ffmpeg", "-v", "error", "-y", *map(str, arguments)], check=True
    )


@pytest.fixture(scope="module", params=["Music Delta - 80s Rock", "Falcon 69"])
def real_song(request, ffmpeg):
    """The two real songs: MUSDB18-7's, and the one stempeg comes with."""
    import stempeg

    if request.param == "Falcon 69":
        return Path(stempeg.example_stem_path())
    data = request.getfixturevalue("shared_data")
    return data / "MUSDB18-7" / "train" / f"{request.param}.stem.mp4"


@pytest.mark.parametrize(
    ("name", "subtype", "error"),
    [
        ("a.wav", "PCM_16", HALF_STEP),
        ("a.wav", "PCM_24", HALF_STEP / 256),
        ("a.wav", "FLOAT", 0),
        ("a.flac", "PCM_16", HALF_STEP),
        ("a.flac", "PCM_24", HALF_STEP / 256),
        ("a.aiff", "PCM_16", HALF_STEP),
        ("a.raw", None, HALF_STEP),  # a wav of another name
    ],
)
def test_a_lossless_file_is_read_to_half_a_step(tmp_path, name, subtype, error):
    path = tmp_path / name
    form = "WAV" if path.suffix == ".raw" else None
    soundfile.write(path, music(), RATE, subtype=subtype or "PCM_16", format=form)
    samples, rate = read_audio(path)
    assert (samples.dtype, samples.shape, rate) == (np.float32, (RATE, 2), RATE)
    # libsndfile writes ±1 as ±32767 and reads 32768 as 1: a step more at full scale.
    assert np.abs(samples - music()).max() <= 2 * error


@pytest.mark.parametrize("name", ["a.ogg", "a.mp3"])
def test_a_coded_file_is_read_as_soundfile_reads_it(tmp_path, name):
    path = tmp_path / name
    soundfile.write(path, music(), RATE)
    samples, rate = read_audio(path)
    np.testing.assert_allclose(samples, soundfile.read(path)[0], atol=1e-5)
    assert (samples.shape, rate) == ((RATE, 2), RATE)
    assert decibels(samples - music(), music()) < -20


@pytest.mark.parametrize(
    ("name", "codec", "container"), [("a.m4a", "aac", "mp4"), ("a.aac", "aac", "adts")]
)
def test_a_file_soundfile_cannot_read_is_read_by_pyav(tmp_path, name, codec, container):
    path = tmp_path / name
    encode(path, music(), codec, container)
    with pytest.raises(soundfile.LibsndfileError):
        soundfile.read(path)
    samples, rate = read_audio(path)
    assert rate == RATE
    # An encoder's delay and padding stay where the container does not state them: three packets.
    assert RATE <= len(samples) <= RATE + 3 * 1024
    delay = int(np.argmax(scipy.signal.correlate(samples[:, 0], music()[:, 0], "valid")))
    heard = samples[delay : delay + RATE - 1024]
    assert decibels(heard - music()[: len(heard)], music()) < -20


def test_a_matroska_file_is_read_whole_or_not_at_all(tmp_path, ffmpeg):
    soundfile.write(tmp_path / "a.wav", music(), RATE)
    path = tmp_path / "a.mkv"
    ffmpeg("-i", tmp_path / "a.wav", "-c:a", "flac", path)
    np.testing.assert_allclose(read_audio(path)[0], music(), atol=2 * HALF_STEP)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(DataError, match=r"a\.mkv"):
        read_audio(path)


def test_an_mp3_whose_length_must_be_guessed_is_read_whole(tmp_path, ffmpeg):
    """Silence, then noise at a variable rate without a Xing header: libsndfile stops early."""
    loud = (
        np.random.default_rng(1).standard_normal((3 * RATE, 2))
        * np.linspace(0, 0.3, 3 * RATE)[:, np.newaxis]
    )
    soundfile.write(tmp_path / "a.wav", loud, RATE)
    path = tmp_path / "a.mp3"
    ffmpeg("-i", tmp_path / "a.wav", "-q:a", 4, "-write_xing", 0, path)
    assert len(soundfile.read(path)[0]) < 2 * RATE
    assert len(read_audio(path)[0]) >= 3 * RATE


def test_all_streams_of_a_real_song_are_what_stempeg_decodes(real_song):
    import stempeg

    wanted, wanted_rate = stempeg.read_stems(str(real_song), dtype=np.float32)
    stems, rate = read_streams(real_song, ALL, "mp4")
    assert rate == wanted_rate == 44100
    for stem, other in zip(stems, wanted, strict=True):
        assert stem.shape == other.shape
        assert np.abs(stem - other).max() <= HALF_STEP


def test_streams_come_in_the_order_they_are_asked_for(real_song):
    every, _ = read_streams(real_song, ALL, "mp4")
    chosen, _ = read_streams(real_song, (4, 1), "mp4")
    np.testing.assert_array_equal(chosen[0], every[4])
    np.testing.assert_array_equal(chosen[1], every[1])


@pytest.mark.parametrize("faststart", [False, True])
def test_a_truncated_stem_file_is_never_read_short(real_song, tmp_path, ffmpeg, faststart):
    whole = tmp_path / "whole.stem.mp4"
    flags = ["-movflags", "+faststart"] if faststart else []
    ffmpeg("-i", real_song, "-map", "0:a", "-c", "copy", *flags, whole)
    content = whole.read_bytes()
    read_streams(whole, ALL, "mp4")
    places = {0, 1, 8, 100, 4000, *np.linspace(0, len(content), 12, dtype=int)[1:-1]}
    places |= {len(content) - short for short in (1, 300, 1000, 3000)}
    if faststart:  # between packets nothing is damaged: only the count tells
        with av.open(str(whole)) as box:
            packets = [packet for packet in box.demux() if packet.size]
        places |= {packet.pos for packet in packets[-7:]} | {packets[len(packets) // 2].pos}
    cut = tmp_path / "cut.stem.mp4"
    for place in sorted(places):
        cut.write_bytes(content[:place])
        if not faststart and place >= len(content) - 300:  # what is missing may be no audio
            continue
        with pytest.raises(DataError, match=re.escape(str(cut))):
            read_streams(cut, ALL, "mp4")


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3", "aiff", "w64", "caf", "au", "m4a"])
def test_a_truncated_file_is_never_read_short(tmp_path, suffix):
    whole, cut = tmp_path / f"whole.{suffix}", tmp_path / f"cut.{suffix}"
    if suffix == "m4a":
        encode(whole, music(), "aac")
    else:
        soundfile.write(whole, music(), RATE)
    content = whole.read_bytes()
    places = {0, 3, 10, 44, 60, 100, *np.linspace(0, len(content), 10, dtype=int)[1:-1]}
    places |= {len(content) - short for short in (200, 2000)}
    for place in places:
        cut.write_bytes(content[:place])
        with pytest.raises(DataError, match="cut") as error:
            read_audio(cut)
        assert str(cut) in str(error.value)


def test_what_follows_the_audio_or_precedes_it_in_a_wav_does_no_harm(tmp_path):
    buffer = io.BytesIO()
    soundfile.write(buffer, music(), RATE, format="WAV")
    content = buffer.getvalue()
    at = content.index(b"data")
    odd = b"junk" + struct.pack("<I", 3) + b"abc\0"
    path = tmp_path / "chunks.wav"
    path.write_bytes(content[:at] + odd + content[at:] + odd)
    np.testing.assert_array_equal(read_audio(path)[0], soundfile.read(path, dtype="float32")[0])
    path.write_bytes(content[:at] + odd + content[at:-1])
    with pytest.raises(DataError, match="is cut off"):
        read_audio(path)


@pytest.mark.parametrize(("rate", "wanted"), [(44100, 22050), (22050, 44100), (48000, 22050)])
def test_resampling_agrees_with_a_polyphase_filter_and_keeps_a_sine(rate, wanted):
    seconds = np.arange(rate * 2) / rate
    sine = (0.5 * np.sin(2 * np.pi * 1000 * seconds)).astype(np.float32)[:, np.newaxis]
    heard = resample(sine, rate, wanted)
    divisor = np.gcd(rate, wanted)
    other = scipy.signal.resample_poly(sine[:, 0], wanted // divisor, rate // divisor)
    assert heard.shape == (2 * wanted, 1)
    middle = slice(wanted // 2, 3 * wanted // 2)  # the ends ring differently
    exact = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(2 * wanted) / wanted)
    assert np.abs(heard[middle, 0] - exact[middle]).max() < 1e-4
    assert np.abs(heard[middle, 0] - other[middle]).max() < 2e-3


def test_resampling_removes_what_the_lower_rate_cannot_hold():
    tone = np.sin(2 * np.pi * 15000 * np.arange(44100) / 44100).astype(np.float32)[:, np.newaxis]
    assert decibels(resample(tone, 44100, 22050)[2000:-2000], tone) < -80


@pytest.mark.parametrize("frames", [1, 2, 3, 44099, 44100, 44101])
def test_the_length_is_the_ratio_of_the_rates(frames):
    heard = resample(np.zeros((frames, 2), np.float32), 44100, 8000)
    assert abs(len(heard) - frames * 8000 / 44100) <= 1
    assert heard.shape[1] == 2


def test_channels_are_averaged_or_copied_and_never_dropped():
    stereo = np.array([[1.0, 0.0], [0.5, -0.5]], np.float32)
    np.testing.assert_array_equal(to_channels(stereo, 1), [[0.5], [0.0]])
    np.testing.assert_array_equal(to_channels(stereo[:, :1], 2), [[1, 1], [0.5, 0.5]])
    assert to_channels(stereo, 2) is stereo
    with pytest.raises(DataError, match="6 channels cannot be made into 2"):
        to_channels(np.zeros((3, 6), np.float32), 2)
