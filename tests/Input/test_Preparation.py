"""A store is made song by song, by one process at a time, and gone on with after any ending."""

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

from Input import Preparation, Space
from Input.Musdb import STREAMS, find_musdb_songs
from Input.Preparation import prepare
from Input.Songs import Song
from Spec.Errors import DataError
from tests.Input.songs import (
    RATE,
    contents,
    noise,
    quiet,
    spec,
    write_corpus,
    write_song,
    write_stems,
)

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def whole(corpus, tmp_path_factory) -> dict[str, bytes]:
    """All files of the corpus' store, prepared without a disturbance."""
    return contents(prepare(spec(corpus, tmp_path_factory.mktemp("whole")), quiet).folder)


@pytest.fixture
def own(corpus, tmp_path) -> Path:
    """A corpus to damage."""
    return Path(shutil.copytree(corpus, tmp_path / "own"))


def samples_of(store, name):
    (song,) = [song for song in store.songs if song.name == name]
    return store.open(song) * np.float64(song.scale)


def test_a_stored_song_is_the_resampled_one_to_half_a_step_of_its_scale(corpus, tmp_path):
    store = prepare(spec(corpus, tmp_path, sources=("bass", "vocals")), quiet)
    for song in store.songs:
        subset = "test" if song.subset == "test" else "train"
        samples = store.open(song)
        assert samples.dtype == np.int16
        for index, name in enumerate(("bass", "vocals")):
            heard, _ = soundfile.read(corpus / subset / song.name / f"{name}.wav", dtype="float32")
            wanted = soxr.resample(heard, RATE, 8000, quality="HQ")
            missed = samples[:, index] * np.float64(song.scale) - wanted
            assert np.abs(missed).max() <= 0.503 * song.scale  # float32 rounds too: 2**-24 of 32767
        assert np.abs(samples.astype(int)).max() == 32767  # the scale is as fine as it can be


@pytest.mark.parametrize("peak", [3.0, 1e-3, 1e-30, 1e-42, 0.0])
def test_nothing_clips_or_overflows_however_loud_or_silent(peak):
    wanted = (peak * np.linspace(-1, 1, 1001, dtype=np.float64)).astype(np.float32)
    samples, scale = Preparation.to_int16(wanted)
    assert scale > 0
    assert np.abs(samples.astype(int)).max() <= 32767
    assert np.abs(samples * np.float64(scale) - wanted).max() <= max(0.503 * scale, 1e-20) or (
        np.abs(wanted).max() <= 1e-20
    )
    assert samples[0] == (-32767 if peak > 1e-20 else 0)


def test_mono_is_the_average_and_stereo_the_copy(tmp_path):
    for index, channels in enumerate((2, 1, 2)):
        write_song(tmp_path / "own" / "train" / f"song {index}", channels=channels)
    write_song(tmp_path / "own" / "test" / "song 4", channels=1)
    data = {"sources": ("vocals",), "sample_rate": RATE}
    mono = prepare(spec(tmp_path / "own", tmp_path / "s", num_channels=1, **data), quiet)
    stereo = prepare(spec(tmp_path / "own", tmp_path / "s", **data), quiet)
    heard = noise("song 0/vocals") / 32768
    np.testing.assert_allclose(
        samples_of(mono, "song 0")[:, 0, 0], heard.mean(axis=1), atol=0.3 / 32768
    )
    copied = samples_of(stereo, "song 1")[:, 0]
    np.testing.assert_array_equal(copied[:, 0], copied[:, 1])


def test_the_manifest_holds_the_form_and_every_song_with_its_set(corpus, tmp_path):
    store = prepare(spec(corpus, tmp_path), quiet)
    manifest = json.loads((store.folder / "manifest.json").read_text())
    assert {key: manifest[key] for key in manifest if key != "songs"} == {
        "format_version": 1,
        "resampler": "soxr HQ",
        "sample_rate": 8000,
        "num_channels": 2,
        "sources": ["accompaniment", "vocals"],
    }
    assert [(song["subset"], song["name"], song["frames"]) for song in manifest["songs"]] == [
        ("train", "song 1", 4000),
        ("valid", "song 2", 4000),
        ("train", "song 3", 4000),
        ("test", "song 4", 4000),
    ]
    assert not [name for name in contents(tmp_path) if name.endswith(".tmp")]


def test_a_second_preparation_decodes_nothing(corpus, tmp_path, monkeypatch):
    data = spec(corpus, tmp_path)
    store = prepare(data, quiet)
    before = contents(tmp_path)
    monkeypatch.setattr(Preparation, "prepare_song", None)
    assert prepare(data, lambda *each: pytest.fail("there is nothing to do")) == store
    assert contents(tmp_path) == before


def start(*words, **entries) -> subprocess.Popen:
    """A preparation in a process of its own, at the head of its own session."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.Input.preparer", *map(str, words)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def alive(session: int) -> list[str]:
    """The processes of a session that have not ended."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, belongs = entry.read_text().rpartition(")")[2].split()[:4]
        except OSError:  # it has just ended
            continue
        if int(belongs) == session and state not in "ZX":
            found.append(entry.parent.name)
    return found


def wait_for_end(session: int) -> None:
    """Wait for every process of a session; they are to end by themselves."""
    deadline = time.monotonic() + 20
    while left := alive(session):
        assert time.monotonic() < deadline, f"still running: {left}"
        time.sleep(0.05)


@pytest.mark.parametrize("done", [1, 3])
def test_a_killed_preparation_goes_on_where_it_stopped(corpus, tmp_path, whole, done):
    first = start(corpus, tmp_path, "--hold", done)
    for _ in range(done):
        first.stdout.readline()
    first.kill()
    first.communicate()
    (folder,) = (path for path in tmp_path.iterdir() if path.is_dir())
    kept = {path: path.stat().st_mtime_ns for path in folder.rglob("*.npy")}
    assert len(kept) == done
    told = []
    prepare(spec(corpus, tmp_path), lambda *each: told.append(each))
    assert told == [(f"song {index + 1}", index + 1, 4) for index in range(done, 4)]
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert contents(folder) == whole


def test_kills_at_any_moment_leave_no_worker_and_nothing_that_is_half(tmp_path):
    root = write_corpus(tmp_path / "own", train=8, test=2, frames=2 * RATE)
    undisturbed = contents(prepare(spec(root, tmp_path / "whole"), quiet).folder)
    random = np.random.default_rng(5)
    for _ in range(3):
        child = start(root, tmp_path / "cut", "--workers", 2)
        child.stdout.readline()  # a song is done, others are being written
        time.sleep(random.uniform(0, 0.05))
        child.kill()
        wait_for_end(child.pid)
        child.communicate()
        stopped = contents(tmp_path / "cut")
        time.sleep(0.3)
        assert contents(tmp_path / "cut") == stopped, "an orphan has written"
        for name, content in stopped.items():  # what has its name is whole
            if name.endswith((".npy", ".json")):
                assert undisturbed[name.partition("/")[2]] == content
    left = [name for name in stopped if name.endswith(".tmp")]
    told = []
    folder = prepare(spec(root, tmp_path / "cut"), lambda *each: told.append(each)).folder
    assert contents(folder) == undisturbed
    assert 10 - len(told) == sum(name.endswith(".npy.json") for name in stopped), left


def test_leftovers_of_killed_processes_are_removed_and_nothing_else_is(corpus, tmp_path, whole):
    data = spec(corpus, tmp_path)
    folder = prepare(data, quiet).folder
    (folder / "manifest.json").unlink()
    for name in (".manifest.json.7.tmp", "train/.song 1.npy.7.tmp", "test/.song 4.npy.json.7.tmp"):
        (folder / name).write_bytes(b"half")
    (folder / "notes").write_text("mine")
    prepare(data, quiet)
    assert contents(folder) == {**whole, "notes": b"mine"}


def test_two_preparations_at_once_make_one_store(corpus, tmp_path, whole):
    first = start(corpus, tmp_path, "--hold", 1)
    assert first.stdout.readline() == "song 1: 1 of 4\n"
    second = start(corpus, tmp_path)
    said = second.stderr.readline()
    (folder,) = (path for path in tmp_path.iterdir() if path.is_dir())
    assert said == f"another process is preparing {folder}: waiting for it\n"
    printed, errors = first.communicate("go on\n")
    assert (printed.count("\n"), errors, first.returncode) == (4, "", 0)
    printed, errors = second.communicate()
    assert (printed, errors, second.returncode) == (f"{folder}\n", "", 0)  # it made nothing
    assert contents(folder) == whole


def test_whoever_waited_for_a_process_that_is_killed_goes_on_in_its_place(corpus, tmp_path, whole):
    first = start(corpus, tmp_path, "--hold", 2)
    for _ in range(2):
        first.stdout.readline()
    second = start(corpus, tmp_path)
    second.stderr.readline()
    first.kill()
    printed, errors = second.communicate()
    first.communicate()
    folder = Path(printed.splitlines()[-1])
    assert printed.splitlines()[:-1] == ["song 3: 3 of 4", "song 4: 4 of 4"]
    assert (errors, second.returncode) == ("", 0)
    assert contents(folder) == whole


@pytest.mark.parametrize("workers", [1, 2])
def test_a_disk_that_fills_up_leaves_what_was_whole_and_says_so(tmp_path, workers):
    root = write_corpus(tmp_path / "own", train=2, frames=RATE // 4)
    write_song(root / "train" / "song 9", frames=2 * RATE)
    undisturbed = contents(prepare(spec(root, tmp_path / "whole"), quiet).folder)
    prepare(spec(root, tmp_path / "store", sample_rate=4000), quiet)  # another store, beside it
    before = contents(tmp_path / "store")
    child = start(root, tmp_path / "store", "--limit", 50_000, "--workers", workers)
    _, errors = child.communicate()
    assert child.returncode == 2
    assert re.fullmatch(
        rf"{tmp_path}/store/.*/song 9\.npy: cannot be written \(File too large\): make room or "
        r"give another cfg\.store_path\n",
        errors,
    )
    after = contents(tmp_path / "store")
    assert before.items() <= after.items()
    added = {Path(name) for name in after if name not in before}
    assert {path.name for path in added if path.parent.name} <= {
        name for song in (1, 2, 3) for name in (f"song {song}.npy", f"song {song}.npy.json")
    }
    folder = prepare(spec(root, tmp_path / "store"), quiet).folder
    assert contents(folder) == undisturbed


def test_a_manifest_that_does_not_fit_on_the_disk_is_no_manifest(corpus, tmp_path, whole):
    described = max(len(content) for name, content in whole.items() if "npy.json" in name)
    assert described < 400 < len(whole["manifest.json"])
    prepare(spec(corpus, tmp_path), quiet)
    (path,) = tmp_path.rglob("manifest.json")
    path.unlink()
    child = start(corpus, tmp_path, "--limit", 400)
    _, errors = child.communicate()
    assert child.returncode == 2
    assert errors.startswith(f"{path}: cannot be written (File too large): make room")
    assert contents(path.parent) == {n: c for n, c in whole.items() if n != "manifest.json"}


def test_room_on_the_disk_is_looked_at_before_a_song_is_read(corpus, tmp_path, monkeypatch):
    data = spec(corpus, tmp_path)
    needed = 4 * (4000 * 2 * 2 * 2 + Space.SONG_BYTES)  # half a second at 8 kHz, [T, 2, 2] int16
    usage = shutil.disk_usage(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(Song, "read", None)
        patch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=needed - 1))
        with pytest.raises(DataError) as error:
            prepare(data, quiet)
        (folder,) = (path for path in tmp_path.iterdir() if path.is_dir())
        assert str(error.value) == (
            f"{folder}: 4 songs to prepare need 177 kB and its disk has 177 kB: make room or give "
            f"another cfg.store_path"
        )
        assert contents(folder) == {}
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=needed))
    assert sum(map(len, contents(prepare(data, quiet).folder).values())) <= needed


@pytest.mark.parametrize(
    ("file", "content"),
    [
        *[("valid/song 2.npy.json", damage) for damage in ("", "{", "[]", '{"name": "song 1"}')],
        ("valid/song 2.npy.json", None),
        ("test/song 4.npy", None),
        ("test/song 4.npy", ""),
        ("test/song 4.npy", "not an array"),
        ("test/song 4.npy", 20_000),  # as a power cut may leave a file
        ("test/song 4.npy", -1),
    ],
)
def test_only_a_song_whose_description_fits_its_file_is_kept(
    corpus, tmp_path, whole, file, content
):
    data = spec(corpus, tmp_path)
    store = prepare(data, quiet)
    (store.folder / "manifest.json").unlink()
    path = store.folder / file
    if content is None:
        path.unlink()
    elif isinstance(content, str):
        path.write_text(content)
    else:
        path.write_bytes(path.read_bytes()[:content])
    told = []
    assert prepare(data, lambda *each: told.append(each)) == store
    assert [name for name, _, _ in told] == [Path(file).name.split(".")[0]]
    assert contents(store.folder) == whole


def test_a_song_is_on_the_disk_before_its_description_is(corpus, tmp_path, monkeypatch):
    """So that a power cut leaves no description of samples that are not there."""
    events, fsync, rename = [], os.fsync, Path.replace

    def synced(descriptor):
        events.append(("on disk", Path(f"/proc/self/fd/{descriptor}").readlink().name))
        fsync(descriptor)

    def renamed(path, target):
        events.append(("named", target.name))
        return rename(path, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", renamed)
    prepare(spec(corpus, tmp_path), quiet)
    process = os.getpid()
    assert events[:6] == [
        ("on disk", f".song 1.npy.{process}.tmp"),
        ("named", "song 1.npy"),
        ("on disk", "train"),
        ("on disk", f".song 1.npy.json.{process}.tmp"),
        ("named", "song 1.npy.json"),
        ("on disk", "train"),
    ]
    assert events[-2][1] == "manifest.json"


def test_songs_that_change_while_they_are_prepared_make_no_store(own, tmp_path):
    data = spec(own, tmp_path / "store")

    def exchange(name, done, total):
        if done == 2:
            write_stems(own / "train" / "song 1", {"vocals": noise("another")})

    with pytest.raises(DataError, match="own: songs changed while they were prepared"):
        prepare(data, exchange)
    assert not list((tmp_path / "store").rglob("manifest.json"))


def test_a_mixture_that_is_not_the_sum_of_its_stems_is_refused(own, tmp_path):
    song = own / "train" / "song 3"
    write_stems(song, {"vocals": noise("of another song")})
    data = spec(own, tmp_path / "store")
    with pytest.raises(
        DataError, match=f"{song}: its mixture misses the sum of its stems by -[34]"
    ):
        prepare(data, quiet)
    assert not list((tmp_path / "store").rglob("song 3*"))
    (song / "mixture.wav").unlink()
    assert len(prepare(data, quiet).songs) == 4


@pytest.mark.parametrize(
    ("number", "to_all"),
    [(signal.SIGINT, True), (signal.SIGTERM, False), (signal.SIGTERM, True)],
)
def test_a_signal_ends_a_preparation_in_one_line_and_its_workers_with_it(tmp_path, number, to_all):
    """A terminal's Ctrl-C goes to all its processes, a scheduler's end to one or to all."""
    root = write_corpus(tmp_path / "own", train=8, test=2, frames=4 * RATE)
    words = ["prepare", "with", "cfg.J1", "cfg.dataset=folder", f"cfg.folder_path={root}"]
    words += ["cfg.num_validation_songs=1", "cfg.num_workers=2", "cfg.store_path=store"]
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
    said = "interrupted" if number == signal.SIGINT else "terminated"
    assert (child.returncode, printed, errors) == (128 + number, "", f"Datasets.py: {said}\n")
    wait_for_end(child.pid)
    assert not list((tmp_path / "store").rglob(".*.tmp"))


def test_a_damaged_song_in_a_worker_is_one_line_and_the_others_are_kept(own, tmp_path):
    path = own / "test" / "song 4" / "bass.wav"
    path.write_bytes(path.read_bytes()[:-100])
    data = spec(own, tmp_path / "store", num_workers=2)
    with pytest.raises(DataError) as error:
        prepare(data, quiet)
    assert str(error.value).startswith(f"{path}: is cut off")
    assert "\n" not in str(error.value)
    kept = [name for name in contents(tmp_path / "store") if name.endswith(".npy")]
    assert kept
    assert not any("song 4" in name for name in kept)
    write_song(path.parent)
    in_two = prepare(data, quiet)
    in_one = prepare(spec(own, tmp_path / "one"), quiet)
    assert contents(in_two.folder) == contents(in_one.folder)


def test_a_store_that_cannot_be_written_is_refused_before_a_song_is_read(
    corpus, tmp_path, monkeypatch
):
    monkeypatch.setattr(Song, "read", None)
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=r"cannot be written \(Not a directory\).*cfg\.store_path"):
        prepare(spec(corpus, tmp_path / "file"), quiet)
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write anywhere
    with pytest.raises(DataError, match=r"cannot be written to: give another cfg\.store_path"):
        prepare(spec(corpus, tmp_path / "read only"), quiet)


def test_a_song_whose_channels_or_length_do_not_fit_is_named(tmp_path):
    write_corpus(tmp_path / "own")
    write_stems(tmp_path / "own" / "train" / "song 2", {"vocals": noise("v", 9, 6)})
    data = spec(tmp_path / "own", tmp_path / "store", sources=("vocals",))
    (tmp_path / "own" / "train" / "song 2" / "mixture.wav").unlink()
    with pytest.raises(DataError, match="song 2: audio of 6 channels cannot be made into 2"):
        prepare(data, quiet)
    write_stems(tmp_path / "own" / "train" / "song 2", {"vocals": noise("v", 1)})
    with pytest.raises(DataError, match="song 2: is too short to have a sample at 8000 Hz"):
        prepare(data, quiet)


@pytest.mark.parametrize(
    "name", ["Ünïcödé – 日本語 🎵", 'it\'s "quoted"; $HOME `x`', "a.b.npy", "-x"]
)
def test_a_song_of_any_name_is_stored_and_found_again(tmp_path, name):
    root = write_corpus(tmp_path / "own")
    (root / "test" / "song 4").rename(root / "test" / name)
    data = spec(root, tmp_path / "store")
    store = prepare(data, quiet)
    assert [song.name for song in store.subset("test")] == [name]
    assert [store.open(song).shape for song in store.songs] == [(4000, 2, 2)] * 4


def test_stems_and_hq_folders_of_the_same_audio_give_the_same_store(shared_data, tmp_path):
    (song,) = find_musdb_songs(shared_data / "MUSDB18-7")
    for subset, name in (("train", "a"), ("train", "b"), ("test", "c")):
        (tmp_path / "mp4" / subset).mkdir(parents=True, exist_ok=True)
        shutil.copy(song.folder, tmp_path / "mp4" / subset / f"{name}.stem.mp4")
        heard = song.read(STREAMS)
        for index, stem in enumerate(STREAMS):
            folder = tmp_path / "hq" / subset / name
            folder.mkdir(parents=True, exist_ok=True)
            soundfile.write(folder / f"{stem}.wav", heard.sources[:, index], heard.sample_rate)
    stores = [
        prepare(spec(tmp_path / kind, tmp_path, dataset="musdb18"), quiet) for kind in ("mp4", "hq")
    ]
    for first, second in zip(stores[0].songs, stores[1].songs, strict=True):
        assert (first.subset, first.name, first.frames) == (
            second.subset,
            second.name,
            second.frames,
        )
        # Three 16-bit roundings summed and filtered, and two of the stores' own.
        missed = samples_of(stores[0], first.name) - samples_of(stores[1], first.name)
        assert np.abs(missed).max() < 5 / 32768
