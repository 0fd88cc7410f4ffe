"""Statistics of the scores of many tracks, in the two orders of averaging used in the field.

`pooled_*` combines the windows of all tracks into a single set (J-Net and Wave-U-Net papers).
`median_over_tracks_of_track_medians` computes the median of each track first (SiSEC 2018, Demucs).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jnet.scoring.track_scores import TrackScores

TRACK_MEDIANS = "median_over_tracks_of_track_medians"
STATISTICS = ("pooled_median", "pooled_mad", "pooled_mean", "pooled_sd", TRACK_MEDIANS)
# Names that version 0.1.0 wrote, and the current names.
FORMER_NAMES = {
    "songs": "tracks",
    "median_over_songs_of_song_medians": TRACK_MEDIANS,
    "mixture_median_over_songs_of_song_medians": f"mixture_{TRACK_MEDIANS}",
}


def compute_statistics(tracks: Sequence[np.ndarray]) -> dict[str, float]:
    """Return all `STATISTICS` in dB from the scores of each track's windows, `[K]`.

    NaN and infinite scores are left out. MAD is the median absolute deviation from the median; SD
    is the standard deviation of the population (Wave-U-Net paper, Section 5.1.2). All statistics
    are NaN if there is no finite score.
    """
    kept = [finite for track in tracks if len(finite := keep_finite(track))]
    if not kept:
        return dict.fromkeys(STATISTICS, np.nan)
    pooled = np.concatenate(kept)
    median = np.median(pooled)
    values = (
        median,
        np.median(np.abs(pooled - median)),
        pooled.mean(),
        pooled.std(),
        np.median([np.median(track) for track in kept]),
    )
    return dict(zip(STATISTICS, map(float, values), strict=True))


def keep_finite(scores: np.ndarray) -> np.ndarray:
    """Return the scores that are neither NaN nor infinite, in double precision."""
    scores = np.asarray(scores, np.float64)
    return scores[np.isfinite(scores)]


def summarize(tracks: Sequence[TrackScores]) -> dict[str, dict[str, Any]]:
    """Return the SDR statistics of every source over all tracks, as values for JSON.

    The statistics are those of the model's estimates and those of the mix as the estimate. The
    numbers of tracks, windows and windows without a finite score are included. NaN becomes None.
    """

    def plain(value: float) -> float | None:
        return None if np.isnan(value) else value

    table = {}
    for source in tracks[0].targets:
        estimates = [track.targets[source]["SDR"] for track in tracks]
        mixture = compute_statistics([track.mixture[source] for track in tracks])
        windows = sum(map(len, estimates))
        table[source] = {
            "tracks": len(tracks),
            "windows": windows,
            "nan_windows": windows - sum(len(keep_finite(row)) for row in estimates),
            **{name: plain(value) for name, value in compute_statistics(estimates).items()},
            "mixture_pooled_median": plain(mixture["pooled_median"]),
            f"mixture_{TRACK_MEDIANS}": plain(mixture[TRACK_MEDIANS]),
        }
    return table


def read_summary(recorded: Mapping[str, Mapping[str, Any]] | None) -> dict[str, dict[str, Any]]:
    """Return a recorded summary with the current names, including a summary of version 0.1.0."""
    return {
        source: {FORMER_NAMES.get(name, name): value for name, value in entry.items()}
        for source, entry in (recorded or {}).items()
    }
