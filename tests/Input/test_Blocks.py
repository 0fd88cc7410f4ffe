"""Files read in blocks: the samples of reading them whole, and an error for whatever is damaged."""

import re

import av
import numpy as np
import pytest
import soundfile
import soxr

from Input.Audio import read_audio
from Input.Blocks import BLOCK_SAMPLES, open_audio, resampled
from Spec.Errors import DataError
from tests.Input.songs import RATE

SECONDS = 7  # more than one block, even of one channel


def music(channels=2):
    """Noise under slow swells, so that no second is like another, `[T, C]`."""
    frames = SECONDS * RATE
    swell = np.sin(np.arange(frames) / RATE * 1.7)[:, np.newaxis]
    random = np.random.default_rng(channels)
    return (0.3 * swell * random.standard_normal((frames, channels))).astype(np.float32)


def encode(path, samples, codec, container):
    """Write `[T, 2]` with ffmpeg's encoders, which libsndfile has none of."""
    with av.open(path, "w", format=container) as box:
        stream = box.add_stream(codec, rate=RATE, layout="stereo")
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(samples.T), format="fltp", layout="stereo"
        )
        frame.sample_rate = RATE
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            box.mux(packet)


def written(path, channels=2):
    """A file of the kind its name says."""
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
def test_the_blocks_are_the_samples_of_the_whole_file(tmp_path, suffix, channels):
    path = written(tmp_path / f"a.{suffix}", channels)
    whole, rate = read_audio(path)
    with open_audio(path) as audio:
        blocks = list(audio.blocks)
        assert (audio.sample_rate, audio.channels) == (rate, channels)
    np.testing.assert_array_equal(np.concatenate(blocks), whole, strict=True)
    assert len(blocks) > 1
    assert max(block.size for block in blocks) <= BLOCK_SAMPLES + 8192  # and a decoder's frame


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3", "aiff", "m4a"])
def test_a_truncated_file_never_ends_without_an_error(tmp_path, suffix):
    whole, cut = written(tmp_path / f"whole.{suffix}"), tmp_path / f"cut.{suffix}"
    content = whole.read_bytes()
    for place in (0, 3, 60, len(content) // 2, len(content) * 9 // 10, len(content) - 200):
        cut.write_bytes(content[:place])
        with (
            pytest.raises(DataError, match=re.escape(str(cut))) as error,
            open_audio(cut) as audio,
        ):
            list(audio.blocks)
        assert "\n" not in str(error.value)


def test_damage_in_the_middle_is_told_when_it_is_reached(tmp_path):
    path = written(tmp_path / "a.flac")
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 4000] = bytes(4000)
    path.write_bytes(content)
    with open_audio(path) as audio, pytest.raises(DataError, match=r"a\.flac: cannot be read"):
        list(audio.blocks)


@pytest.mark.parametrize("number", [np.nan, -np.inf])
def test_a_number_that_is_not_finite_is_found_and_counted_through_all_blocks(tmp_path, number):
    samples = music()
    samples[150_000, 1] = number
    soundfile.write(tmp_path / "a.wav", samples, RATE, subtype="FLOAT")
    with (
        open_audio(tmp_path / "a.wav") as audio,
        pytest.raises(DataError, match=r"a\.wav: sample 150000 is not a finite number"),
    ):
        list(audio.blocks)


@pytest.mark.parametrize("content", [b"", b"not audio at all\n" * 50, b"RIFF"])
def test_what_is_no_audio_is_told_before_a_block_is_asked_for(tmp_path, content):
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"a\.wav"), open_audio(path):
        pytest.fail("it was opened")


def test_what_is_no_file_or_holds_nothing_is_named(tmp_path):
    soundfile.write(tmp_path / "none.wav", np.zeros((0, 2)), RATE)
    for name, said in (("gone.wav", "there is no such file"), ("none.wav", "holds no audio")):
        with pytest.raises(DataError, match=f"{name}: {said}"), open_audio(tmp_path / name):
            pytest.fail("it was opened")


def test_a_file_named_like_standard_input_is_the_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    written(tmp_path / "a.wav").rename("-")
    with open_audio((tmp_path / "-").relative_to(tmp_path)) as audio:
        assert sum(map(len, audio.blocks)) == SECONDS * RATE


def test_a_playlist_opens_no_other_file(tmp_path):
    encode(tmp_path / "secret.aac", music(), "aac", "adts")
    playlist = tmp_path / "list.m3u8"
    playlist.write_text(
        f"#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:3,\n{tmp_path}/secret.aac\n#EXT-X-ENDLIST\n"
    )
    with pytest.raises(DataError, match=r"list\.m3u8"), open_audio(playlist):
        pytest.fail("it was opened")


@pytest.mark.parametrize("shape", [(), (1,), (2, 3)], ids=str)
@pytest.mark.parametrize(
    ("rate", "wanted"), [(44100, 22050), (22050, 44100), (96000, 8192), (8192, 96000), (8000, 8000)]
)
def test_resampling_in_blocks_gives_the_bits_of_resampling_at_once(rate, wanted, shape):
    random = np.random.default_rng(rate)
    song = random.uniform(-1, 1, (50_021, *shape)).astype(np.float32)
    flat = song.reshape(len(song), -1)
    whole = soxr.resample(flat, rate, wanted, quality="HQ") if rate != wanted else flat
    for size in (len(song), 7001, 311):
        step = resampled(rate, wanted)
        parts = [step(song[first : first + size], False) for first in range(0, len(song), size)]
        parts.append(step(song[:0], True))
        joined = np.concatenate(parts)
        assert joined.shape == (len(whole), *shape)
        np.testing.assert_array_equal(joined.reshape(whole.shape), whole)
