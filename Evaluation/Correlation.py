"""How far U's score foretells J's: means over songs, correlation, quadrants, and how sure it is.

J-Net paper, Fig. 2 and 3. Songs, not windows, are what a test set draws: every replicate of the
bootstrap draws songs once for all models and forms all means anew.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from Evaluation.FigureData import SongSums, common_songs, song_sums
from Evaluation.Results import Result

VARIANTS = ("1", "2_2_5", "2_3_5", "2_2_10", "2_3_10", "3_5", "3_10", "4_1", "4_2", "4_3", "5")
ORIGIN = "1"  # U1 and J1, round which the quadrants lie
REPLICATES, SEED = 2000, 0
LEVEL = 0.95
FEWEST_PAIRS = 3  # two points always lie on a line


@dataclass(frozen=True)
class Interval:
    """A value and where it lies in 95 % of the replicates; NaN where that is not defined."""

    value: float
    low: float = np.nan
    high: float = np.nan


@dataclass(frozen=True)
class Pair:
    """One variant: the mean score in dB of its U and of its J."""

    variant: str
    u: Interval
    j: Interval


@dataclass(frozen=True)
class Comparison:
    """All pairs of U and J, and what they show together.

    `quadrants` counts the other pairs round U1 and J1, from the first to the fourth, those on an
    axis in none; None without that pair. `missing` names the models that leave a variant without
    a pair, `left_out` the results that belong to none; `without_score` counts windows.
    """

    pairs: tuple[Pair, ...]
    coefficients: dict[str, Interval]
    quadrants: tuple[int, int, int, int] | None
    songs: int
    missing: dict[str, tuple[str, ...]]
    left_out: tuple[str, ...]
    without_score: int


def compare(results: Sequence[Result], source: str, metric: str = "SDR") -> Comparison:
    """The means of all windows of every U and its J, paired by name.

    Results of one label, such as other seeds, count as one model with all their windows. Windows
    without a finite score are left out and counted. Raises `DataError` where models were scored on
    different songs or a result lacks `source`.
    """
    models: dict[str, list[Result]] = defaultdict(list)
    for result in results:
        models[result.label].append(result)
    present = {
        variant: (f"U{variant}", f"J{variant}")
        for variant in VARIANTS
        if {f"U{variant}", f"J{variant}"} <= models.keys()
    }
    missing = {
        variant: lacking
        for variant in VARIANTS
        if (lacking := tuple(name for name in (f"U{variant}", f"J{variant}") if name not in models))
    }
    labels = [label for pair in present.values() for label in pair]
    names = common_songs([result for label in labels for result in models[label]])
    sums = [song_sums(models[label], names, source, metric) for label in labels]
    means, drawn = means_and_replicates(sums)  # [2 N], [R, 2 N]
    intervals = [interval(mean, column) for mean, column in zip(means, drawn.T, strict=True)]
    pairs = tuple(
        Pair(variant, *intervals[2 * index : 2 * index + 2])
        for index, variant in enumerate(present)
    )
    return Comparison(
        pairs=pairs,
        coefficients={
            name: interval(
                float(coefficient(means[::2], means[1::2])),
                coefficient(drawn[:, ::2], drawn[:, 1::2]),
            )
            for name, coefficient in COEFFICIENTS.items()
        },
        quadrants=quadrants(pairs),
        songs=len(names),
        missing=missing,
        left_out=tuple(label for label in models if not belongs(label)),
        without_score=sum(one.without_score for one in sums),
    )


def belongs(label: str) -> bool:
    """Whether a label is a U or a J of one of the paper's variants."""
    return label[:1] in ("U", "J") and label[1:] in VARIANTS


def means_and_replicates(models: Sequence[SongSums]) -> tuple[np.ndarray, np.ndarray]:
    """The models' means `[M]`, and those of every draw of as many songs with replacement `[R, M]`.

    A song stands in a draw with all its windows, for all models alike. R is 0 for a single song,
    which says nothing of others.
    """
    if not models:
        return np.zeros(0), np.zeros((0, 0))
    sums = np.stack([model.sums for model in models])  # [M, S]
    counts = np.stack([model.counts for model in models])
    songs = sums.shape[1]
    random = np.random.default_rng(SEED)
    replicates = REPLICATES if songs > 1 else 0
    draws = random.multinomial(songs, np.full(songs, 1 / songs), replicates)  # [R, S]
    with np.errstate(invalid="ignore"):  # a draw of songs without a single score
        return sums.sum(axis=1) / counts.sum(axis=1), (draws @ sums.T) / (draws @ counts.T)


def interval(value: float, replicates: np.ndarray) -> Interval:
    """A value with the middle 95 % of its replicates, those left out for which it is undefined."""
    kept = replicates[np.isfinite(replicates)]
    if not np.isfinite(value) or not len(kept):
        return Interval(float(value))
    low, high = np.quantile(kept, ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    return Interval(float(value), float(low), float(high))


def pearson(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Pearson's r along the last axis of `[…, N]`; NaN for fewer than 3 pairs or without spread."""
    if x.shape[-1] < FEWEST_PAIRS:
        return np.full(x.shape[:-1], np.nan)
    varied = (np.ptp(x, axis=-1) > 0) & (np.ptp(y, axis=-1) > 0)
    x, y = x - x.mean(axis=-1, keepdims=True), y - y.mean(axis=-1, keepdims=True)
    r = ratio((x * y).sum(axis=-1), np.square(x).sum(axis=-1), np.square(y).sum(axis=-1))
    return np.where(varied, r, np.nan)


def spearman(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Spearman's ρ: Pearson's r of the ranks, ties sharing theirs."""
    if x.shape[-1] < FEWEST_PAIRS:
        return np.full(x.shape[:-1], np.nan)
    return pearson(rankdata(x, axis=-1), rankdata(y, axis=-1))


def kendall(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Kendall's τ, its form b, which allows for ties."""
    if x.shape[-1] < FEWEST_PAIRS:
        return np.full(x.shape[:-1], np.nan)
    one, other = np.triu_indices(x.shape[-1], 1)
    x, y = np.sign(x[..., one] - x[..., other]), np.sign(y[..., one] - y[..., other])
    return ratio((x * y).sum(axis=-1), np.square(x).sum(axis=-1), np.square(y).sum(axis=-1))


def ratio(together: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """What two share by the geometric mean of what each has; NaN where one has nothing."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where((x > 0) & (y > 0), together / np.sqrt(x * y), np.nan)


Coefficient = Callable[[np.ndarray, np.ndarray], np.ndarray]
COEFFICIENTS: dict[str, Coefficient] = {
    "Pearson": pearson,
    "Spearman": spearman,
    "Kendall": kendall,
}


def quadrants(pairs: Sequence[Pair]) -> tuple[int, int, int, int] | None:
    """How many other pairs lie in each quadrant round the pair of U1 and J1."""
    origins = [pair for pair in pairs if pair.variant == ORIGIN]
    if not origins:
        return None
    right = [pair.u.value - origins[0].u.value for pair in pairs]
    above = [pair.j.value - origins[0].j.value for pair in pairs]
    places = [(np.sign(x), np.sign(y)) for x, y in zip(right, above, strict=True)]
    first, second, third, fourth = (
        places.count(signs) for signs in ((1, 1), (-1, 1), (-1, -1), (1, -1))
    )
    return first, second, third, fourth
