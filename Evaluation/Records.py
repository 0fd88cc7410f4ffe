"""Scores from Sacred's records: a folder of runs, or MongoDB, whose runs have the same fields.

Completed trainings and evaluations of test songs count. What is left out of that, and why, is
said: a sentence each in `Found.left_out`.
"""

import json
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from Evaluation.Published import row_of
from Evaluation.Results import Result, check_alike, parse_song, read_folder
from Evaluation.Runs import Run, read_mongo, read_runs, run_in
from Recording.Mongo import SOURCE
from Spec.Errors import DataError

SCORED = ("training", "evaluation")  # the experiments that score songs
SUBSET = "test"
SONG = re.compile(rf"museval {SUBSET} (?P<song>.+)\.json")
MANIFEST = "best.json"  # of the weights: has the seed they were trained with
# Entries that change no score, or are part of the row's name.
HARMLESS = {
    *("musdb_path", "ccmixter_path", "folder_path", "demo_path", "store_path", "output_path"),
    *("num_workers", "eval_batch_size", "save_estimates", "passes", "__doc__"),
}


@dataclass(frozen=True)
class Found:
    """What sources hold: results, and what was left out."""

    results: tuple[Result, ...]
    left_out: tuple[str, ...] = ()


def read_sources(sources: Sequence[str], labels: Collection[str] | None = None) -> Found:
    """Everything `sources` hold: each `[LABEL=]FOLDER` of museval JSONs, a folder of Sacred's or
    one run in it, `host:port:db` or `mongodb://…`.

    With `labels`, recorded runs of other labels are not read. Raises `DataError` for a source
    that is none of these; one damaged run among many is left out, and named.
    """
    given: list[Result] = []
    runs: list[Run] = []
    left_out: list[str] = []
    for source in sources:
        label, folder = labelled_folder(source)
        if folder is None:
            found, damaged = read_mongo(source)
        elif (folder / "run.json").is_file():
            given.append(load(run_in(folder), label))
            continue
        elif any(folder.glob("*/run.json")):
            if label is not None:
                raise DataError(f"{folder}: holds several runs, {label!r} names one: name its run")
            found, damaged = read_runs(folder)
        else:
            given.append(read_folder(folder, label))
            continue
        runs += found
        left_out += damaged
    chosen, without = choose(runs, labels)
    recorded, broken = load_all(chosen, trainings(runs))
    return Found((*given, *recorded), (*left_out, *without, *broken))


def labelled_folder(source: str) -> tuple[str | None, Path | None]:
    """The label and folder that a source names; no folder for one that names a MongoDB."""
    if SOURCE.fullmatch(source):
        return None, None
    label, equals, folder = source.partition("=")
    if equals and label and not Path(source).is_dir():
        return label, Path(folder)
    return None, Path(source)


def choose(runs: Iterable[Run], labels: Collection[str] | None) -> tuple[list[Run], list[str]]:
    """The runs that count, every run and its weights once, and why the others do not."""
    chosen: dict[tuple[str, Any], Run] = {}
    without: list[str] = []
    elsewhere: Counter[str] = Counter()
    for run in sorted(runs, key=Run.started):
        reason = why_not(run)
        if labels is not None and label_of(run) not in labels:
            elsewhere[label_of(run)] += reason is None
            continue
        if reason is not None:
            without.append(f"run {run.run_id} ({label_of(run)}): {reason}")
            continue
        key = (label_of(run), run.result().get("weights_sha256") or run.run_id)
        before = chosen.pop(key, None)
        if before is not None and before.run_id != run.run_id:
            without.append(
                f"run {before.run_id} ({label_of(run)}): run {run.run_id} scores the same weights"
            )
        chosen[key] = run
    without += [
        f"{label}: no row of this table, runs found: {n}" for label, n in elsewhere.items() if n
    ]
    return list(chosen.values()), without


def why_not(run: Run) -> str | None:
    """Why a run has no test scores to show; None when it has."""
    experiment = run.experiment().get("name")
    subset = run.config.get("subset", SUBSET)
    if experiment not in SCORED:
        return f"a run of {experiment}, which scores nothing"
    if run.entry.get("status") != "COMPLETED":
        return f"{run.state()}, not COMPLETED"
    if subset != SUBSET:
        return f"scores {subset} songs, not {SUBSET} songs"
    if not any(map(SONG.fullmatch, run.artifacts)):
        return "has no museval JSONs among its artifacts"
    return None


def label_of(run: Run) -> str:
    """The paper's row that a run is; else its named config, or its id."""
    passes = int(run.cfg().get("passes", 1))
    names = [name for name in run.named_configs() if name != "demo"]
    for name in reversed(names):
        if (row := row_of(name, passes)) is not None:
            return row
    name = names[-1] if names else f"run {run.run_id}"
    return name if passes == 1 else f"{name}, {passes} passes"


def notes_of(run: Run) -> Iterator[str]:
    """In what a run differs from the row it is named after."""
    names = run.named_configs()
    if "demo" in names:
        yield "demo sizes (cfg.demo)"
    models = [name for name in names if name != "demo"]
    if len(models) > 1:
        yield f"composed of {', '.join(f'cfg.{name}' for name in models)}"
    updates = dict(run.meta("config_updates") or {})
    changed = {key: value for key, value in dict(updates.get("cfg") or {}).items()}
    changed |= {
        key.removeprefix("cfg."): value for key, value in updates.items() if key.startswith("cfg.")
    }
    entries = [f"{key}={value}" for key, value in sorted(changed.items()) if key not in HARMLESS]
    if entries and names:
        yield f"changed {', '.join(entries)}"


def trainings(runs: Iterable[Run]) -> dict[str | None, Run]:
    """The trainings by the SHA-256 of their weights."""
    return {
        run.result().get("weights_sha256"): run
        for run in runs
        if run.experiment().get("name") == "training" and run.result().get("weights_sha256")
    }


def load_all(
    runs: Sequence[Run], trained: Mapping[str | None, Run]
) -> tuple[list[Result], list[str]]:
    """The runs' scores; an evaluation has the notes of the training its weights come from."""
    results, broken = [], []
    for run in runs:
        try:
            result = load(run)
        except DataError as error:
            broken.append(f"run {run.run_id} ({label_of(run)}): {error}")
            continue
        inherited = notes_of(trained[result.weights]) if result.weights in trained else ()
        results.append(replace(result, notes=tuple(dict.fromkeys((*result.notes, *inherited)))))
    return results, broken


def load(run: Run, label: str | None = None) -> Result:
    """A run's scores; `DataError` unless every song that it scored is there, whole."""
    if (reason := why_not(run)) is not None:
        raise DataError(f"{run.origin}: {reason}")
    songs = tuple(
        parse_song(run.artifact(name), found["song"], f"{run.origin}/{name}")
        for name in sorted(run.artifacts)
        if (found := SONG.fullmatch(name))
    )
    check_alike(songs, run.origin)
    stated = {target.get("songs") for target in dict(run.result().get("scores") or {}).values()}
    if stated and stated != {len(songs)}:
        raise DataError(f"{run.origin}: has {len(songs)} songs, but it scored {stated.pop()}")
    weights = run.result().get("weights_sha256"), run.result().get("weights")
    return Result(
        label or label_of(run),
        songs,
        seed_of(run),
        run.run_id,
        commit_of(run),
        run.origin,
        run.cfg(),
        tuple(notes_of(run)),
        *(str(value) if value else None for value in weights),
    )


def seed_of(run: Run) -> int | None:
    """The seed of the weights: as their manifest has it, else the training's own."""
    seed = None
    if MANIFEST in run.artifacts:
        try:
            seed = json.loads(run.artifact(MANIFEST))["model"]["seed"]
        except (DataError, ValueError, KeyError, TypeError):
            seed = None
    if seed is None and run.experiment().get("name") == "training":
        seed = run.config.get("seed")
    return seed if isinstance(seed, int) else None


def commit_of(run: Run) -> str | None:
    """The commit that ran, `-dirty` when files had been changed, as git describes it."""
    repositories = run.experiment().get("repositories") or ()
    if not repositories:
        return None
    return f"{repositories[0]['commit']}{'-dirty' if repositories[0].get('dirty') else ''}"
