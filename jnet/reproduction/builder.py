"""Building a target: read the records, print the plan, run what is missing, write the outputs.

The records are the only state: completed runs count, and everything else runs again.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

from jnet.errors import DataError, RunFailed
from jnet.recording.experiment import ROOT
from jnet.recording.mongo import URL_VARIABLE
from jnet.recording.runs import Run, add_defaults, read_mongo, read_runs
from jnet.reproduction import outputs, plan, ranking
from jnet.reproduction.estimate import describe_plan, find_durations
from jnet.reproduction.request import Request
from jnet.reproduction.requirements import Resolve, list_requirements
from jnet.reproduction.runner import run_jobs, say
from jnet.reproduction.targets import RANK, Row

PROGRAMS = {
    "training": (sys.executable, str(ROOT / "Training.py")),
    "evaluation": (sys.executable, str(ROOT / "Evaluate.py")),
    "preparation": (sys.executable, str(ROOT / "Datasets.py"), "prepare", "--unobserved"),
}


@dataclass(frozen=True)
class Builder:
    """The work of one call of `Reproduce.py`.

    `resolve` returns the config entries for words after `with`; `lock` is passed to `run_jobs`.
    """

    request: Request
    resolve: Resolve
    lock: int | None

    def build(self) -> None:
        """Build the target, or only print its plan for a dry run.

        Raises `RunFailed` if scores are still missing after all jobs have run.
        """
        request = self.request
        if request.target == RANK:
            self.rank_variants()
            return
        statuses = self.complete_rows(request.rows, request.words, request.out / "logs")
        if not request.dry_run:
            results = outputs.load_results(statuses)
            for path in outputs.write_scores(request.target, results, request.out):
                say(f"wrote {path}")
            check_complete(statuses)

    def rank_variants(self) -> None:
        """Train the variants rung by rung, then print and write their ranking."""
        request, rows, scored_rungs = self.request, self.request.rows, []
        rungs = ranking.plan_rungs(len(rows), (request.budget or 0) // len(request.seeds))
        for number, rung in enumerate(rungs, 1):
            say(f"rung {number} of {len(rungs)}: {rung.variants} variants, {rung.steps} steps")
            entries = self.resolve((f"cfg.{rows[0].trained_as}", *request.words))
            words = (*request.words, *ranking.limit_steps(entries, rung.steps))
            statuses = self.complete_rows(rows, words, request.out / "logs" / f"rung{number}")
            if request.dry_run and any(status.scored is None for status in statuses):
                if number < len(rungs):
                    say("the variants of the next rung are known after this rung")
                return
            check_complete(statuses)
            scored_rungs.append(outputs.score_rung(outputs.load_results(statuses), rung.steps))
            if number < len(rungs):
                survivors = scored_rungs[-1].order_variants()[: rungs[number].variants]
                rows = tuple(row for row in rows if row.label in survivors)
        table = ranking.rank_variants(scored_rungs)
        notes = outputs.list_notes(scored_rungs, request.seeds)
        say("\n".join([outputs.format_ranking(table), *notes]))
        if not request.dry_run:
            for path in outputs.write_ranking(table, notes, request.out):
                say(f"wrote {path}")

    def complete_rows(
        self, rows: Sequence[Row], config: Sequence[str], logs: Path
    ) -> list[plan.Status]:
        """Print the plan of the rows and run what is missing, unless it is a dry run.

        Parameters
        ----------
        rows : sequence of Row
        config : sequence of str
            The words after `with` for all rows.
        logs : Path
            The folder of the jobs' outputs.

        Returns
        -------
        list of Status
            The statuses after all jobs. Failed jobs are printed; their rows have no scores.

        Raises
        ------
        DataError
            If recorded runs used different data and the data is not on this machine, and if the
            preparation of the data fails.
        """
        request = self.request
        list_required = partial(list_requirements, rows, config, request.seeds, self.resolve)
        runs = self.read_record()
        statuses = plan.find_statuses(list_required(), runs)
        names = plan.find_disagreeing_data(statuses)
        if names and any(status.requirement.store is None for status in statuses):
            raise DataError(
                f"the recorded runs used different data, {' and '.join(names)}, and the data is "
                f"not on this machine: correct its path, or choose a record of only one of them"
            )
        for line in describe_plan(statuses, find_durations(runs)):
            say(line)
        if request.dry_run or all(status.scored for status in statuses):
            return statuses
        self.prepare_data(statuses, logs)
        required = list_required()  # with the name of the data that was just prepared
        trainings = plan.list_trainings(plan.find_statuses(required, self.read_record()))
        words = {
            f"train {requirement.training_name}": requirement.training_words
            for requirement in trainings
        }
        self.run_program("training", words, logs)
        words = {
            f"evaluate {status.requirement.name}": (
                *status.requirement.scoring_words,
                f"model_path={str(status.weights)!r}",
            )
            for status in plan.find_statuses(required, self.read_record())
            if status.scored is None and status.weights is not None
        }
        self.run_program("evaluation", words, logs)
        return plan.find_statuses(required, self.read_record())

    def read_record(self) -> list[Run]:
        """Read all recorded runs, those of the folder first, and report unreadable records.

        Records of older versions get the default values of config entries that did not exist then.
        """
        runs, damaged = read_runs(self.request.runs)
        in_mongo, damaged_in_mongo = self.runs_in_mongo
        for message in (*damaged, *damaged_in_mongo):
            say(f"ignored: {message}")
        defaults = self.resolve(())
        return [add_defaults(run, defaults) for run in (*runs, *in_mongo)]

    @cached_property
    def runs_in_mongo(self) -> tuple[list[Run], list[str]]:
        """The runs in MongoDB and messages for invalid documents, read once.

        Runs that the jobs add to MongoDB later are in the folder as well.
        """
        target = self.request.mongo or os.environ.get(URL_VARIABLE)
        return read_mongo(target) if target else ([], [])

    def prepare_data(self, statuses: Sequence[plan.Status], logs: Path) -> None:
        """Prepare the tracks of all trainings, so that parallel trainings do not wait for it.

        Raises `DataError` if a preparation fails.
        """
        missing = {
            requirement.data: requirement.training_words
            for requirement in plan.list_trainings(statuses)
            if not requirement.is_prepared()
        }
        for number, words in enumerate(missing.values(), 1):
            name = f"preparation {number}"
            failures = self.run_program("preparation", {name: words}, logs)
            if failures:
                raise DataError([f"{name} failed without a message", *failures[name]][-1])

    def run_program(
        self, program: str, words: Mapping[str, tuple[str, ...]], logs: Path
    ) -> dict[str, list[str]]:
        """Run a program once per job and record the runs where the request says.

        Parameters
        ----------
        program : str
            A key of `PROGRAMS`.
        words : mapping of str to tuple of str
            The words after `with` by the name of the job.
        logs : Path
            The folder of the jobs' outputs.

        Returns
        -------
        dict of str to list of str
            The last lines of output of each failed job.
        """
        mongo = ("-m", self.request.mongo) if self.request.mongo else ()
        command = (*PROGRAMS[program], "-F", str(self.request.runs), *mongo, "with")
        jobs = {name: (*command, *job_words) for name, job_words in words.items()}
        return run_jobs(jobs, self.request.processes, logs, self.lock)


def check_complete(statuses: Sequence[plan.Status]) -> None:
    """Raise `RunFailed` if any of the scores are missing."""
    missing = [
        status.add_remark(status.requirement.name) for status in statuses if status.scored is None
    ]
    if missing:
        raise RunFailed(
            f"{len(missing)} of {len(statuses)} scores are missing: {', '.join(missing)}: see the "
            f"errors above, then run the same command again"
        )
