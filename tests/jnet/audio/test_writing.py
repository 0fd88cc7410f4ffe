"""Writing of estimates: complete files or none, readable by other libraries, no overwriting."""

import io
import resource
import struct
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from pathlib import Path

import av
import numpy as np
import pytest
import scipy.io.wavfile
import soundfile

from jnet.audio import writing as writing_module
from jnet.audio.writing import open_estimates, refuse_existing, refuse_not_finite
from jnet.errors import ConfigError, DataError, RecordError

SOURCES = ("accompaniment", "vocals")


def noise(samples, channels=2, sources=2, seed=0):
    return (
        np.random.default_rng(seed)
        .standard_normal((samples, sources, channels))
        .astype(np.float32)  # also beyond full scale
    )


def write_all(folder, *blocks, sources=SOURCES, rate=44100, overwrite=False):
    with open_estimates(folder, sources, rate, blocks[0].shape[2], overwrite) as write:
        for block in blocks:
            write(block)


@pytest.mark.parametrize("channels", [1, 2, 6])
@pytest.mark.parametrize("samples", [0, 1, 5003])
def test_blocks_are_written_to_one_float_wav_per_source(tmp_path, channels, samples):
    blocks = [noise(samples, channels), noise(17, channels, seed=1)]
    write_all(tmp_path / "a" / "track", *blocks, rate=48000)
    for index, source in enumerate(SOURCES):
        path = tmp_path / "a" / "track" / f"{source}.wav"
        read, rate = soundfile.read(path, dtype="float32", always_2d=True)
        np.testing.assert_array_equal(read, np.concatenate(blocks)[:, index])
        info = soundfile.info(path)
        assert (rate, info.format, info.subtype) == (48000, "WAV", "FLOAT")
        assert info.frames == samples + 17
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["track"]


@pytest.mark.parametrize(("rf64", "form"), [("auto", "WAV"), ("always", "RF64")])
def test_scipy_reads_the_file_as_wav_and_as_rf64(tmp_path, monkeypatch, rf64, form):
    monkeypatch.setitem(writing_module.WAV_OPTIONS, "rf64", rf64)
    write_all(tmp_path / "track", noise(3000))
    path = tmp_path / "track" / "vocals.wav"
    assert soundfile.info(path).format == form
    np.testing.assert_array_equal(soundfile.read(path, dtype="float32")[0], noise(3000)[:, 1])
    rate, samples = scipy.io.wavfile.read(path)
    assert rate == 44100
    np.testing.assert_array_equal(samples, noise(3000)[:, 1])


def test_the_bytes_equal_those_of_version_0_1_0(tmp_path):
    """The header reserves space for the sizes of RF64 and names neither time nor encoder."""
    write_all(tmp_path / "track", np.float32([[[1.0, -2.0]]]), sources=["vocals"])
    form = struct.pack("<4sIHHIIHHH", b"fmt ", 18, 3, 2, 44100, 352800, 8, 32, 0)
    fact, samples = struct.pack("<4sII", b"fact", 4, 1), struct.pack("<ff", 1, -2)
    chunks = struct.pack("<4sI28x", b"JUNK", 28) + form + fact
    content = b"WAVE" + chunks + struct.pack("<4sI", b"data", 8) + samples
    assert (tmp_path / "track" / "vocals.wav").read_bytes() == (
        struct.pack("<4sI", b"RIFF", len(content)) + content
    )


class SparseFile(io.FileIO):
    """A file in which written zeros become holes, which need no disk space."""

    def write(self, data):
        if np.frombuffer(data, np.uint8).any():
            return super().write(data)
        self.seek(len(data), io.SEEK_CUR)
        return len(data)


def test_an_estimate_above_four_gigabytes_is_written_as_rf64(tmp_path, monkeypatch):
    """Takes seconds, because all bytes pass through FFmpeg."""

    def open_sparse(path, *words, **options):
        file = SparseFile(path.removeprefix("file:"), "w")
        return av_open(file, *words, buffer_size=2**24, **options)

    av_open = av.open
    monkeypatch.setattr(av, "open", open_sparse)
    block = np.zeros((2**20, 64), np.float32)  # 256 MiB
    wav = writing_module.WavWriter(tmp_path / "vocals.wav", 44100, 64)
    for samples in (*[block] * 16, block[:1] + 1):
        wav.append(samples)
    wav.container.close()
    info = soundfile.info(tmp_path / "vocals.wav")
    assert (info.format, info.frames) == ("RF64", 2**24 + 1)


@contextmanager
def limit_file_size(most):
    """Limit files to `most` bytes within the block, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize(("most", "blocks"), [(50, 9), (9_000, 9), (30_000, 9), (7_000, 1)])
def test_a_full_disk_raises_one_line_and_leaves_no_files(tmp_path, capfd, most, blocks):
    folder = tmp_path / "track"
    with (
        limit_file_size(most),
        pytest.raises(RecordError, match=r"track: cannot be written \(File too large\)") as error,
    ):
        write_all(folder, *[noise(1000, seed=seed) for seed in range(blocks)])
    assert capfd.readouterr().err == ""
    assert "\n" not in str(error.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("error", [KeyboardInterrupt, DataError("the input is truncated")])
def test_an_error_leaves_the_previous_files_unchanged(tmp_path, error):
    def write_and_fail(overwrite):
        with open_estimates(tmp_path / "track", SOURCES, 8000, 2, overwrite) as write:
            write(noise(100))
            raise error

    with pytest.raises(type(error) if isinstance(error, DataError) else error):
        write_and_fail(overwrite=False)
    assert list(tmp_path.iterdir()) == []
    write_all(tmp_path / "track", noise(7))
    with pytest.raises(type(error) if isinstance(error, DataError) else error):
        write_and_fail(overwrite=True)
    assert len(soundfile.read(tmp_path / "track" / "vocals.wav")[0]) == 7
    assert sorted(path.name for path in tmp_path.rglob("*")) == [
        *("accompaniment.wav", "track", "vocals.wav"),
    ]


def test_values_that_are_not_finite_are_located_and_nothing_is_written(tmp_path):
    bad = noise(50)
    bad[30, 1, 0] = np.nan
    with pytest.raises(DataError, match=r"of vocals have .* from sample 130 \(0\.01 s\) on"):
        write_all(tmp_path / "track", noise(100), bad, rate=10_000)
    assert list(tmp_path.iterdir()) == []
    bad[20, 0, 1] = np.inf
    with pytest.raises(DataError, match=r"of accompaniment, vocals have .* from sample 20 "):
        refuse_not_finite(bad, SOURCES, 10_000)


def test_files_that_appear_during_writing_are_not_overwritten(tmp_path):
    def write_while_another_does():
        with open_estimates(tmp_path / "track", SOURCES, 8000, 2, overwrite=False) as write:
            write(noise(10))
            (tmp_path / "track").mkdir()
            (tmp_path / "track" / "vocals.wav").write_text("of the other process")

    with pytest.raises(ConfigError, match="track: already contains estimates"):
        write_while_another_does()
    assert (tmp_path / "track" / "vocals.wav").read_text() == "of the other process"
    assert [path.name for path in tmp_path.iterdir()] == ["track"]


def test_an_empty_folder_is_used_but_a_file_of_that_name_is_kept(tmp_path):
    (tmp_path / "track").mkdir()
    write_all(tmp_path / "track", noise(3))
    assert len(list((tmp_path / "track").iterdir())) == 2
    (tmp_path / "file").write_text("mine")
    with pytest.raises(RecordError, match="file: cannot be written"):
        write_all(tmp_path / "file", noise(3))
    assert (tmp_path / "file").read_text() == "mine"


def test_overwriting_replaces_only_the_estimates(tmp_path):
    write_all(tmp_path / "track", noise(3))
    (tmp_path / "track" / "notes.txt").write_text("mine")
    write_all(tmp_path / "track", noise(5), overwrite=True)
    assert len(soundfile.read(tmp_path / "track" / "vocals.wav")[0]) == 5
    assert (tmp_path / "track" / "notes.txt").read_text() == "mine"


def test_the_input_is_never_in_the_folder_of_its_estimates(tmp_path):
    write_all(tmp_path / "vocals", noise(3))
    track = tmp_path / "vocals" / "vocals.wav"
    with pytest.raises(ConfigError, match=r"vocals\.wav: is in the folder of its estimates"):
        refuse_existing(tmp_path / "x" / ".." / "vocals", track, overwrite=True)
    (tmp_path / "link.wav").symlink_to(track)
    with pytest.raises(ConfigError, match="is in the folder of its estimates"):
        refuse_existing(tmp_path / "vocals", tmp_path / "link.wav", overwrite=True)
    refuse_existing(tmp_path / "other", track, overwrite=False)


WRITER = """
import sys
from pathlib import Path
import numpy as np
from jnet.audio.writing import open_estimates
with open_estimates(Path(sys.argv[1]), ["vocals"], 8000, 2, False) as write:
    write(np.zeros((9000, 1, 2), np.float32))
    print("written", flush=True)
    input()
"""


def test_only_the_hidden_folders_of_killed_processes_are_removed(tmp_path):
    with ExitStack() as stack:
        processes = [
            stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", WRITER, str(tmp_path / name)],
                    cwd=Path(writing_module.__file__).parents[2],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                )
            )
            for name in ("killed", "running")
        ]
        for process in processes:
            assert process.stdout.readline() == b"written\n"
        hidden = set(tmp_path.iterdir())
        assert len(hidden) == 2
        processes[0].kill()
        processes[0].wait()
        write_all(tmp_path / "track", noise(3))
        assert len(hidden & set(tmp_path.iterdir())) == 1
        processes[1].communicate(b"\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["running", "track"]
    assert len(soundfile.read(tmp_path / "running" / "vocals.wav")[0]) == 9000
