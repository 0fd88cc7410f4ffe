"""Names that several packages share: files, artifacts and config entries."""

import re
from collections.abc import Mapping
from typing import Any

# The files of a run record in its folder below runs/; the names are those of Sacred.
RUN_ENTRY = "run.json"
RUN_CONFIG = "config.json"
RUN_INFO = "info.json"
RUN_METRICS = "metrics.json"
RUN_OUTPUT = "cout.txt"

# The programs that record runs, and the names of their experiments in Sacred.
EXPERIMENTS = {
    "Training.py": "training",
    "Evaluate.py": "evaluation",
    "Predict.py": "prediction",
    "Convert.py": "conversion",
    "Datasets.py": "datasets",
}

# Names of config entries in records of version 0.1.0, and their present names.
RENAMED_ENTRIES = {"whole_song": "whole_track", "num_validation_songs": "num_validation_tracks"}

# Files in the folder of a training: the weights with the lowest validation loss.
BEST_WEIGHTS = "best.safetensors"
BEST_MANIFEST = "best.json"

# Files and folders of an evaluation: the summary, a JSON per track, and audio.
SCORES = "scores.json"
TRACK_SCORES = "museval"
ESTIMATES = "estimates"


def format_scores_artifact(subset: str, track: str) -> str:
    """Return the name of the artifact with the scores of a track."""
    return f"museval {subset} {track}.json"


def parse_scores_artifact(subset: str, artifact: str) -> str | None:
    """Return the track that the name of a scores artifact contains.

    Returns None if the name is not that of a scores artifact of `subset`.
    """
    match = re.fullmatch(rf"museval {re.escape(subset)} (.+)\.json", artifact)
    return match[1] if match else None


def rename_entries(entries: Mapping[str, Any]) -> dict[str, Any]:
    """Return config entries with former names replaced by present names."""
    return {RENAMED_ENTRIES.get(key, key): value for key, value in entries.items()}


def count_things(number: int, thing: str) -> str:
    """Return a number with a noun in the singular or plural, such as '1 track' or '2 tracks'."""
    return f"{number} {thing}{'s' * (number != 1)}"
