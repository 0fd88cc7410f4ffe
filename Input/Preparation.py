"""The making of a store: one process at a time, song by song, to go on with after any ending.

A song is written under a temporary name and renamed when it is on the disk, its description after
it, the manifest last. So what has a description is whole, and only the rest is made when an
interrupted preparation is started again.
"""

import hashlib
import math
import os
import sys
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

import numpy as np

from Input.Additivity import measured, wrong_sum
from Input.Audio import resample, to_channels
from Input.Collection import Progress, find_songs
from Input.Songs import Recording, Song
from Input.Space import refuse_full_disk
from Input.Store import (
    MANIFEST,
    UNREADABLE,
    Store,
    StoredSong,
    audio_path,
    described,
    description_path,
    form,
    open_store,
    samples_damage,
    store_name,
)
from Input.Workers import in_workers
from Spec.Data import SUBSETS, DataSpec
from Spec.Errors import DataError
from Spec.Files import remove_leftovers, replaced, write_json
from Spec.Lock import locked

FULL_SCALE = 32767
SILENCE = 1e-20  # a song whose peak is lower (−400 dB) is stored as silence


def prepare(spec: DataSpec, progress: Progress) -> Store:
    """The store of `spec`, made or completed where it is not whole yet.

    `progress` is told of every song done. Where another process is making the same store, it is
    waited for. Raises `DataError` for a song that is missing or damaged, a store that is, or a
    disk without room; what was prepared before is kept.
    """
    songs = find_songs(spec, progress)
    folder = Path(spec.store_path) / store_name(spec, songs)
    if not is_whole(folder):
        make_writable(folder)
        with locked(lock_path(folder), "is taken", math.inf, lambda: tell_waiting(folder)):
            if not is_whole(folder):  # else the other process has made it
                complete(folder, songs, spec, progress)
    return open_store(folder)


def existing_store(spec: DataSpec) -> Path | None:
    """The folder of `spec`'s store where there is one, be it whole or not."""
    folder = Path(spec.store_path) / store_name(spec, find_songs(spec, lambda *_: None))
    return folder if folder.exists() else None


def is_whole(folder: Path) -> bool:
    """Whether a store was prepared to its end: only then has it a manifest."""
    return (folder / MANIFEST).exists()


def lock_path(folder: Path) -> Path:
    """The lock of a store, beside its folder, which holds nothing but the store."""
    return folder.with_name(f".{folder.name}.lock")


def tell_waiting(folder: Path) -> None:
    """Say why nothing happens."""
    print(f"another process is preparing {folder}: waiting for it", file=sys.stderr, flush=True)


def complete(folder: Path, songs: list[Song], spec: DataSpec, progress: Progress) -> None:
    """Make what is missing of a store that no other process is at."""
    remove_all_leftovers(folder)
    missing = [song for song in songs if prepared(folder, song, spec) is None]
    refuse_full_disk(folder, missing, spec)
    done = len(songs) - len(missing)
    jobs = [(folder, song, spec) for song in missing]
    workers = max(1, min(spec.num_workers, len(missing)))
    try:
        with closing(in_workers(prepare_song, jobs, workers, ordered=False)) as names:
            for name in names:
                done += 1
                progress(name, done, len(songs))
        write_manifest(folder, songs, spec)
    finally:
        remove_all_leftovers(folder)  # of workers stopped in the middle of a song


def remove_all_leftovers(folder: Path) -> None:
    """Remove what was being written into a store when its writers ended."""
    for place in (folder, *(folder / subset for subset in SUBSETS)):
        remove_leftovers(place)


def make_writable(folder: Path) -> None:
    """The store's folder, made before anything is decoded; `DataError` where that cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(folder, error) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise DataError(f"{folder}: cannot be written to: give another cfg.store_path")


def unwritable(path: Path, error: OSError) -> DataError:
    """The error for a store that a song cannot be written into."""
    return DataError(
        f"{path}: cannot be written ({error.strerror or error}): make room or give another "
        f"cfg.store_path"
    )


def prepare_song(folder: Path, song: Song, spec: DataSpec) -> str:
    """Decode, check, resample and store one song; its name."""
    recording = song.read(spec.sources)
    wrong = wrong_sum(song.name, measured(song, recording, spec.sources))
    if wrong:
        raise DataError(f"{song.folder}: {wrong}")
    try:
        samples, scale = to_int16(resampled(recording, spec))  # [T, S, C]
    except DataError as error:
        raise DataError(f"{song.folder}: {error}") from error
    digest = hashlib.sha256(samples.data).hexdigest()
    stored = StoredSong(song.name, song.subset, len(samples), scale, digest)
    path = audio_path(folder, song.subset, song.name)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replaced(path) as temporary:
            write_samples(temporary, samples)
        write_json(description_path(folder, song.subset, song.name), asdict(stored))
    except OSError as error:
        raise unwritable(path, error) from error
    return song.name


def write_samples(path: Path, samples: np.ndarray) -> None:
    """Write `samples` as NumPy's `save` does, which hides why a disk would not take them."""
    with path.open("wb") as file:
        header = np.lib.format.header_data_from_array_1_0(samples)
        np.lib.format.write_array_header_1_0(file, header)
        file.write(samples.data)


def resampled(recording: Recording, spec: DataSpec) -> np.ndarray:
    """A recording's sources `[T, S, C]` at the rate and with the channels of the run."""
    sources = [
        to_channels(
            resample(recording.sources[:, index], recording.sample_rate, spec.sample_rate),
            spec.num_channels,
        )
        for index in range(len(spec.sources))
    ]
    if len(sources[0]) == 0:
        raise DataError(f"is too short to have a sample at {spec.sample_rate} Hz: remove it")
    return np.stack(sources, axis=1)


def to_int16(samples: np.ndarray) -> tuple[np.ndarray, float]:
    """Samples as int16 and the scale that gives them back, chosen so that nothing clips."""
    peak = float(np.abs(samples).max())
    scale = (peak if peak > SILENCE else 1.0) / FULL_SCALE
    return np.ascontiguousarray(np.rint(samples / scale), dtype=np.int16), scale


def prepared(folder: Path, song: Song, spec: DataSpec) -> StoredSong | None:
    """What an earlier preparation wrote of this song; None where it did not finish it, or where
    the samples are not as they are described."""
    try:
        stored = described(description_path(folder, song.subset, song.name))
    except UNREADABLE:
        return None
    shape = (stored.frames, len(spec.sources), spec.num_channels)
    damage = samples_damage(audio_path(folder, song.subset, song.name), shape)
    if damage or (stored.subset, stored.name) != (song.subset, song.name):
        return None
    return stored


def write_manifest(folder: Path, songs: list[Song], spec: DataSpec) -> None:
    """The last file of a store: its form and every song, in the order they were found.

    Raises `DataError` where the songs are no longer what the store is named after.
    """
    if store_name(spec, songs) != folder.name:
        raise DataError(f"{spec.path}: songs changed while they were prepared: prepare again")
    stored = [described(description_path(folder, song.subset, song.name)) for song in songs]
    try:
        write_json(folder / MANIFEST, {**form(spec), "songs": [asdict(song) for song in stored]})
    except OSError as error:
        raise unwritable(folder / MANIFEST, error) from error
