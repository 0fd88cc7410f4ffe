"""J-Net: randomly weighted U-Nets for audio source separation.

import jnet

separate = jnet.load("best.safetensors")
estimates = separate(audio, 44100)  # {source: array like audio}
scores = jnet.score(references, estimates, 44100)  # {source: {metric: dB of each 1 s window}}
"""

# Nothing that takes time is imported: programs handle Ctrl-C only after this module is imported.
import os.path

import Models

TYPE_CHECKING = False  # as in `typing`
if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy as np

    from jnet.separation.streaming import TrackSeparator

_root = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))  # noqa: PTH120
_models = os.path.join(_root, "Models")  # noqa: PTH118
if _models not in map(os.path.realpath, Models.__path__):
    raise ImportError(
        f"jnet needs its own package Models in {_root}, but {Models.__path__[0]} comes first in "
        f"sys.path: rename that folder or start Python elsewhere"
    )

__all__ = ["load", "score"]


def load(
    path: "str | Path",
    passes: int = 1,
    whole_track: bool = False,
    batch_size: int = 16,
    computation: str = "fast",
) -> "TrackSeparator":
    """Load trained weights and return a function that separates audio.

    Parameters
    ----------
    path : str or Path
        A `.safetensors` file of a training, with its `.json` manifest beside it.
    passes : int
        The number of passes: each estimate goes through the network again (J-Net, Section 2.3).
    whole_track : bool
        Whether to separate a track as one long segment. Without context this differs from the
        papers.
    batch_size : int
        The number of segments that are computed at once; it does not change results.
    computation : str
        On a CPU, 'fast' for fewer operations or 'plain' for the Keras graph.

    Returns
    -------
    TrackSeparator
        A function of audio [T] or [T, C], floats with full scale at ±1, and its sample rate in Hz.
        It returns a dict from source to an array of the same shape.

    Raises
    ------
    jnet.errors.WeightsError
        If the weights or the manifest are missing or damaged or do not belong together.
    """
    from pathlib import Path

    from jnet.separation.loading import load_separator
    from jnet.settings.computing import ComputingSettings
    from Models.Entries import from_entries

    computing = {"computation": computation, "eval_batch_size": batch_size, "num_workers": 1}
    settings = from_entries(ComputingSettings, computing)
    return load_separator(Path(path), settings, passes, whole_track)


def score(
    references: "Mapping[str, np.ndarray]",
    estimates: "Mapping[str, np.ndarray]",
    rate: int,
    scorer: str = "bss_eval",
) -> "dict[str, dict[str, np.ndarray]]":
    """Score the estimates of a track with BSS Eval v4, in windows and hops of 1 s.

    Parameters
    ----------
    references, estimates : Mapping[str, numpy.ndarray]
        Arrays [T] or [T, C] of the same shape, by source. The scores of a source depend on all
        sources that are given.
    rate : int
        The sample rate in Hz.
    scorer : str
        'bss_eval', the implementation of this project, or 'museval'; the scores are the same.

    Returns
    -------
    dict
        By source and metric (SDR, SIR, SAR, ISR) the scores in dB, [windows]; NaN where a source is
        silent.
    """
    from jnet.scoring.scorer import score_sources

    return score_sources(references, estimates, rate, scorer)
