"""Damaged and unusual audio files: each raises an error with its path or is read correctly."""

import http.server
import os
import struct
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

from jnet.audio.reading import open_audio, read_audio, read_streams
from jnet.data.layouts import MUSDB_SUFFIX, make_stem_track
from jnet.data.tracks import Stem, Track
from jnet.errors import DataError

RATE, SAMPLES = 44100, 22050
VOICE = ("accompaniment", "vocals")
STEMS = ("mixture", "drums", "bass", "other", "vocals")
AAC_EXTRA = 2048 + 1024  # samples: encoder delay, and padding of the last packet


def music(length: int = SAMPLES, channels: int = 2) -> np.ndarray:
    """Return noise [T, C], which lossless codecs cannot compress."""
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, (length, channels))
    return samples.astype(np.float32)


def write_wav(folder: Path, samples: np.ndarray | None = None, rate: int = RATE, **options) -> Path:
    """Write a wav file, or the `format` in `options`, under the file name `name`."""
    path = folder / options.pop("name", "a.wav")
    soundfile.write(path, music() if samples is None else samples, rate, **options)
    return path


def replace_bytes(path: Path, position: int, content: bytes) -> Path:
    """Replace bytes of a file from `position` on."""
    changed = bytearray(path.read_bytes())
    changed[position : position + len(content)] = content
    path.write_bytes(changed)
    return path


def truncate(path: Path, fraction: float) -> Path:
    """Keep the first `fraction` of a file."""
    path.write_bytes(path.read_bytes()[: int(fraction * path.stat().st_size)])
    return path


def append_bytes(path: Path, content: bytes) -> Path:
    with path.open("ab") as file:
        file.write(content)
    return path


def write_bytes(folder: Path, content: bytes, name: str = "a.wav") -> Path:
    (folder / name).write_bytes(content)
    return folder / name


def music_with_value(value: float) -> np.ndarray:
    samples = music()
    samples[1234, 1] = value
    return samples


def write_flac_with_length(folder: Path, length: int) -> Path:
    """Write a FLAC file whose header states `length` samples, in 36 bits that end at byte 26."""
    path = write_wav(folder, name="a.flac")
    content = path.read_bytes()
    field = int.from_bytes(content[18:26]) >> 36 << 36 | length
    return replace_bytes(path, 18, field.to_bytes(8))


def write_track(folder: Path, vocals: np.ndarray | None = None, rate: int = RATE) -> Path:
    """Write a folder of five stems; `vocals` and `rate` override the vocals' samples and rate."""
    for name in STEMS:
        samples = vocals if vocals is not None and name == "vocals" else music()
        soundfile.write(folder / f"{name}.wav", samples, rate if samples is vocals else RATE)
    return folder


def write_stem_file(
    folder: Path, *stems: np.ndarray, rates: tuple[int, ...] = (), form: str = "mp4", **options
) -> Path:
    """Write a `.stem.mp4` file with one AAC stream for each of `stems`."""
    path = folder / f"a{MUSDB_SUFFIX}"
    with av.open(str(path), "w", format=form, options=options) as container:
        streams = [
            container.add_stream("aac", rate=rate, layout=get_layout(stem))
            for stem, rate in zip(stems, rates or [RATE] * len(stems), strict=True)
        ]
        for stream, stem in zip(streams, stems, strict=True):
            for packet in encode(stream, stem):
                container.mux(packet)
    return path


def get_layout(samples: np.ndarray) -> str:
    return {1: "mono", 2: "stereo"}[samples.shape[1]]


def encode(encoder, samples: np.ndarray) -> list[av.Packet]:
    """Return the packets of samples [T, C]; the encoder is a stream or a codec's context."""
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples.T), "fltp", get_layout(samples))
    frame.sample_rate = encoder.sample_rate
    return [*encoder.encode(frame), *encoder.encode(None)]


def write_joined_aac(folder: Path, rate: int, channels: int) -> Path:
    """Write 0.5 s of AAC, followed by 0.5 s with another rate or number of channels."""
    parts = ((music(), RATE), (music(channels=channels), rate))
    paths = (write_stem_file(folder, part[0], rates=part[1:], form="adts") for part in parts)
    return write_bytes(folder, b"".join(path.read_bytes() for path in paths), "a.aac")


def write_changing_stream(folder: Path, rate: int, channels: int) -> Path:
    """Write a file of five MP3 streams, of which the last changes to another rate or layout."""
    packets = []
    for samples, part_rate in ((music(), RATE), (music(channels=channels), rate)):
        encoder = av.CodecContext.create("libmp3lame", "w")
        encoder.sample_rate, encoder.format = part_rate, "fltp"
        encoder.layout = get_layout(samples)
        packets.append(encode(encoder, samples))
    path = folder / f"a{MUSDB_SUFFIX}"
    with av.open(str(path), "w", format="mp4") as container:
        streams = [container.add_stream("libmp3lame", rate=RATE, layout="stereo") for _ in STEMS]
        for stream in streams:
            for number, packet in enumerate(
                packets[0] + (packets[1] if stream == streams[-1] else [])
            ):
                packet.stream = stream
                packet.pts = packet.dts = 1152 * number
                container.mux(packet)
    return path


def write_damaged_aac(folder: Path) -> Path:
    """Write an AAC file with four bytes of zeros, after which FFmpeg returns 41 channels."""
    samples = np.random.default_rng(0).normal(0, 0.1, (6000, 2)).clip(-1, 1).astype(np.float32)
    path = write_stem_file(folder, samples)
    return replace_bytes(path, 345, bytes(4)).rename(folder / "a.m4a")


def join_to_itself(path: Path) -> Path:
    return append_bytes(path, path.read_bytes())


def write_five_streams(folder: Path, vocals: np.ndarray | None = None, **options) -> Path:
    """Write a file like those of MUSDB18; `vocals` overrides the samples of the vocals."""
    if vocals is not None:
        return write_stem_file(folder, *[music()] * 4, vocals, **options)
    path = folder / f"a{MUSDB_SUFFIX}"
    path.write_bytes(encode_five_streams(**options))
    return path


@cache
def encode_five_streams(**options) -> bytes:
    """Return the content of a `.stem.mp4` file, encoded once for all tests."""
    with tempfile.TemporaryDirectory() as folder:
        return write_stem_file(Path(folder), *[music()] * 5, **options).read_bytes()


@dataclass(frozen=True)
class Accepted:
    """The result of reading a file: `length` to `length + extra` samples, channels, rate in Hz."""

    length: int = SAMPLES
    channels: int = 2
    rate: int = RATE
    extra: int = 0


Row = tuple[str, Callable[[Path], Path], Accepted | str]
STEM_FILES: list[Row] = [
    ("undamaged", write_five_streams, Accepted(extra=AAC_EXTRA)),
    (
        "index first",
        lambda f: write_five_streams(f, movflags="faststart"),
        Accepted(extra=AAC_EXTRA),
    ),
    (
        "in fragments",
        lambda f: write_five_streams(f, movflags="frag_keyframe+empty_moov"),
        Accepted(extra=AAC_EXTRA),
    ),
    ("truncated", lambda f: truncate(write_five_streams(f), 0.5), "cannot be read as audio"),
    (
        "index first, truncated",
        lambda f: truncate(write_five_streams(f, movflags="faststart"), 0.5),
        "is damaged after",
    ),
    (
        "in fragments, truncated",
        lambda f: truncate(
            write_five_streams(f, movflags="frag_keyframe+empty_moov", frag_duration="90000"), 0.5
        ),
        "is damaged after",
    ),
    ("0 bytes", lambda f: write_bytes(f, b"", f"a{MUSDB_SUFFIX}"), "cannot be read as audio"),
    (
        "2000 bytes zeroed",
        lambda f: replace_bytes(write_five_streams(f), 30_000, bytes(2000)),
        "cannot be read as",
    ),
    ("3 streams", lambda f: write_stem_file(f, *[music()] * 3), "has 3 audio streams, but 5 are"),
    ("4 streams", lambda f: write_stem_file(f, *[music()] * 4), "has 4 audio streams, but 5 are"),
    ("6 streams", lambda f: write_stem_file(f, *[music()] * 6), Accepted(extra=AAC_EXTRA)),
    (
        "all mono",
        lambda f: write_stem_file(f, *[music(channels=1)] * 5),
        Accepted(channels=1, extra=AAC_EXTRA),
    ),
    (
        "one mono",
        lambda f: write_five_streams(f, music(channels=1)),
        "differ in channels: bass 2, .*vocals 1",
    ),
    (
        "48 kHz",
        lambda f: write_five_streams(f, rates=(48000,) * 5),
        Accepted(rate=48000, extra=AAC_EXTRA),
    ),
    (
        "one at 48 kHz",
        lambda f: write_five_streams(f, rates=(RATE,) * 4 + (48000,)),
        "streams have different sample rates",
    ),
    ("one shorter", lambda f: write_five_streams(f, music(9000)), "its stems differ in samples"),
    ("silent vocals", lambda f: write_five_streams(f, 0 * music()), Accepted(extra=AAC_EXTRA)),
    ("1 sample", lambda f: write_stem_file(f, *[music(1)] * 5), Accepted(1, extra=AAC_EXTRA)),
    (
        "wav content",
        lambda f: write_wav(f, name=f"a{MUSDB_SUFFIX}", format="WAV"),
        "cannot be read as audio",
    ),
    (
        "text content",
        lambda f: write_bytes(f, b"text\n" * 99, f"a{MUSDB_SUFFIX}"),
        "cannot be read as audio",
    ),
    (
        "one changes its rate",
        lambda f: write_changing_stream(f, 22050, 2),
        "changes its sample rate from 44100 Hz to 22050 Hz after 0.5",
    ),
    (
        "one changes its channels",
        lambda f: write_changing_stream(f, RATE, 1),
        "changes its channels from stereo to mono after 0.5",
    ),
    ("missing", lambda f: f / f"a{MUSDB_SUFFIX}", "does not exist: correct the path"),
]
FILES: list[Row] = [
    ("48 kHz", lambda f: write_wav(f, rate=48000), Accepted(rate=48000)),
    ("96 kHz 24 bit", lambda f: write_wav(f, rate=96000, subtype="PCM_24"), Accepted(rate=96000)),
    ("8 bit", lambda f: write_wav(f, subtype="PCM_U8"), Accepted()),
    ("64-bit float", lambda f: write_wav(f, subtype="DOUBLE"), Accepted()),
    ("A-law", lambda f: write_wav(f, subtype="ALAW"), Accepted()),
    ("mono", lambda f: write_wav(f, music(channels=1)), Accepted(channels=1)),
    ("5.1", lambda f: write_wav(f, music(channels=6)), Accepted(channels=6)),
    ("WAVEX", lambda f: write_wav(f, format="WAVEX"), Accepted()),
    ("RF64", lambda f: write_wav(f, format="RF64"), Accepted()),
    ("W64", lambda f: write_wav(f, name="a.w64"), Accepted()),
    (
        "Opus",
        lambda f: write_wav(f, rate=48000, name="a.ogg", subtype="OPUS"),
        Accepted(rate=48000),
    ),
    ("silent", lambda f: write_wav(f, 0 * music()), Accepted()),
    ("beyond full scale", lambda f: write_wav(f, 9 * music(), subtype="FLOAT"), Accepted()),
    ("1 sample", lambda f: write_wav(f, music(1)), Accepted(1)),
    ("0 samples", lambda f: write_wav(f, music(0)), "contains no audio"),
    (
        "NaN",
        lambda f: write_wav(f, music_with_value(np.nan), subtype="FLOAT"),
        "sample 1234 is not a finite",
    ),
    (
        "inf",
        lambda f: write_wav(f, music_with_value(np.inf), subtype="FLOAT"),
        "sample 1234 is not a finite",
    ),
    (
        "-inf",
        lambda f: write_wav(f, music_with_value(-np.inf), subtype="DOUBLE"),
        "sample 1234 is not a fin",
    ),
    ("0 bytes", lambda f: write_bytes(f, b""), "is empty: replace it"),
    ("1 byte", lambda f: write_bytes(f, b"R"), "cannot be read as audio"),
    ("wrong magic", lambda f: replace_bytes(write_wav(f), 0, b"RIFX"), "cannot be read as audio"),
    ("a text", lambda f: write_bytes(f, b"not audio at all\n" * 50), "cannot be read as audio"),
    (
        "a text named mp3",
        lambda f: write_bytes(f, b"text\n" * 99, "a.mp3"),
        "cannot be read as audio",
    ),
    ("only zeros", lambda f: write_bytes(f, bytes(5000)), "cannot be read as audio"),
    (
        "only the sync word of MP3",
        lambda f: write_bytes(f, b"\xff\xfb\x90\0" + bytes(30)),
        "cannot be read",
    ),
    ("a FLAC named wav", lambda f: write_wav(f, format="FLAC"), Accepted()),
    ("a wav named mp3", lambda f: write_wav(f, name="a.mp3", format="WAV"), Accepted()),
    ("a wav named raw", lambda f: write_wav(f, name="a.raw", format="WAV"), Accepted()),
    (
        "truncated wav",
        lambda f: truncate(write_wav(f), 0.7),
        "is truncated, it has 61770 of 88244 bytes",
    ),
    (
        "truncated FLAC",
        lambda f: truncate(write_wav(f, name="a.flac"), 0.7),
        "truncated|cannot be read",
    ),
    (
        "truncated Ogg",
        lambda f: truncate(write_wav(f, name="a.ogg"), 0.7),
        "is truncated, its last page is missing",
    ),
    ("truncated MP3", lambda f: truncate(write_wav(f, name="a.mp3"), 0.7), "is truncated, it has"),
    (
        "truncated AIFF",
        lambda f: truncate(write_wav(f, name="a.aiff"), 0.7),
        "is truncated, it has",
    ),
    ("truncated header", lambda f: truncate(write_wav(f), 0.0003), "cannot be read as audio"),
    (
        "states more than it has",
        lambda f: replace_bytes(write_wav(f), 40, struct.pack("<I", 90_000)),
        "is truncated, it has 88244 of 90044 bytes",
    ),
    (
        "states less than it has",
        lambda f: replace_bytes(write_wav(f), 40, struct.pack("<I", 4000)),
        "has 84200 bytes more than its header states",
    ),
    ("from a pipe", lambda f: replace_bytes(write_wav(f), 40, b"\xff" * 4), Accepted()),
    ("from another pipe", lambda f: replace_bytes(write_wav(f), 40, b"\0\xf0\xff\x7f"), Accepted()),
    ("FLAC from a pipe", lambda f: write_flac_with_length(f, 0), Accepted()),
    (
        "FLAC that states more",
        lambda f: write_flac_with_length(f, 2 * SAMPLES),
        "truncated|cannot be read",
    ),
    (
        "FLAC that states 18 days",
        lambda f: write_flac_with_length(f, 2**36 - 1),
        "into memory|cannot be read",
    ),
    ("0 channels", lambda f: replace_bytes(write_wav(f), 22, b"\0\0"), "cannot be read as audio"),
    (
        "65535 channels",
        lambda f: replace_bytes(write_wav(f), 22, b"\xff\xff"),
        "cannot be read as audio",
    ),
    ("0 Hz", lambda f: replace_bytes(write_wav(f), 24, bytes(4)), "cannot be read as audio"),
    (
        "1 Hz",
        lambda f: replace_bytes(write_wav(f), 24, b"\1\0\0\0"),
        "states a sample rate of 1 Hz",
    ),
    ("0 bits", lambda f: replace_bytes(write_wav(f), 34, b"\0\0"), "audio codec cannot be decoded"),
    (
        "unknown codec",
        lambda f: replace_bytes(write_wav(f), 20, b"\x03\0"),
        "audio codec cannot be decoded",
    ),
    (
        "a chunk after the audio",
        lambda f: append_bytes(write_wav(f), b"LIST\4\0\0\0INFO"),
        Accepted(),
    ),
    (
        "a tag after the audio",
        lambda f: append_bytes(write_wav(f), b"TAG" + bytes(125)),
        Accepted(),
    ),
    ("a folder", lambda f: (f / "a.wav").mkdir() or f / "a.wav", "is not a file"),
    ("a pipe", lambda f: os.mkfifo(f / "a.wav") or f / "a.wav", "is not a file"),
    ("a broken link", lambda f: (f / "a.wav").symlink_to("b") or f / "a.wav", "does not exist"),
    (
        "a link to itself",
        lambda f: (f / "a.wav").symlink_to("a.wav") or f / "a.wav",
        "does not exist",
    ),
    ("missing", lambda f: f / "a.wav", "does not exist: correct the path"),
    ("damaged AAC", write_damaged_aac, "changes its channels|crashed|cannot be read as audio"),
    (
        "AAC of two rates",
        lambda f: write_joined_aac(f, 22050, 2),
        "changes its sample rate from 44100 Hz to 22050 Hz after 0.5",
    ),
    (
        "AAC of two layouts",
        lambda f: write_joined_aac(f, RATE, 1),
        "changes its channels from stereo to mono after 0.5",
    ),
    *[
        (
            f"two files in one, {suffix}",
            lambda f, suffix=suffix: join_to_itself(write_wav(f, name=f"a.{suffix}")),
            "another file begins at byte ",
        )
        for suffix in ("wav", "flac", "ogg", "aiff", "au", "w64", "caf")
    ],
    (
        "two files in one, m4a",
        lambda f: join_to_itself(write_stem_file(f, music()).rename(f / "a.m4a")),
        "another file begins at byte ",
    ),
]
TRACKS: list[Row] = [
    ("undamaged", write_track, Accepted()),
    ("silent vocals", lambda f: write_track(f, 0 * music()), Accepted()),
    (
        "one shorter",
        lambda f: write_track(f, music(9000)),
        "samples: bass 22050, .*vocals 9000: export",
    ),
    (
        "one longer by a sample",
        lambda f: write_track(f, music(SAMPLES + 1)),
        "samples: bass 22050, .*vocals 22051",
    ),
    (
        "one mono",
        lambda f: write_track(f, music(channels=1)),
        "in channels: bass 2, .*vocals 1: export",
    ),
    (
        "one at 48 kHz",
        lambda f: write_track(f, music(), 48000),
        "in Hz: bass 44100, .*vocals 48000",
    ),
    (
        "vocals missing",
        lambda f: (write_track(f) / "vocals.wav").unlink() or f,
        "has no stem vocals",
    ),
]


def read(path: Path) -> tuple[np.ndarray, int]:
    """Return the samples [T, C] and rate of a file, or of the vocals of a track."""
    if path.name.endswith(MUSDB_SUFFIX):
        audio = make_stem_track(path, "train").read(VOICE)
    elif path.is_dir() and any(path.iterdir()):
        stems = {stem.stem: Stem(stem) for stem in path.glob("*.wav")}
        audio = Track("a", "train", stems).read(VOICE)
    else:
        return read_audio(path)
    return audio.sources[:, 1], audio.sample_rate


def read_blocks(path: Path) -> tuple[np.ndarray, int]:
    """Return the samples [T, C] and rate of a file read in blocks, as `Predict.py` does."""
    with open_audio(path) as audio:
        return np.concatenate(list(audio.blocks)), audio.sample_rate


def parametrize_rows(table: list[Row]):
    return pytest.mark.parametrize(
        ("make", "outcome"), [row[1:] for row in table], ids=[row[0] for row in table]
    )


def check_outcome(path: Path, outcome: Accepted | str, reader, capfd) -> None:
    """Compare the result of reading a file with the expected outcome."""
    if isinstance(outcome, str):
        with pytest.raises(DataError, match=outcome) as error:
            reader(path)
        assert str(error.value).startswith(f"{path}: ")
        assert "\n" not in str(error.value)
    else:
        samples, rate = reader(path)
        assert outcome.length <= len(samples) <= outcome.length + outcome.extra
        assert (samples.shape[1], rate) == (outcome.channels, outcome.rate)
        assert samples.dtype == np.float32
    assert capfd.readouterr().err == ""  # no traceback, and no messages of the decoders


@parametrize_rows(STEM_FILES)
def test_stem_files_are_read_or_rejected(tmp_path, capfd, make, outcome):
    check_outcome(make(tmp_path), outcome, read, capfd)


@parametrize_rows(FILES)
def test_files_are_read_or_rejected_at_once_and_in_blocks(tmp_path, capfd, make, outcome):
    path = make(tmp_path)
    check_outcome(path, outcome, read, capfd)
    check_outcome(path, outcome, read_blocks, capfd)


@parametrize_rows(TRACKS)
def test_tracks_are_read_or_rejected(tmp_path, capfd, make, outcome):
    check_outcome(make(tmp_path), outcome, read, capfd)


@pytest.mark.skipif(os.geteuid() == 0, reason="root can read any file")
def test_an_unreadable_file_raises_permission_error(tmp_path):
    path = write_wav(tmp_path)
    path.chmod(0)
    with pytest.raises(PermissionError, match=r"a\.wav"):
        read(path)


@pytest.mark.parametrize(
    "name",
    [
        "-",
        "-i.wav",
        "%03d.wav",
        "concat:a.wav|b.wav",
        "pipe:0",
        "data:audio,x.wav",
        "file:a.wav",
        "Ünïcödé – 日本語 🎵.wav",
        "line\nbreak.wav",
        "é" * 125,
    ],
)
@pytest.mark.parametrize("form", ["WAV", "MP3", "M4A"])
def test_file_names_are_not_interpreted(tmp_path, monkeypatch, name, form):
    """Read MP3 with libsndfile and PyAV, AAC with PyAV; the paths are names without a folder."""
    made = (
        write_five_streams(tmp_path)
        if form == "M4A"
        else write_wav(tmp_path, format=form, name="made")
    )
    made.rename(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    for reader in (read, read_blocks):
        samples, rate = reader(Path(name))
        assert len(samples) >= SAMPLES
        assert rate == RATE


@pytest.fixture
def server() -> Iterator[tuple[str, list[str]]]:
    """Start a local web server; return its address and the list of requested paths."""
    requested: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            requested.append(self.path)
            self.send_error(404)

        def log_message(self, format, *args):
            """Write nothing to standard error."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listener:
        thread = threading.Thread(target=listener.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{listener.server_port}", requested
        listener.shutdown()
        thread.join()


# File contents that make an unrestricted decoder open another file or address.
REFERENCES = {
    "playlist": "#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:3,\n{place}\n#EXT-X-ENDLIST\n",
    "playlist of playlists": "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=9\n{place}\n",
    "script": "ffconcat version 1.0\nfile '{place}'\n",
}


@pytest.mark.parametrize("reference", REFERENCES)
@pytest.mark.parametrize("name", [f"a{MUSDB_SUFFIX}", "a.wav", "a.m3u8", "a.mp3"])
def test_file_contents_open_no_other_file_or_address(tmp_path, server, reference, name):
    address, requested = server
    secret = write_five_streams(tmp_path).rename(tmp_path / "secret.m4a")
    for place in (f"{address}/secret.m4a", str(secret), f"file:{secret}", "secret.m4a"):
        path = write_bytes(tmp_path, REFERENCES[reference].format(place=place).encode(), name)
        for reader in (read, read_blocks):
            with pytest.raises(DataError, match=r"cannot be read as audio|has (0|no) audio"):
                reader(path)
    assert requested == []


UNRESTRICTED = {"protocol_whitelist": "file,http,tcp", "allowed_extensions": "ALL", "safe": "0"}


@pytest.mark.parametrize("reference", REFERENCES)
def test_an_unrestricted_decoder_requests_the_address(tmp_path, server, reference):
    address, requested = server
    path = write_bytes(
        tmp_path, REFERENCES[reference].format(place=f"{address}/x.m4a").encode(), "a.m3u8"
    )
    with pytest.raises(av.FFmpegError), av.open(str(path), options=UNRESTRICTED):
        pass
    assert requested[0] == "/x.m4a"


@pytest.mark.parametrize("reference", ["playlist", "script"])
def test_an_unrestricted_decoder_reads_the_other_file(tmp_path, reference):
    secret = write_five_streams(tmp_path).rename(tmp_path / "secret.m4a")
    path = write_bytes(tmp_path, REFERENCES[reference].format(place=secret).encode(), "a.m3u8")
    with av.open(str(path), options=UNRESTRICTED) as container:
        assert len(container.streams.audio) == 5


def test_a_stem_file_is_decoded_only_as_mp4(tmp_path):
    path = write_wav(tmp_path, name=f"a{MUSDB_SUFFIX}", format="FLAC")
    assert len(read_audio(path)[0]) == SAMPLES
    with pytest.raises(DataError, match="cannot be read as audio"):
        read_streams(path, (0,), "mp4")
