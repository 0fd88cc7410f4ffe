"""museval's own evaluation, the reference that ours is held against."""

import numpy as np

from Evaluation.Ffmpeg import ensure_ffmpeg


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
