"""Scores of one song by museval: SDR, ISR, SIR and SAR of BSS Eval v4, window by window."""

from collections.abc import Sequence

import numpy as np

from Evaluation.BssEval import silent, windows
from Evaluation.Ffmpeg import ensure_ffmpeg
from Spec.Errors import DataError

METRICS = ("SDR", "ISR", "SIR", "SAR")  # in the order museval returns them
# The order in which museval lists and stacks a task's targets.
TARGET_ORDER = ("vocals", "accompaniment", "drums", "bass", "other")


def score(
    references: np.ndarray,
    estimates: np.ndarray,
    sources: Sequence[str],
    sample_rate: int,
    window_seconds: float,
    hop_seconds: float,
) -> dict[str, dict[str, np.ndarray]]:
    """The metrics in dB of every source, `{source: {metric: [K]}}`, from `[T, S, C]` of each.

    A window in which a reference or estimate is silent is NaN for all sources; so is the whole
    song when one is silent throughout, where museval itself would raise. Raises `DataError` for
    estimates that are not finite, which museval would turn into a song of NaN.
    """
    if not np.isfinite(estimates).all():
        bad = ~np.isfinite(estimates).all(axis=(0, 2))
        names = ", ".join(source for source, off in zip(sources, bad, strict=True) if off)
        raise DataError(f"the estimates of {names} hold numbers that are not finite")
    window, hop = int(window_seconds * sample_rate), int(hop_seconds * sample_rate)
    order = [sources.index(target) for target in TARGET_ORDER if target in sources]
    if silent(references) or silent(estimates):
        count = len(windows(len(references), window, hop))
        values = np.full((len(METRICS), len(order), count), np.nan)
    else:
        values = bss_eval(references[:, order], estimates[:, order], window, hop)
    return {
        sources[index]: dict(zip(METRICS, values[:, row], strict=True))
        for row, index in enumerate(order)
    }


def bss_eval(references: np.ndarray, estimates: np.ndarray, window: int, hop: int) -> np.ndarray:
    """museval's own evaluation, `[metric, S, K]`."""
    ensure_ffmpeg()  # museval cannot even be imported without it
    import museval

    if not hasattr(np.linalg, "linalg"):
        # museval's way out of a singular system names an attribute that NumPy 2 dropped.
        np.linalg.linalg = np.linalg  # type: ignore[attr-defined]
    return np.array(
        museval.evaluate(
            references.transpose(1, 0, 2).astype(np.float64),
            estimates.transpose(1, 0, 2).astype(np.float64),
            win=window,
            hop=hop,
        )
    )
