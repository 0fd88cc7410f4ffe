"""The store: tracks resampled once and read as memory-mapped int16 without decoding.

A store is a folder whose name has a hash of everything that affects the stored audio. Each track
has a `.npy` file with int16 `[T, S, C]` and a `.json` file with its description. The manifest, with
all descriptions, is written last, so a store with a manifest is complete. Stores are written by
`jnet.data.preparation`.
"""

import hashlib
import json
import math
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np

from jnet.audio.headers import check_is_file
from jnet.data.tracks import MIXTURE, Track
from jnet.errors import DataError
from jnet.settings.augmentation import AugmentationSettings
from jnet.settings.data import SUBSETS, DataSettings
from jnet.system.files import refuse_unfit_name
from Models.Settings import ModelSettings

FORMAT_VERSION = 1
RESAMPLER = "soxr HQ"
MANIFEST = "manifest.json"
# Exceptions that reading a missing or damaged description can raise.
UNREADABLE = (OSError, ValueError, KeyError, TypeError, DataError)
SAMPLED_BLOCKS, BLOCK_BYTES = 32, 4096  # number and size of the blocks that `hash_file` reads


@dataclass(frozen=True)
class StoredTrack:
    """One prepared track of `frames` samples: integers that are multiplied by `scale`.

    The attribute names are keys in the files of a store.
    """

    name: str
    subset: str
    frames: int
    scale: float
    sha256: str


@dataclass(frozen=True)
class Store:
    """A complete store: its folder, its tracks and their number of sources and channels."""

    folder: Path
    tracks: tuple[StoredTrack, ...]
    num_sources: int
    num_channels: int

    def subset(self, subset: str) -> tuple[StoredTrack, ...]:
        """Return the tracks of the subset 'train', 'valid' or 'test'."""
        return tuple(track for track in self.tracks if track.subset == subset)

    def open(self, track: StoredTrack) -> np.ndarray:
        """Return a track's samples as a memory-mapped int16 array [T, S, C].

        Raises `DataError` if the size or header of the file does not match the manifest.
        """
        path = audio_path(self.folder, track)
        damage = find_samples_damage(path, self.shape(track))
        if damage:
            raise DataError(f"{path}: {damage}: remove {self.folder} to prepare it again")
        return np.load(path, mmap_mode="r", allow_pickle=False)

    def shape(self, track: StoredTrack) -> tuple[int, int, int]:
        """Return the shape (T, S, C) of a track."""
        return (track.frames, self.num_sources, self.num_channels)


def open_store(folder: Path) -> Store:
    """Open the complete store in `folder` without reading audio.

    Raises `DataError` if the manifest, the descriptions, and the sizes and headers of the samples
    do not match.
    """
    store = read_manifest(folder)
    damage = [line for track in store.tracks for line in find_track_damage(store, track)]
    if damage:
        more = f" (the first of {len(damage)} damaged files)" if len(damage) > 1 else ""
        raise DataError(
            f"{folder}/{damage[0]}{more}: remove {folder} to prepare it again, or run 'python "
            f"Datasets.py check' to list the files to remove"
        )
    return store


def read_manifest(folder: Path) -> Store:
    """Return the store that a manifest describes; raise `DataError` if the manifest is damaged."""
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        tracks = tuple(parse_track(track) for track in manifest["songs"])
        return Store(folder, tracks, len(manifest["sources"]), int(manifest["num_channels"]))
    except UNREADABLE as error:
        raise DataError(
            f"{path}: is damaged ({error}): remove it, prepared tracks are kept"
        ) from error


def parse_track(description: Any) -> StoredTrack:
    """Return the track that a JSON object describes.

    Raises one of the exceptions in `UNREADABLE` if an entry is missing or wrong.
    """
    track = StoredTrack(**description)
    types = (str, str, int, float, str)
    if tuple(map(type, asdict(track).values())) != types:
        raise TypeError(f"an entry of {track.name!r} has the wrong type")
    refuse_unfit_name("the track", track.name)
    if track.subset not in SUBSETS:
        raise ValueError(f"the subset {track.subset!r} is not one of {', '.join(SUBSETS)}")
    if track.frames < 1 or not (math.isfinite(track.scale) and track.scale > 0):
        raise ValueError(f"{track.name!r} has {track.frames} samples and the scale {track.scale}")
    return track


def find_track_damage(store: Store, track: StoredTrack) -> list[str]:
    """Return one line for each damaged file of a track, without reading its audio.

    The files are the samples, of which header and size are checked, and the description. Each line
    begins with the path of the file, relative to the store.
    """
    audio, text = audio_path(store.folder, track), description_path(store.folder, track)
    damage = {audio: find_samples_damage(audio, store.shape(track))}
    try:
        if read_description(text) != track:
            damage[text] = "differs from the manifest"
    except UNREADABLE as error:
        damage[text] = describe_read_error(error)
    return [f"{path.relative_to(store.folder)}: {why}" for path, why in damage.items() if why]


def find_samples_damage(path: Path, shape: tuple[int, int, int]) -> str:
    """Return why a file cannot be int16 samples of `shape`, or '' if header and size match."""
    try:
        with path.open("rb") as file:
            version = np.lib.format.read_magic(file)
            header = np.lib.format.read_array_header_1_0(file)
            expected_size = file.tell() + 2 * math.prod(shape)
            size = os.fstat(file.fileno()).st_size
    except (OSError, ValueError, SyntaxError, TokenError) as error:  # NumPy parses Python syntax
        return describe_read_error(error)
    if (version, *header) != ((1, 0), shape, False, np.dtype(np.int16)):
        return f"is not an int16 array of shape {shape}"
    return "" if size == expected_size else f"has {size} bytes instead of {expected_size}"


def describe_read_error(error: Exception) -> str:
    """Return the reason why a file could not be read, as part of an error message."""
    return "is missing" if isinstance(error, FileNotFoundError) else f"cannot be read ({error})"


def read_description(path: Path) -> StoredTrack:
    """Read a track's description; raise one of the exceptions in `UNREADABLE` if it is damaged."""
    return parse_track(json.loads(path.read_text(encoding="utf-8")))


def hash_samples(samples: np.ndarray) -> str:
    """Return the SHA-256 of a track's samples."""
    return hashlib.sha256(np.ascontiguousarray(samples).data).hexdigest()


def audio_path(folder: Path, track: Track | StoredTrack) -> Path:
    """Return the path of a track's samples."""
    return folder / track.subset / f"{track.name}.npy"


def description_path(folder: Path, track: Track | StoredTrack) -> Path:
    """Return the path of a track's description."""
    return folder / track.subset / f"{track.name}.npy.json"


def refuse_short_tracks(
    store: Store, settings: ModelSettings, augmentation: AugmentationSettings
) -> None:
    """Raise `DataError` for a training track that is shorter than an excerpt and its time shift.

    Parameters
    ----------
    store : Store
        The prepared tracks.
    settings : ModelSettings
        The model, whose outputs have the length of an excerpt.
    augmentation : AugmentationSettings
        The largest time shift of a source.
    """
    num_samples = settings.output_samples
    shift = augmentation.shift_samples(settings.sample_rate)
    shifted = f" and {shift} of cfg.shift_seconds" if shift else ""
    for track in store.subset("train"):
        if track.frames < num_samples + shift:
            raise DataError(
                f"{audio_path(store.folder, track)}: the training track {track.name!r} has "
                f"{track.frames} samples, fewer than the {num_samples} of an excerpt{shifted}: "
                f"remove it or lower cfg.num_frames{' or cfg.shift_seconds' if shift else ''}"
            )


def make_store_name(settings: DataSettings, tracks: list[Track]) -> str:
    """Return the folder name of a store: data set, sample rate and a hash.

    The hash covers everything that affects the stored audio: the format of the samples, the tracks,
    their subsets and the content of their files. Raises `DataError` if tracks of two subsets have
    the same audio.
    """
    fingerprints = [fingerprint_track(track) for track in tracks]
    refuse_equal_audio(tracks, fingerprints)
    content = {**describe_format(settings), "songs": fingerprints}
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    return f"{settings.dataset}-{settings.sample_rate}Hz-{digest[:12]}"


def refuse_equal_audio(tracks: list[Track], fingerprints: list[list]) -> None:
    """Raise `DataError` if the stems of tracks in different subsets are the same files."""
    by_audio: dict[tuple, Track] = {}
    for track, (*_, files) in zip(tracks, fingerprints, strict=True):
        stems = tuple(
            (name, stream, digest) for name, _, stream, digest in files if name != MIXTURE
        )
        other = by_audio.setdefault(stems, track)
        if other.subset != track.subset:
            raise DataError(
                f"{str(other.folder)!r} in the {other.subset} set and {str(track.folder)!r} in the "
                f"{track.subset} set have the same audio: remove one of them"
            )


def describe_format(settings: DataSettings) -> dict:
    """Return the format of the stored samples, which is hashed and written to the manifest."""
    return {
        "format_version": FORMAT_VERSION,
        "resampler": RESAMPLER,
        "sample_rate": settings.sample_rate,
        "num_channels": settings.num_channels,
        "sources": list(settings.sources),
    }


def fingerprint_track(track: Track) -> list:
    """Return the subset, name and files of a track, with a hash of every file (`hash_file`)."""
    digests = {path: hash_file(path) for path in {stem.path for stem in track.stems.values()}}
    files = sorted(
        (name, stem.path.name, stem.stream, digests[stem.path])
        for name, stem in track.stems.items()
    )
    return [track.subset, track.name, files]


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file's size and of blocks distributed over its content.

    The hash changes when a stem is exported again, even with the same size, but is the same for a
    copy on another machine. Raises `DataError` if `path` is not a file.
    """
    check_is_file(path)
    size = path.stat().st_size
    digest = hashlib.sha256(str(size).encode())
    with path.open("rb") as file:
        for block in range(SAMPLED_BLOCKS):
            file.seek(block * max(0, size - BLOCK_BYTES) // (SAMPLED_BLOCKS - 1))
            digest.update(file.read(BLOCK_BYTES))
    return digest.hexdigest()
