"""The plan of a target: which required scores are recorded, and which runs are missing.

A recorded training counts for a row if it was completed with the same seed, the same data, the same
weights at its start and the same values of all config entries that affect weights. A recorded
evaluation counts if it scored the weights of that training on the test set with the same values of
all config entries that affect scores.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jnet.recording.runs import RUNNING, Run
from jnet.reproduction.requirements import Requirement, make_scoring_key, make_training_key
from jnet.settings.data import DataSettings

TEST_SET = "test"


@dataclass(frozen=True)
class Status:
    """A requirement and the recorded runs that fulfil it.

    Attributes
    ----------
    requirement : Requirement
    trained : Run or None
        The training that counts; None if there is none.
    scored : Run or None
        The run with the scores: the training itself or an evaluation of its weights.
    weights : Path or None
        The trained weights; None if they are not on this machine.
    remark : str
        Text for the user, printed with the plan.
    """

    requirement: Requirement
    trained: Run | None = None
    scored: Run | None = None
    weights: Path | None = None
    remark: str = ""

    @property
    def needs_training(self) -> bool:
        """Whether the model must be trained: there are neither scores nor weights to score."""
        return self.scored is None and self.weights is None

    @property
    def needs_evaluation(self) -> bool:
        """Whether an evaluation must run, after the training if that must run too."""
        if not self.needs_training:
            return self.scored is None
        training, scoring = self.requirement.training, self.requirement.scoring
        return make_scoring_key(training) != make_scoring_key(scoring)

    def add_remark(self, text: str) -> str:
        """Return `text`, followed by the remark in brackets if there is one."""
        return f"{text} ({self.remark})" if self.remark else text


def select_runs(runs: Iterable[Run], experiment: str, status: str = "COMPLETED") -> list[Run]:
    """Return the runs of an experiment with the given status, the oldest first.

    Parameters
    ----------
    runs : iterable of Run
        A run that is in two records is returned once, from the first of them.
    experiment : str
        "training" or "evaluation".
    status : str
        Sacred's status of a run.

    Returns
    -------
    list of Run
    """
    selected: dict[str, Run] = {}
    for run in runs:
        if run.experiment_name() == experiment and run.entry.get("status") == status:
            selected.setdefault(run.run_id, run)
    return sorted(selected.values(), key=Run.started)


def find_statuses(requirements: Sequence[Requirement], runs: Sequence[Run]) -> list[Status]:
    """Return the status of every requirement, in the order of the requirements.

    `runs` must have values for all config entries, see `add_defaults`. If several trainings count
    for a row, the one with scores for the most rows is used, so that rows that share a model share
    a training. Among equal ones, a training with weights on this machine is preferred, then the
    newest.
    """
    running = {make_run_key(run): run for run in select_runs(runs, "training", RUNNING)}
    trainings: dict[str, list[Run]] = defaultdict(list)
    for run in reversed(select_runs(runs, "training")):
        trainings[make_run_key(run)].append(run)
    evaluations = select_runs(runs, "evaluation")
    candidates = [
        {
            run.run_id: judge_training(requirement, run, evaluations)
            for run in trainings[requirement.key]
            if is_same_data(requirement, run)
            and run.result().get("ancestor") == requirement.ancestor
        }
        for requirement in requirements
    ]
    served = Counter(
        run_id for row in candidates for run_id, status in row.items() if status.scored is not None
    )

    def count_served(candidate: tuple[str, Status]) -> tuple[int, bool]:
        run_id, status = candidate
        return served[run_id], status.weights is not None

    statuses = []
    for requirement, row in zip(requirements, candidates, strict=True):
        other = running.get(requirement.key)
        remark = f"run {other.run_id}: {other.status()}" if other else ""
        untrained = Status(requirement, remark=remark)
        statuses.append(max(row.items(), key=count_served, default=("", untrained))[1])
    return statuses


def make_run_key(training: Run) -> str:
    """Return the training key of a recorded training."""
    return make_training_key(training.cfg(), training.config.get("seed"))


def list_trainings(statuses: Iterable[Status]) -> list[Requirement]:
    """Return the requirements to train: the first of the rows that share a training."""
    trainings: dict[str, Requirement] = {}
    for status in statuses:
        if status.needs_training:
            trainings.setdefault(status.requirement.key, status.requirement)
    return list(trainings.values())


def judge_training(requirement: Requirement, training: Run, evaluations: Sequence[Run]) -> Status:
    """Return the status of a requirement, given a recorded training that counts for it.

    Parameters
    ----------
    requirement : Requirement
    training : Run
    evaluations : sequence of Run
        All completed evaluations, the oldest first; the newest suitable one is used.

    Returns
    -------
    Status
    """
    result, weights = training.result(), find_weights(training)
    remark = "" if "store" in result else "its record does not name the data"
    scored = [run for run in evaluations if is_required_evaluation(run, result, requirement)]
    wanted_key = make_scoring_key(requirement.scoring)
    if "scores" in result and make_scoring_key(training.cfg()) == wanted_key:
        scored = [training]
    elif not scored and weights is None:
        remark = f"the weights of run {training.run_id} are not on this machine"
    return Status(requirement, training, scored[-1] if scored else None, weights, remark)


def is_required_evaluation(
    evaluation: Run, trained: Mapping[str, Any], requirement: Requirement
) -> bool:
    """Return whether an evaluation scored a training's weights as required.

    Parameters
    ----------
    evaluation : Run
    trained : mapping of str to Any
        The result of the training.
    requirement : Requirement

    Returns
    -------
    bool
    """
    result = evaluation.result()
    sha256 = result.get("weights_sha256")
    return (
        sha256 is not None
        and sha256 == trained.get("weights_sha256")
        and result.get("subset") == TEST_SET
        and "scores" in result
        and evaluation.cfg().get("dataset") == requirement.scoring["dataset"]
        and is_same_data(requirement, evaluation)
        and make_scoring_key(evaluation.cfg()) == make_scoring_key(requirement.scoring)
    )


def is_same_data(requirement: Requirement, run: Run) -> bool:
    """Return whether a run used the data on this machine; True if either of them is unknown."""
    recorded = run.result().get("store")
    return requirement.store is None or recorded is None or recorded == requirement.store


def find_disagreeing_data(statuses: Iterable[Status]) -> list[str]:
    """Return the names of stores that differ between recorded rows with equal data settings."""
    stores: dict[DataSettings, set[str]] = defaultdict(set)
    for status in statuses:
        if status.trained is not None and (store := status.trained.result().get("store")):
            stores[status.requirement.data].add(store)
    return sorted(name for names in stores.values() if len(names) > 1 for name in names)


def find_weights(training: Run) -> Path | None:
    """Return the path of a training's weights; None if they are missing or have changed."""
    result = training.result()
    try:
        path = Path(result["weights"])
        manifest = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        unchanged = path.is_file() and manifest["sha256"] == result["weights_sha256"]
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return path if unchanged else None
