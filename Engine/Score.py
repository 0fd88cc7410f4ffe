"""The evaluation of a trained separator on a set of songs: files, record and printed table."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras

from Engine.Record import Record
from Engine.Trainer import predictor
from Evaluation.Scores import summary
from Evaluation.Separate import Separator
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
    songs: Sequence[Song],
    folder: Path,
    record: Record,
    progress: Progress,
) -> dict[str, dict[str, Any]]:
    """Score `songs` and print their table; the scores' summary by source.

    The museval JSONs and `scores.json` are written below `folder` and kept in `record`.
    """
    ready = Separator(predictor(separator, model), model, batch_size, scoring.passes)
    scores = score_songs(ready, songs, scoring, folder, progress)
    result = summary(scores)
    write_json(folder / "scores.json", result)
    for song in songs:
        path = folder / "museval" / song.subset / f"{song.name}.json"
        record.add_artifact(str(path), f"museval {song.subset} {path.name}", content_type=JSON)
    record.add_artifact(str(folder / "scores.json"), "scores.json", content_type=JSON)
    print(score_table(result), flush=True)
    return result


JSON = "application/json"
