"""Reading of audio files: complete in every format, and an error with the path if damaged."""

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

from jnet.audio.reading import read_audio, read_streams
from jnet.data.layouts import MUSDB_STREAMS
from jnet.errors import DataError

RATE = 44100
ALL_STREAMS = tuple(range(len(MUSDB_STREAMS)))
HALF_STEP = 0.5 / 32768


def music(seconds=1.0, rate=RATE):
    """Return two sines with weak noise, [T, 2]."""
    time = np.arange(int(seconds * rate))[:, np.newaxis] / rate
    sines = 0.4 * np.sin(2 * np.pi * np.array([220.0, 330.0]) * time)
    return (sines + 0.01 * np.random.default_rng(0).standard_normal(sines.shape)).astype(np.float32)


def encode(path, samples, codec, container_format=None):
    """Write samples [T, 2] as a single stream with PyAV."""
    with av.open(str(path), "w", format=container_format) as container:
        stream = container.add_stream(codec, rate=RATE, layout="stereo")
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(samples.T), format="fltp", layout="stereo"
        )
        frame.sample_rate = RATE
        for packet in (*stream.encode(frame), *stream.encode(None)):
            container.mux(packet)


def error_decibels(samples, wanted):
    return 10 * np.log10(np.sum(np.square(samples - wanted)) / np.sum(np.square(wanted)))


@pytest.fixture(scope="module")
def ffmpeg():
    from jnet.scoring.museval_scorer import ensure_ffmpeg

    ensure_ffmpeg()
    return lambda *arguments: subprocess.run(
        ["ffmpeg", "-v", "error", "-y", *map(str, arguments)], check=True
    )


@pytest.fixture(scope="module", params=["Music Delta - 80s Rock", "Falcon 69"])
def real_track(request, ffmpeg):
    """Return the path of a real track: one from MUSDB18-7 and the example of stempeg."""
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
        ("a.raw", None, HALF_STEP),  # a wav file with another suffix
    ],
)
def test_lossless_files_are_read_within_the_quantization_error(tmp_path, name, subtype, error):
    path = tmp_path / name
    form = "WAV" if path.suffix == ".raw" else None
    soundfile.write(path, music(), RATE, subtype=subtype or "PCM_16", format=form)
    samples, rate = read_audio(path)
    assert (samples.dtype, samples.shape, rate) == (np.float32, (RATE, 2), RATE)
    # libsndfile writes ±1 as ±32767 and reads 32768 as 1, which adds a step at full scale.
    assert np.abs(samples - music()).max() <= 2 * error


@pytest.mark.parametrize("name", ["a.ogg", "a.mp3"])
def test_ogg_and_mp3_are_read_as_by_soundfile(tmp_path, name):
    path = tmp_path / name
    soundfile.write(path, music(), RATE)
    samples, rate = read_audio(path)
    np.testing.assert_allclose(samples, soundfile.read(path)[0], atol=1e-5)
    assert (samples.shape, rate) == ((RATE, 2), RATE)
    assert error_decibels(samples, music()) < -20


@pytest.mark.parametrize(
    ("name", "codec", "container"), [("a.m4a", "aac", "mp4"), ("a.aac", "aac", "adts")]
)
def test_files_that_soundfile_cannot_read_are_read_by_pyav(tmp_path, name, codec, container):
    path = tmp_path / name
    encode(path, music(), codec, container)
    with pytest.raises(soundfile.LibsndfileError):
        soundfile.read(path)
    samples, rate = read_audio(path)
    assert rate == RATE
    # Delay and padding of the encoder, up to three packets, are not removed if not stated.
    assert RATE <= len(samples) <= RATE + 3 * 1024
    delay = int(np.argmax(scipy.signal.correlate(samples[:, 0], music()[:, 0], "valid")))
    decoded = samples[delay : delay + RATE - 1024]
    assert error_decibels(decoded, music()[: len(decoded)]) < -20


def test_matroska_files_are_read_completely_or_rejected(tmp_path, ffmpeg):
    soundfile.write(tmp_path / "a.wav", music(), RATE)
    path = tmp_path / "a.mkv"
    ffmpeg("-i", tmp_path / "a.wav", "-c:a", "flac", path)
    np.testing.assert_allclose(read_audio(path)[0], music(), atol=2 * HALF_STEP)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(DataError, match=r"a\.mkv"):
        read_audio(path)


def test_an_mp3_without_stated_length_is_read_completely(tmp_path, ffmpeg):
    """The bit rate rises and there is no Xing header: libsndfile underestimates the length."""
    loud = (
        np.random.default_rng(1).standard_normal((3 * RATE, 2))
        * np.linspace(0, 0.3, 3 * RATE)[:, np.newaxis]
    )
    soundfile.write(tmp_path / "a.wav", loud, RATE)
    path = tmp_path / "a.mp3"
    ffmpeg("-i", tmp_path / "a.wav", "-q:a", 4, "-write_xing", 0, path)
    assert len(soundfile.read(path)[0]) < 2 * RATE
    assert len(read_audio(path)[0]) >= 3 * RATE


def test_all_streams_of_a_real_track_equal_those_of_stempeg(real_track):
    import stempeg

    wanted, wanted_rate = stempeg.read_stems(str(real_track), dtype=np.float32)
    stems, rate = read_streams(real_track, ALL_STREAMS, "mp4")
    assert rate == wanted_rate == 44100
    for stem, other in zip(stems, wanted, strict=True):
        assert stem.shape == other.shape
        assert np.abs(stem - other).max() <= HALF_STEP


def test_streams_are_returned_in_the_requested_order(real_track):
    all_streams, _ = read_streams(real_track, ALL_STREAMS, "mp4")
    chosen, _ = read_streams(real_track, (4, 1), "mp4")
    np.testing.assert_array_equal(chosen[0], all_streams[4])
    np.testing.assert_array_equal(chosen[1], all_streams[1])


@pytest.mark.parametrize("faststart", [False, True])
def test_truncated_stem_files_are_rejected(real_track, tmp_path, ffmpeg, faststart):
    complete = tmp_path / "complete.stem.mp4"
    flags = ["-movflags", "+faststart"] if faststart else []
    ffmpeg("-i", real_track, "-map", "0:a", "-c", "copy", *flags, complete)
    content = complete.read_bytes()
    read_streams(complete, ALL_STREAMS, "mp4")
    lengths = {0, 1, 8, 100, 4000, *np.linspace(0, len(content), 12, dtype=int)[1:-1]}
    lengths |= {len(content) - missing for missing in (1, 300, 1000, 3000)}
    if faststart:  # a cut between packets is only detected by their number
        with av.open(str(complete)) as container:
            packets = [packet for packet in container.demux() if packet.size]
        lengths |= {packet.pos for packet in packets[-7:]} | {packets[len(packets) // 2].pos}
    truncated = tmp_path / "truncated.stem.mp4"
    for length in sorted(lengths):
        truncated.write_bytes(content[:length])
        if not faststart and length >= len(content) - 300:  # the missing bytes may contain no audio
            continue
        with pytest.raises(DataError, match=re.escape(str(truncated))):
            read_streams(truncated, ALL_STREAMS, "mp4")


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3", "aiff", "w64", "caf", "au", "m4a"])
def test_truncated_files_are_rejected(tmp_path, suffix):
    complete, truncated = tmp_path / f"complete.{suffix}", tmp_path / f"truncated.{suffix}"
    if suffix == "m4a":
        encode(complete, music(), "aac")
    else:
        soundfile.write(complete, music(), RATE)
    content = complete.read_bytes()
    lengths = {0, 3, 10, 44, 60, 100, *np.linspace(0, len(content), 10, dtype=int)[1:-1]}
    lengths |= {len(content) - missing for missing in (200, 2000)}
    for length in lengths:
        truncated.write_bytes(content[:length])
        with pytest.raises(DataError, match="truncated") as error:
            read_audio(truncated)
        assert str(truncated) in str(error.value)


def test_chunks_around_the_audio_of_a_wav_are_ignored(tmp_path):
    buffer = io.BytesIO()
    soundfile.write(buffer, music(), RATE, format="WAV")
    content = buffer.getvalue()
    at = content.index(b"data")
    chunk = b"junk" + struct.pack("<I", 3) + b"abc\0"
    path = tmp_path / "chunks.wav"
    path.write_bytes(content[:at] + chunk + content[at:] + chunk)
    np.testing.assert_array_equal(read_audio(path)[0], soundfile.read(path, dtype="float32")[0])
    path.write_bytes(content[:at] + chunk + content[at:-1])
    with pytest.raises(DataError, match="is truncated"):
        read_audio(path)
