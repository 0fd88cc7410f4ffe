"""Scores of windows: pooled, as medians of tracks, and as sums over tracks."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from jnet.errors import DataError
from jnet.results.result import Result, check_tracks
from jnet.scoring.statistics import keep_finite


@dataclass(frozen=True)
class TrackSums:
    """Sums and counts of a model's finite scores for each track, `[tracks]`, for bootstrap means.

    `without_score` counts the windows without a finite score.
    """

    sums: np.ndarray
    counts: np.ndarray
    without_score: int


def list_common_tracks(results: Sequence[Result]) -> list[str]:
    """Return the sorted track names, equal for all results; raise `DataError` if they differ."""
    if not results:
        return []
    first, *others = results
    for other in others:
        place = f"{first.label} and {other.label} were scored on different tracks: {other.label}"
        check_tracks(other.track_names, first.track_names, place)
    return sorted(first.track_names)


def sum_models(
    results: Sequence[Result], source: str, metric: str
) -> tuple[list[str], dict[str, TrackSums]]:
    """Return the names of the tracks, and the sums of every model by label.

    Parameters
    ----------
    results : sequence of Result
        Several results of one label, e.g. of different seeds, count as one model with all their
        windows.
    source : str
    metric : str

    Returns
    -------
    names : list of str
        The tracks in the order of the sums.
    sums : dict of str to TrackSums

    Raises
    ------
    DataError
        If the results have different tracks, or a model has no finite score.
    """
    names = list_common_tracks(results)
    models: dict[str, list[Result]] = defaultdict(list)
    for result in results:
        models[result.label].append(result)
    return names, {label: sum_tracks(runs, names, source, metric) for label, runs in models.items()}


def sum_tracks(results: Sequence[Result], names: list[str], source: str, metric: str) -> TrackSums:
    """Return the sums of the finite scores of each track over all runs of a model.

    Parameters
    ----------
    results : sequence of Result
        The runs of the model.
    names : list of str
        The tracks in the order of the sums.
    source : str
    metric : str

    Returns
    -------
    TrackSums

    Raises
    ------
    DataError
        If there is no finite score.
    """
    sums, counts, without = np.zeros(len(names)), np.zeros(len(names)), 0
    for result in results:
        windows = result.select_windows(source, metric)
        for index, name in enumerate(names):
            finite = keep_finite(windows[name])
            sums[index] += finite.sum()
            counts[index] += len(finite)
            without += len(windows[name]) - len(finite)
    if not counts.sum():
        label = results[0].label
        raise DataError(f"{label}: no window of {source} has a finite {metric}")
    return TrackSums(sums, counts, without)


def pool_windows(result: Result, source: str, metric: str) -> np.ndarray:
    """Return all windows of all tracks as one array.

    Parameters
    ----------
    result : Result
    source : str
    metric : str

    Returns
    -------
    numpy.ndarray
        Scores `[K]` in dB, NaN for windows without a score.
    """
    return np.concatenate([*result.select_windows(source, metric).values()])


def compute_track_medians(result: Result, source: str, metric: str) -> np.ndarray:
    """Return the median of each track's finite scores.

    Parameters
    ----------
    result : Result
    source : str
    metric : str

    Returns
    -------
    numpy.ndarray
        `[tracks]` in dB, NaN for a track without finite scores.
    """
    windows = map(keep_finite, result.select_windows(source, metric).values())
    return np.array([np.median(scores) if len(scores) else np.nan for scores in windows])
