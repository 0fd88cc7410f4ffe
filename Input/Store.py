"""Prepared songs on disk: resampled once, then read as memory-mapped int16 without decoding.

A store is a folder named after all that shapes its audio. Per song it holds one `.npy` of int16
`[T, S, C]` and one `.json` that describes it; the manifest, which has all descriptions, is written
last, so a store with one is whole. It is made in `Input/Preparation.py`.
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

from Input.Headers import refuse_no_file
from Input.Songs import Song
from Spec.Data import SUBSETS, DataSpec
from Spec.Errors import DataError
from Spec.Files import refuse_unfit_name

FORMAT_VERSION = 1
RESAMPLER = "soxr HQ"
MANIFEST = "manifest.json"
# What reading a description raises where it is missing or damaged.
UNREADABLE = (OSError, ValueError, KeyError, TypeError, DataError)
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
    """A whole store: its folder, its songs, and how many sources and channels each has."""

    folder: Path
    songs: tuple[StoredSong, ...]
    num_sources: int
    num_channels: int

    def subset(self, subset: str) -> tuple[StoredSong, ...]:
        """The songs of 'train', 'valid' or 'test'."""
        return tuple(song for song in self.songs if song.subset == subset)

    def open(self, song: StoredSong) -> np.ndarray:
        """A song's samples, int16 `[T, S, C]`, mapped into memory and read as they are used.

        Raises `DataError` where size or header show that they are not what was prepared.
        """
        path = audio_path(self.folder, song.subset, song.name)
        wrong = samples_damage(path, self.shape(song))
        if wrong:
            raise DataError(f"{path}: {wrong}: remove {self.folder} to prepare it anew")
        return np.load(path, mmap_mode="r", allow_pickle=False)

    def shape(self, song: StoredSong) -> tuple[int, int, int]:
        """`[T, S, C]` of a song."""
        return (song.frames, self.num_sources, self.num_channels)


def open_store(folder: Path) -> Store:
    """The store in `folder`, which must be whole; nothing of the audio is read.

    Raises `DataError` where manifest, descriptions, sizes and headers do not fit together.
    """
    store = read_manifest(folder)
    wrong = [damage for song in store.songs for damage in song_damage(store, song)]
    if wrong:
        more = f", nor are {len(wrong) - 1} more of its files" if len(wrong) > 1 else ""
        raise DataError(
            f"{folder}/{wrong[0]}: it is not as it was prepared{more}: remove {folder} to prepare "
            f"it anew, or ask 'python Datasets.py check' what exactly to remove"
        )
    return store


def read_manifest(folder: Path) -> Store:
    """The store that the manifest in `folder` describes; `DataError` where that is damaged."""
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        songs = tuple(stored_song(song) for song in manifest["songs"])
        return Store(folder, songs, len(manifest["sources"]), int(manifest["num_channels"]))
    except UNREADABLE as error:
        raise DataError(
            f"{path}: is damaged ({error}): remove it, what was prepared is found again"
        ) from error


def stored_song(description: Any) -> StoredSong:
    """A song from its JSON; one of `UNREADABLE` where that is not one."""
    song = StoredSong(**description)
    kinds = (str, str, int, float, str)
    if tuple(map(type, asdict(song).values())) != kinds:
        raise TypeError(f"an entry of {song.name!r} is of another kind")
    refuse_unfit_name("the song", song.name)
    if song.subset not in SUBSETS:
        raise ValueError(f"{song.subset!r} is no set of songs")
    if song.frames < 1 or not (math.isfinite(song.scale) and song.scale > 0):
        raise ValueError(f"{song.name!r} has {song.frames} frames and the scale {song.scale}")
    return song


def song_damage(store: Store, song: StoredSong) -> list[str]:
    """What is wrong with a song's two files, as far as it shows without reading the audio; each
    begins with the file's place in the store."""
    audio, text = (
        place(store.folder, song.subset, song.name) for place in (audio_path, description_path)
    )
    found = {audio: samples_damage(audio, store.shape(song))}
    try:
        if described(text) != song:
            found[text] = "is not what the manifest says"
    except UNREADABLE as error:
        found[text] = unread(error)
    return [f"{path.relative_to(store.folder)}: {wrong}" for path, wrong in found.items() if wrong]


def samples_damage(path: Path, shape: tuple[int, int, int]) -> str:
    """Why a file is not int16 samples of `shape`, as far as header and size tell; '' where it
    is."""
    try:
        with path.open("rb") as file:
            version = np.lib.format.read_magic(file)
            header = np.lib.format.read_array_header_1_0(file)
            due = file.tell() + 2 * math.prod(shape)
            size = os.fstat(file.fileno()).st_size
    except (OSError, ValueError, SyntaxError, TokenError) as error:  # NumPy lets its parser's out
        return unread(error)
    if (version, *header) != ((1, 0), shape, False, np.dtype(np.int16)):
        return "is an array of another form"
    return "" if size == due else f"has {size} bytes where {due} are due"


def unread(error: Exception) -> str:
    """An error of reading, in words."""
    return "is missing" if isinstance(error, FileNotFoundError) else f"cannot be read ({error})"


def described(path: Path) -> StoredSong:
    """What the description in `path` says."""
    return stored_song(json.loads(path.read_text(encoding="utf-8")))


def digest_of(samples: np.ndarray) -> str:
    """SHA-256 of a song's samples."""
    return hashlib.sha256(np.ascontiguousarray(samples).data).hexdigest()


def audio_path(folder: Path, subset: str, name: str) -> Path:
    """Where a song's samples are."""
    return folder / subset / f"{name}.npy"


def description_path(folder: Path, subset: str, name: str) -> Path:
    """Where the description of a song's samples is."""
    return folder / subset / f"{name}.npy.json"


def refuse_short_songs(store: Store, num_frames: int) -> None:
    """Refuse a training song shorter than a snippet of `num_frames` at the store's rate."""
    for song in store.subset("train"):
        if song.frames < num_frames:
            raise DataError(
                f"{audio_path(store.folder, song.subset, song.name)}: the training song "
                f"{song.name!r} has {song.frames} frames, fewer than the {num_frames} of a "
                f"snippet: remove it or lower cfg.num_frames"
            )


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
    refuse_no_file(path)
    size = path.stat().st_size
    digest = hashlib.sha256(str(size).encode())
    with path.open("rb") as file:
        for block in range(SAMPLED_BLOCKS):
            file.seek(block * max(0, size - BLOCK_BYTES) // (SAMPLED_BLOCKS - 1))
            digest.update(file.read(BLOCK_BYTES))
    return digest.hexdigest()
