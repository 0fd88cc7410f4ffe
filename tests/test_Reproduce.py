"""`Reproduce.py` as a user runs it, with a stand-in for the trainings; the records are real."""

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

import Report
import Reproduce
import Training
from Experiments import ROOT
from Reproduction.Needs import needs
from Reproduction.Order import order
from Spec.Errors import ConfigError, DataError

WORKER = ROOT / "tests" / "Reproduction" / "worker.py"
WORDS = ("cfg.demo", "cfg.demo_path=nowhere")


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("JNET_MONGO_URL", raising=False)
    return tmp_path


@pytest.fixture
def plan(tmp_path):
    """What the stand-in does, as data to change; `write` it before a run."""
    return Plan(tmp_path)


class Plan:
    """The stand-in's orders, and what it was started for."""

    def __init__(self, folder):
        self.path, self.log = folder / "plan.json", folder / "starts.log"
        self.entries, self.content = {}, {"log": str(self.log)}

    def knows(self, line, *more):
        """Tell it the configs of a command line, `more` words set on top."""
        asked = order(line.split())
        words = (*asked.words, *more)
        for need in needs(asked.rows, words, (1,), Reproduce.resolve):
            entries = {key: value for key, value in need.entries.items() if key != "__doc__"}
            self.entries[" ".join(need.words)] = entries
            self.entries[" ".join(need.scoring_words)] = {**entries, "passes": need.passes}

    def programs(self, **changes):
        self.path.write_text(json.dumps({**self.content, "entries": self.entries, **changes}))
        stand_in = (sys.executable, "-S", str(WORKER), str(self.path))
        return {
            "training": (*stand_in, "training"),
            "evaluation": (*stand_in, "evaluation"),
            "preparation": (sys.executable, "-S", "-c", ""),
            "measurement": (sys.executable, "-S", "-c", "print(0.25)"),
        }

    def starts(self):
        """How often each run was started."""
        return Counter(self.log.read_text().splitlines() if self.log.is_file() else ())


@pytest.fixture
def reproduce(capsys):
    """Run a command line in this process: its exit status, output and error lines."""

    def run(line, **changes):
        status = 0
        try:
            Reproduce.run_commandline([*line.split(), "with", *WORDS], **changes)
        except SystemExit as end:
            status = end.code
        said = capsys.readouterr()
        return status, said.out, said.err.splitlines()

    return run


TABLE3 = Counter(
    {
        "training U1": 1,
        "training U4": 1,
        **{f"evaluation {row}": 1 for row in ("U1_2", "U1_3", "U4_2", "U4_3")},
    }
)


def test_a_table_is_made_of_what_lacks_and_then_of_the_record_alone(plan, reproduce):
    plan.knows("table3 with " + " ".join(WORDS))
    status, out, errors = reproduce("table3 --processes 3", programs=plan.programs())
    assert (status, errors) == (0, [])
    assert plan.starts() == TABLE3
    assert "0 of 6 are there; 2 to train, 4 to evaluate" in out
    table = Path("reproduced/table3/table3.md").read_text()
    assert all(row in table for row in ("U4_3", "U1_1"))
    before = {path: path.read_bytes() for path in Path("reproduced/table3").glob("table3.*")}
    status, out, _ = reproduce("table3", programs=plan.programs())
    assert (status, plan.starts()) == (0, TABLE3)
    assert "all 6 are there" in out
    assert before == {path: path.read_bytes() for path in before}


def test_what_table_3_trained_serves_table_1(plan, reproduce):
    plan.knows("table3 with " + " ".join(WORDS))
    reproduce("table3", programs=plan.programs())
    _, out, _ = reproduce("table1 --dry-run")
    assert "2 of 6 are there; 4 to train, 0 to evaluate" in out  # U1 and U4_1


@pytest.mark.parametrize(
    ("number", "status"),
    [(signal.SIGTERM, 143), (signal.SIGKILL, -signal.SIGKILL)],
)
def test_killed_in_the_middle_it_redoes_only_the_rest(plan, reproduce, number, status, tmp_path):
    plan.knows("table3 with " + " ".join(WORDS))
    programs = plan.programs(seconds=0.4)
    code = (
        "import sys, json, Reproduce\n"
        "Reproduce.run_commandline(sys.argv[2:], programs=json.loads(sys.argv[1]))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, json.dumps(programs), "table3", "with", *WORDS],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 30
    while len(plan.starts()) < 3 and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(number)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == status
    if number != signal.SIGKILL:
        assert "the same command goes on with the rest" in errors
    before = plan.starts()
    assert sum(before.values()) == 3  # the third was cut short, what was done before it is kept
    assert reproduce("table3 --processes 3", programs=plan.programs(seconds=0))[0] == 0
    cut_short = [run for run, count in plan.starts().items() if count > 1]
    assert len(cut_short) == 1
    assert sum(plan.starts().values()) == 7


def test_a_run_that_fails_leaves_the_rest_and_status_3(plan, reproduce):
    plan.knows("table3 with " + " ".join(WORDS))
    failing = plan.programs(fail=["U4"])
    status, out, errors = reproduce("table3 --processes 3", programs=failing)
    assert status == 3
    assert "Training.py: the loss of U4 is no longer finite" in out
    (error,) = errors
    assert "3 of 6 scores are missing: U4_1 seed 1, U4_2 seed 1, U4_3 seed 1" in error
    assert "U4_3: `python" in Path("reproduced/table3/table3.md").read_text()  # without a run
    status, *_ = reproduce("table3 --processes 3", programs=plan.programs())
    assert status == 0
    assert plan.starts() == TABLE3 + Counter(["training U4"])


def test_a_dry_run_measures_on_request_and_leaves_nothing(plan, reproduce, tmp_path):
    plan.knows("table2 with " + " ".join(WORDS))
    status, out, _ = reproduce("table2 --dry-run", programs=plan.programs())
    assert (status, plan.starts()) == (0, Counter())
    assert "no run of these sizes is recorded yet: --measure" in out
    status, out, _ = reproduce("table2 --dry-run --measure", programs=plan.programs())
    assert status == 0
    # 4 trainings of at most 2 · 4 · 250 steps of 0.25 s.
    assert "at least 8.3 min" in out
    assert "time: at least 33.3 min" in out
    assert {path.name for path in tmp_path.iterdir()} == {"plan.json"}


@pytest.fixture
def rank(plan, reproduce):
    """Rank variants; the status, output, errors, and lines of the CSV."""

    def run(variants, budget, rungs):
        line = f"rank --variants {variants} --budget {budget}"
        for steps in rungs:
            words = (f"cfg.epoch_steps={steps // 2}", "cfg.max_epochs=1", "cfg.patience=1")
            plan.knows(f"{line} with {' '.join(WORDS)}", *words)
        status, out, errors = reproduce(f"{line} --processes 4", programs=plan.programs())
        path = Path("reproduced/rank/rank.csv")
        return status, out, errors, list(csv.DictReader(path.open())) if path.is_file() else []

    return run


def test_variants_are_ranked_by_the_mean_of_their_j(rank, plan):
    status, out, errors, table = rank("U1 U2_2_5 U3_5 U4_2", 400, [100])
    assert (status, errors) == (0, [])
    assert {line["variant"] for line in table} == {"J1", "J2_2_5", "J3_5", "J4_2"}
    for line in table:
        (run,) = [
            path.parent
            for path in Path("runs").glob("*/config.json")
            if is_of(path, line["variant"])
        ]
        windows = [
            frame["metrics"]["SDR"]
            for song in run.glob("museval*.json")
            for frame in json.loads(song.read_text())["targets"][0]["frames"]
        ]
        assert float(line["mean_sdr"]) == pytest.approx(sum(windows) / len(windows))
        assert int(line["rank_low"]) <= int(line["rank"]) <= int(line["rank_high"]) <= 4
    means = [float(line["mean_sdr"]) for line in table]
    assert means == sorted(means, reverse=True)
    assert "3 songs are few" in out
    assert table[0]["variant"] in Path("reproduced/rank/rank.md").read_text()


def is_of(path, label):
    """Whether a record is of the variant, by its own config."""
    cfg = json.loads(path.read_text())["cfg"]
    marks = {
        "J1": ("none", 0, 1),
        "J2_2_5": ("none", 2, 1),
        "J3_5": ("first5", 0, 1),
        "J4_2": ("none", 0, 2),
    }
    own = (cfg["multires_levels"], cfg["res_path_units"], cfg["passes"])
    return own == marks[label] and (label == "J4_2" or cfg["train_passes"] == 1)


def test_many_variants_are_halved_and_a_second_start_runs_nothing(rank, plan):
    variants = "U1 U2_2_5 U2_3_5 U2_2_10 U3_5 U3_10 U5"
    status, out, _, table = rank(variants, 2 * 7 * 60, [60, 104])
    assert status == 0
    assert "rung 2 of 2: 4 variants, 105 steps" in out
    assert [int(line["steps"]) for line in table] == [105] * 4 + [60] * 3
    assert sum(plan.starts().values()) == 7 + 4
    rank(variants, 2 * 7 * 60, [60, 104])
    assert sum(plan.starts().values()) == 7 + 4


def test_figure_2_is_drawn_from_runs_and_from_a_mongodb_alone(plan, reproduce, mongod):
    """The record of `runs/` pushed into MongoDB, and `runs/` taken away."""
    plan.knows("figure2 with " + " ".join(WORDS))
    status, out, _ = reproduce("figure2 --processes 4", programs=plan.programs())
    assert status == 0
    assert "18 to train, 4 to evaluate" in out
    assert sum(plan.starts().values()) == 22
    drawn = Path("reproduced/figure2/figure2.png").read_bytes()
    assert Report.main(["push", "--to", f"{mongod.address}:figure2"]) == 0
    Path("runs").rename("gone")
    line = f"figure2 --mongo {mongod.address}:figure2 --out again"
    status, out, _ = reproduce(line, programs=plan.programs())
    assert status == 0
    assert "all 22 are there" in out
    assert Path("again/figure2.png").read_bytes() == drawn


def test_a_mongodb_lost_in_the_middle_ends_no_job(plan, reproduce, monkeypatch):
    answers = [([], [])]

    def read_mongo(target):
        if not answers:
            raise DataError(f"MongoDB at {target} gives no runs")
        return answers.pop()

    monkeypatch.setattr("Reproduction.Making.read_mongo", read_mongo)
    plan.knows("table1 with " + " ".join(WORDS))
    status, out, _ = reproduce("table1 --mongo host:1:jnet", programs=plan.programs())
    assert status == 0
    assert "not counted: MongoDB at host:1:jnet gives no runs" in out
    assert sum(plan.starts().values()) > 3


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["figure9"], "figure9 is not a target: did you mean 'figure"),
        (["figure2", "with", "cfg.dmo"], "did you mean 'cfg.demo'?"),
        (["figure2", "with", "cfg.epoch_step=3"], "did you mean 'epoch_steps'?"),
        (["figure2", "with", "demo"], "demo is not a named config"),
        (["figure2", "with", "experiment_id=3"], "experiment_id is not an entry"),
        (["figure2", "--seeds", "99999999999"], "seed is 99999999999"),
        (["figure2", "--runs", "/dev/null/x"], "/dev/null/x/.reproduce.lock"),
        (["figure2", "--dry-run", "--mongo", "127.0.0.1:1:jnet"], "gives no runs"),
        (
            ["rank", "--variants", "U1", "U5", "--budget", "3", "with", "cfg.demo"],
            "the budget leaves 1 steps",
        ),
    ],
)
def test_bad_input_gets_one_line_and_status_2(capsys, monkeypatch, argv, said):
    monkeypatch.setattr("Recording.Mongo.WAIT", 200)
    with pytest.raises(SystemExit) as end:
        Reproduce.run_commandline(argv)
    (error,) = capsys.readouterr().err.splitlines()
    assert end.value.code == 2
    assert error.startswith("Reproduce.py: ")
    assert said in error


@pytest.mark.parametrize(
    "words",
    ["cfg.U3_10 cfg.demo cfg.epoch_steps=3", "cfg.L_last3 cfg.learning_rates=[1e-3,2e-4,3e-5]"],
)
def test_words_come_to_what_training_would_have(words, capsys):
    ours = Reproduce.resolve(words.split())
    argv = [Training.__file__, "print_config", "with", *words.split()]
    run = Training.ex.run_commandline(argv)
    capsys.readouterr()
    assert {**run.config["cfg"], "__doc__": None} == {**ours, "__doc__": None}


def test_a_word_that_is_wrong_is_told_as_training_tells_it():
    with pytest.raises(ConfigError, match=r"did you mean 'cfg\.J1'\?"):
        Reproduce.resolve(["cfg.J11"])


def test_a_second_start_on_one_record_waits_and_then_tells(monkeypatch, capsys):
    from Reproduction import Lock

    monkeypatch.setattr(Lock, "LOCK_WAIT", 0.3)
    with Lock.alone(Path("runs")), pytest.raises(SystemExit) as end:
        Reproduce.run_commandline(["figure2", "with", *WORDS])
    assert end.value.code == 2
    assert "another Reproduce.py" in capsys.readouterr().err


def test_looking_at_a_plan_imports_no_tensorflow():
    code = (
        "import sys, Reproduce\n"
        "Reproduce.run_commandline(['figure2', '--dry-run', 'with', 'cfg.demo'])\n"
        "assert 'tensorflow' not in sys.modules and 'keras' not in sys.modules\n"
    )
    shown = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (shown.returncode, shown.stderr) == (0, "")
    assert len(shown.stdout.splitlines()) == 25
