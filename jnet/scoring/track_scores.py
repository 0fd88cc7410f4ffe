"""The scores of a track, and their file in museval's JSON format.

Reading a truncated file, or a file with a window that has no value for a metric, raises `DataError`
with the file's name.
"""

import gzip
import json
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from jnet.errors import DataError
from jnet.system.files import write_json

METRICS = ("SDR", "SIR", "SAR", "ISR")  # in the order of museval's JSON
# museval's order of targets.
TARGET_ORDER = ("vocals", "accompaniment", "drums", "bass", "other")
DECIMALS = 5  # of the scores in museval's JSON
MAX_JSON_BYTES = 2**28  # of a decompressed file; an hour of four targets has 3 MB
MUSDB18_RATE = 44100  # Hz; museval states windows in samples if it is not told the sample rate
NAMES_SHOWN = 5  # number of tracks that an error names


@dataclass(frozen=True)
class TrackScores:
    """The scores of a track.

    Attributes
    ----------
    name : str
        The track's name.
    targets : mapping
        `targets[source][metric]` are the scores of the windows in dB, `[K]`. A scorer may return
        infinite scores. Scores read from JSON are NaN instead, as in museval's own files.
    mixture : mapping
        `mixture[source]` is the SDR of the mix as the estimate in dB, `[K]`; empty if unknown.
    infinities : int
        Number of infinite scores that reading from JSON has replaced by NaN.
    window_seconds : float or None
        Window length; None if it is unknown or differs between windows.
    """

    name: str
    targets: Mapping[str, Mapping[str, np.ndarray]]
    mixture: Mapping[str, np.ndarray] = field(default_factory=dict)
    infinities: int = 0
    window_seconds: float | None = None

    def count_windows(self) -> int:
        """Return the number of windows, which is the same for all targets."""
        return len(next(iter(self.targets.values()))["SDR"])


def round_score(value: float) -> float | None:
    """Return a score as it is written to JSON; None if it is not finite."""
    return round(float(value), DECIMALS) if np.isfinite(value) else None


def make_museval_json(scores: TrackScores, hop_seconds: float) -> dict[str, Any]:
    """Return a track's scores in museval's format, as strict JSON.

    NaN and infinite scores become null. museval itself writes a bare NaN for both, which is invalid
    JSON. Its schema asks for a number, but museval's reader takes null as NaN. Infinite scores are
    listed in the additional entry `infinite`; the additional entry `mixture` has the SDR of the mix
    as the estimate. museval's schema allows additional entries, and its reader ignores them.
    """
    times = [index * hop_seconds for index in range(scores.count_windows())]
    return {
        "targets": [
            {
                "name": source,
                "frames": [
                    {
                        "time": time,
                        "duration": scores.window_seconds,
                        "metrics": {name: round_score(metrics[name][index]) for name in METRICS},
                    }
                    for index, time in enumerate(times)
                ],
            }
            for source, metrics in scores.targets.items()
        ],
        "museval_version": version("museval"),
        "mixture": {
            source: {"SDR": list(map(round_score, row))} for source, row in scores.mixture.items()
        },
        "infinite": [
            {"target": source, "time": time, "metric": name, "value": f"{metrics[name][index]:+}"}
            for source, metrics in scores.targets.items()
            for index, time in enumerate(times)
            for name in METRICS
            if np.isinf(metrics[name][index])
        ],
    }


def write_track(scores: TrackScores, path: Path, hop_seconds: float) -> TrackScores:
    """Write a track's JSON, completely or not at all, and return the rounded scores.

    Parameters
    ----------
    scores : TrackScores
    path : Path
        The JSON file; its folder is created if necessary.
    hop_seconds : float
        Hop between windows.

    Returns
    -------
    TrackScores
    """
    document = make_museval_json(scores, hop_seconds)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, document)
    return parse_scores(document, scores.name)


def read_track(path: Path) -> TrackScores:
    """Read a track's scores from a museval JSON, which may be compressed (`.json.gz`).

    Raises `DataError`, with the file's name, if the file cannot be read or is not a museval JSON.
    """
    try:
        if path.suffix == ".gz":
            with gzip.open(path) as file:
                content = file.read(MAX_JSON_BYTES + 1)
        else:
            content = path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{path}: cannot be read: {reason}") from error
    if path.suffix == ".gz" and len(content) > MAX_JSON_BYTES:
        raise DataError(f"{path}: has more than {MAX_JSON_BYTES} bytes, which no track needs")
    return parse_track(content, name_track(path), str(path))


def name_track(path: Path) -> str:
    """Return the name of the track of a museval JSON, compressed or not."""
    return path.name.removesuffix(".gz").removesuffix(".json")


def parse_track(content: bytes, name: str, place: str) -> TrackScores:
    """Parse the content of a museval JSON.

    Parameters
    ----------
    content : bytes
    name : str
        The track's name.
    place : str
        Where the content comes from, for error messages.

    Returns
    -------
    TrackScores

    Raises
    ------
    DataError
        If the content is truncated or not a museval JSON.
    """
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise DataError(
            f"{place}: is not a complete JSON document ({error}): score the track again"
        ) from error
    try:
        return parse_scores(document, name)
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
        raise DataError(f"{place}: is not a museval JSON of a track ({error!r})") from error


def parse_scores(document: Any, name: str) -> TrackScores:
    """Parse the scores of the track `name` from the decoded content of a museval JSON.

    Raises a built-in exception, for example `KeyError`, if the content does not have museval's
    format.
    """
    targets: dict[str, dict[str, np.ndarray]] = {}
    durations: list = []
    for entry in document["targets"]:
        target, frames = entry["name"], entry["frames"]
        if not isinstance(target, str) or target in targets:
            raise ValueError(f"the target {target!r} occurs twice, or its name is not a string")
        target.encode()  # raises an error for lone surrogates, which cannot be written
        targets[target] = {
            metric: parse_score_row([frame["metrics"][metric] for frame in frames])
            for metric in METRICS
        }
        durations += [frame.get("duration") for frame in frames]
    counts = {target: len(metrics["SDR"]) for target, metrics in targets.items()}
    if len(set(counts.values())) != 1 or 0 in counts.values():
        raise ValueError(f"the targets have {counts} windows, but need an equal number above zero")
    entries = document.get("mixture") or {}
    mixture = {source: parse_score_row(entries[source]["SDR"]) for source in entries}
    if mixture and {source: len(row) for source, row in mixture.items()} != counts:
        raise ValueError("the mixture has another number of windows than the targets")
    infinite = document.get("infinite", [])
    if not isinstance(infinite, list):
        raise ValueError(f"the entry infinite is {infinite!r}, not a list")
    rows = [row for metrics in targets.values() for row in metrics.values()]
    infinities = len(infinite) + sum(int(np.isinf(row).sum()) for row in rows)
    for row in rows:
        row[np.isinf(row)] = np.nan
    lengths = np.unique(parse_score_row(durations))  # NaN where a window has no duration
    window_seconds = float(lengths[0]) if np.isfinite(lengths).all() and len(lengths) == 1 else None
    if window_seconds == MUSDB18_RATE:
        window_seconds = 1.0
    return TrackScores(name, targets, mixture, infinities, window_seconds)


def parse_score_row(values: Iterable[Any]) -> np.ndarray:
    """Return numbers from JSON as an array `[K]`, with NaN for null.

    Raises `ValueError` for any other value.
    """
    numbers = [np.nan if value is None else value for value in values]
    for number in numbers:
        if isinstance(number, bool) or not isinstance(number, int | float):
            raise ValueError(f"{number!r} is not a number")
    return np.array(numbers, np.float64)


def list_names(names: Iterable[str]) -> str:
    """Return the first names as text, followed by the number of the others."""
    names = sorted(set(names))
    shown, rest = names[:NAMES_SHOWN], names[NAMES_SHOWN:]
    return ", ".join(shown) + (f" and {len(rest)} more" if rest else "")
