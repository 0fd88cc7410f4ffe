"""Two models on the same songs: a paired test, and how sure their difference is.

Songs, not windows, are what a test set draws. Wilcoxon's signed-rank test takes each song's median
of both models; the bootstrap draws songs, the same for both.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from Evaluation.Cells import STATISTICS
from Evaluation.Documents import Document, Grid, number, signed
from Evaluation.Results import Result, check_songs
from Spec.Errors import DataError

REPLICATES, SEED = 2000, 0
LEVEL = 0.95


@dataclass(frozen=True)
class Difference:
    """One statistic of both models, the first's less the second's, and where that lies in 95 % of
    the replicates, all in dB."""

    first: float
    second: float
    difference: float
    low: float
    high: float


@dataclass(frozen=True)
class Paired:
    """Two models on one target. `songs` are those with a score of both, `better` those of them in
    which the first is better; `p` is Wilcoxon's, two-sided, over their medians."""

    target: str
    songs: int
    without_score: int
    better: int
    p: float
    differences: dict[str, Difference]


def compare(first: Sequence[Result], second: Sequence[Result], target: str, metric: str) -> Paired:
    """Compare two models, each the results of one or more runs, whose songs' windows are put
    together. Raises `DataError` unless all have the same songs, windows and the target."""
    check_same(first, second, target)
    pairs = [
        (windows_of(first, name, target, metric), windows_of(second, name, target, metric))
        for name in sorted(song.name for song in first[0].songs)
    ]
    scored = [pair for pair in pairs if all(len(values) for values in pair)]
    if not scored:
        raise DataError(f"{target}: no song has a score of both models")
    medians = np.array([[np.median(values) for values in pair] for pair in scored])  # [songs, 2]
    gaps = medians[:, 0] - medians[:, 1]
    return Paired(
        target,
        len(scored),
        len(pairs) - len(scored),
        int((gaps > 0).sum()),
        wilcoxon_p(gaps),
        {name: bootstrapped(scored, name) for name in REDRAWN},
    )


def wilcoxon_p(gaps: np.ndarray) -> float:
    """The two-sided p of Wilcoxon's signed-rank test; 1 where no song differs."""
    from scipy.stats import wilcoxon

    return float(wilcoxon(gaps).pvalue) if np.any(gaps) else 1.0


def bootstrapped(pairs: Sequence[tuple[np.ndarray, np.ndarray]], name: str) -> Difference:
    """One statistic's difference, and its interval over songs drawn anew, the same for both."""
    draws = np.random.default_rng(SEED).integers(len(pairs), size=(REPLICATES, len(pairs)))
    firsts, seconds = zip(*pairs, strict=True)
    gaps = REDRAWN[name](firsts, draws) - REDRAWN[name](seconds, draws)
    low, high = np.quantile(gaps, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    one, other = (STATISTICS[name][1](songs) for songs in (firsts, seconds))
    return Difference(one, other, one - other, float(low), float(high))


def redrawn_song_medians(songs: Sequence[np.ndarray], draws: np.ndarray) -> np.ndarray:
    """The median of song medians for every replicate: `draws` are songs, `[R, songs]`."""
    return np.median(np.array([np.median(song) for song in songs])[draws], axis=1)  # [R]


def redrawn_medians(songs: Sequence[np.ndarray], draws: np.ndarray) -> np.ndarray:
    """The median over all windows for every replicate: the windows are sorted but once, and
    each counts as often as its song was drawn."""
    together = np.concatenate(songs)
    order = np.argsort(together)
    values = together[order]
    song_of = np.repeat(np.arange(len(songs)), [len(song) for song in songs])[order]
    medians = []
    for draw in draws:
        passed = np.cumsum(np.bincount(draw, minlength=len(songs))[song_of])
        middle = [(passed[-1] - 1) // 2, passed[-1] // 2]
        medians.append(values[np.searchsorted(passed, middle, side="right")].mean())
    return np.array(medians)  # [R]


def redrawn_means(songs: Sequence[np.ndarray], draws: np.ndarray) -> np.ndarray:
    """The mean over all windows for every replicate."""
    sums = np.array([song.sum() for song in songs])[draws]
    return sums.sum(axis=1) / np.array([len(song) for song in songs])[draws].sum(axis=1)  # [R]


# Every compared statistic, for many draws of songs at once.
REDRAWN = {
    "median_over_songs_of_song_medians": redrawn_song_medians,
    "pooled_median": redrawn_medians,
    "pooled_mean": redrawn_means,
}


def windows_of(results: Sequence[Result], name: str, target: str, metric: str) -> np.ndarray:
    """A song's windows that have a score, of all runs."""
    songs = [song for result in results for song in result.songs if song.name == name]
    values = np.concatenate([song.targets[target][metric] for song in songs])
    return values[~np.isnan(values)]


def check_same(first: Sequence[Result], second: Sequence[Result], target: str) -> None:
    """`DataError` unless all results have the same songs with as many windows of the target."""
    whole = {song.name: song for song in first[0].songs}
    for result in (*first, *second):
        check_songs([song.name for song in result.songs], sorted(whole), result.origin)
        for song in result.songs:
            if target not in song.targets:
                raise DataError(f"{result.origin}: has no {target}")
            count, wanted = (len(one.targets[target]["SDR"]) for one in (song, whole[song.name]))
            if count != wanted:
                raise DataError(
                    f"{result.origin}: {song.name!r} has {count} windows, {wanted} in "
                    f"{first[0].origin}: scores of different recordings cannot be paired"
                )


def comparison_document(
    first: Sequence[Result],
    second: Sequence[Result],
    targets: Sequence[str],
    metric: str,
    left_out: Sequence[str] = (),
) -> Document:
    """Both models on every target."""
    if not targets:
        raise DataError(f"{first[0].origin} and {second[0].origin} have no target in common")
    names = first[0].label, second[0].label
    paired = [compare(first, second, target, metric) for target in targets]
    head = ("statistic", *names, "difference", "95 % from", "to")
    grids = [
        Grid(
            f"{one.target}: {metric} in dB",
            head,
            tuple(
                (STATISTICS[name][0], number(gap.first), number(gap.second), signed(gap.difference),
                 signed(gap.low), signed(gap.high))
                for name, gap in one.differences.items()
            ),
        )
        for one in paired
    ]  # fmt: skip
    return Document(
        f"{names[0]} against {names[1]}",
        (
            f"{len(first[0].songs)} songs, the same for both; {len(first)} and {len(second)} runs. "
            f"The difference is {names[0]} less {names[1]}; its interval is from {REPLICATES} "
            f"bootstrap samples of the songs.",
        ),
        tuple(grids),
        {
            "Wilcoxon's signed-rank test over songs' medians": [
                said(one, *names) for one in paired
            ],
            "Left out": left_out,
        },
        tuple(records(paired, names, metric)),
    )


def said(paired: Paired, first: str, second: str) -> str:
    """The test in words."""
    without = f", {paired.without_score} songs without a score" if paired.without_score else ""
    return (
        f"{paired.target}: {first} is better than {second} in {paired.better} of {paired.songs} "
        f"songs, p = {paired.p:.2g} (two-sided){without}"
    )


def records(
    paired: Sequence[Paired], names: tuple[str, str], metric: str
) -> Iterator[dict[str, Any]]:
    """Every difference, one line each."""
    for one in paired:
        for statistic, gap in one.differences.items():
            yield {
                "first": names[0],
                "second": names[1],
                "source": one.target,
                "metric": metric,
                "statistic": statistic,
                "first_value": gap.first,
                "second_value": gap.second,
                "difference": gap.difference,
                "low": gap.low,
                "high": gap.high,
                "songs": one.songs,
                "songs_without_score": one.without_score,
                "first_better": one.better,
                "wilcoxon_p": one.p,
            }
