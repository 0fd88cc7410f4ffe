"""The evaluation of a trained separator on a set of songs: files, record and printed table."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras

from Engine.Record import Record
from Engine.Separation import ready
from Evaluation.Finished import claimed, song_path, statement_of
from Evaluation.Scores import summary
from Evaluation.Songs import Progress, score_songs
from Evaluation.Tables import score_table
from Input.Songs import Song
from Spec.Files import write_json
from Spec.Model import ModelSpec
from Spec.Scoring import ScoringSpec


def score_model(
    separator: keras.Model,
    model: ModelSpec,
    scoring: ScoringSpec,
    batch_size: int,
    weights_sha256: str,
    songs: Sequence[Song],
    folder: Path,
    record: Record,
    progress: Progress,
) -> dict[str, dict[str, Any]]:
    """Score those of `songs` that are not scored yet in `folder`, and print the table of all; the
    scores' summary by source.

    The museval JSONs and `scores.json` are written below `folder` and kept in `record`. Raises
    `ConfigError` where `folder` holds scores of other weights (`weights_sha256`), entries or songs.
    """
    separate = ready(separator, model, batch_size, scoring.passes, scoring.whole_song)
    with claimed(folder, songs, statement_of(model, scoring, weights_sha256, songs)):
        result = summary(score_songs(separate, songs, scoring, folder, progress))
        write_json(folder / "scores.json", result)
    for song in songs:
        path = song_path(folder, song)
        record.add_artifact(str(path), f"museval {song.subset} {path.name}", content_type=JSON)
    record.add_artifact(str(folder / "scores.json"), "scores.json", content_type=JSON)
    print(score_table(result), flush=True)
    return result


JSON = "application/json"
