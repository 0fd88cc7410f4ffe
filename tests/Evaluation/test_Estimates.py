"""Estimates as files: the samples in any reader, whole or not there, and nobody's overwritten."""

import resource
from contextlib import contextmanager

import av
import numpy as np
import pytest
import soundfile

from Evaluation.Estimates import refuse_held, refuse_not_finite, written_estimates
from Spec.Errors import ConfigError, DataError, RecordError

SOURCES = ("accompaniment", "vocals")


def noise(frames, channels=2, sources=2, seed=0):
    return (
        np.random.default_rng(seed)
        .standard_normal((frames, sources, channels))
        .astype(np.float32)  # beyond full scale, too
    )


def write_all(folder, *blocks, sources=SOURCES, rate=44100, overwrite=False):
    with written_estimates(folder, sources, rate, blocks[0].shape[2], overwrite) as write:
        for block in blocks:
            write(block)


@pytest.mark.parametrize("channels", [1, 2, 6])
@pytest.mark.parametrize("frames", [0, 1, 5003])
def test_blocks_become_the_samples_of_one_float_wav_per_source(tmp_path, channels, frames):
    blocks = [noise(frames, channels), noise(17, channels, seed=1)]
    write_all(tmp_path / "a" / "song", *blocks, rate=48000)
    for index, source in enumerate(SOURCES):
        path = tmp_path / "a" / "song" / f"{source}.wav"
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
        np.testing.assert_array_equal(samples, np.concatenate(blocks)[:, index])
        info = soundfile.info(path)
        assert (rate, info.format, info.subtype) == (48000, "WAV", "FLOAT")
        assert info.frames == frames + 17
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["song"]


@pytest.mark.parametrize("limit", [10, 2**32])
def test_another_decoder_reads_it_too_as_wav_and_as_rf64(tmp_path, monkeypatch, limit):
    monkeypatch.setattr("Evaluation.Estimates.WAV_LIMIT", limit)
    write_all(tmp_path / "song", noise(3000))
    path = tmp_path / "song" / "vocals.wav"
    assert soundfile.info(path).format == ("RF64" if limit == 10 else "WAV")
    np.testing.assert_array_equal(soundfile.read(path, dtype="float32")[0], noise(3000)[:, 1])
    with av.open(str(path)) as box:
        decoded = [frame.to_ndarray() for frame in box.decode(audio=0)]
    np.testing.assert_array_equal(
        np.concatenate([frame.reshape(-1, 2) for frame in decoded]), noise(3000)[:, 1]
    )


def test_the_sizes_of_a_wav_of_over_four_gigabytes_are_64_bits(tmp_path):
    """As a hole in a file, which takes no room."""
    from Evaluation.Estimates import Wav

    with Wav(tmp_path / "a.wav", 44100, 2) as wav:
        wav.frames = 600_000_000  # 3.8 hours
        wav.file.truncate(len(wav.header()) + 8 * wav.frames)
        wav.finish()
    info = soundfile.info(tmp_path / "a.wav")
    assert (info.format, info.frames) == ("RF64", 600_000_000)


@contextmanager
def smaller_files(most):
    """No file may grow beyond `most` bytes, as on a disk that is full by then."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("most", [50, 9_000, 30_000])
def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path, most):
    folder = tmp_path / "song"
    with (
        smaller_files(most),
        pytest.raises(RecordError, match=r"song: cannot be written \(File too large\)") as error,
    ):
        write_all(folder, *[noise(1000, seed=seed) for seed in range(9)])
    assert "\n" not in str(error.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("error", [KeyboardInterrupt, DataError("the input is cut off")])
def test_what_stops_halfway_leaves_what_was_there_before(tmp_path, error):
    def stopped(overwrite):
        with written_estimates(tmp_path / "song", SOURCES, 8000, 2, overwrite) as write:
            write(noise(100))
            raise error

    with pytest.raises(type(error) if isinstance(error, DataError) else error):
        stopped(overwrite=False)
    assert list(tmp_path.iterdir()) == []
    write_all(tmp_path / "song", noise(7))
    with pytest.raises(type(error) if isinstance(error, DataError) else error):
        stopped(overwrite=True)
    assert len(soundfile.read(tmp_path / "song" / "vocals.wav")[0]) == 7
    assert sorted(path.name for path in tmp_path.rglob("*")) == [
        *("accompaniment.wav", "song", "vocals.wav"),
    ]


def test_numbers_that_are_not_finite_are_named_by_source_and_place_and_nothing_is_written(tmp_path):
    bad = noise(50)
    bad[30, 1, 0] = np.nan
    with pytest.raises(DataError, match=r"of vocals hold .* from sample 130 \(0\.01 s\) on"):
        write_all(tmp_path / "song", noise(100), bad, rate=10_000)
    assert list(tmp_path.iterdir()) == []
    bad[20, 0, 1] = np.inf
    with pytest.raises(DataError, match=r"of accompaniment, vocals hold .* from sample 20 "):
        refuse_not_finite(bad, SOURCES, 10_000)


def test_of_two_that_write_the_same_folder_at_once_the_second_is_refused(tmp_path):
    def overtaken():
        with written_estimates(tmp_path / "song", SOURCES, 8000, 2, overwrite=False) as write:
            write(noise(10))
            (tmp_path / "song").mkdir()
            (tmp_path / "song" / "vocals.wav").write_text("the other's")

    with pytest.raises(ConfigError, match="song: holds estimates already"):
        overtaken()
    assert (tmp_path / "song" / "vocals.wav").read_text() == "the other's"
    assert [path.name for path in tmp_path.iterdir()] == ["song"]


def test_an_empty_folder_is_taken_and_another_file_of_its_name_is_not(tmp_path):
    (tmp_path / "song").mkdir()
    write_all(tmp_path / "song", noise(3))
    assert len(list((tmp_path / "song").iterdir())) == 2
    (tmp_path / "file").write_text("mine")
    with pytest.raises(RecordError, match="file: cannot be written"):
        write_all(tmp_path / "file", noise(3))
    assert (tmp_path / "file").read_text() == "mine"


def test_told_to_overwrite_it_replaces_its_own_files_alone(tmp_path):
    write_all(tmp_path / "song", noise(3))
    (tmp_path / "song" / "notes.txt").write_text("mine")
    write_all(tmp_path / "song", noise(5), overwrite=True)
    assert len(soundfile.read(tmp_path / "song" / "vocals.wav")[0]) == 5
    assert (tmp_path / "song" / "notes.txt").read_text() == "mine"


def test_what_is_to_be_separated_is_never_where_an_estimate_goes(tmp_path):
    write_all(tmp_path / "vocals", noise(3))
    song = tmp_path / "vocals" / "vocals.wav"
    with pytest.raises(ConfigError, match=r"vocals\.wav: lies where its estimates go"):
        refuse_held(tmp_path / "x" / ".." / "vocals", song, overwrite=True)
    (tmp_path / "link.wav").symlink_to(song)
    with pytest.raises(ConfigError, match="lies where its estimates go"):
        refuse_held(tmp_path / "vocals", tmp_path / "link.wav", overwrite=True)
    refuse_held(tmp_path / "other", song, overwrite=False)
