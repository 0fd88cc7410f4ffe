"""Benchmark of scoring one track: our BSS Eval and museval's, on one thread.

`python benchmarks/scoring.py [--seconds 60 240] [--runs 3] [--json FILE]` prints one line per
track length: medians over the runs and ratios of paired runs. The two alternate.
"""

import os

# One thread for linear algebra; this must be set before NumPy starts its threads.
for library in ("OPENBLAS", "OMP", "MKL"):
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from machine import machine

sys.path.insert(0, str(Path(__file__).parent.parent))

from jnet.scoring import bss_eval as BssEval
from jnet.scoring import museval_scorer as Museval

RATE = 44100


def make_track(seconds: int, sources: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return stereo references and estimates `[T, S, 2]` of coloured noise with interference.

    Parameters
    ----------
    seconds : int
    sources : int
        The number of sources S.
    seed : int

    Returns
    -------
    references, estimates : numpy.ndarray
    """
    random = np.random.default_rng(seed)
    references = random.standard_normal((seconds * RATE, sources, 2))
    references[1:] += 0.9 * references[:-1]
    estimates = references + 0.2 * references[:, ::-1]
    return references, estimates + 0.1 * random.standard_normal(references.shape)


def time_call(work: Callable[[], np.ndarray]) -> tuple[float, np.ndarray]:
    """Return the duration of a call of `work` in seconds, and its result."""
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def compare(seconds: int, sources: int, runs: int) -> dict:
    """Time our scores, only our SDR, and museval alternately on one track.

    Parameters
    ----------
    seconds : int
        The duration of the track.
    sources : int
        The number of sources.
    runs : int

    Returns
    -------
    dict
        The median times, the ratios to museval and the largest difference in dB.
    """
    references, estimates = make_track(seconds, sources)
    times: dict[str, list[float]] = {"ours": [], "sdr alone": [], "museval": []}
    for _ in range(runs):
        taken, ours = time_call(lambda: BssEval.bss_eval(references, estimates, RATE, RATE))
        times["ours"].append(taken)
        taken, _ = time_call(lambda: BssEval.sdr(references, estimates, RATE, RATE))
        times["sdr alone"].append(taken)
        taken, theirs = time_call(lambda: Museval.bss_eval(references, estimates, RATE, RATE))
        times["museval"].append(taken)
    return {
        "seconds": seconds,
        "sources": sources,
        "median": {name: statistics.median(taken) for name, taken in times.items()},
        "times_museval": {
            name: statistics.median(
                slow / fast for slow, fast in zip(times["museval"], times[name], strict=True)
            )
            for name in ("ours", "sdr alone")
        },
        "largest_difference_db": float(np.abs(ours - theirs).max()),
    }


def main() -> None:
    """Print the figures for every requested track length."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, nargs="+", default=[60, 240])
    parser.add_argument("--sources", type=int, default=2)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    figures = [compare(length, arguments.sources, arguments.runs) for length in arguments.seconds]
    for figure in figures:
        median, ratio = figure["median"], figure["times_museval"]
        print(
            f"{figure['seconds']} s, {figure['sources']} sources: "
            f"museval {median['museval']:.2f} s; "
            f"ours {median['ours']:.2f} s, {ratio['ours']:.1f} times as fast; "
            f"SDR only {median['sdr alone']:.3f} s, {ratio['sdr alone']:.0f} times; "
            f"largest difference {figure['largest_difference_db']:.1e} dB"
        )
    if arguments.json:
        content = {"machine": machine("museval", "numpy", "scipy"), "figures": figures}
        arguments.json.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
