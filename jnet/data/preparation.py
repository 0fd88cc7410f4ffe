"""Preparation of a store: decode, resample and write every track, resuming after an interruption.

Only one process at a time prepares a store. The samples of a track are written under a temporary
name and renamed once they are on the disk; its description follows, and the manifest of the store
is written last. A track with a description is therefore complete, and an interrupted preparation
resumes with the other tracks.
"""

import os
import shutil
from contextlib import closing, suppress
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np

from jnet.audio.decoder_process import read_container_seconds
from jnet.audio.reading import open_sound
from jnet.audio.resampling import convert_channels, resample
from jnet.data.check import describe_wrong_sum, measure_additivity
from jnet.data.demo import find_missing
from jnet.data.find import find_tracks
from jnet.data.store import (
    MANIFEST,
    UNREADABLE,
    Store,
    StoredTrack,
    audio_path,
    describe_format,
    description_path,
    find_samples_damage,
    hash_samples,
    make_store_name,
    open_store,
    read_description,
)
from jnet.data.tracks import Track, TrackAudio
from jnet.errors import DataError
from jnet.names import count_things
from jnet.settings.data import SUBSETS, DataSettings
from jnet.system.files import remove_leftovers, replaced, write_json, writing
from jnet.system.locks import creation_lock
from jnet.system.progress import Progress
from jnet.system.workers import run_in_workers

FULL_SCALE = 32767
SAMPLE_BYTES = 2  # int16
SILENCE = 1e-20  # tracks with a lower peak (−400 dB) are stored as silence
EXTRA_BYTES = 3 * 4096  # per track: header, description, rounding to the disk's blocks
ASSUMED_RATE = 8000  # bytes per second (64 kbit/s) of files that do not state their length
writing_store = partial(
    writing, error_type=DataError, remedy="free disk space or give another cfg.store_path"
)


def prepare(settings: DataSettings, progress: Progress) -> Store:
    """Return the store of `settings`; prepare it or its missing tracks first.

    `progress` is called after every prepared track. If another process is preparing the same store,
    this process waits for it. Raises `DataError` for a missing or damaged track, a damaged store or
    a full disk; tracks prepared before the error are kept.
    """
    tracks = find_tracks(settings, progress)
    folder = Path(settings.store_path) / make_store_name(settings, tracks)
    if not is_complete(folder):
        make_writable(folder)
        with creation_lock(folder, "preparing"):
            if not is_complete(folder):  # otherwise another process completed it meanwhile
                complete_store(folder, tracks, settings, progress)
    return open_store(folder)


def find_store(settings: DataSettings) -> Path | None:
    """Return the folder of the store of `settings`, complete or not; None if it does not exist."""
    tracks = find_tracks(settings, lambda *_: None)
    folder = Path(settings.store_path) / make_store_name(settings, tracks)
    return folder if folder.exists() else None


def find_store_name(settings: DataSettings) -> str | None:
    """Return the name of the store of `settings`, or None if tracks of the data set are missing.

    Missing demo tracks are not generated.
    """
    if settings.dataset == "demo" and find_missing(Path(str(settings.path))):
        return None
    try:
        return make_store_name(settings, find_tracks(settings, lambda *_: None))
    except DataError:
        return None


def is_complete(folder: Path) -> bool:
    """Return whether the store in `folder` has its manifest, which is written last."""
    return (folder / MANIFEST).exists()


def complete_store(
    folder: Path, tracks: list[Track], settings: DataSettings, progress: Progress
) -> None:
    """Prepare the missing tracks of a store and write its manifest.

    The caller must have locked the store.

    Parameters
    ----------
    folder : Path
        The folder of the store.
    tracks : list of Track
        All tracks of the store.
    settings : DataSettings
        The format of the samples and the number of worker processes.
    progress : Progress
        Called after every prepared track.

    Raises
    ------
    DataError
        If a track is damaged, the disk is full or the tracks changed during preparation.
    """
    remove_all_leftovers(folder)
    missing = [track for track in tracks if not is_prepared(folder, track, settings)]
    refuse_full_disk(folder, missing, settings)
    done = len(tracks) - len(missing)
    jobs = [(folder, track, settings) for track in missing]
    workers = max(1, min(settings.num_workers, len(missing)))
    try:
        with closing(run_in_workers(prepare_track, jobs, workers, ordered=False)) as names:
            for name in names:
                done += 1
                progress(name, done, len(tracks))
        write_manifest(folder, tracks, settings)
    finally:
        remove_all_leftovers(folder)  # of workers that were stopped while writing a track


def remove_all_leftovers(folder: Path) -> None:
    """Remove the temporary files of killed or stopped processes from a store."""
    for subfolder in (folder, *(folder / subset for subset in SUBSETS)):
        remove_leftovers(subfolder)


def make_writable(folder: Path) -> None:
    """Create the store's folder; raise `DataError` if it cannot be written to.

    This is done before the first track is decoded, so that the error appears early.
    """
    with writing_store(folder):
        folder.mkdir(parents=True, exist_ok=True)
    if not os.access(folder, os.W_OK | os.X_OK):
        raise DataError(f"{folder}: cannot be written to: give another cfg.store_path")


def is_prepared(folder: Path, track: Track, settings: DataSettings) -> bool:
    """Return whether an earlier preparation completed a track.

    Parameters
    ----------
    folder : Path
        The folder of the store.
    track : Track
        The track to look for.
    settings : DataSettings
        The format of the samples.

    Returns
    -------
    bool
        True if the description is readable and the header and size of the samples agree with it.
    """
    try:
        stored = read_description(description_path(folder, track))
    except UNREADABLE:
        return False
    shape = (stored.frames, len(settings.sources), settings.num_channels)
    damage = find_samples_damage(audio_path(folder, track), shape)
    return not damage and (stored.subset, stored.name) == (track.subset, track.name)


def refuse_full_disk(folder: Path, tracks: list[Track], settings: DataSettings) -> None:
    """Raise `DataError` if the disk has too little free space for the prepared tracks.

    Parameters
    ----------
    folder : Path
        The folder of the store.
    tracks : list of Track
        The tracks to prepare.
    settings : DataSettings
        The format of the samples.

    Raises
    ------
    DataError
        If the estimated size (`estimate_bytes`) of all `tracks` exceeds the free space.
    """
    needed = sum(estimate_bytes(track, settings) for track in tracks)
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise DataError(
            f"{folder}: preparing {count_things(len(tracks), 'track')} needs "
            f"{format_bytes(needed)} and its disk has {format_bytes(free)} left: free disk space "
            f"or give another cfg.store_path"
        )


def estimate_bytes(track: Track, settings: DataSettings) -> int:
    """Estimate the size of a prepared track in bytes from the length that its files state."""
    stems = {stem for source in settings.sources for stem in track.stems_of(source)}
    seconds = max(read_stated_seconds(path) for path in {track.stems[stem].path for stem in stems})
    values = round(seconds * settings.sample_rate) * len(settings.sources) * settings.num_channels
    return values * SAMPLE_BYTES + EXTRA_BYTES


def read_stated_seconds(path: Path) -> float:
    """Return the length in seconds that an audio file states.

    If the file states no length or cannot be opened, the length is estimated from its size. Damage
    is reported later, when the file is decoded.
    """
    sound = open_sound(path)
    if sound is not None:
        with sound:
            return sound.frames / sound.samplerate
    stated = None
    with suppress(DataError):
        stated = read_container_seconds(path)
    return stated or path.stat().st_size / ASSUMED_RATE


def format_bytes(size: float) -> str:
    """Return a number of bytes as text with three digits and a unit, for example '6.31 GB'."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} TB"


def prepare_track(folder: Path, track: Track, settings: DataSettings) -> str:
    """Decode, check, resample and store one track.

    Parameters
    ----------
    folder : Path
        The folder of the store.
    track : Track
        The track to prepare.
    settings : DataSettings
        The format of the samples.

    Returns
    -------
    str
        The name of the track.

    Raises
    ------
    DataError
        If the track is damaged, its stems do not add up to its mixture, or the disk is full.
    """
    audio = track.read(settings.sources)
    problem = describe_wrong_sum(track.name, measure_additivity(track, audio, settings.sources))
    if problem:
        raise DataError(f"{track.folder}: {problem}")
    try:
        samples, scale = to_int16(resample_sources(audio, settings))  # [T, S, C]
    except DataError as error:
        raise DataError(f"{track.folder}: {error}") from error
    stored = StoredTrack(track.name, track.subset, len(samples), scale, hash_samples(samples))
    path = audio_path(folder, track)
    with writing_store(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with replaced(path) as temporary:
            write_samples(temporary, samples)
        write_json(description_path(folder, track), asdict(stored))
    return track.name


def resample_sources(audio: TrackAudio, settings: DataSettings) -> np.ndarray:
    """Return a track's sources [T, S, C] with the sample rate and number of channels of the run.

    Raises `DataError` if the track has no sample at that rate or its channels cannot be converted.
    """
    sources = [
        convert_channels(
            resample(audio.sources[:, index], audio.sample_rate, settings.sample_rate),
            settings.num_channels,
        )
        for index in range(len(settings.sources))
    ]
    if len(sources[0]) == 0:
        raise DataError(f"is too short to have a sample at {settings.sample_rate} Hz: remove it")
    return np.stack(sources, axis=1)


def to_int16(samples: np.ndarray) -> tuple[np.ndarray, float]:
    """Return `samples` as int16 and the scale that restores them.

    The peak of the track is mapped to full scale, so that nothing clips.
    """
    peak = float(np.abs(samples).max())
    scale = (peak if peak > SILENCE else 1.0) / FULL_SCALE
    return np.ascontiguousarray(np.rint(samples / scale), dtype=np.int16), scale


def write_samples(path: Path, samples: np.ndarray) -> None:
    """Write `samples` as a `.npy` file; raise `OSError` with the cause if the disk fails."""
    with path.open("wb") as file:
        header = np.lib.format.header_data_from_array_1_0(samples)
        np.lib.format.write_array_header_1_0(file, header)
        file.write(samples.data)


def write_manifest(folder: Path, tracks: list[Track], settings: DataSettings) -> None:
    """Write the manifest, the last file of a store: its format and the descriptions of its tracks.

    Parameters
    ----------
    folder : Path
        The folder of the store.
    tracks : list of Track
        All tracks of the store, in the order in which the manifest lists them.
    settings : DataSettings
        The format of the samples.

    Raises
    ------
    DataError
        If the name of the store no longer matches the files of `tracks`, which were changed during
        preparation.
    """
    if make_store_name(settings, tracks) != folder.name:
        raise DataError(f"{settings.path}: tracks changed while they were prepared: prepare again")
    stored = [asdict(read_description(description_path(folder, track))) for track in tracks]
    with writing_store(folder / MANIFEST):
        write_json(folder / MANIFEST, {**describe_format(settings), "songs": stored})
