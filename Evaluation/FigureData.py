"""What figures take from results: windows by name, and sums over songs that all models share."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from Evaluation.Results import Result, SongResult
from Spec.Errors import DataError


@dataclass(frozen=True)
class SongSums:
    """A model's windows summed song by song, `[S]` each: what a mean over drawn songs needs."""

    sums: np.ndarray
    counts: np.ndarray
    without_score: int


def common_songs(results: Sequence[Result]) -> list[str]:
    """The names of the songs that all results are about; `DataError` where they differ."""
    if not results:
        return []
    first, *others = results
    names = sorted(song.name for song in first.songs)
    if len(set(names)) < len(names):
        raise DataError(f"{first.label}: two of its songs have one name: rename one")
    for other in others:
        differing = sorted({song.name for song in other.songs} ^ set(names))
        if differing:
            raise DataError(
                f"{first.label} and {other.label} were scored on different songs, of which "
                f"{differing[0]!r} is in one alone: score both on the same set"
            )
    return names


def song_sums(results: Sequence[Result], names: list[str], source: str, metric: str) -> SongSums:
    """The finite scores of a model's songs in the order of `names`, all its runs together."""
    sums, counts, without = np.zeros(len(names)), np.zeros(len(names)), 0
    for result in results:
        songs = {song.name: song for song in result.songs}
        for index, name in enumerate(names):
            values = windows_of(result.label, songs[name], source, metric)
            kept = finite(values)
            sums[index] += kept.sum()
            counts[index] += len(kept)
            without += len(values) - len(kept)
    if not counts.sum():
        raise DataError(
            f"{results[0].label}: no window of {source} has a {metric}: nothing to draw"
        )
    return SongSums(sums, counts, without)


def windows_of(label: str, song: SongResult, source: str, metric: str) -> np.ndarray:
    """A song's windows of one source and metric, `[K]`; `DataError` where it has none."""
    for name, held in ((source, song.targets), (metric, song.targets.get(source, {}))):
        if name not in held:
            raise DataError(
                f"{label}, {song.name}: has no score {name!r}, only {', '.join(held)}: choose one"
            )
    return np.asarray(song.targets[source][metric], np.float64)


def finite(values: np.ndarray) -> np.ndarray:
    """The scores that can be drawn: neither NaN nor infinite."""
    return values[np.isfinite(values)]


def pooled_windows(result: Result, source: str, metric: str) -> np.ndarray:
    """All windows of all songs as one set `[K]`, those without a score too."""
    values = [windows_of(result.label, song, source, metric) for song in result.songs]
    return np.concatenate([np.zeros(0), *values])


def song_medians(result: Result, source: str, metric: str) -> np.ndarray:
    """The median of each song's finite windows `[S]`; NaN for a song that has none."""
    values = [finite(windows_of(result.label, song, source, metric)) for song in result.songs]
    return np.array([np.median(song) if len(song) else np.nan for song in values])


def sources_of(results: Sequence[Result], wanted: Sequence[str] | None = None) -> list[str]:
    """The sources to draw: those wanted, else those of the first song."""
    songs = [song for result in results for song in result.songs]
    if not songs:
        raise DataError("there is no scored song to draw: name a folder that holds scores")
    return list(wanted or songs[0].targets)
