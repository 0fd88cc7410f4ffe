"""Damaged and odd audio files: each is an error that names it, or is accepted as what it is."""

import http.server
import os
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

from Input.Audio import read_audio, read_streams
from Input.Blocks import open_audio
from Input.Musdb import SUFFIX, stem_song
from Input.Songs import Song, Stem
from Spec.Errors import DataError

RATE, FRAMES = 44100, 22050
VOICE = ("accompaniment", "vocals")
STEMS = ("mixture", "drums", "bass", "other", "vocals")
AAC = 2048 + 1024  # frames an AAC stream may have more: encoder delay, and its last packet's rest


def music(frames: int = FRAMES, channels: int = 2) -> np.ndarray:
    """Noise, `[T, C]`, which no coder can shorten."""
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, (frames, channels))
    return samples.astype(np.float32)


def wav(folder: Path, samples: np.ndarray | None = None, rate: int = RATE, **options) -> Path:
    """A wav, or a `format` with the extension `name` says."""
    path = folder / options.pop("name", "a.wav")
    soundfile.write(path, music() if samples is None else samples, rate, **options)
    return path


def changed(path: Path, at: int, content: bytes) -> Path:
    """The file with some bytes replaced."""
    whole = bytearray(path.read_bytes())
    whole[at : at + len(content)] = content
    path.write_bytes(whole)
    return path


def cut(path: Path, share: float) -> Path:
    """The first `share` of the file."""
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    return path


def extended(path: Path, content: bytes) -> Path:
    with path.open("ab") as file:
        file.write(content)
    return path


def holding(folder: Path, content: bytes, name: str = "a.wav") -> Path:
    (folder / name).write_bytes(content)
    return folder / name


def with_value(value: float) -> np.ndarray:
    samples = music()
    samples[1234, 1] = value
    return samples


def flac_stating(folder: Path, frames: int) -> Path:
    """A FLAC whose header has another count of frames: 36 bits that end 18 bytes after 'fLaC'."""
    path = wav(folder, name="a.flac")
    content = path.read_bytes()
    field = int.from_bytes(content[18:26]) >> 36 << 36 | frames
    return changed(path, 18, field.to_bytes(8))


def song(folder: Path, odd: np.ndarray | None = None, rate: int = RATE, **stems) -> Path:
    """A folder of five stems, the vocals `odd` where that is given."""
    for name in STEMS:
        samples = odd if odd is not None and name == "vocals" else music()
        soundfile.write(folder / f"{name}.wav", samples, rate if samples is odd else RATE)
    return folder


def stem_file(folder: Path, *tracks: np.ndarray, rates: tuple[int, ...] = (), **options) -> Path:
    """A `.stem.mp4` of AAC streams, one for each of `tracks`."""
    path = folder / f"a{SUFFIX}"
    with av.open(str(path), "w", format="mp4", options=options) as box:
        streams = [
            box.add_stream("aac", rate=rate, layout="stereo" if track.shape[1] == 2 else "mono")
            for track, rate in zip(tracks, rates or [RATE] * len(tracks), strict=True)
        ]
        for stream, track in zip(streams, tracks, strict=True):
            planar = np.ascontiguousarray(track.T)
            frame = av.AudioFrame.from_ndarray(planar, "fltp", stream.layout.name)
            frame.sample_rate = stream.rate
            for packet in (*stream.encode(frame), *stream.encode(None)):
                box.mux(packet)
    return path


def five(folder: Path, odd: np.ndarray | None = None, **options) -> Path:
    """As MUSDB18's, the vocals `odd` where that is given."""
    return stem_file(folder, *[music()] * 4, music() if odd is None else odd, **options)


@dataclass(frozen=True)
class Accepted:
    """What comes of a file: its frames (as many, or up to `more`), channels and rate in Hz."""

    frames: int = FRAMES
    channels: int = 2
    rate: int = RATE
    more: int = 0


Row = tuple[str, Callable[[Path], Path], Accepted | str]
STEM_FILES: list[Row] = [
    ("as it should be", five, Accepted(more=AAC)),
    ("index first", lambda f: five(f, movflags="faststart"), Accepted(more=AAC)),
    ("in fragments", lambda f: five(f, movflags="frag_keyframe+empty_moov"), Accepted(more=AAC)),
    ("cut off", lambda f: cut(five(f), 0.5), "cannot be read as audio"),
    (
        "index first, cut off",
        lambda f: cut(five(f, movflags="faststart"), 0.5),
        "is damaged: replace",
    ),
    (
        "in fragments, cut off",
        lambda f: cut(five(f, movflags="frag_keyframe+empty_moov", frag_duration="90000"), 0.5),
        "is damaged: replace",
    ),
    ("0 bytes", lambda f: holding(f, b"", f"a{SUFFIX}"), "cannot be read as audio"),
    ("2000 bytes zeroed", lambda f: changed(five(f), 30_000, bytes(2000)), "cannot be read as"),
    ("3 streams", lambda f: stem_file(f, *[music()] * 3), "has 3 audio streams where 5 are needed"),
    ("4 streams", lambda f: stem_file(f, *[music()] * 4), "has 4 audio streams where 5 are needed"),
    ("6 streams", lambda f: stem_file(f, *[music()] * 6), Accepted(more=AAC)),
    ("all mono", lambda f: stem_file(f, *[music(channels=1)] * 5), Accepted(channels=1, more=AAC)),
    ("one mono", lambda f: five(f, music(channels=1)), "differ in channels: bass 2, .*vocals 1"),
    ("48 kHz", lambda f: five(f, rates=(48000,) * 5), Accepted(rate=48000, more=AAC)),
    ("one at 48 kHz", lambda f: five(f, rates=(RATE,) * 4 + (48000,)), "streams differ in Hz"),
    ("one shorter", lambda f: five(f, music(9000)), "its stems differ in frames"),
    ("silent vocals", lambda f: five(f, 0 * music()), Accepted(more=AAC)),
    ("1 sample", lambda f: stem_file(f, *[music(1)] * 5), Accepted(1, more=AAC)),
    ("a wav inside", lambda f: wav(f, name=f"a{SUFFIX}", format="WAV"), "cannot be read as audio"),
    ("text inside", lambda f: holding(f, b"text\n" * 99, f"a{SUFFIX}"), "cannot be read as audio"),
    ("missing", lambda f: f / f"a{SUFFIX}", "there is no such file"),
]
FILES: list[Row] = [
    ("48 kHz", lambda f: wav(f, rate=48000), Accepted(rate=48000)),
    ("96 kHz 24 bit", lambda f: wav(f, rate=96000, subtype="PCM_24"), Accepted(rate=96000)),
    ("8 bit", lambda f: wav(f, subtype="PCM_U8"), Accepted()),
    ("64-bit float", lambda f: wav(f, subtype="DOUBLE"), Accepted()),
    ("A-law", lambda f: wav(f, subtype="ALAW"), Accepted()),
    ("mono", lambda f: wav(f, music(channels=1)), Accepted(channels=1)),
    ("5.1", lambda f: wav(f, music(channels=6)), Accepted(channels=6)),
    ("WAVEX", lambda f: wav(f, format="WAVEX"), Accepted()),
    ("RF64", lambda f: wav(f, format="RF64"), Accepted()),
    ("W64", lambda f: wav(f, name="a.w64"), Accepted()),
    ("Opus", lambda f: wav(f, rate=48000, name="a.ogg", subtype="OPUS"), Accepted(rate=48000)),
    ("silent", lambda f: wav(f, 0 * music()), Accepted()),
    ("beyond full scale", lambda f: wav(f, 9 * music(), subtype="FLOAT"), Accepted()),
    ("1 sample", lambda f: wav(f, music(1)), Accepted(1)),
    ("0 samples", lambda f: wav(f, music(0)), "holds no audio"),
    ("NaN", lambda f: wav(f, with_value(np.nan), subtype="FLOAT"), "sample 1234 is not a finite"),
    ("inf", lambda f: wav(f, with_value(np.inf), subtype="FLOAT"), "sample 1234 is not a finite"),
    ("-inf", lambda f: wav(f, with_value(-np.inf), subtype="DOUBLE"), "sample 1234 is not a fin"),
    ("0 bytes", lambda f: holding(f, b""), "is empty: replace it"),
    ("1 byte", lambda f: holding(f, b"R"), "cannot be read as audio"),
    ("wrong magic", lambda f: changed(wav(f), 0, b"RIFX"), "cannot be read as audio"),
    ("a text", lambda f: holding(f, b"not audio at all\n" * 50), "cannot be read as audio"),
    ("a text named mp3", lambda f: holding(f, b"text\n" * 99, "a.mp3"), "cannot be read as audio"),
    ("only zeros", lambda f: holding(f, bytes(5000)), "cannot be read as audio"),
    ("an MP3's sync alone", lambda f: holding(f, b"\xff\xfb\x90\0" + bytes(30)), "cannot be read"),
    ("a FLAC named wav", lambda f: wav(f, format="FLAC"), Accepted()),
    ("a wav named mp3", lambda f: wav(f, name="a.mp3", format="WAV"), Accepted()),
    ("a wav named raw", lambda f: wav(f, name="a.raw", format="WAV"), Accepted()),
    ("cut wav", lambda f: cut(wav(f), 0.7), "is cut off, its header promises 88244 bytes"),
    ("cut FLAC", lambda f: cut(wav(f, name="a.flac"), 0.7), r"cut off|cannot be read"),
    ("cut Ogg", lambda f: cut(wav(f, name="a.ogg"), 0.7), "is cut off, its last page is missing"),
    ("cut MP3", lambda f: cut(wav(f, name="a.mp3"), 0.7), "is cut off, its header promises"),
    ("cut AIFF", lambda f: cut(wav(f, name="a.aiff"), 0.7), "is cut off, its header promises"),
    ("cut in its header", lambda f: cut(wav(f), 0.0003), "cannot be read as audio"),
    (
        "states more than it has",
        lambda f: changed(wav(f), 40, struct.pack("<I", 90_000)),
        "its header promises 90044 bytes and it has 88244",
    ),
    (
        "states less than it has",
        lambda f: changed(wav(f), 40, struct.pack("<I", 4000)),
        "has 84200 bytes more than its header tells of",
    ),
    ("from a pipe", lambda f: changed(wav(f), 40, b"\xff" * 4), Accepted()),
    ("from another pipe", lambda f: changed(wav(f), 40, b"\0\xf0\xff\x7f"), Accepted()),
    ("FLAC from a pipe", lambda f: flac_stating(f, 0), Accepted()),
    ("FLAC that states more", lambda f: flac_stating(f, 2 * FRAMES), "cut off|cannot be read"),
    (
        "FLAC that states 18 days",
        lambda f: flac_stating(f, 2**36 - 1),
        "into memory|cannot be read",
    ),
    ("0 channels", lambda f: changed(wav(f), 22, b"\0\0"), "cannot be read as audio"),
    ("65535 channels", lambda f: changed(wav(f), 22, b"\xff\xff"), "cannot be read as audio"),
    ("0 Hz", lambda f: changed(wav(f), 24, bytes(4)), "cannot be read as audio"),
    ("1 Hz", lambda f: changed(wav(f), 24, b"\1\0\0\0"), "states a rate of 1 Hz"),
    ("0 bits", lambda f: changed(wav(f), 34, b"\0\0"), "of a kind that cannot be decoded"),
    ("unknown coding", lambda f: changed(wav(f), 20, b"\x03\0"), "of a kind that cannot be dec"),
    ("a chunk after it", lambda f: extended(wav(f), b"LIST\4\0\0\0INFO"), Accepted()),
    ("a tag after it", lambda f: extended(wav(f), b"TAG" + bytes(125)), Accepted()),
    ("a folder", lambda f: (f / "a.wav").mkdir() or f / "a.wav", "is no file"),
    ("a pipe", lambda f: os.mkfifo(f / "a.wav") or f / "a.wav", "is no file"),
    ("a broken link", lambda f: (f / "a.wav").symlink_to("b") or f / "a.wav", "is no such file"),
    ("a link to itself", lambda f: (f / "a.wav").symlink_to("a.wav") or f / "a.wav", "no such"),
    ("missing", lambda f: f / "a.wav", "there is no such file"),
]
SONGS: list[Row] = [
    ("as it should be", song, Accepted()),
    ("silent vocals", lambda f: song(f, 0 * music()), Accepted()),
    ("one shorter", lambda f: song(f, music(9000)), "frames: bass 22050, .*vocals 9000: export"),
    ("one by a sample", lambda f: song(f, music(FRAMES + 1)), "frames: bass 22050, .*vocals 22051"),
    ("one mono", lambda f: song(f, music(channels=1)), "in channels: bass 2, .*vocals 1: export"),
    ("one at 48 kHz", lambda f: song(f, music(), 48000), "in Hz: bass 44100, .*vocals 48000"),
    ("vocals missing", lambda f: (song(f) / "vocals.wav").unlink() or f, "has no stem vocals"),
]


def read(path: Path) -> tuple[np.ndarray, int]:
    """What a file, a song's folder or a `.stem.mp4` holds: `[T, C]`, and its rate."""
    if path.name.endswith(SUFFIX):
        recording = stem_song(path, "train").read(VOICE)
    elif path.is_dir() and any(path.iterdir()):
        stems = {stem.stem: Stem(stem) for stem in path.glob("*.wav")}
        recording = Song("a", "train", stems).read(VOICE)
    else:
        return read_audio(path)
    return recording.sources[:, 1], recording.sample_rate


def read_blocks(path: Path) -> tuple[np.ndarray, int]:
    """What `Predict.py` hears of a file."""
    with open_audio(path) as audio:
        return np.concatenate(list(audio.blocks)), audio.sample_rate


def rows(table: list[Row]):
    return pytest.mark.parametrize(
        ("make", "outcome"), [row[1:] for row in table], ids=[row[0] for row in table]
    )


def check(path: Path, outcome: Accepted | str, reader, capfd) -> None:
    """Hold what comes of a file against its stated outcome."""
    if isinstance(outcome, str):
        with pytest.raises(DataError, match=outcome) as error:
            reader(path)
        assert str(error.value).startswith(f"{path}: ")
        assert "\n" not in str(error.value)
    else:
        samples, rate = reader(path)
        assert outcome.frames <= len(samples) <= outcome.frames + outcome.more
        assert (samples.shape[1], rate) == (outcome.channels, outcome.rate)
        assert samples.dtype == np.float32
    assert capfd.readouterr().err == ""  # no traceback, and no decoder's remarks


@rows(STEM_FILES)
def test_stem_files(tmp_path, capfd, make, outcome):
    check(make(tmp_path), outcome, read, capfd)


@rows(FILES)
def test_files(tmp_path, capfd, make, outcome):
    check(make(tmp_path), outcome, read, capfd)


@rows(FILES)
def test_files_block_by_block(tmp_path, capfd, make, outcome):
    check(make(tmp_path), outcome, read_blocks, capfd)


@rows(SONGS)
def test_songs(tmp_path, capfd, make, outcome):
    check(make(tmp_path), outcome, read, capfd)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read anything")
def test_a_file_that_may_not_be_read_is_an_error_of_the_system(tmp_path):
    path = wav(tmp_path)
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
def test_a_files_name_is_nothing_but_its_name(tmp_path, monkeypatch, name, form):
    """MP3 is read by libsndfile and PyAV, AAC by PyAV alone; the name is given without a folder,
    as one types it."""
    made = five(tmp_path) if form == "M4A" else wav(tmp_path, format=form, name="made")
    made.rename(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    for reader in (read, read_blocks):
        samples, rate = reader(Path(name))
        assert len(samples) >= FRAMES
        assert rate == RATE


@pytest.fixture
def server() -> Iterator[tuple[str, list[str]]]:
    """A web server of this machine, by its address, and the paths it was asked for."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, format, *args):
            """Nothing to standard error."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        thread = threading.Thread(target=listening.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{listening.server_port}", asked
        listening.shutdown()
        thread.join()


# What makes a decoder that is allowed to, open another file or address.
LURES = {
    "playlist": "#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:3,\n{place}\n#EXT-X-ENDLIST\n",
    "playlist of playlists": "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=9\n{place}\n",
    "script": "ffconcat version 1.0\nfile '{place}'\n",
}


@pytest.mark.parametrize("lure", LURES)
@pytest.mark.parametrize("name", [f"a{SUFFIX}", "a.wav", "a.m3u8", "a.mp3"])
def test_a_file_opens_no_other_file_and_no_address(tmp_path, server, lure, name):
    address, asked = server
    secret = five(tmp_path).rename(tmp_path / "secret.m4a")
    for place in (f"{address}/secret.m4a", str(secret), f"file:{secret}", "secret.m4a"):
        path = holding(tmp_path, LURES[lure].format(place=place).encode(), name)
        for reader in (read, read_blocks):
            with pytest.raises(DataError, match=r"cannot be read as audio|has (0|no) audio"):
                reader(path)
    assert asked == []


ALLOWED = {"protocol_whitelist": "file,http,tcp", "allowed_extensions": "ALL", "safe": "0"}


@pytest.mark.parametrize("lure", LURES)
def test_a_decoder_that_is_allowed_to_does_ask_the_address(tmp_path, server, lure):
    address, asked = server
    path = holding(tmp_path, LURES[lure].format(place=f"{address}/x.m4a").encode(), "a.m3u8")
    with pytest.raises(av.FFmpegError), av.open(str(path), options=ALLOWED):
        pass
    assert asked[0] == "/x.m4a"


@pytest.mark.parametrize("lure", ["playlist", "script"])
def test_a_decoder_that_is_allowed_to_does_read_the_other_file(tmp_path, lure):
    secret = five(tmp_path).rename(tmp_path / "secret.m4a")
    path = holding(tmp_path, LURES[lure].format(place=secret).encode(), "a.m3u8")
    with av.open(str(path), options=ALLOWED) as box:
        assert len(box.streams.audio) == 5


def test_a_stem_file_is_read_as_one_whatever_is_in_it(tmp_path):
    path = wav(tmp_path, name=f"a{SUFFIX}", format="FLAC")
    assert len(read_audio(path)[0]) == FRAMES
    with pytest.raises(DataError, match="cannot be read as audio"):
        read_streams(path, (0,), "mp4")
