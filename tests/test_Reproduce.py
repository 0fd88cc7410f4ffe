"""Reproduce.py with a substitute for the trainings that writes real records."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from sacred.arg_parser import get_config_updates

import Report
import Reproduce
import Training
from jnet.errors import ConfigError, DataError
from jnet.recording.experiment import ROOT
from jnet.reproduction import builder, runner
from jnet.reproduction.request import parse_request
from jnet.reproduction.requirements import list_requirements
from jnet.reproduction.targets import TARGETS, list_rows
from tests.jnet.reproduction import worker

WORKER = ROOT / "tests" / "jnet" / "reproduction" / "worker.py"
WORDS = ("cfg.demo", "cfg.demo_path=nowhere")


@pytest.fixture(autouse=True)
def use_temporary_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("JNET_MONGO_URL", raising=False)
    monkeypatch.setattr(runner, "POLL_SECONDS", 0.02)


def run_here(jobs, processes, logs, lock):
    """Run the jobs of the substitute in this process, one after the other."""
    for argv in jobs.values():
        if str(WORKER) in argv:
            worker.run(argv[argv.index(str(WORKER)) + 1 :])
    return {}


@pytest.fixture
def same_process(monkeypatch):
    monkeypatch.setattr(builder, "run_jobs", run_here)


@pytest.fixture
def plan(tmp_path):
    """Return the plan of the substitute."""
    return Plan(tmp_path)


class Plan:
    """The configs that the substitute knows, its options, and a log of its starts."""

    def __init__(self, folder):
        self.path, self.log = folder / "plan.json", folder / "starts.log"
        self.entries, self.content = {}, {"log": str(self.log)}

    def add(self, line, *more):
        """Add the configs of a command line, with additional words."""
        request = parse_request(line.split())
        words = (*request.words, *more)
        for required in list_requirements(request.rows, words, (1,), Reproduce.resolve_words):
            self.entries[" ".join(required.training_words[:-1])] = required.training  # no seed
            self.entries[" ".join(required.scoring_words[:-1])] = required.scoring

    def write(self, **changes):
        """Write the plan and return the command of the substitute for each kind of job."""
        self.path.write_text(json.dumps({**self.content, "entries": self.entries, **changes}))
        substitute = (sys.executable, "-S", str(WORKER), str(self.path))
        return {
            "training": (*substitute, "training"),
            "evaluation": (*substitute, "evaluation"),
            "preparation": (sys.executable, "-S", "-c", ""),
        }

    def starts(self):
        """Return the number of starts of each run."""
        return Counter(self.log.read_text().splitlines() if self.log.is_file() else ())


@pytest.fixture
def reproduce(capsys, monkeypatch):
    """Return a function that runs a command line and returns status, output and error lines."""

    def run(line, *words, programs=builder.PROGRAMS):
        status = 0
        monkeypatch.setattr(builder, "PROGRAMS", programs)
        try:
            Reproduce.run_commandline([*line.split(), "with", *WORDS, *words])
        except SystemExit as end:
            status = end.code
        printed = capsys.readouterr()
        return status, printed.out, printed.err.splitlines()

    return run


TABLE3 = Counter(
    {
        "training U1": 1,
        "training U4": 1,
        **{f"evaluation {row}": 1 for row in ("U1_2", "U1_3", "U4_2", "U4_3")},
    }
)


def test_a_table_runs_missing_jobs_and_then_uses_only_the_records(plan, reproduce):
    plan.add("table3 with " + " ".join(WORDS))
    status, out, errors = reproduce("table3 --processes 3", programs=plan.write())
    assert (status, errors) == (0, [])
    assert plan.starts() == TABLE3
    assert "0 of 6 are recorded; 2 to train, 4 to evaluate" in out
    table = Path("reproduced/table3/table3.md").read_text()
    assert all(row in table for row in ("U4_3", "U1_1"))
    before = {path: path.read_bytes() for path in Path("reproduced/table3").glob("table3.*")}
    status, out, _ = reproduce("table3", programs=plan.write())
    assert (status, plan.starts()) == (0, TABLE3)
    assert "all 6 are recorded" in out
    assert before == {path: path.read_bytes() for path in before}


@pytest.mark.usefixtures("same_process")
def test_recorded_runs_are_used_for_another_table_and_scorer(plan, reproduce):
    plan.add("table3 with " + " ".join(WORDS))
    reproduce("table3", programs=plan.write())
    _, out, _ = reproduce("table1 --dry-run")
    assert "2 of 6 are recorded; 4 to train, 0 to evaluate" in out  # U1 and U4_1
    for word in ("cfg.scorer=museval", "cfg.computation=plain", "cfg.checkpoint_minutes=5"):
        _, out, _ = reproduce("table3 --dry-run", word)
        assert "all 6 are recorded" in out


@pytest.mark.usefixtures("same_process")
def test_whole_track_repeats_evaluations_and_no_training(plan, reproduce):
    plan.add("table3 with " + " ".join(WORDS), "cfg.whole_track=True")
    plan.add("table3 with " + " ".join(WORDS))
    reproduce("table3", programs=plan.write())
    table = Path("reproduced/table3/table3.csv").read_bytes()
    word = "cfg.whole_track=True"
    status, out, _ = reproduce("table3 --out whole", word, programs=plan.write())
    assert status == 0
    assert "0 of 6 are recorded; 0 to train, 6 to evaluate" in out
    rows = [f"evaluation {row}" for row in ("U1", "U1_2", "U1_3", "U4_1", "U4_2", "U4_3")]
    assert plan.starts() == TABLE3 + Counter(rows)
    # The evaluations with whole_track are not used for the rows of the papers.
    reproduce("table3 --out again", programs=plan.write())
    assert plan.starts() == TABLE3 + Counter(rows)
    assert Path("again/table3.csv").read_bytes() == table


@pytest.mark.usefixtures("same_process")
@pytest.mark.parametrize(
    ("number", "status"),
    [(signal.SIGTERM, 143), (signal.SIGKILL, -signal.SIGKILL)],
)
def test_after_an_interruption_only_the_rest_is_run(plan, reproduce, number, status):
    plan.add("table3 with " + " ".join(WORDS))
    programs = plan.write(seconds=0.2)
    code = (
        "import sys, json, Reproduce\n"
        "from jnet.reproduction import builder, runner\n"
        "runner.POLL_SECONDS, builder.PROGRAMS = 0.02, json.loads(sys.argv[1])\n"
        "Reproduce.run_commandline(sys.argv[2:])"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, json.dumps(programs), "table3", "with", *WORDS],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    deadline = time.monotonic() + 30
    while len(plan.starts()) < 3 and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(number)
    output, _ = process.communicate(timeout=30)
    assert process.returncode == status
    if number != signal.SIGKILL:
        assert "the same command resumes with the rest" in output
    before = plan.starts()
    assert sum(before.values()) == 3  # the third was interrupted, the first two are kept
    assert reproduce("table3", programs=plan.write(seconds=0))[0] == 0
    repeated = [run for run, count in plan.starts().items() if count > 1]
    assert len(repeated) == 1
    assert sum(plan.starts().values()) == 7


def test_after_a_failed_run_the_others_continue_and_the_status_is_3(plan, reproduce):
    plan.add("table3 with " + " ".join(WORDS))
    failing = plan.write(fail=["U4"])
    status, out, errors = reproduce("table3 --processes 3", programs=failing)
    assert status == 3
    assert "Training.py: the loss of U4 is no longer finite" in out
    (error,) = errors
    assert "3 of 6 scores are missing: U4_1 seed 1, U4_2 seed 1, U4_3 seed 1" in error
    assert "U4_3: `python" in Path("reproduced/table3/table3.md").read_text()  # without a run
    status, *_ = reproduce("table3 --processes 3", programs=plan.write())
    assert status == 0
    assert plan.starts() == TABLE3 + Counter(["training U4"])


def test_a_dry_run_writes_no_files(plan, reproduce, tmp_path):
    status, out, _ = reproduce("table2 --dry-run", programs=plan.write())
    assert (status, plan.starts()) == (0, Counter())
    assert "4 to train, 0 to evaluate; time: unknown\n" in out
    assert {path.name for path in tmp_path.iterdir()} == {"plan.json"}


def test_an_error_of_the_preparation_ends_the_program_with_its_message(plan, reproduce):
    message = "Datasets.py: nowhere: does not exist: correct the path"
    for code, printed in (("", "preparation 1 failed without a message"), (message, message)):
        program = (sys.executable, "-S", "-c", f"raise SystemExit({code!r} or 2)")
        programs = plan.write() | {"preparation": program}
        status, _, errors = reproduce("table2", programs=programs)
        assert (status, errors) == (2, [f"Reproduce.py: {printed}"])
    assert plan.starts() == Counter()


@pytest.fixture
def rank(plan, reproduce, same_process):
    """Return a function that ranks variants; it returns status, output, errors and CSV rows."""

    def run(variants, budget, rungs):
        line = f"rank --variants {variants} --budget {budget}"
        for steps in rungs:
            words = (f"cfg.epoch_steps={steps // 2}", "cfg.max_epochs=1", "cfg.patience=1")
            plan.add(f"{line} with {' '.join(WORDS)}", *words)
        status, out, errors = reproduce(f"{line} --processes 4", programs=plan.write())
        path = Path("reproduced/rank/rank.csv")
        return status, out, errors, list(csv.DictReader(path.open())) if path.is_file() else []

    return run


def test_variants_are_ranked_by_the_mean_sdr_of_their_j_models(rank, plan):
    status, out, errors, table = rank("U1 U2_2_5 U3_5 U4_2", 400, [100])
    assert (status, errors) == (0, [])
    assert {line["variant"] for line in table} == {"J1", "J2_2_5", "J3_5", "J4_2"}
    for line in table:
        (run,) = [
            path.parent
            for path in Path("runs").glob("*/config.json")
            if is_run_of(path, line["variant"])
        ]
        windows = [
            frame["metrics"]["SDR"]
            for track in run.glob("museval*.json")
            for frame in json.loads(track.read_text())["targets"][0]["frames"]
        ]
        assert float(line["mean_sdr"]) == pytest.approx(sum(windows) / len(windows))
        assert int(line["rank_low"]) <= int(line["rank"]) <= int(line["rank_high"]) <= 4
    means = [float(line["mean_sdr"]) for line in table]
    assert means == sorted(means, reverse=True)
    assert "3 tracks are few" in out
    assert table[0]["variant"] in Path("reproduced/rank/rank.md").read_text()


def is_run_of(path, label):
    """Return whether the config of a record is that of a variant."""
    cfg = json.loads(path.read_text())["cfg"]
    marks = {
        "J1": ("none", 0, 1),
        "J2_2_5": ("none", 2, 1),
        "J3_5": ("first5", 0, 1),
        "J4_2": ("none", 0, 2),
    }
    values = (cfg["multires_levels"], cfg["res_path_units"], cfg["passes"])
    return values == marks[label] and (label == "J4_2" or cfg["train_passes"] == 1)


def test_variants_are_halved_and_a_second_start_runs_nothing(rank, plan):
    variants = "U1 U2_2_5 U2_3_5 U2_2_10 U3_5 U3_10 U5"
    status, out, _, table = rank(variants, 2 * 7 * 60, [60, 104])
    assert status == 0
    assert "rung 2 of 2: 4 variants, 105 steps" in out
    assert [int(line["steps"]) for line in table] == [105] * 4 + [60] * 3
    assert sum(plan.starts().values()) == 7 + 4
    rank(variants, 2 * 7 * 60, [60, 104])
    assert sum(plan.starts().values()) == 7 + 4


def test_a_dry_run_of_a_ranking_ends_at_the_first_rung_without_records(reproduce):
    line = "rank --variants U1 U2_2_5 U2_3_5 U2_2_10 U3_5 U3_10 U5 --budget 840 --dry-run"
    status, out, _ = reproduce(line)
    assert status == 0
    assert "rung 1 of 2: 7 variants, 60 steps" in out
    assert "rung 2" not in out
    assert "the variants of the next rung are known after this rung" in out


@pytest.mark.usefixtures("same_process")
def test_figure_2_is_the_same_from_runs_and_from_mongodb(plan, reproduce, mongod):
    """The records of `runs/` are pushed to MongoDB, and `runs/` is removed."""
    plan.add("figure2 with " + " ".join(WORDS))
    status, out, _ = reproduce("figure2 --processes 4", programs=plan.write())
    assert status == 0
    assert "18 to train, 4 to evaluate" in out
    assert sum(plan.starts().values()) == 22
    drawn = Path("reproduced/figure2/figure2.png").read_bytes()
    assert Report.main(["push", "--to", f"{mongod.address}:figure2"]) == 0
    Path("runs").rename("gone")
    line = f"figure2 --mongo {mongod.address}:figure2 --out again"
    status, out, _ = reproduce(line, programs=plan.write())
    assert status == 0
    assert "all 22 are recorded" in out
    assert Path("again/figure2.png").read_bytes() == drawn


@pytest.mark.usefixtures("same_process")
def test_jobs_continue_when_mongodb_stops_answering(plan, reproduce, monkeypatch):
    answers = [([], [])]

    def read_mongo(target):
        if not answers:
            raise DataError(f"MongoDB at {target} does not answer")
        return answers.pop()

    monkeypatch.setattr(builder, "read_mongo", read_mongo)
    plan.add("table1 with " + " ".join(WORDS))
    status, *_ = reproduce("table1 --mongo host:1:jnet", programs=plan.write())
    assert status == 0
    assert sum(plan.starts().values()) > 3


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["figure9"], "argument TARGET: invalid choice: 'figure9' (choose from"),
        (["figure2", "with", "cfg.dmo"], "did you mean 'cfg.demo'?"),
        (["figure2", "with", "cfg.epoch_step=3"], "did you mean 'epoch_steps'?"),
        (["figure2", "with", "demo"], "demo is not a named config"),
        (["figure2", "with", "experiment_id=3"], "experiment_id is not an entry"),
        (["figure2", "with", "cfg=3"], "cfg is 3: give its entries"),
        (["figure2", "--seeds", "99999999999"], "seed is 99999999999"),
        (["figure2", "--runs", "/dev/null/x"], "/dev/null/x/.reproduce.lock"),
        (["figure2", "--dry-run", "--mongo", "127.0.0.1:1:jnet"], "does not answer"),
        (
            ["rank", "--variants", "U1", "U5", "--budget", "3", "with", "cfg.demo"],
            "the budget leaves 1 steps",
        ),
    ],
)
def test_invalid_input_ends_with_one_line_and_status_2(capsys, monkeypatch, argv, message):
    monkeypatch.setattr("jnet.recording.mongo.CONNECT_MILLISECONDS", 50)
    with pytest.raises(SystemExit) as end:
        Reproduce.run_commandline(argv)
    (error,) = capsys.readouterr().err.splitlines()
    assert end.value.code == 2
    assert error.startswith("Reproduce.py: ")
    assert message in error


CONFIGS = {
    config
    for target in TARGETS
    if target != "rank"
    for row in list_rows(target)
    for config in (row.trained_as, row.scored_as)
}


@pytest.mark.parametrize(
    "words",
    [
        *(f"cfg.{config} cfg.demo" for config in sorted(CONFIGS)),
        *("cfg.demo cfg.M4", "cfg.baseline_stereo cfg.U1_2 cfg.full"),
        *("cfg.passes=3 cfg.U4_2", "cfg.whole_track=True cfg.init=orthogonal"),
        "cfg.U3_10 cfg.demo cfg.epoch_steps=3",
        "cfg.L_last3 cfg.learning_rates=[1e-3,2e-4,3e-5]",
        "cfg.U1 cfg={'passes':2} cfg.frozen=['decoder'] seed=3",
    ],
)
def test_words_resolve_to_the_config_of_training(words):
    updates, configs = get_config_updates(words.split())
    run = Training.ex.run("print_config", updates, configs)
    theirs = {key: value for key, value in run.config["cfg"].items() if key != "__doc__"}
    assert Reproduce.resolve_words(tuple(words.split())) == theirs


@pytest.mark.parametrize(
    "word",
    ["cfg.J11", "cfg.epoch_step=3", "cfg.passes=0", "seed=-1", "seed=x", "epoch_steps=3"],
)
def test_an_invalid_word_has_the_error_message_of_training(word):
    with pytest.raises(ConfigError) as theirs:
        Training.ex.run("print_config", *get_config_updates([word]))
    with pytest.raises(ConfigError) as ours:
        Reproduce.resolve_words((word,))
    assert str(ours.value) == str(theirs.value)


def test_a_second_start_on_the_same_records_waits_and_then_fails(monkeypatch, capsys):
    monkeypatch.setattr(runner, "LOCK_WAIT", 0.1)
    with runner.lock_record(Path("runs")), pytest.raises(SystemExit) as end:
        Reproduce.run_commandline(["figure2", "with", *WORDS])
    assert end.value.code == 2
    assert "another Reproduce.py" in capsys.readouterr().err


def test_a_dry_run_does_not_import_tensorflow():
    code = (
        "import sys, Reproduce\n"
        "Reproduce.run_commandline(['figure2', '--dry-run', 'with', 'cfg.demo'])\n"
        "assert not {'tensorflow', 'keras', 'scipy'} & set(sys.modules)\n"
    )
    process = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (process.returncode, process.stderr) == (0, "")
    assert len(process.stdout.splitlines()) == 25
