"""Preparation track by track, by one process at a time, and its resumption after any end."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from jnet.data import preparation as Preparation
from jnet.data.layouts import MUSDB_STREAMS, find_musdb_tracks
from jnet.data.preparation import prepare
from jnet.data.tracks import Track
from jnet.errors import DataError
from tests.jnet.data.corpora import (
    RATE,
    append_empty_part,
    contents,
    noise,
    quiet,
    settings,
    write_corpus,
    write_stems,
    write_track,
)

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def complete(corpus, tmp_path_factory) -> dict[str, bytes]:
    """All files of the store of the corpus, prepared without interruption."""
    return contents(prepare(settings(corpus, tmp_path_factory.mktemp("complete")), quiet).folder)


@pytest.fixture
def own(corpus, tmp_path) -> Path:
    """Return a copy of the corpus that tests can change."""
    return Path(shutil.copytree(corpus, tmp_path / "own"))


def read_samples(store, name):
    (track,) = [track for track in store.tracks if track.name == name]
    return store.open(track) * np.float64(track.scale)


def test_stored_samples_differ_from_resampled_ones_by_half_a_step_at_most(corpus, tmp_path):
    store = prepare(settings(corpus, tmp_path, sources=("bass", "vocals")), quiet)
    for track in store.tracks:
        subset = "test" if track.subset == "test" else "train"
        samples = store.open(track)
        assert samples.dtype == np.int16
        for index, name in enumerate(("bass", "vocals")):
            source, _ = soundfile.read(
                corpus / subset / track.name / f"{name}.wav", dtype="float32"
            )
            wanted = soxr.resample(source, RATE, 8000, quality="HQ")
            difference = samples[:, index] * np.float64(track.scale) - wanted
            # More than 0.5, because float32 is rounded, too: 2**-24 of 32767.
            assert np.abs(difference).max() <= 0.503 * track.scale
        assert np.abs(samples.astype(int)).max() == 32767  # the scale uses the full range


@pytest.mark.parametrize("peak", [3.0, 1e-3, 1e-30, 1e-42, 0.0])
def test_no_sample_clips_or_overflows_at_any_level(peak):
    wanted = (peak * np.linspace(-1, 1, 1001, dtype=np.float64)).astype(np.float32)
    samples, scale = Preparation.to_int16(wanted)
    assert scale > 0
    assert np.abs(samples.astype(int)).max() <= 32767
    assert np.abs(samples * np.float64(scale) - wanted).max() <= max(0.503 * scale, 1e-20) or (
        np.abs(wanted).max() <= 1e-20
    )
    assert samples[0] == (-32767 if peak > 1e-20 else 0)


def test_mono_is_the_mean_of_stereo_and_stereo_is_two_copies_of_mono(tmp_path):
    for index, channels in enumerate((2, 1, 2)):
        write_track(tmp_path / "own" / "train" / f"track {index}", channels=channels)
    write_track(tmp_path / "own" / "test" / "track 4", channels=1)
    data = {"sources": ("vocals",), "sample_rate": RATE}
    mono = prepare(settings(tmp_path / "own", tmp_path / "s", num_channels=1, **data), quiet)
    stereo = prepare(settings(tmp_path / "own", tmp_path / "s", **data), quiet)
    source = noise("track 0/vocals") / 32768
    np.testing.assert_allclose(
        read_samples(mono, "track 0")[:, 0, 0], source.mean(axis=1), atol=0.3 / 32768
    )
    copied = read_samples(stereo, "track 1")[:, 0]
    np.testing.assert_array_equal(copied[:, 0], copied[:, 1])


def test_the_manifest_has_the_format_and_every_track_with_its_subset(corpus, tmp_path):
    store = prepare(settings(corpus, tmp_path), quiet)
    manifest = json.loads((store.folder / "manifest.json").read_text())
    assert {key: manifest[key] for key in manifest if key != "songs"} == {
        "format_version": 1,
        "resampler": "soxr HQ",
        "sample_rate": 8000,
        "num_channels": 2,
        "sources": ["accompaniment", "vocals"],
    }
    assert [(track["subset"], track["name"], track["frames"]) for track in manifest["songs"]] == [
        ("train", "track 1", 4000),
        ("train", "track 2", 4000),
        ("valid", "track 3", 4000),
        ("test", "track 4", 4000),
    ]
    assert not [name for name in contents(tmp_path) if name.endswith(".tmp")]


def test_a_second_preparation_decodes_nothing(corpus, tmp_path, monkeypatch):
    data = settings(corpus, tmp_path)
    store = prepare(data, quiet)
    before = contents(tmp_path)
    monkeypatch.setattr(Preparation, "prepare_track", None)
    assert prepare(data, lambda *each: pytest.fail("the store is complete")) == store
    assert contents(tmp_path) == before


def start_preparer(*words) -> subprocess.Popen:
    """Start a preparation in a new process and session."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.jnet.data.preparer", *map(str, words)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def find_processes(session: int) -> list[str]:
    """Return the processes of a session that have not ended."""
    processes = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, owner = entry.read_text().rpartition(")")[2].split()[:4]
        except OSError:  # it has just ended
            continue
        if int(owner) == session and state not in "ZX":
            processes.append(entry.parent.name)
    return processes


def wait_for_end(session: int) -> None:
    """Wait until every process of a session has ended by itself."""
    deadline = time.monotonic() + 20
    while left := find_processes(session):
        assert time.monotonic() < deadline, f"still running: {left}"
        time.sleep(0.05)


@pytest.mark.parametrize("done", [1, 3])
def test_a_killed_preparation_is_resumed(corpus, tmp_path, complete, done):
    first = start_preparer(corpus, tmp_path, "--hold", done)
    for _ in range(done):
        first.stdout.readline()
    first.kill()
    first.communicate()
    (folder,) = (path for path in tmp_path.iterdir() if path.is_dir())
    kept = {path: path.stat().st_mtime_ns for path in folder.rglob("*.npy")}
    assert len(kept) == done
    reported = []
    prepare(settings(corpus, tmp_path), lambda *each: reported.append(each))
    assert reported == [(f"track {index + 1}", index + 1, 4) for index in range(done, 4)]
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert contents(folder) == complete


def test_kills_at_any_time_leave_no_worker_and_no_incomplete_file(tmp_path):
    root = write_corpus(tmp_path / "own", train=8, test=2, frames=2 * RATE)
    undisturbed = contents(prepare(settings(root, tmp_path / "complete"), quiet).folder)
    random = np.random.default_rng(5)
    for _ in range(2):
        child = start_preparer(root, tmp_path / "cut", "--workers", 2)
        child.stdout.readline()  # one track is complete, others are being written
        time.sleep(random.uniform(0, 0.05))
        child.kill()
        wait_for_end(child.pid)
        child.communicate()
        stopped = contents(tmp_path / "cut")
        for name, content in stopped.items():  # files with final names are complete
            if name.endswith((".npy", ".json")):
                assert undisturbed[name.partition("/")[2]] == content
    left = [name for name in stopped if name.endswith(".tmp")]
    reported = []
    folder = prepare(settings(root, tmp_path / "cut"), lambda *each: reported.append(each)).folder
    assert contents(folder) == undisturbed
    assert 10 - len(reported) == sum(name.endswith(".npy.json") for name in stopped), left


def test_only_temporary_files_of_killed_processes_are_removed(corpus, tmp_path, complete):
    data = settings(corpus, tmp_path)
    folder = prepare(data, quiet).folder
    (folder / "manifest.json").unlink()
    for name in (
        ".manifest.json.7.tmp",
        "train/.track 1.npy.7.tmp",
        "test/.track 4.npy.json.7.tmp",
    ):
        (folder / name).write_bytes(b"half")
    (folder / "notes").write_text("mine")
    prepare(data, quiet)
    assert contents(folder) == {**complete, "notes": b"mine"}


def test_two_preparations_at_the_same_time_create_one_store(corpus, tmp_path, complete):
    first = start_preparer(corpus, tmp_path, "--hold", 1)
    assert first.stdout.readline() == "track 1: 1 of 4\n"
    second = start_preparer(corpus, tmp_path)
    notice = second.stderr.readline()
    (folder,) = (path for path in tmp_path.iterdir() if path.is_dir())
    assert notice == f"another process is preparing {folder}: waiting for it\n"
    printed, errors = first.communicate("continue\n")
    assert (printed.count("\n"), errors, first.returncode) == (4, "", 0)
    printed, errors = second.communicate()
    assert (printed, errors, second.returncode) == (f"{folder}\n", "", 0)  # it prepared no track
    assert contents(folder) == complete


def test_a_waiting_process_resumes_the_preparation_of_a_killed_one(corpus, tmp_path, complete):
    first = start_preparer(corpus, tmp_path, "--hold", 2)
    for _ in range(2):
        first.stdout.readline()
    second = start_preparer(corpus, tmp_path)
    second.stderr.readline()
    first.kill()
    printed, errors = second.communicate()
    first.communicate()
    folder = Path(printed.splitlines()[-1])
    assert printed.splitlines()[:-1] == ["track 3: 3 of 4", "track 4: 4 of 4"]
    assert (errors, second.returncode) == ("", 0)
    assert contents(folder) == complete


@pytest.mark.parametrize("workers", [1, 2])
def test_a_full_disk_is_an_error_and_complete_tracks_are_kept(tmp_path, workers):
    root = write_corpus(tmp_path / "own", train=2, frames=RATE // 4)
    write_track(root / "train" / "track 9", frames=2 * RATE)
    undisturbed = contents(prepare(settings(root, tmp_path / "complete"), quiet).folder)
    prepare(settings(root, tmp_path / "store", sample_rate=4000), quiet)  # another store next to it
    before = contents(tmp_path / "store")
    child = start_preparer(root, tmp_path / "store", "--limit", 50_000, "--workers", workers)
    _, errors = child.communicate()
    assert child.returncode == 2
    assert re.fullmatch(
        rf"{tmp_path}/store/.*/track 9\.npy: cannot be written \(File too large\): free disk "
        r"space or give another cfg\.store_path\n",
        errors,
    )
    after = contents(tmp_path / "store")
    assert before.items() <= after.items()
    added = {Path(name) for name in after if name not in before}
    assert {path.name for path in added if path.parent.name} <= {
        name for track in (1, 2, 3) for name in (f"track {track}.npy", f"track {track}.npy.json")
    }
    folder = prepare(settings(root, tmp_path / "store"), quiet).folder
    assert contents(folder) == undisturbed


def test_no_manifest_is_written_on_a_full_disk(corpus, tmp_path, complete):
    longest = max(len(content) for name, content in complete.items() if "npy.json" in name)
    assert longest < 400 < len(complete["manifest.json"])
    prepare(settings(corpus, tmp_path), quiet)
    (path,) = tmp_path.rglob("manifest.json")
    path.unlink()
    child = start_preparer(corpus, tmp_path, "--limit", 400)
    _, errors = child.communicate()
    assert child.returncode == 2
    assert errors.startswith(f"{path}: cannot be written (File too large): free disk space")
    assert contents(path.parent) == {
        name: content for name, content in complete.items() if name != "manifest.json"
    }


def test_free_disk_space_is_checked_before_a_track_is_read(corpus, tmp_path, monkeypatch):
    data = settings(corpus, tmp_path)
    samples = 4000 * 2 * 2 * 2  # bytes of half a second at 8 kHz, [T, 2, 2] int16
    needed = 4 * (samples + Preparation.EXTRA_BYTES)
    usage = shutil.disk_usage(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(Track, "read", None)
        patch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=needed - 1))
        with pytest.raises(DataError) as error:
            prepare(data, quiet)
        (folder,) = (path for path in tmp_path.iterdir() if path.is_dir())
        assert str(error.value) == (
            f"{folder}: preparing 4 tracks needs 177 kB and its disk has 177 kB left: free disk "
            f"space or give another cfg.store_path"
        )
        assert contents(folder) == {}
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=needed))
    assert sum(map(len, contents(prepare(data, quiet).folder).values())) <= needed


@pytest.mark.parametrize(
    ("file", "content"),
    [
        *[("valid/track 3.npy.json", damage) for damage in ("", "{", "[]", '{"name": "track 1"}')],
        ("valid/track 3.npy.json", None),
        ("test/track 4.npy", None),
        ("test/track 4.npy", ""),
        ("test/track 4.npy", "not an array"),
        ("test/track 4.npy", 20_000),  # as after a power failure
        ("test/track 4.npy", -1),
    ],
)
def test_only_a_track_whose_description_matches_its_file_is_kept(
    corpus, tmp_path, complete, file, content
):
    data = settings(corpus, tmp_path)
    store = prepare(data, quiet)
    (store.folder / "manifest.json").unlink()
    path = store.folder / file
    if content is None:
        path.unlink()
    elif isinstance(content, str):
        path.write_text(content)
    else:
        path.write_bytes(path.read_bytes()[:content])
    reported = []
    assert prepare(data, lambda *each: reported.append(each)) == store
    assert [name for name, _, _ in reported] == [Path(file).name.split(".")[0]]
    assert contents(store.folder) == complete


def test_a_track_is_on_the_disk_before_its_description_is(corpus, tmp_path, monkeypatch):
    """After a power failure, every description therefore has its samples."""
    events, fsync, rename = [], os.fsync, Path.replace

    def synced(descriptor):
        events.append(("on disk", Path(f"/proc/self/fd/{descriptor}").readlink().name))
        fsync(descriptor)

    def renamed(path, target):
        events.append(("named", target.name))
        return rename(path, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", renamed)
    prepare(settings(corpus, tmp_path), quiet)
    process = os.getpid()
    assert events[:6] == [
        ("on disk", f".track 1.npy.{process}.tmp"),
        ("named", "track 1.npy"),
        ("on disk", "train"),
        ("on disk", f".track 1.npy.json.{process}.tmp"),
        ("named", "track 1.npy.json"),
        ("on disk", "train"),
    ]
    assert events[-2][1] == "manifest.json"


def test_tracks_that_change_during_preparation_are_an_error(own, tmp_path):
    data = settings(own, tmp_path / "store")

    def replace_stem(name, done, total):
        if done == 2:
            write_stems(own / "train" / "track 1", {"vocals": noise("another")})

    with pytest.raises(DataError, match="own: tracks changed while they were prepared"):
        prepare(data, replace_stem)
    assert not list((tmp_path / "store").rglob("manifest.json"))


def test_a_mixture_that_is_not_the_sum_of_its_stems_is_refused(own, tmp_path):
    track = own / "train" / "track 3"
    write_stems(track, {"vocals": noise("of another track")})
    data = settings(own, tmp_path / "store")
    with pytest.raises(
        DataError, match=f"{track}: its mixture differs from the sum of its stems by -[34]"
    ):
        prepare(data, quiet)
    assert not list((tmp_path / "store").rglob("track 3*"))
    (track / "mixture.wav").unlink()
    assert len(prepare(data, quiet).tracks) == 4


@pytest.mark.parametrize(
    ("number", "to_all"),
    [(signal.SIGINT, True), (signal.SIGTERM, False), (signal.SIGTERM, True)],
)
def test_a_signal_ends_a_preparation_and_its_workers_with_one_line(tmp_path, number, to_all):
    """Ctrl-C is sent to all processes of a terminal, SIGTERM of a scheduler to one or to all."""
    root = write_corpus(tmp_path / "own", train=8, test=2, frames=4 * RATE)
    words = ["prepare", "with", "cfg.J1", "cfg.dataset=folder", f"cfg.folder_path={root}"]
    words += ["cfg.num_validation_tracks=1", "cfg.num_workers=2", "cfg.store_path=store"]
    child = subprocess.Popen(
        [sys.executable, str(ROOT / "Datasets.py"), *words],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    while not list((tmp_path / "store").rglob("*.json")):
        assert child.poll() is None, child.stderr.read()
        time.sleep(0.01)
    (os.killpg if to_all else os.kill)(child.pid, number)
    printed, errors = child.communicate()
    message = "interrupted" if number == signal.SIGINT else "terminated"
    assert (child.returncode, printed, errors) == (128 + number, "", f"Datasets.py: {message}\n")
    wait_for_end(child.pid)
    assert not list((tmp_path / "store").rglob(".*.tmp"))


def test_a_damaged_track_in_a_worker_is_one_line_and_others_are_kept(own, tmp_path, complete):
    path = own / "test" / "track 4" / "bass.wav"
    path.write_bytes(path.read_bytes()[:-100])
    data = settings(own, tmp_path / "store", num_workers=2)
    with pytest.raises(DataError) as error:
        prepare(data, quiet)
    assert str(error.value).startswith(f"{path}: is truncated")
    assert "\n" not in str(error.value)
    kept = [name for name in contents(tmp_path / "store") if name.endswith(".npy")]
    assert kept
    assert not any("track 4" in name for name in kept)
    write_track(path.parent)
    assert contents(prepare(data, quiet).folder) == complete  # prepared by one process


def test_a_store_that_cannot_be_written_is_refused_before_a_track_is_read(
    corpus, tmp_path, monkeypatch
):
    monkeypatch.setattr(Track, "read", None)
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=r"cannot be written \(Not a directory\).*cfg\.store_path"):
        prepare(settings(corpus, tmp_path / "file"), quiet)
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root can write anywhere
    with pytest.raises(DataError, match=r"cannot be written to: give another cfg\.store_path"):
        prepare(settings(corpus, tmp_path / "read only"), quiet)


def test_a_track_with_unsupported_channels_or_length_is_named(tmp_path):
    write_corpus(tmp_path / "own")
    write_stems(tmp_path / "own" / "train" / "track 2", {"vocals": noise("v", 9, 6)})
    data = settings(tmp_path / "own", tmp_path / "store", sources=("vocals",))
    (tmp_path / "own" / "train" / "track 2" / "mixture.wav").unlink()
    with pytest.raises(DataError, match="track 2: audio with 6 channels cannot be converted to 2"):
        prepare(data, quiet)
    write_stems(tmp_path / "own" / "train" / "track 2", {"vocals": noise("v", 1)})
    with pytest.raises(DataError, match="track 2: is too short to have a sample at 8000 Hz"):
        prepare(data, quiet)


def test_stem_mp4_and_wav_files_of_the_same_audio_give_the_same_store(shared_data, tmp_path):
    (track,) = find_musdb_tracks(shared_data / "MUSDB18-7")
    for size, (subset, name) in enumerate((("train", "a"), ("train", "b"), ("test", "c")), 1):
        (tmp_path / "mp4" / subset).mkdir(parents=True, exist_ok=True)
        path = tmp_path / "mp4" / subset / f"{name}.stem.mp4"
        shutil.copy(track.folder, path)
        append_empty_part(path, size)
        audio = track.read(MUSDB_STREAMS)
        for index, stem in enumerate(MUSDB_STREAMS):
            folder = tmp_path / "hq" / subset / name
            folder.mkdir(parents=True, exist_ok=True)
            soundfile.write(folder / f"{stem}.wav", audio.sources[:, index], audio.sample_rate)
            append_empty_part(folder / f"{stem}.wav", size)
    stores = [
        prepare(settings(tmp_path / kind, tmp_path, dataset="musdb18"), quiet)
        for kind in ("mp4", "hq")
    ]
    for first, second in zip(stores[0].tracks, stores[1].tracks, strict=True):
        assert (first.subset, first.name, first.frames) == (
            second.subset,
            second.name,
            second.frames,
        )
        # Three 16-bit roundings are added and filtered, and each store rounds once.
        difference = read_samples(stores[0], first.name) - read_samples(stores[1], first.name)
        assert np.abs(difference).max() < 5 / 32768
