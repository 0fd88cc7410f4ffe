"""The scores of a track: SDR, ISR, SIR and SAR of BSS Eval v4 in every window."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from jnet.audio.writing import refuse_not_finite
from jnet.errors import DataError
from jnet.scoring import bss_eval as BssEval
from jnet.scoring import museval_scorer as Museval
from jnet.scoring.bss_eval import has_silent_source, slice_windows
from jnet.scoring.track_scores import METRICS, TARGET_ORDER
from jnet.settings.scoring import ScoringSettings
from Models.Entries import one_of

SCORER_METRICS = ("SDR", "ISR", "SIR", "SAR")  # the order of a scorer's metrics
# Function from references and estimates [T, S, C], window and hop in samples to [metric, S, K].
Scorer = Callable[[np.ndarray, np.ndarray, int, int], np.ndarray]
SCORERS: dict[str, Scorer] = {"bss_eval": BssEval.bss_eval, "museval": Museval.bss_eval}


def check_scorer(settings: ScoringSettings) -> None:
    """Raise `DataError` if the scorer cannot run: importing museval fails without ffmpeg."""
    if settings.scorer == "museval":
        Museval.ensure_ffmpeg()


def score_estimates(
    references: np.ndarray,
    estimates: np.ndarray,
    sources: Sequence[str],
    sample_rate: int,
    window_seconds: float,
    hop_seconds: float,
    scorer: str = "bss_eval",
) -> dict[str, dict[str, np.ndarray]]:
    """Return the scores of a track by source and metric.

    Parameters
    ----------
    references, estimates : array
        Samples, `[T, S, C]`.
    sources : sequence of str
        Names of the S sources.
    sample_rate : int
        Sample rate in Hz.
    window_seconds, hop_seconds : float
    scorer : str
        A choice of `cfg.scorer`.

    Returns
    -------
    dict
        `{source: {metric: array [K]}}` in dB, with the sources in museval's order. In a window in
        which any reference or estimate is silent, all scores are NaN. If any is silent over the
        complete track, all scores are NaN, where museval would raise an error.

    Raises
    ------
    DataError
        If estimates are not finite; museval would return NaN for the complete track.
    """
    refuse_not_finite(estimates, sources, sample_rate)
    window, hop = int(window_seconds * sample_rate), int(hop_seconds * sample_rate)
    order = [sources.index(target) for target in TARGET_ORDER if target in sources]
    order += [index for index, source in enumerate(sources) if source not in TARGET_ORDER]
    if has_silent_source(references) or has_silent_source(estimates):
        count = len(slice_windows(len(references), window, hop))
        values = np.full((len(METRICS), len(order), count), np.nan)
    else:
        values = SCORERS[scorer](references[:, order], estimates[:, order], window, hop)
    return {
        sources[index]: {metric: values[SCORER_METRICS.index(metric), row] for metric in METRICS}
        for row, index in enumerate(order)
    }


def score_sources(
    references: Mapping[str, np.ndarray],
    estimates: Mapping[str, np.ndarray],
    sample_rate: int,
    scorer: str = "bss_eval",
) -> dict[str, dict[str, np.ndarray]]:
    """Return the scores of arrays given by source, in windows and hops of one second.

    Parameters
    ----------
    references, estimates : mapping of str to array
        Samples by source; all `[T]` or all `[T, C]`.
    sample_rate : int
        Sample rate in Hz.
    scorer : str
        A choice of `cfg.scorer`.

    Returns
    -------
    dict
        `{source: {metric: array [K]}}` in dB, as from `score_estimates`.

    Raises
    ------
    DataError
        If references and estimates differ in sources or shapes, or if estimates are not finite.
    """
    one_of(SCORERS)("scorer", scorer)
    sources = tuple(references)
    if not sources or references.keys() != estimates.keys():
        raise DataError(
            f"the references have the sources {', '.join(references) or 'none'}, the estimates "
            f"{', '.join(estimates) or 'none'}: give the same sources for both"
        )
    arrays = [
        np.asarray(by_source[name]) for by_source in (references, estimates) for name in sources
    ]
    shapes = {array.shape for array in arrays}
    if len(shapes) > 1 or arrays[0].ndim not in (1, 2) or not arrays[0].size:
        raise DataError(
            f"references and estimates have the shapes {', '.join(map(str, sorted(shapes)))}: give "
            f"all arrays the same shape, [T] or [T, C]"
        )
    count = len(sources)
    stacked = np.stack(arrays, axis=1).reshape(len(arrays[0]), 2 * count, -1)  # [T, 2 S, C]
    return score_estimates(
        stacked[:, :count], stacked[:, count:], sources, sample_rate, 1.0, 1.0, scorer
    )
