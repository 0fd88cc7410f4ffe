"""Making what a target needs: look at the record, say the plan, run the rest, end with the result.

Nothing is remembered between two starts but the record itself: what is completed in it counts,
and all else is run.
"""

import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from Evaluation.Runs import Run, read_mongo, read_runs
from Reproduction import Ends, Estimate, Halving, Ranking
from Reproduction.Listing import first_of_each_training, listing
from Reproduction.Needs import Resolve, is_prepared, needs
from Reproduction.Order import Order
from Reproduction.Plan import Need, Standing, disagreeing_data, standings, weights_here
from Reproduction.Targets import FIGURES, RANK, Row
from Reproduction.Work import Crew, Job, ask
from Spec.Errors import DataError, RunFailed

ROOT = Path(__file__).parents[1]
PROGRAMS: dict[str, tuple[str, ...]] = {
    "training": (sys.executable, str(ROOT / "Training.py")),
    "evaluation": (sys.executable, str(ROOT / "Evaluate.py")),
    "preparation": (sys.executable, str(ROOT / "Datasets.py"), "prepare", "--unobserved"),
    "measurement": (sys.executable, "-m", "Reproduction.Measure"),
}


@dataclass(frozen=True)
class Maker:
    """One start of `Reproduce.py`. `resolve` gives config entries of words, `mongo` where records
    are read besides `order.runs`, `programs` what runs; `lock` as in `Crew`."""

    order: Order
    resolve: Resolve
    defaults: Mapping[str, Any]
    say: Callable[[str], None]
    mongo: str | None = None
    programs: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: PROGRAMS)
    lock: int | None = None

    def records(self, again: bool = False) -> tuple[list[Run], list[str]]:
        """All recorded runs, folders before MongoDB, and a line for what cannot be read.

        `again`, a MongoDB that answers no more is such a thing: it ends none of the jobs, whose
        records are in the folder.
        """
        folder = self.order.runs
        found, notes = read_runs(folder) if folder.is_dir() else ([], [])
        try:
            more, further = read_mongo(self.mongo) if self.mongo else ([], [])
        except DataError as error:
            if not again:
                raise
            more, further = [], [str(error)]
        return [*found, *more], [f"not counted: {note}" for note in (*notes, *further)]

    def look(self, wanted: Sequence[Need]) -> list[Standing]:
        """Where `wanted` stand in the record as it is now."""
        runs, notes = self.records(again=True)
        for line in notes:
            self.say(line)
        return standings(wanted, runs, self.defaults, weights_here)

    def make(self, rows: Sequence[Row], words: Sequence[str], logs: Path) -> list[Standing]:
        """Run what `rows` lack, after saying the plan; where they stand then.

        In a dry run the plan is all. What failed is said, and still lacks its scores.
        """
        wanted = needs(rows, words, self.order.seeds, self.resolve)
        runs, notes = self.records()
        found = standings(wanted, runs, self.defaults, weights_here)
        if (several := disagreeing_data(found)) and None in {need.store for need in wanted}:
            raise DataError(
                f"the recorded runs heard different data, {' and '.join(several)}, and the data "
                f"that is meant is not here: make it reachable, or name a record of one of them"
            )
        costs = Estimate.training_costs(runs, self.defaults)
        evaluations = Estimate.evaluation_costs(runs, self.defaults)
        if self.order.measure:
            costs |= self.measured(found, costs)
        for line in (*notes, *listing(found, costs, evaluations, self.order.processes)):
            self.say(line)
        if self.order.dry_run or all(one.scored for one in found):
            return found
        crew = Crew(logs, self.say, self.lock)
        self.prepare(found, crew)
        # The data's name is known only now where it has just been generated.
        wanted = needs(rows, words, self.order.seeds, self.resolve)
        crew.run(self.jobs(self.look(wanted)), self.order.processes)
        return self.look(wanted)

    def measured(
        self, found: Sequence[Standing], costs: Mapping[str, Estimate.Cost]
    ) -> dict[str, Estimate.Cost]:
        """The costs of trainings that no record has: some steps of each, in processes of their
        own."""
        new: dict[str, Estimate.Cost] = {}
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        for one, trains in first_of_each_training(found):
            key = Estimate.cost_key(one.need.entries)
            if not trains or key in costs or key in new:
                continue
            entries = {name: value for name, value in one.need.entries.items() if name != "__doc__"}
            asked = json.dumps({"entries": entries, "seed": one.need.seed})
            try:
                answer = json.loads(ask(self.programs["measurement"], asked, environment))
            except ValueError as error:
                self.say(f"{one.need.name} cannot be measured: {error}")
                continue
            new[key] = Estimate.Cost(answer, 0, whole=False)
            self.say(f"{one.need.training_name}: {answer:.3g} s per step")
        if new:
            self.say("these are steps alone: validation, test and scoring come on top")
        return new

    def prepare(self, found: Sequence[Standing], crew: Crew) -> None:
        """Generate and resample the songs that trainings need, before several do so at once."""
        lacking: dict[tuple, Need] = {}
        for one in found:
            if one.trains and not is_prepared(one.need):
                form = tuple(one.need.entries[name] for name in FORM)
                lacking.setdefault(form, one.need)
        for number, need in enumerate(lacking.values(), 1):
            command = (*self.programs["preparation"], "with", *need.words)
            failures = crew.run([Job(f"preparation {number}", said(command))], 1)
            if failures:
                raise DataError(failures[0].lines[-1] if failures[0].lines else str(failures[0]))

    def jobs(self, found: Sequence[Standing]) -> list[Job]:
        """What has to run: every training, and after it the evaluations of its weights."""
        made, training_of = [], {}
        for one, trains in first_of_each_training(found):
            need = one.need
            if trains:
                training_of[need.key] = f"train {need.training_name}"
                command = self.command("training", (*need.words, f"seed={need.seed}"))
                made.append(Job(training_of[need.key], said(command)))
            if one.evaluates:
                after = (training_of[need.key],) if one.trains else ()
                made.append(Job(f"evaluate {need.name}", self.evaluation(one, found), after))
        return made

    def evaluation(self, one: Standing, found: Sequence[Standing]) -> Callable[[], Sequence[str]]:
        """The command that evaluates a need, known when its weights are; `found` are all needs, of
        which those of one training are evaluated with the same weights."""

        def command() -> Sequence[str]:
            now = one if one.weights else self.look([other.need for other in found])[place]
            if now.weights is None:
                raise LookupError("its training has left no weights on this machine")
            need = one.need
            words = (*need.scoring_words, f"seed={need.seed}", f"model_path={str(now.weights)!r}")
            return self.command("evaluation", words)

        place = found.index(one)
        return command

    def command(self, program: str, words: Iterable[str]) -> tuple[str, ...]:
        """A program's command line, recorded where this one's records are."""
        order = self.order
        mongo = ("-m", order.mongo) if order.mongo else ()
        return (*self.programs[program], "-F", str(order.runs), *mongo, "with", *words)

    def finish(self) -> None:
        """Make the target; `RunFailed` when something of it is missing in the end."""
        if self.order.target == RANK:
            self.rank()
            return
        found = self.make(self.order.rows, self.order.words, self.order.out / "logs")
        if not self.order.dry_run:
            scores = Ends.results(found)
            make = Ends.draw if self.order.target in FIGURES else Ends.tabulate
            for path in make(self.order.target, scores, self.order.out) if scores else ():
                self.say(f"wrote {path}")
            check_whole(found)

    def rank(self) -> None:
        """Train the variants rung by rung, then say their order."""
        order, rows, rounds = self.order, self.order.rows, []
        rungs = Halving.rungs(len(rows), (order.budget or 0) // len(order.seeds))
        for number, rung in enumerate(rungs, 1):
            self.say(f"rung {number} of {len(rungs)}: {rung.variants} variants, {rung.steps} steps")
            entries = self.resolve((f"cfg.{rows[0].trained_as}", *order.words))
            words = (*order.words, *Halving.training_words(entries, rung.steps))
            found = self.make(rows, words, order.out / "logs" / f"rung{number}")
            if order.dry_run and not all(one.scored for one in found):
                if number < len(rungs):
                    self.say("which variants the next rung has is known after this one")
                return
            check_whole(found)
            rounds.append(Ends.scored_round(Ends.results(found), rung.steps))
            if number < len(rungs):
                kept = Ranking.survivors(rounds[-1], rungs[number].variants)
                rows = tuple(row for row in rows if row.label in kept)
        table = Ranking.ranking(rounds)
        notes = Ends.ranking_notes(rounds, order.seeds)
        self.say("\n".join([Ends.ranking_text(table), *notes]))
        if not order.dry_run:
            for path in Ends.write_ranking(table, notes, order.out):
                self.say(f"wrote {path}")


def said(command: Sequence[str]) -> Callable[[], Sequence[str]]:
    """A command that is known before its job starts."""
    return lambda: command


# What tells one preparation of songs from another.
FORM = ("dataset", "task", "sample_rate", "num_channels", "num_validation_songs")


def check_whole(found: Sequence[Standing]) -> None:
    """`RunFailed` when scores are missing."""
    missing = [one.need.name for one in found if one.scored is None]
    if missing:
        raise RunFailed(
            f"{len(missing)} of {len(found)} scores are missing: {', '.join(missing)}: see why "
            f"above, then give the same command again"
        )
