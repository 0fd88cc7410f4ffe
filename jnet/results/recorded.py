"""Scores from Sacred's records, in a folder of runs or in MongoDB with the same fields.

Completed trainings and evaluations that scored test tracks are used. `SourceResults.left_out`
explains for each other run why it is not used.
"""

import json
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jnet.errors import DataError
from jnet.names import BEST_MANIFEST, RUN_ENTRY, count_things, parse_scores_artifact, rename_entries
from jnet.recording.mongo import SOURCE_PATTERN, find_address
from jnet.recording.runs import Run, read_mongo, read_run, read_runs
from jnet.results.published import find_row, read_musdb18_test_tracks
from jnet.results.result import CHANGED, Result, TrainingFacts, check_consistency, read_folder
from jnet.scoring.statistics import read_summary
from jnet.scoring.track_scores import parse_track
from jnet.settings.run import (
    config_keys_affecting,
    model_keys_affecting,
    select_training_entries,
)
from Models.Entries import SCORES, SHAPE, WEIGHTS

SCORING_EXPERIMENTS = ("training", "evaluation")  # the experiments that score tracks
SUBSET = "test"
RUNS = "runs"  # the default folder of recorded runs
SOURCES_HELP = "folders or databases with scores: see Report.py -h"
DEMO = "demo"  # a named config that changes only sizes and does not name a model
# Config entries that get a note if a run changes them. The row's name states the passes.
MODEL_ENTRIES = model_keys_affecting(SHAPE, WEIGHTS)
TRAINING_ENTRIES = config_keys_affecting(SHAPE, WEIGHTS)
SCORING_ENTRIES = sorted(config_keys_affecting(SCORES) - {"passes"})
NOTED_ENTRIES = config_keys_affecting(SHAPE, WEIGHTS, SCORES) - {"passes"}

Trainings = Mapping[str | None, Run]  # training runs by the SHA-256 of their weights


@dataclass(frozen=True)
class SourceResults:
    """The results of all sources, and one sentence for each run that is not used."""

    results: tuple[Result, ...]
    left_out: tuple[str, ...] = ()


def read_sources(sources: Sequence[str], labels: Collection[str] | None = None) -> SourceResults:
    """Read the results of all sources.

    Each source is `[LABEL=]FOLDER` with museval JSONs, a folder of runs recorded by Sacred, the
    folder of one run, `host:port:db` or `mongodb://…`. With `labels`, recorded runs of other labels
    are not read. A damaged run among several is left out and named in `left_out`. Raises
    `DataError` for a source that is none of these.
    """
    named: list[tuple[Run | Path, str | None]] = []
    runs: list[Run] = []
    left_out: list[str] = []
    for source in sources:
        label, folder = parse_source(source)
        if folder is not None and (folder / RUN_ENTRY).is_file():
            named.append((read_run(folder), label))
        elif folder is not None and not any(folder.glob(f"*/{RUN_ENTRY}")):
            named.append((folder, label))
        elif label is not None:
            raise DataError(
                f"{folder}: contains several runs, but the label {label!r} is for one run: "
                f"give the folder of that run"
            )
        else:
            recorded, damaged = read_mongo(source) if folder is None else read_runs(folder)
            runs += recorded
            left_out += damaged
    trained = index_trainings([*runs, *(item for item, _ in named if isinstance(item, Run))])
    results = [
        read_folder(item, label) if isinstance(item, Path) else load_result(item, label, trained)
        for item, label in named
    ]
    chosen, unused = choose_runs(runs, labels, trained)
    left_out += unused
    for run in chosen:
        try:
            results.append(load_result(run, None, trained))
        except DataError as error:
            left_out.append(f"run {run.run_id} ({label_run(run, trained)}): {error}")
    return SourceResults(tuple(results), tuple(left_out))


def find_default_sources() -> list[str]:
    """Return the MongoDB of the environment, else the folder `runs`, if there is one."""
    if (address := find_address()) is not None:
        return [address.url]
    return [RUNS] if Path(RUNS).is_dir() else []


def parse_source(source: str) -> tuple[str | None, Path | None]:
    """Return the label and the folder of a source; the folder is None for a MongoDB."""
    if SOURCE_PATTERN.fullmatch(source):
        return None, None
    label, equals, folder = source.partition("=")
    if equals and label and not Path(source).is_dir():
        return label, Path(folder)
    return None, Path(source)


def choose_runs(
    runs: Iterable[Run], labels: Collection[str] | None, trained: Trainings
) -> tuple[list[Run], list[str]]:
    """Return the runs to use, and why the others are not used.

    Of several runs that score the same weights with the same options, those on all of MUSDB18's
    test tracks, else those on the tracks of the first are considered, and the last one is used.

    Parameters
    ----------
    runs : iterable of Run
    labels : collection of str or None
        The labels to use; None for all.
    trained : Trainings

    Returns
    -------
    chosen : list of Run
    left_out : list of str
        One sentence per unused run with one of the labels; runs of other labels are counted.
    """
    scorings: dict[tuple, list[Run]] = {}
    left_out: list[str] = []
    other_labels: Counter[str] = Counter()
    for run in sorted(runs, key=Run.started):
        label, reason = label_run(run, trained), explain_exclusion(run)
        if labels is not None and label.partition(CHANGED)[0] not in labels:
            other_labels.update([label] if reason is None else [])
        elif reason is not None:
            left_out.append(f"run {run.run_id} ({label}): {reason}")
        else:
            weights = run.result().get("weights_sha256") or run.run_id
            options = json.dumps({key: run.cfg().get(key) or None for key in SCORING_ENTRIES})
            scorings.setdefault((label, weights, options), []).append(run)
    chosen = []
    for (label, *_), alike in scorings.items():
        tracks = [set(list_tracks(run)) for run in alike]
        complete = set(read_musdb18_test_tracks())
        wanted = complete if complete in tracks else tracks[0]
        kept = [run for run, own in zip(alike, tracks, strict=True) if own == wanted][-1]
        chosen.append(kept)
        for run, own in zip(alike, tracks, strict=True):
            other = "" if own == wanted else f" on {count_things(len(wanted), 'track')}"
            if run.run_id != kept.run_id or run.started()[:19] != kept.started()[:19]:
                left_out.append(
                    f"run {run.run_id} ({label}): run {kept.run_id} scores the same weights{other}"
                )
    left_out += [
        f"{label}: not a row of this table, runs found: {n}" for label, n in other_labels.items()
    ]
    return sorted(chosen, key=Run.started), left_out


def explain_exclusion(run: Run) -> str | None:
    """Return the reason why a run has no usable test scores; None if it has them."""
    experiment = run.experiment_name()
    subset = run.config.get("subset", SUBSET)
    if experiment not in SCORING_EXPERIMENTS:
        return f"a run of {experiment}, which does not score tracks"
    if run.entry.get("status") != "COMPLETED":
        return f"{run.status()}, not COMPLETED"
    if subset != SUBSET:
        return f"scores {subset} tracks, not {SUBSET} tracks"
    if not list_tracks(run):
        return "has no museval JSONs among its artifacts"
    return None


def list_tracks(run: Run) -> list[str]:
    """Return the names of the test tracks whose scores a run recorded."""
    parsed = (parse_scores_artifact(SUBSET, name) for name in sorted(run.artifacts))
    return [track for track in parsed if track is not None]


def list_named_configs(run: Run, trained: Trainings) -> list[str]:
    """Return the named configs of a run.

    For an evaluation, they are those of the training of its weights if that is recorded.
    """
    return trained.get(run.result().get("weights_sha256"), run).named_configs()


def label_run(run: Run, trained: Trainings) -> str:
    """Return the paper's row of a run, else its last named config, else its id.

    The entries that a run or the training of its weights changed follow the name.
    """
    name = name_run(run, trained)
    training = trained.get(run.result().get("weights_sha256"), run)
    of_training = list_changes(training)
    changes = {key: of_training[key] for key in of_training.keys() & TRAINING_ENTRIES}
    changes |= list_changes(run)
    names = [config for config in list_named_configs(run, trained) if config != DEMO]
    parts = [f"cfg.{config}" for config in names[:-1]]
    parts += [f"{key}={changes[key]}" for key in sorted(changes)]
    return name + CHANGED + ", ".join(parts) if parts and names else name


def list_changes(run: Run) -> dict[str, Any]:
    """Return the given `cfg` entries of a run that affect weights or scores, with their values."""
    updates = dict(run.meta("config_updates") or {})
    changed = dict(updates.get("cfg") or {}) | {
        key.removeprefix("cfg."): value for key, value in updates.items() if key.startswith("cfg.")
    }
    entries = rename_entries(changed)
    return {key: value for key, value in entries.items() if key in NOTED_ENTRIES}


def name_run(run: Run, trained: Trainings) -> str:
    """Return the paper's row of a run, else its last named config, else its id."""
    passes = int(run.cfg().get("passes", 1))
    names = [name for name in list_named_configs(run, trained) if name != DEMO]
    for name in reversed(names):
        if (row := find_row(name, passes)) is not None:
            return row
    name = names[-1] if names else f"run {run.run_id}"
    return name if passes == 1 else f"{name}, {passes} passes"


def describe_changes(run: Run, trained: Trainings) -> Iterator[str]:
    """Yield the differences between a run and the row in its label."""
    names = list_named_configs(run, trained)
    models = [name for name in names if name != DEMO]
    if DEMO in names:
        yield "demo sizes (cfg.demo)"
    if len(models) > 1:
        yield f"composed of {', '.join(f'cfg.{name}' for name in models)}"
    noted = [f"{key}={value}" for key, value in sorted(list_changes(run).items())]
    if noted and names:
        yield f"changed {', '.join(noted)}"


def index_trainings(runs: Iterable[Run]) -> Trainings:
    """Return the training runs by the SHA-256 of their weights."""
    return {
        sha256: run
        for run in runs
        if run.experiment_name() == "training" and (sha256 := run.result().get("weights_sha256"))
    }


def load_result(run: Run, label: str | None = None, trained: Trainings | None = None) -> Result:
    """Load the scores of a run.

    Parameters
    ----------
    run : Run
    label : str or None
        The result's label; None for `label_run(run, trained)`.
    trained : Trainings or None
        The trainings of evaluated weights, for the label and notes of an evaluation.

    Returns
    -------
    Result
        Its notes include those of the weights' training.

    Raises
    ------
    DataError
        For a run without test scores, and a record that does not have the scores of all tracks that
        the run scored.
    """
    trained = trained or {}
    if (reason := explain_exclusion(run)) is not None:
        raise DataError(f"{run.origin}: {reason}")
    tracks = tuple(
        parse_track(run.read_artifact(name), track, f"{run.origin}/{name}")
        for name in sorted(run.artifacts)
        if (track := parse_scores_artifact(SUBSET, name))
    )
    check_consistency(tracks, run.origin)
    scored = run.result()
    stated = {entry.get("tracks") for entry in read_summary(scored.get("scores")).values()}
    if stated := stated - {len(tracks)}:
        raise DataError(
            f"{run.origin}: has scores of {count_things(len(tracks), 'track')}, but the run scored "
            f"{stated.pop()}"
        )
    training = trained.get(scored.get("weights_sha256"), run)
    notes = (*describe_changes(run, trained), *describe_changes(training, trained))
    return Result(
        label or label_run(run, trained),
        tracks,
        run.origin,
        seed=read_seed(run),
        run_id=run.run_id,
        commit=read_commit(run),
        notes=tuple(dict.fromkeys(notes)),
        weights=scored.get("weights_sha256"),
        weights_path=scored.get("weights"),
        training=read_training(training) if training.experiment_name() == "training" else None,
    )


def read_training(training: Run) -> TrainingFacts:
    """Return how a recorded training trained its weights."""
    result = training.result()
    entries = select_training_entries(training.cfg())
    if entries.get("init_from") is not None:  # a path; its content decides
        entries["init_from"] = result.get("ancestor", entries["init_from"])
    loss = result.get("validation_loss")
    return TrainingFacts(entries, result.get("store"), result.get("steps"), loss)


def read_model_entries(run: Run) -> Mapping[str, Any] | None:
    """Read the model's config entries from the manifest of the weights of a run.

    They are the weights that the run trained or scored. None if the run recorded no manifest.
    Raises `DataError` for a damaged manifest.
    """
    name = f"{Path(str(run.result().get('weights') or BEST_MANIFEST)).stem}.json"
    if name not in run.artifacts:
        return None
    try:
        return dict(json.loads(run.read_artifact(name))["model"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataError(f"{run.origin}/{name}: is not a weights manifest: {error!r}") from error


def read_seed(run: Run) -> int | None:
    """Read the seed of the weights from their manifest, else from the training's config.

    None if neither has a seed.
    """
    seed = run.config.get("seed") if run.experiment_name() == "training" else None
    with suppress(DataError):
        seed = (read_model_entries(run) or {}).get("seed", seed)
    return seed if isinstance(seed, int) else None


def read_commit(run: Run) -> str | None:
    """Read the commit of the code that ran, with `-dirty` if it had uncommitted changes.

    None if it is not recorded.
    """
    for repository in run.experiment().get("repositories") or ():
        return f"{repository['commit']}{'-dirty' if repository.get('dirty') else ''}"
    return None
