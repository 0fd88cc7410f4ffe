"""Prepared songs on disk: resampled once, then read as memory-mapped int16 without decoding.

A store is a folder named after all that shapes its audio. Per song it holds one `.npy` of int16
`[T, S, C]` and one `.json` with its scale; the manifest is written last, so a store with one is
whole. Songs already there are kept when an interrupted preparation is started again.
"""

import hashlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from Input.Audio import resample, to_channels
from Input.Collection import Progress, find_songs
from Input.Songs import Recording, Song
from Input.Workers import in_workers
from Spec.Data import DataSpec
from Spec.Errors import DataError
from Spec.Files import replaced, write_json

FORMAT_VERSION = 1
RESAMPLER = "soxr HQ"
FULL_SCALE = 32767
SILENCE = 1e-20  # a song whose peak is lower (−400 dB) is stored as silence
MANIFEST = "manifest.json"
SAMPLED_BLOCKS, BLOCK_BYTES = 32, 4096  # of a file, looked at to know it again


@dataclass(frozen=True)
class StoredSong:
    """One prepared song: a stored sample times `scale` is the sample."""

    name: str
    subset: str
    frames: int
    scale: float
    sha256: str


@dataclass(frozen=True)
class Store:
    """A whole store: its folder and its songs."""

    folder: Path
    songs: tuple[StoredSong, ...]

    def subset(self, subset: str) -> tuple[StoredSong, ...]:
        """The songs of 'train', 'valid' or 'test'."""
        return tuple(song for song in self.songs if song.subset == subset)

    def open(self, song: StoredSong) -> np.ndarray:
        """A song's samples, int16 `[T, S, C]`, mapped into memory and read as they are used."""
        path = audio_path(self.folder, song.subset, song.name)
        try:
            samples = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise DataError(f"{path}: is damaged, remove {self.folder} ({error})") from error
        if samples.dtype != np.int16 or samples.ndim != 3 or len(samples) != song.frames:
            raise DataError(f"{path}: is damaged, remove {self.folder} to prepare it anew")
        return samples


def prepare(spec: DataSpec, progress: Progress) -> Store:
    """The store of `spec`, made or completed where it is not whole yet.

    `progress` is told of every song done. Raises `DataError` for a song that is missing or
    damaged; what was prepared before it is kept.
    """
    songs = find_songs(spec, progress)
    folder = Path(spec.store_path) / store_name(spec, songs)
    if not (folder / MANIFEST).is_file():
        make_writable(folder)
        missing = [song for song in songs if prepared(folder, song) is None]
        done = len(songs) - len(missing)
        jobs = [(folder, song, spec) for song in missing]
        workers = max(1, min(spec.num_workers, len(missing)))
        for name in in_workers(prepare_song, jobs, workers, ordered=False):
            done += 1
            progress(name, done, len(songs))
        write_manifest(folder, songs, spec)
    return open_store(folder)


def existing_store(spec: DataSpec) -> Store | None:
    """The store of `spec` when it is whole, else None."""
    folder = Path(spec.store_path) / store_name(spec, find_songs(spec, lambda *_: None))
    return open_store(folder) if (folder / MANIFEST).is_file() else None


def open_store(folder: Path) -> Store:
    """The store in `folder`, which must be whole."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        return Store(folder, tuple(StoredSong(**song) for song in manifest["songs"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{folder / MANIFEST}: is damaged, remove {folder} ({error})") from error


def store_name(spec: DataSpec, songs: list[Song]) -> str:
    """The data set's name and a hash of all that shapes the stored audio: its form, the songs,
    their sets, and what is in their files."""
    content = {**form(spec), "songs": [fingerprint(song) for song in songs]}
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    return f"{spec.dataset}-{spec.sample_rate}Hz-{digest[:12]}"


def form(spec: DataSpec) -> dict:
    """What preparation makes of any song, in words that are hashed and written down."""
    return {
        "format_version": FORMAT_VERSION,
        "resampler": RESAMPLER,
        "sample_rate": spec.sample_rate,
        "num_channels": spec.num_channels,
        "sources": list(spec.sources),
    }


def fingerprint(song: Song) -> list:
    """What tells one song's files from others without decoding them: names, and for every file
    its size and a digest of samples of it."""
    digests = {path: sampled_digest(path) for path in {stem.path for stem in song.stems.values()}}
    files = sorted(
        (name, stem.path.name, stem.stream, digests[stem.path]) for name, stem in song.stems.items()
    )
    return [song.subset, song.name, files]


def sampled_digest(path: Path) -> str:
    """SHA-256 of a file's size and of blocks spread over it, so that a stem exported again is
    another even when its size stays, and a copy on another machine is the same."""
    size = path.stat().st_size
    digest = hashlib.sha256(str(size).encode())
    with path.open("rb") as file:
        for block in range(SAMPLED_BLOCKS):
            file.seek(block * max(0, size - BLOCK_BYTES) // (SAMPLED_BLOCKS - 1))
            digest.update(file.read(BLOCK_BYTES))
    return digest.hexdigest()


def refuse_short_songs(store: "Store", num_frames: int) -> None:
    """Refuse a training song shorter than a snippet of `num_frames` at the store's rate."""
    for song in store.subset("train"):
        if song.frames < num_frames:
            raise DataError(
                f"{audio_path(store.folder, song.subset, song.name)}: the training song "
                f"{song.name!r} has {song.frames} frames, fewer than the {num_frames} of a "
                f"snippet: remove it or lower cfg.num_frames"
            )


def damaged_songs(store: "Store", progress: Progress) -> list[str]:
    """The stored songs whose samples are no longer what the manifest says, by SHA-256."""
    damaged = []
    for done, song in enumerate(store.songs, 1):
        if hashlib.sha256(np.ascontiguousarray(store.open(song)).data).hexdigest() != song.sha256:
            damaged.append(song.name)
        progress(song.name, done, len(store.songs))
    return damaged


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
    """Decode, resample and store one song; its name. The `.json` beside it is written last."""
    recording = song.read(spec.sources)
    try:
        samples, scale = to_int16(resampled(recording, spec))  # [T, S, C]
    except DataError as error:
        raise DataError(f"{song.folder}: {error}") from error
    path = audio_path(folder, song.subset, song.name)
    stored = StoredSong(
        song.name, song.subset, len(samples), scale, hashlib.sha256(samples.data).hexdigest()
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replaced(path) as temporary, temporary.open("wb") as file:
            np.lib.format.write_array(file, samples, allow_pickle=False)
        write_json(song_path(folder, song), asdict(stored))
    except OSError as error:
        raise unwritable(path, error) from error
    return song.name


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


def prepared(folder: Path, song: Song) -> StoredSong | None:
    """What an earlier preparation wrote of this song; None where it did not finish it."""
    if not audio_path(folder, song.subset, song.name).is_file():
        return None
    try:
        return StoredSong(**json.loads(song_path(folder, song).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def audio_path(folder: Path, subset: str, name: str) -> Path:
    """Where a song's samples are."""
    return folder / subset / f"{name}.npy"


def song_path(folder: Path, song: Song) -> Path:
    """Where the description of a song's samples is."""
    return folder / song.subset / f"{song.name}.npy.json"


def write_manifest(folder: Path, songs: list[Song], spec: DataSpec) -> None:
    """The last file of a store: its form and every song, in the order they were found."""
    stored = [json.loads(song_path(folder, song).read_text(encoding="utf-8")) for song in songs]
    try:
        write_json(folder / MANIFEST, {**form(spec), "songs": stored})
    except OSError as error:
        raise unwritable(folder / MANIFEST, error) from error
