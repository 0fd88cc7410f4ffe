"""Room on the disk for a store, looked at before anything is decoded."""

import shutil
from collections.abc import Iterable
from pathlib import Path

import av

from Input.Decoders import opened, opened_sound
from Input.Songs import Song
from Spec.Data import DataSpec
from Spec.Errors import DataError

SAMPLE_BYTES = 2  # int16
SONG_BYTES = 3 * 4096  # of a song beside its samples: header, description, what blocks round up
ASSUMED_RATE = 8000  # bytes a second of a file that does not state its length: 64 kbit/s


def refuse_full_disk(folder: Path, songs: Iterable[Song], spec: DataSpec) -> None:
    """Refuse to prepare `songs` into `folder` where the disk has no room for all of them.

    Raises `DataError` with what is needed, an estimate from the lengths the files state, and what
    there is.
    """
    songs = list(songs)
    needed, free = sum(stored_bytes(song, spec) for song in songs), shutil.disk_usage(folder).free
    if needed > free:
        raise DataError(
            f"{folder}: {len(songs)} songs to prepare need {readable(needed)} and its disk has "
            f"{readable(free)}: make room or give another cfg.store_path"
        )


def stored_bytes(song: Song, spec: DataSpec) -> int:
    """What a song will take in a store."""
    stems = {stem for source in spec.sources for stem in song.stems_of(source)}
    seconds = max(stated_seconds(path) for path in {song.stems[stem].path for stem in stems})
    samples = round(seconds * spec.sample_rate) * len(spec.sources) * spec.num_channels
    return samples * SAMPLE_BYTES + SONG_BYTES


def stated_seconds(path: Path) -> float:
    """How long a file says it is; an assumption from its size where it does not say, or cannot be
    opened, which its decoding will tell."""
    sound = opened_sound(path)
    if sound is not None:
        with sound:
            return sound.frames / sound.samplerate
    return container_seconds(path) or path.stat().st_size / ASSUMED_RATE


def container_seconds(path: Path) -> float | None:
    """How long PyAV says a file is; None where it cannot say."""
    try:
        with opened(path) as box:
            return box.duration / av.time_base if box.duration else None
    except (av.FFmpegError, ValueError):
        return None


def readable(size: float) -> str:
    """A number of bytes as one reads it: '6.3 GB'."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} TB"
