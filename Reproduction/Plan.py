"""Which of the needed scores are recorded, and what has to run for the others. Nothing runs here.

A recorded training counts for a row when it was completed with the same `cfg` entries, the same
seed and the same data; a recorded evaluation when it scored that training's weights, on the test
set, with the row's number of passes.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from Evaluation.Runs import Run
from Reproduction.Targets import Row

# Where things lie and how a machine goes about it: these entries change no score. What lies at
# the data's paths is compared by the store's name, which is made of its content.
NOT_COMPARED = (
    "__doc__",
    "musdb_path",
    "ccmixter_path",
    "folder_path",
    "demo_path",
    "store_path",
    "output_path",
    "num_workers",
    "eval_batch_size",
    "save_estimates",
    "checkpoint_minutes",
    "deterministic",
)
SCORING = ("passes",)  # these change the scores, but not the training
TEST_SET = "test"


@dataclass(frozen=True)
class Need:
    """One row at one seed: the `cfg` entries it is trained and scored with.

    `words` are what is typed after `with` for the training, less the seed; `store` is the name of
    the data, None where the data is not here.
    """

    row: Row
    seed: int
    words: tuple[str, ...]
    scoring_words: tuple[str, ...]
    entries: Mapping[str, Any]
    passes: int
    store: str | None

    @property
    def key(self) -> str:
        """What tells its training from others."""
        return training_key(self.entries, self.seed)

    @property
    def name(self) -> str:
        """What messages and files call it."""
        return f"{self.row.label} seed {self.seed}"

    @property
    def training_name(self) -> str:
        """What they call its training, which rows may share."""
        return f"{'+'.join([self.row.trained_as, *self.row.words])} seed {self.seed}"


@dataclass(frozen=True)
class Standing:
    """A need, and the recorded runs that serve it: None for what has yet to run.

    `scored` holds its scores, the training itself or an evaluation of its weights. `weights` are
    the trained weights, where they are on this machine. `remark` says what a user should know.
    """

    need: Need
    trained: Run | None
    scored: Run | None
    weights: Path | None
    remark: str = ""

    @property
    def trains(self) -> bool:
        """Whether its training has yet to run: for its scores, or for weights to score."""
        return self.scored is None and self.weights is None

    @property
    def evaluates(self) -> bool:
        """Whether an evaluation has yet to run, after the training where that has to."""
        return self.scored is None and (not self.trains or self.need.passes != trained_passes(self))


def trained_passes(standing: Standing) -> int:
    """The passes that its training, once run, scores with."""
    return int(standing.need.entries["passes"])


def training_key(entries: Mapping[str, Any], seed: Any) -> str:
    """Equal for trainings that give equal weights on equal data."""
    compared = {
        key: plain(value) for key, value in entries.items() if key not in (*NOT_COMPARED, *SCORING)
    }
    return json.dumps([compared, seed], sort_keys=True, default=str)


def plain(value: Any) -> Any:
    """A value with its whole numbers as floats: an override of 1 is the same as one of 1.0."""
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def completed(runs: Iterable[Run], experiment: str) -> list[Run]:
    """The completed runs of an experiment, oldest first; each once, though in two records."""
    found: dict[str, Run] = {}
    for run in runs:
        if run.experiment().get("name") == experiment and run.entry.get("status") == "COMPLETED":
            found.setdefault(run.run_id, run)
    return sorted(found.values(), key=Run.started)


def standings(
    needs: Sequence[Need],
    runs: Sequence[Run],
    defaults: Mapping[str, Any],
    weights_of: Callable[[Run], Path | None],
) -> list[Standing]:
    """Where every need stands, in their order.

    Of several trainings that count, the one that serves most rows is taken for all of them, so
    that the rows of one model are of one training; the newest where they are equal.
    """
    trainings: dict[str, list[Run]] = {}
    for run in completed(runs, "training"):
        key = training_key({**defaults, **run.cfg()}, run.config.get("seed"))
        trainings.setdefault(key, []).append(run)
    evaluations = completed(runs, "evaluation")
    groups: dict[str, list[Need]] = {}
    for need in needs:
        groups.setdefault(need.key, []).append(need)
    running = {
        training_key({**defaults, **run.cfg()}, run.config.get("seed")): run
        for run in runs
        if run.experiment().get("name") == "training" and run.entry.get("status") == "RUNNING"
    }
    chosen: dict[str, list[Standing]] = {}
    for key, group in groups.items():
        candidates = [
            [standing(need, run, evaluations, weights_of(run)) for need in group]
            for run in trainings.get(key, ())
            if same_data(group[0], run)
        ]
        remark = f"run {running[key].run_id}: {running[key].state()}" if key in running else ""
        nothing = [Standing(need, None, None, None, remark) for need in group]
        chosen[key] = max(reversed(candidates), key=served, default=nothing)
    return [chosen[need.key].pop(0) for need in needs]


def served(group: Sequence[Standing]) -> tuple[int, bool]:
    """How much of a group a training serves."""
    return sum(one.scored is not None for one in group), group[0].weights is not None


def standing(
    need: Need, training: Run, evaluations: Sequence[Run], weights: Path | None
) -> Standing:
    """Where a need stands, given a training that counts."""
    remark = "" if "store" in training.result() else "its record does not name its data"
    if passes_of(training) == need.passes and "scores" in training.result():
        return Standing(need, training, training, weights, remark)
    scored = [run for run in evaluations if scores_of(run, training, need)]
    newest = scored[-1] if scored else None
    if newest is None and weights is None:
        remark = f"the weights of run {training.run_id} are not on this machine"
    return Standing(need, training, newest, weights, remark)


def scores_of(evaluation: Run, training: Run, need: Need) -> bool:
    """Whether an evaluation is of a training's weights, on the test set, with a need's passes."""
    result, weights = evaluation.result(), training.result().get("weights_sha256")
    return (
        weights is not None
        and result.get("weights_sha256") == weights
        and result.get("subset") == TEST_SET
        and "scores" in result
        and passes_of(evaluation) == need.passes
        and evaluation.cfg().get("dataset") == need.entries["dataset"]
        and same_data(need, evaluation)
    )


def passes_of(run: Run) -> int:
    """The passes that a run scored with."""
    return int(run.cfg().get("passes", 1))


def same_data(need: Need, run: Run) -> bool:
    """Whether a run heard the data that is here; True where either side does not say."""
    recorded = run.result().get("store")
    return need.store is None or recorded is None or recorded == need.store


def disagreeing_data(standings: Iterable[Standing]) -> list[str]:
    """The data that recorded rows heard, where it should be one and is several.

    Rows of one rate, channels and task hear one store.
    """
    stores: dict[tuple, set[str]] = {}
    for one in standings:
        store = one.trained.result().get("store") if one.trained is not None else None
        if store:
            form = tuple(one.need.entries[key] for key in ("task", "sample_rate", "num_channels"))
            stores.setdefault(form, set()).add(store)
    return sorted(name for names in stores.values() if len(names) > 1 for name in names)


def weights_here(run: Run) -> Path | None:
    """The weights a training left, when they are on this machine and still the same."""
    result = run.result()
    wanted, stated = result.get("weights_sha256"), result.get("weights")
    folder = Path(str(run.cfg().get("output_path", "")))
    usual = folder / str(run.config.get("experiment_id") or run.run_id) / "best.safetensors"
    for path in (*([Path(stated)] if stated else []), usual):
        try:
            manifest = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
            if path.is_file() and wanted is not None and manifest.get("sha256") == wanted:
                return path
        except (OSError, ValueError, AttributeError):
            continue
    return None
