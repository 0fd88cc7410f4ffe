"""Prediction of J's score from U's: means, correlations and quadrants (J-Net, Fig. 2 and 3)."""

import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from jnet.results.bootstrap import Interval, percentile_interval, resample_means
from jnet.results.result import CHANGED, Result, list_training_differences
from jnet.results.windows import sum_models

VARIANTS = ("1", "2_2_5", "2_3_5", "2_2_10", "2_3_10", "3_5", "3_10", "4_1", "4_2", "4_3", "5")
ORIGIN = "1"  # U1 and J1, the origin of the quadrants
COEFFICIENTS = ("Pearson", "Spearman", "Kendall")
FEWEST_PAIRS = 3  # any two points lie on a line, so their correlation is always ±1


@dataclass(frozen=True)
class Pair:
    """The mean scores in dB of one variant's U model and J model."""

    variant: str
    u: Interval
    j: Interval


@dataclass(frozen=True)
class UJPairs:
    """All pairs of U and J with their correlation.

    Attributes
    ----------
    pairs : tuple of Pair
        The variants that have scores of both U and J.
    coefficients : dict of str to Interval
        The correlation of U's means with J's for each name in `COEFFICIENTS`.
    quadrants : tuple of int or None
        The number of other pairs in quadrants I to IV around the pair of U1 and J1. Pairs on an
        axis are not counted. None if U1 or J1 has no score.
    tracks : int
        The number of tracks, the same for all models.
    missing : dict of str to tuple of str
        For each variant without a pair, the models that have no score.
    left_out : tuple of str
        The labels of results that are neither U nor J of a variant.
    without_score : int
        The number of windows without a finite score, over all models.
    trained_differently : dict of str to str
        The differences between the trainings of U and J by variant, except in the frozen parts.
    changed : str
        The changed entries of all models, which follow the name in their labels; '' for none.
    """

    pairs: tuple[Pair, ...]
    coefficients: dict[str, Interval]
    quadrants: tuple[int, ...] | None
    tracks: int
    missing: dict[str, tuple[str, ...]]
    left_out: tuple[str, ...]
    without_score: int
    trained_differently: Mapping[str, str]
    changed: str


def pair_models(results: Sequence[Result], source: str, metric: str = "SDR") -> UJPairs:
    """Return the mean scores over all windows of every U and its J, paired by name.

    Parameters
    ----------
    results : sequence of Result
        Several results of one label, e.g. of different seeds, count as one model with all their
        windows.
    source : str
    metric : str
        One of museval's metrics.

    Returns
    -------
    UJPairs
        Windows without a finite score are left out of the means and counted.

    Raises
    ------
    DataError
        If models were scored on different tracks or a result has no `source`.
    """
    models = dict.fromkeys(result.label for result in results)
    rows = {f"{letter}{variant}" for letter in "UJ" for variant in VARIANTS}
    changes = Counter(
        result.label.removeprefix(result.row) for result in results if result.row in rows
    )
    # Models with changed entries are compared if all are changed alike.
    changed = next(iter(changes)) if len(changes) == 1 else ""
    labels = {variant: (f"U{variant}{changed}", f"J{variant}{changed}") for variant in VARIANTS}
    absent = {
        variant: missing
        for variant, pair in labels.items()
        if (missing := tuple(label for label in pair if label not in models))
    }
    paired = [variant for variant in VARIANTS if variant not in absent]
    present = [label for variant in paired for label in labels[variant]]
    shown = [result for result in results if result.label in present]
    names, sums = sum_models(shown, source, metric)
    means, replicates = resample_means([sums[label] for label in present])  # [2 N], [R, 2 N]
    intervals = [percentile_interval(*both) for both in zip(means, replicates.T, strict=True)]
    pairs = tuple(map(Pair, paired, intervals[::2], intervals[1::2]))
    return UJPairs(
        pairs=pairs,
        coefficients=correlate(np.vstack([means, replicates])),
        quadrants=count_quadrants(pairs),
        tracks=len(names),
        missing=absent,
        left_out=tuple(label for label in models if label not in sum(labels.values(), ())),
        without_score=sum(model.without_score for model in sums.values()),
        trained_differently=compare_pairs(shown, {variant: labels[variant] for variant in paired}),
        changed=changed.removeprefix(CHANGED),
    )


def compare_pairs(
    results: Sequence[Result], pairs: Mapping[str, tuple[str, str]]
) -> dict[str, str]:
    """Return the differences between the trainings of U and J by variant, if there are any.

    `pairs` has the labels of U and J by variant. The frozen parts may differ.
    """
    found = {}
    for variant, labels in pairs.items():
        u, j = ([result for result in results if result.label == label] for label in labels)
        differences = [
            difference
            for ours in u
            for theirs in j
            for difference in list_training_differences(ours, theirs, {"frozen"})
        ]
        if differences:
            found[variant] = ", ".join(dict.fromkeys(differences))
    return found


def correlate(means: np.ndarray) -> dict[str, Interval]:
    """Return the correlations of U's means with J's, with intervals from the replicates.

    `means` `[1 + R, 2 N]` has the means of the N pairs in columns U, J, U, J and so on. Row 0 has
    the means over all tracks, the R other rows those of the bootstrap replicates. The correlations
    are NaN for fewer than three pairs or if all means of U or of J are equal.
    """
    x, y = means[:, ::2], means[:, 1::2]
    if x.shape[1] < FEWEST_PAIRS:
        return dict.fromkeys(COEFFICIENTS, Interval(np.nan))
    return {
        name: percentile_interval(values[0], values[1:])
        for name, values in compute_coefficients(x, y).items()
    }


def compute_coefficients(x: np.ndarray, y: np.ndarray) -> dict[str, np.ndarray]:
    """Return each correlation of `COEFFICIENTS` along the last axis of `x` and `y`.

    NaN where all values of `x` or of `y` are equal.
    """
    from scipy import stats  # its import takes half a second, and `Report.py -h` does not need it

    ranks = stats.rankdata(x, axis=-1), stats.rankdata(y, axis=-1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)
        found = (
            stats.pearsonr(x, y, axis=-1),
            stats.pearsonr(*ranks, axis=-1),
            stats.kendalltau(x, y, axis=-1),
        )
    return {name: test.statistic for name, test in zip(COEFFICIENTS, found, strict=True)}


def count_quadrants(pairs: Sequence[Pair]) -> tuple[int, ...] | None:
    """Return the numbers of other pairs in quadrants I to IV around the pair of U1 and J1.

    None if that pair is missing.
    """
    points = {pair.variant: (pair.u.value, pair.j.value) for pair in pairs}
    if ORIGIN not in points:
        return None
    signs = np.sign(np.array([*points.values()]) - points[ORIGIN]).tolist()  # [N, 2]
    return tuple(signs.count(quadrant) for quadrant in ([1, 1], [-1, 1], [-1, -1], [1, -1]))
