"""Scores of a song and of many: museval's JSON, and the two statistics the field prints.

`pooled_*` takes all windows of all songs as one set (J-Net and Wave-U-Net papers);
`median_over_songs_of_song_medians` takes each song's median first (SiSEC 2018, Demucs).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from Spec.Files import write_json

METRICS = ("SDR", "SIR", "SAR", "ISR")  # in the order of museval's JSON
DECIMALS = 5  # to which museval writes a score


@dataclass(frozen=True)
class SongScores:
    """One song: `targets[source][metric]` are its windows' scores in dB, `[K]`; `mixture[source]`
    the SDR of taking the mix itself as the estimate."""

    name: str
    targets: dict[str, dict[str, np.ndarray]]
    mixture: dict[str, np.ndarray]


@dataclass(frozen=True)
class Pooled:
    """Statistics over all windows of all songs, in dB, NaN windows left out and counted."""

    median: float
    mad: float
    mean: float
    sd: float
    windows: int
    nan_windows: int


def pooled(values: Sequence[np.ndarray]) -> Pooled:
    """The statistics of all songs' windows as one set (Wave-U-Net paper, Section 5.1.2).

    MAD is the median absolute deviation from the median, SD the population's. Without a single
    number they are NaN.
    """
    together = np.concatenate([np.asarray(song, np.float64) for song in values])
    kept = together[np.isfinite(together)]
    if not len(kept):
        return Pooled(np.nan, np.nan, np.nan, np.nan, len(together), len(together))
    median = float(np.median(kept))
    return Pooled(
        median=median,
        mad=float(np.median(np.abs(kept - median))),
        mean=float(kept.mean()),
        sd=float(kept.std()),
        windows=len(together),
        nan_windows=len(together) - len(kept),
    )


def median_over_songs_of_song_medians(values: Sequence[np.ndarray]) -> float:
    """The median of the songs' own medians; songs of nothing but NaN are left out."""
    medians = [
        float(np.median(song[np.isfinite(song)])) for song in values if np.isfinite(song).any()
    ]
    return float(np.median(medians)) if medians else float("nan")


def museval_json(scores: SongScores, window_seconds: float, hop_seconds: float) -> dict[str, Any]:
    """A song's scores as museval writes them, in JSON that any reader takes.

    A score that is not a number is null. museval itself writes a bare NaN there, which is no JSON,
    and its schema asks for a number, which JSON has none for; museval's reader takes null for NaN.
    An infinite score is null too, as it is NaN in museval's own files; all of them are stated in
    `infinite`. `mixture` has the SDR of taking the mix as the estimate. museval's schema allows
    further entries, and its reader passes over them.
    """
    infinite = []
    targets = []
    for source, metrics in scores.targets.items():
        frames = []
        for index in range(len(metrics["SDR"])):
            time = index * hop_seconds
            values = {metric: float(metrics[metric][index]) for metric in METRICS}
            infinite += [
                {"target": source, "time": time, "metric": metric, "value": f"{value:+}"}
                for metric, value in values.items()
                if np.isinf(value)
            ]
            frames.append(
                {
                    "time": time,
                    "duration": window_seconds,
                    "metrics": {metric: written(value) for metric, value in values.items()},
                }
            )
        targets.append({"name": source, "frames": frames})
    return {
        "targets": targets,
        "museval_version": version("museval"),
        "mixture": {
            source: {"SDR": [written(value) for value in row]}
            for source, row in scores.mixture.items()
        },
        "infinite": infinite,
    }


def written(value: float) -> float | None:
    """A score as it stands in a JSON."""
    return round(float(value), DECIMALS) if np.isfinite(value) else None


def write_song(scores: SongScores, path: Path, window_seconds: float, hop_seconds: float) -> None:
    """Write a song's JSON, strict, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, museval_json(scores, window_seconds, hop_seconds))


def summary(songs: Sequence[SongScores]) -> dict[str, dict[str, Any]]:
    """The SDR of every source over all songs: both statistics of the model's estimates and of
    the mix as the estimate, and what was counted. Plain numbers, NaN as None."""

    def plain(value: float) -> float | None:
        return None if np.isnan(value) else value

    table = {}
    for source in songs[0].targets:
        estimates = [song.targets[source]["SDR"] for song in songs]
        mixtures = [song.mixture[source] for song in songs]
        ours, mix = pooled(estimates), pooled(mixtures)
        table[source] = {
            "songs": len(songs),
            "windows": ours.windows,
            "nan_windows": ours.nan_windows,
            "pooled_median": plain(ours.median),
            "pooled_mad": plain(ours.mad),
            "pooled_mean": plain(ours.mean),
            "pooled_sd": plain(ours.sd),
            "median_over_songs_of_song_medians": plain(
                median_over_songs_of_song_medians(estimates)
            ),
            "mixture_pooled_median": plain(mix.median),
            "mixture_median_over_songs_of_song_medians": plain(
                median_over_songs_of_song_medians(mixtures)
            ),
        }
    return table
