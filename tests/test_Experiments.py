"""How commands end and where runs are recorded, without a model and without a server."""

import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import Datasets
import Evaluate
import Experiments
import Observers
import Predict
import Training
from Experiments import ROOT, JNetExperiment
from Observers import RunFolder
from Spec.Errors import RunFailed
from Terminal import check_interrupted, interruptions_held

PASSWORD = "s3cr3t-marker"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """Every test runs in an empty folder and without a MongoDB of the user's."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("JNET_MONGO_URL", raising=False)
    return tmp_path


@pytest.fixture
def ended(capsys):
    """Run a command line in this process: its exit status, output and error lines."""

    def run(script, *argv):
        with pytest.raises(SystemExit) as end:
            script.ex.run_commandline([script.__file__, *argv])
        said = capsys.readouterr()
        return end.value.code, said.out, said.err.splitlines()

    return run


class Script:
    """A script of one command, which does what a test gives it."""

    __file__ = str(ROOT / "Training.py")

    def __init__(self, action):
        self.ex = JNetExperiment("scripted", self.__file__)

        @self.ex.main
        def act(_run):
            return action(_run)


def run_json(folder="runs"):
    (path,) = Path(folder).glob("*/run.json")
    return json.loads(path.read_text())


@pytest.mark.parametrize(
    ("script", "argv", "said"),
    [
        (Predict, ["with", "model_path=x"], "nothing to separate: give input_path="),
        (Predict, ["with", "input_path=x.wav"], "no weights: give model_path="),
        (Predict, ["with", "input_path=x.wav", "model_path=x"], "x.wav: there is no such file"),
        (Predict, ["with", "input_path=5", "model_path=x"], "input_path is 5, not a text"),
        (Evaluate, [], "no weights to score: give model_path="),
        (Evaluate, ["with", "model_path=x", "subset=tset"], "did you mean 'test'?"),
        (Training, ["trian"], "trian is not a command"),
        (Training, ["--bogus"], "the command line is not understood"),
        (Training, ["with", "sead=3"], "sead is not an entry: did you mean 'seed'?"),
        (Training, ["with", "task=voice"], "did you mean 'cfg.task'?"),
        (Training, ["with", "cfg.tsk=voice"], "did you mean 'task'?"),
        (Training, ["with", "cfg.J11"], "did you mean 'cfg.J1'?"),
        (Training, ["with", "seed=abc"], "seed is 'abc': give a whole number"),
        (Training, ["with", "seed=-1"], "seed is -1"),
        (Training, ["-m", f"mongodb://me:{PASSWORD}@host/jnet"], "-m is not host:port:db"),
        (Training, ["-m", "host:port:jnet"], "-m is not host:port:db"),
        (Training, ["-F", "/dev/null/x"], "/dev/null/x: cannot be written to"),
        (Training, ["-q"], "-q: there is nothing that runs what is queued"),
        (Training, ["-i", "../x"], "'../x' cannot name a folder"),
        (Training, ["with", "cfg.demo", "cfg.output_path=/dev/null/x"], "/dev/null/x: cannot be"),
    ],
)
def test_bad_input_gets_one_line_and_status_2(ended, script, argv, said):
    status, out, errors = ended(script, *argv)
    assert status == 2
    assert [line for line in errors if not line.startswith("WARNING: Changed type")] == [errors[-1]]
    assert errors[-1].startswith(f"{Path(script.__file__).name}: ")
    assert said in errors[-1]
    assert "Traceback" not in out
    assert PASSWORD not in out + errors[-1]


def test_the_debug_flag_gives_the_traceback():
    with pytest.raises(Experiments.ConfigError, match="sead is not an entry"):
        Training.ex.run_commandline([Training.__file__, "-d", "with", "sead=3"])


def test_a_run_is_completed_with_its_result_its_sources_and_its_main_file():
    run = Script(lambda run: {"loss": 0.5}).ex.run()
    record = run_json()
    assert record["status"] == "COMPLETED"
    assert record["result"] == {"loss": 0.5}
    assert record["experiment"]["mainfile"] == "Training.py"
    assert Path(f"runs/{run._id}/run.json").is_file()
    recorded = {name for name, _ in record["experiment"]["sources"]}
    loaded = {
        Path(module.__file__).relative_to(ROOT).as_posix()
        for module in list(sys.modules.values())
        if getattr(module, "__file__", None) and Path(module.__file__).is_relative_to(ROOT)
    }
    own = {name for name in loaded if not name.startswith((".venv", "tests", "benchmarks"))}
    assert len(own) > 20
    assert own <= recorded
    assert {path.relative_to(ROOT).as_posix() for path in ROOT.glob("Models/*.py")} <= recorded


def test_an_error_of_ours_has_its_own_status_and_the_run_failed(ended):
    def fail(run):
        raise RunFailed("the loss is\nnot finite")

    status, _, errors = ended(Script(fail))
    assert (status, errors) == (3, ["Training.py: the loss is not finite"])
    assert run_json()["status"] == "FAILED"


def test_any_other_error_is_shown_with_its_traceback_and_status_1(ended):
    def fail(run):
        raise ZeroDivisionError("a bug")

    status, _, errors = ended(Script(fail))
    assert status == 1
    assert any("Traceback" in line for line in errors)
    assert "ZeroDivisionError: a bug" in errors
    assert run_json()["status"] == "FAILED"


@pytest.mark.parametrize(
    ("number", "status", "said"),
    [
        (signal.SIGINT, 130, "interrupted"),
        (signal.SIGTERM, 143, "terminated"),
        (signal.SIGHUP, 129, "terminated"),
    ],
)
def test_a_signal_leaves_the_run_interrupted(ended, number, status, said):
    before = signal.getsignal(signal.SIGTERM)
    found, _, errors = ended(Script(lambda run: os.kill(os.getpid(), number)))
    assert (found, errors) == (status, [f"Training.py: {said}"])
    assert run_json()["status"] == "INTERRUPTED"
    assert signal.getsignal(signal.SIGTERM) is before


def twice(*numbers, seconds=0.0):
    """Signals to this process, a while apart by the clock that interruptions look at."""
    for number in numbers:
        os.kill(os.getpid(), number)
        clock[0] += seconds


clock = [0.0]


@pytest.fixture
def time_stands_still(monkeypatch):
    monkeypatch.setattr("Terminal.time.monotonic", lambda: clock[0])


def held(done, signals):
    """What a training does: steps, with a look at what was noted after each."""

    def act(run):
        with interruptions_held() as check:
            for step in range(3):
                done.append(f"step {step}")
                if step == 1:
                    signals()
                done.append("end of step")
                if step == 1:
                    done.append("checkpoint")
                    check()

    return act


def test_a_block_that_holds_interruptions_ends_where_it_can(ended):
    done = []
    action = held(done, lambda: os.kill(os.getpid(), signal.SIGTERM))
    status, _, errors = ended(Script(action))
    assert done == ["step 0", "end of step", "step 1", "end of step", "checkpoint"]
    assert (status, errors) == (143, ["Training.py: terminated"])
    assert run_json()["status"] == "INTERRUPTED"


def test_a_signal_that_comes_twice_at_once_is_one(ended, time_stands_still):
    """As `timeout` and a closing terminal send it."""
    done = []
    status, _, _ = ended(Script(held(done, lambda: twice(signal.SIGHUP, signal.SIGHUP))))
    assert (status, done[-1]) == (129, "checkpoint")


def test_a_second_signal_some_time_later_ends_at_once(ended, time_stands_still):
    done = []
    action = held(done, lambda: twice(signal.SIGINT, signal.SIGTERM, seconds=2.0))
    status, _, _ = ended(Script(action))
    assert (status, done[-1]) == (143, "step 1")
    assert run_json()["status"] == "INTERRUPTED"


def test_a_block_that_never_looks_is_interrupted_at_its_end(ended):
    done = []

    def act(run):
        with interruptions_held():
            os.kill(os.getpid(), signal.SIGTERM)
            done.append("inside")
        done.append("after")

    status, _, _ = ended(Script(act))
    assert (status, done) == (143, ["inside"])


def test_an_error_of_a_block_is_not_hidden_by_an_interruption(ended):
    def act(run):
        with interruptions_held():
            os.kill(os.getpid(), signal.SIGTERM)
            raise RunFailed("the loss is not finite")

    status, _, errors = ended(Script(act))
    assert (status, errors) == (3, ["Training.py: the loss is not finite"])


def test_an_interruption_of_one_run_is_none_of_the_next(ended):
    ended(Script(lambda run: os.kill(os.getpid(), signal.SIGTERM)))
    Script(lambda run: check_interrupted()).ex.run()


def test_a_signal_that_is_to_be_ignored_is_ignored():
    """`nohup` has a run go on when its terminal is closed."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        script = Script(lambda run: os.kill(os.getpid(), signal.SIGHUP))
        script.ex.run_commandline([script.__file__])
    finally:
        signal.signal(signal.SIGHUP, before)
    assert run_json()["status"] == "COMPLETED"


def test_an_interrupt_in_a_notebook_stays_one():
    def interrupted(run):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Script(interrupted).ex.run()
    assert run_json()["status"] == "INTERRUPTED"


def test_runs_of_one_millisecond_get_folders_of_their_own(monkeypatch, tmp_path):
    start = 261120132525715
    ticks = iter([*[start] * 12, *range(start + 1, start + 100)])
    monkeypatch.setattr(Observers, "new_run_id", lambda: next(ticks))

    def make(_):
        folder = RunFolder(tmp_path / "runs", print)
        folder._make_run_dir(None)
        return Path(folder.dir).name

    with ThreadPoolExecutor(4) as pool:
        names = list(pool.map(make, range(12)))
    assert len(set(names)) == 12


def test_an_id_is_a_whole_number_that_every_json_reader_keeps():
    assert 10**14 < Observers.new_run_id() < 2**53


def test_the_id_option_names_the_run_and_is_refused_a_second_time(ended):
    script = Script(lambda run: None)
    assert script.ex.run(options={"--id": "17"})._id == 17
    status, _, errors = ended(script, "-i", "17")
    assert (status, len(errors)) == (2, 1)
    assert "runs/17: is a run already" in errors[0]
    assert run_json()["status"] == "COMPLETED"


def test_unobserved_records_nothing_and_another_folder_takes_the_record(tmp_path):
    script = Script(lambda run: run._id)
    assert script.ex.run(options={"--unobserved": True}).result is None
    assert not Path("runs").exists()
    script.ex.run(options={"--file_storage": str(tmp_path / "other")})
    assert run_json(tmp_path / "other")["status"] == "COMPLETED"
    assert not Path("runs").exists()


def test_artifacts_keep_their_names_beside_the_record(tmp_path):
    (tmp_path / "x.json").write_text("{}")
    name = "museval test Sønġ – “ü”.json"
    Script(lambda run: run.add_artifact("x.json", name, content_type="application/json")).ex.run()
    assert run_json()["artifacts"] == [name]
    assert len(list(Path("runs").glob(f"*/{name}"))) == 1


def test_a_progress_bars_backspaces_leave_only_its_last_state_in_the_record():
    Script(lambda run: print("  1%\r 50%\r100%\nepoch 1")).ex.run()
    (path,) = Path("runs").glob("*/cout.txt")
    assert path.read_text() == "100%\nepoch 1\n"


@pytest.mark.parametrize(
    ("output", "shown"),
    [
        ("", ""),
        ("one\ntwo\n", "one\ntwo\n"),
        ("one\n 50%\r100%\ntwo\n", "one\n100%\ntwo\n"),
        ("one\nabc\b\bx\n", "one\naxc\n"),
        ("one\n 50%\r", "one\n 50%\r"),  # the next heartbeat goes on from it
    ],
)
def test_output_is_recorded_as_a_terminal_shows_it(output, shown):
    assert Experiments.last_states(output) == shown
    assert Experiments.apply_backspaces_and_linefeeds(output) == shown


def test_git_is_not_asked_about_every_file_and_a_password_in_its_remote_is_not_kept(monkeypatch):
    asked = []

    def commit(filename, save_git_info):
        asked.append(filename)
        return "https://me:s3cr3t-marker@host/jnet.git", "7248fc5", False

    monkeypatch.setattr("sacred.dependencies.get_commit_if_possible", commit)
    monkeypatch.setattr(Experiments, "has_commit", lambda folder: True)
    run = Script(lambda run: None).ex.run()
    assert len(asked) <= 2
    (repository,) = run.experiment_info["repositories"]
    assert repository == {"url": "https://host/jnet.git", "commit": "7248fc5", "dirty": False}
    assert len(run.experiment_info["sources"]) > 100


@pytest.mark.parametrize("command", ["-h", "print_config", "print_named_configs"])
def test_looking_at_a_script_imports_no_tensorflow_and_records_nothing(command):
    code = (
        "import sys, Training\n"
        "try: Training.ex.run_commandline(sys.argv)\n"
        "except SystemExit as end: assert not end.code\n"
        "assert 'tensorflow' not in sys.modules and 'keras' not in sys.modules\n"
    )
    shown = subprocess.run(
        [sys.executable, "-c", code, command],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (shown.returncode, shown.stderr) == (0, "")
    wanted = {
        "-h": "python Training.py with cfg.J1",
        "print_config": "num_initial_filters",
        "print_named_configs": "cfg.J1",
    }
    assert wanted[command] in shown.stdout
    assert not Path("runs").exists()


def test_every_script_says_what_it_is_for(capsys):
    for script in (Training, Evaluate, Predict, Datasets):
        with pytest.raises(SystemExit):
            script.ex.run_commandline([script.__file__, "-h"])
        assert str(script.__doc__).strip().splitlines()[0][:40] in capsys.readouterr().out
