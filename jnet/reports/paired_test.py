"""Two models on the same tracks: a paired test, and their difference with a 95 % interval.

Wilcoxon's signed-rank test uses each track's median score of both models. The bootstrap draws
tracks with replacement, the same tracks for both models.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from jnet.errors import DataError
from jnet.names import count_things
from jnet.reports.documents import Document
from jnet.reports.tables import DAGGER
from jnet.results.bootstrap import REPLICATES, SEED, percentile_interval, warn_of_few_tracks
from jnet.results.recorded import MODEL_ENTRIES
from jnet.results.result import Result, check_tracks, list_training_differences
from jnet.scoring.score_table import HEADINGS, format_difference, format_score
from jnet.scoring.statistics import TRACK_MEDIANS, compute_statistics, keep_finite


def compare_models(
    first: Sequence[Result], second: Sequence[Result], target: str, metric: str
) -> pd.DataFrame:
    """Compare two models on one target and return one row per statistic.

    Parameters
    ----------
    first, second : sequence of Result
        The runs of each model. The windows of a track are concatenated over the runs.
    target : str
    metric : str
        One of museval's metrics.

    Returns
    -------
    pandas.DataFrame
        `first_value` and `second_value` in dB, `difference` (first minus second) and the limits
        `low` and `high` of its 95 % interval. `tracks` counts the tracks on which both models have
        a score, `first_better` those of them on which the first model's median is higher.
        `wilcoxon_p` is the two-sided p-value of the test over the tracks' medians.

    Raises
    ------
    DataError
        Unless all results have the target, the same tracks and the same numbers of windows, and at
        least one track has scores of both models.
    """
    from scipy.stats import wilcoxon

    models = [pool_runs(runs, first[0], target, metric) for runs in (first, second)]
    pairs = [[model[name] for model in models] for name in sorted(first[0].track_names)]
    scored = [pair for pair in pairs if all(map(len, pair))]
    if not scored:
        raise DataError(f"{target}: no track has a score of both models")
    medians = np.array([[np.median(values) for values in pair] for pair in scored])  # [tracks, 2]
    gaps = medians[:, 0] - medians[:, 1]
    return pd.DataFrame(
        {
            "first": first[0].label,
            "second": second[0].label,
            "source": target,
            "metric": metric,
            **gain,
            "tracks": len(scored),
            "tracks_without_score": len(pairs) - len(scored),
            "first_better": (gaps > 0).sum(),
            "wilcoxon_p": wilcoxon(gaps).pvalue if np.any(gaps) else 1.0,
        }
        for gain in bootstrap_gains(*zip(*scored, strict=True))
    )


def bootstrap_gains(
    first: Sequence[np.ndarray], second: Sequence[np.ndarray]
) -> Iterator[dict[str, Any]]:
    """Yield the difference of each compared statistic in dB, from each track's windows `[K]`.

    The bootstrap draws the same tracks for both models.
    """
    count = REPLICATES if len(first) > 1 else 0  # one track does not show how tracks differ
    draws = np.random.default_rng(SEED).integers(len(first), size=(count, len(first)))
    ours, theirs = compute_statistics(first), compute_statistics(second)
    ours_drawn, theirs_drawn = resample_statistics(first, draws), resample_statistics(second, draws)
    for name, drawn in ours_drawn.items():
        gap = percentile_interval(ours[name] - theirs[name], drawn - theirs_drawn[name])
        yield {
            "statistic": name,
            "first_value": ours[name],
            "second_value": theirs[name],
            "difference": gap.value,
            "low": gap.low,
            "high": gap.high,
        }


def resample_statistics(tracks: Sequence[np.ndarray], draws: np.ndarray) -> dict[str, np.ndarray]:
    """Return the compared statistics `[R]` in dB of the R replicates.

    `tracks` are the finite scores `[K]` of each track, `draws` `[R, tracks]` the indices of the
    tracks in each replicate.
    """
    medians, sums, counts = np.array([(np.median(x), x.sum(), len(x)) for x in tracks]).T
    pooled = [np.median(np.concatenate([tracks[index] for index in draw])) for draw in draws]
    return {
        TRACK_MEDIANS: np.median(medians[draws], axis=1),
        "pooled_median": np.array(pooled),
        "pooled_mean": sums[draws].sum(axis=1) / counts[draws].sum(axis=1),
    }


def pool_runs(
    runs: Sequence[Result], reference: Result, target: str, metric: str
) -> dict[str, np.ndarray]:
    """Return the finite scores of each track, concatenated over all runs of a model.

    Parameters
    ----------
    runs : sequence of Result
    reference : Result
        The result whose tracks and numbers of windows all runs must have.
    target : str
    metric : str

    Returns
    -------
    dict of str to numpy.ndarray
        Scores in dB by the track's name.

    Raises
    ------
    DataError
        For a run with other tracks or another number of windows than `reference`.
    """
    expected = reference.select_windows(target, metric)
    found = [run.select_windows(target, metric) for run in runs]
    for run, windows in zip(runs, found, strict=True):
        check_tracks(windows, expected, run.origin)
        for name in windows:
            if len(windows[name]) != len(expected[name]):
                raise DataError(
                    f"{run.origin}: {name!r} has {len(windows[name])} windows, "
                    f"{len(expected[name])} in {reference.origin}: scores of different recordings "
                    f"cannot be paired"
                )
    return {
        name: keep_finite(np.concatenate([windows[name] for windows in found])) for name in expected
    }


def make_comparison_document(
    first: Sequence[Result],
    second: Sequence[Result],
    targets: Sequence[str],
    metric: str,
    left_out: Sequence[str] = (),
) -> Document:
    """Return the report that compares two models on each target.

    Parameters
    ----------
    first, second : sequence of Result
        The runs of each model.
    targets : sequence of str
    metric : str
    left_out : sequence of str
        Reasons why other results are not used, for the notes.

    Returns
    -------
    Document

    Raises
    ------
    DataError
        Without targets, and as in `compare_models`.
    """
    if not targets:
        raise DataError(f"{first[0].origin} and {second[0].origin} have no target in common")
    names = first[0].label, second[0].label
    tests = [compare_models(first, second, target, metric) for target in targets]
    tracks = len(first[0].tracks)
    warning = warn_of_few_tracks(tracks)
    differences = compare_trainings(first, second)
    intro = (
        f"{count_things(tracks, 'track')}, the same for both; {count_things(len(first), 'run')} "
        f"and {count_things(len(second), 'run')}. "
        f"The difference is {names[0]} minus {names[1]}; its interval is from {REPLICATES} "
        f"bootstrap samples of the tracks."
    )
    return Document(
        f"{names[0]} compared with {names[1]}" + (f" {DAGGER}" if differences else ""),
        (intro,),
        {
            f"{target}: {metric} in dB": format_gains(test, names)
            for target, test in zip(targets, tests, strict=True)
        },
        {
            "Runs": [run.describe_training() for run in (*first, *second)],
            f"{DAGGER} Trained differently": differences,
            "Wilcoxon's signed-rank test over tracks' medians": [*map(format_outcome, tests)],
            "Warning": [warning] if warning else [],
            "Results not used": left_out,
        },
        pd.concat(tests),
    )


def compare_trainings(first: Sequence[Result], second: Sequence[Result]) -> list[str]:
    """Return the differences between the trainings of two models, except in the models."""
    found = [
        difference
        for ours in first
        for theirs in second
        for difference in list_training_differences(ours, theirs, MODEL_ENTRIES)
    ]
    seeds = [", ".join(sorted(str(run.seed) for run in runs)) for runs in (first, second)]
    if seeds[0] != seeds[1]:
        found.append(f"seeds {seeds[0]} and {seeds[1]}")
    return list(dict.fromkeys(found))


def format_gains(test: pd.DataFrame, names: tuple[str, str]) -> pd.DataFrame:
    """Return the formatted table of one target with a row per statistic."""
    numbers = test.set_index("statistic").rename(HEADINGS)
    values = numbers[["first_value", "second_value"]].map(format_score)
    texts = values.join(numbers[["difference", "low", "high"]].map(format_difference))
    return texts.set_axis([*names, "difference", "95 % from", "to"], axis="columns")


def format_outcome(test: pd.DataFrame) -> str:
    """Return the outcome of Wilcoxon's test as a sentence."""
    row = test.iloc[0]
    without = row["tracks_without_score"]
    return (
        f"{row['source']}: {row['first']} is better than {row['second']} in {row['first_better']} "
        f"of {row['tracks']} tracks, p = {row['wilcoxon_p']:.2g} (two-sided)"
        + (f", {without} tracks without a score" if without else "")
    )
