"""The scores of one song: SDR, ISR, SIR and SAR of BSS Eval v4, window by window."""

from collections.abc import Callable, Sequence

import numpy as np

from Evaluation import BssEval, Museval
from Evaluation.BssEval import silent, windows
from Evaluation.Estimates import refuse_not_finite
from Evaluation.Ffmpeg import ensure_ffmpeg
from Spec.Scoring import ScoringSpec

METRICS = ("SDR", "ISR", "SIR", "SAR")  # in the order the scorers return them
# The order in which museval lists and stacks a task's targets.
TARGET_ORDER = ("vocals", "accompaniment", "drums", "bass", "other")
# From references and estimates [T, S, C], a window and a hop in frames, to [metric, S, K].
Scorer = Callable[[np.ndarray, np.ndarray, int, int], np.ndarray]
SCORERS: dict[str, Scorer] = {"bss_eval": BssEval.bss_eval, "museval": Museval.bss_eval}


def ready_scorer(spec: ScoringSpec) -> None:
    """Find out now whether the scorer can run: museval needs ffmpeg even to be imported."""
    if spec.scorer == "museval":
        ensure_ffmpeg()


def score(
    references: np.ndarray,
    estimates: np.ndarray,
    sources: Sequence[str],
    sample_rate: int,
    window_seconds: float,
    hop_seconds: float,
    scorer: str = "bss_eval",
) -> dict[str, dict[str, np.ndarray]]:
    """The metrics in dB of every source, `{source: {metric: [K]}}`, from `[T, S, C]` of each.

    A window in which a reference or estimate is silent is NaN for all sources; so is the whole
    song when one is silent throughout, where museval itself would raise. Raises `DataError` for
    estimates that are not finite, which museval would turn into a song of NaN. `scorer` is one of
    `cfg.scorer`'s choices.
    """
    refuse_not_finite(estimates, sources, sample_rate)
    window, hop = int(window_seconds * sample_rate), int(hop_seconds * sample_rate)
    order = [sources.index(target) for target in TARGET_ORDER if target in sources]
    if silent(references) or silent(estimates):
        count = len(windows(len(references), window, hop))
        values = np.full((len(METRICS), len(order), count), np.nan)
    else:
        values = SCORERS[scorer](references[:, order], estimates[:, order], window, hop)
    return {
        sources[index]: dict(zip(METRICS, values[:, row], strict=True))
        for row, index in enumerate(order)
    }
