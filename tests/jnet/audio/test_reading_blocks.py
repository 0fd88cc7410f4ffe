"""Reading of files in blocks: the same samples as at once, and an error for damaged files."""

import re

import av
import numpy as np
import pytest
import soundfile

from jnet.audio.reading import BLOCK_VALUES, open_audio, read_audio
from jnet.errors import DataError
from tests.jnet.data.corpora import RATE

SECONDS = 7  # more than one block, even with one channel


def music(channels=2):
    """Return noise [T, C] with a slowly changing level, so that all seconds differ."""
    length = SECONDS * RATE
    level = np.sin(np.arange(length) / RATE * 1.7)[:, np.newaxis]
    random = np.random.default_rng(channels)
    return (0.3 * level * random.standard_normal((length, channels))).astype(np.float32)


def encode(path, samples, codec, container_format):
    """Write samples [T, 2] with an encoder of FFmpeg that libsndfile does not have."""
    with av.open(path, "w", format=container_format) as container:
        stream = container.add_stream(codec, rate=RATE, layout="stereo")
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(samples.T), format="fltp", layout="stereo"
        )
        frame.sample_rate = RATE
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)


def write_music(path, channels=2):
    """Write a file in the format of its suffix."""
    if path.suffix in (".m4a", ".aac"):
        encode(path, music(), "aac", {".m4a": "mp4", ".aac": "adts"}[path.suffix])
    else:
        soundfile.write(path, music(channels), RATE, format="WAV" if path.suffix == ".x" else None)
    return path


@pytest.mark.parametrize(
    ("suffix", "channels"),
    [("wav", 1), ("wav", 7)]
    + [(name, 2) for name in ("flac", "ogg", "mp3", "aiff", "caf", "w64", "x", "m4a", "aac")],
)
def test_blocks_have_the_same_samples_as_reading_at_once(tmp_path, suffix, channels):
    path = write_music(tmp_path / f"a.{suffix}", channels)
    samples, rate = read_audio(path)
    with open_audio(path) as audio:
        blocks = list(audio.blocks)
        assert (audio.sample_rate, audio.channels) == (rate, channels)
    np.testing.assert_array_equal(np.concatenate(blocks), samples, strict=True)
    assert len(blocks) > 1
    decoder_frame = 8192
    assert max(block.size for block in blocks) <= BLOCK_VALUES + decoder_frame


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3", "aiff", "m4a"])
def test_truncated_files_raise_an_error(tmp_path, suffix):
    complete, truncated = tmp_path / f"complete.{suffix}", tmp_path / f"truncated.{suffix}"
    content = write_music(complete).read_bytes()
    for length in (0, 3, 60, len(content) // 2, len(content) * 9 // 10, len(content) - 200):
        truncated.write_bytes(content[:length])
        with (
            pytest.raises(DataError, match=re.escape(str(truncated))) as error,
            open_audio(truncated) as audio,
        ):
            list(audio.blocks)
        assert "\n" not in str(error.value)


def test_damage_in_the_middle_is_reported_when_it_is_reached(tmp_path):
    path = write_music(tmp_path / "a.flac")
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 4000] = bytes(4000)
    path.write_bytes(content)
    with open_audio(path) as audio, pytest.raises(DataError, match=r"a\.flac: cannot be read"):
        list(audio.blocks)


@pytest.mark.parametrize("value", [np.nan, -np.inf])
def test_the_position_of_a_value_that_is_not_finite_counts_all_blocks(tmp_path, value):
    samples = music()
    samples[150_000, 1] = value
    soundfile.write(tmp_path / "a.wav", samples, RATE, subtype="FLOAT")
    with (
        open_audio(tmp_path / "a.wav") as audio,
        pytest.raises(DataError, match=r"a\.wav: sample 150000 is not a finite number"),
    ):
        list(audio.blocks)


@pytest.mark.parametrize("content", [b"", b"not audio at all\n" * 50, b"RIFF"])
def test_files_without_audio_are_rejected_on_opening(tmp_path, content):
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"a\.wav"), open_audio(path):
        pytest.fail("the file was opened")


def test_missing_and_empty_files_are_named(tmp_path):
    soundfile.write(tmp_path / "empty.wav", np.zeros((0, 2)), RATE)
    for name, message in (("missing.wav", "does not exist"), ("empty.wav", "contains no audio")):
        with pytest.raises(DataError, match=f"{name}: {message}"), open_audio(tmp_path / name):
            pytest.fail("the file was opened")


def test_a_file_named_like_standard_input_is_read_as_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_music(tmp_path / "a.wav").rename("-")
    with open_audio((tmp_path / "-").relative_to(tmp_path)) as audio:
        assert sum(map(len, audio.blocks)) == SECONDS * RATE


def test_a_playlist_opens_no_other_file(tmp_path):
    encode(tmp_path / "secret.aac", music(), "aac", "adts")
    playlist = tmp_path / "list.m3u8"
    playlist.write_text(
        f"#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:3,\n{tmp_path}/secret.aac\n#EXT-X-ENDLIST\n"
    )
    with pytest.raises(DataError, match=r"list\.m3u8"), open_audio(playlist):
        pytest.fail("the file was opened")
