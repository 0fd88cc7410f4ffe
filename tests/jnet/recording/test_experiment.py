"""Ends of commands and records of runs, without a model and without a server."""

import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import soundfile

import Convert
import Datasets
import Evaluate
import Predict
import Training
from jnet.errors import RunFailed
from jnet.recording import experiment, run_folder
from jnet.recording.experiment import ROOT, JNetExperiment
from jnet.system.signals import check_interrupted, defer_interruptions

PASSWORD = "s3cr3t-marker"
WEIGHTS = ROOT / "tests/fixtures/version_0.1.0/training/best.safetensors"


@pytest.fixture(autouse=True)
def empty_folder(tmp_path, monkeypatch):
    """Run every test in an empty folder and without the user's MongoDB."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("JNET_MONGO_URL", raising=False)
    return tmp_path


@pytest.fixture
def run_command(capsys):
    """Return a function that runs a command line and returns its status, output and error lines."""

    def run(script, *argv):
        with pytest.raises(SystemExit) as end:
            script.ex.run_commandline([script.__file__, *argv])
        captured = capsys.readouterr()
        return end.value.code, captured.out, captured.err.splitlines()

    return run


class Script:
    """A script whose only command calls `action`."""

    __file__ = str(ROOT / "Training.py")

    def __init__(self, action):
        self.ex = JNetExperiment("scripted", self.__file__)

        @self.ex.main
        def act(_run):
            return action(_run)


def read_run_json(folder="runs"):
    (path,) = Path(folder).glob("*/run.json")
    return json.loads(path.read_text())


@pytest.mark.parametrize(
    ("script", "argv", "message"),
    [
        (Predict, ["with", "model_path=x"], "nothing to separate: give input_path="),
        (Predict, ["with", "input_path=x.wav"], "no weights: give model_path="),
        (Predict, ["with", "input_path=x.wav", "model_path=x"], "x.wav: does not exist"),
        (Predict, ["with", "input_path=5", "model_path=x"], "input_path is 5, not a string"),
        (Evaluate, [], "no weights to score: give model_path="),
        (Evaluate, ["with", "subset=tset"], "did you mean 'test'?"),
        (Training, ["trian"], "trian is not a command"),
        (Training, ["--bogus"], "invalid command line: see Training.py -h"),
        (Training, ["with", "sead=3"], "sead is not an entry: did you mean 'seed'?"),
        (Training, ["with", "task=voice"], "did you mean 'cfg.task'?"),
        (Training, ["with", "cfg.tsk=voice"], "did you mean 'task'?"),
        (Training, ["with", "cfg.J11"], "did you mean 'cfg.J1'?"),
        (Training, ["with", "seed=abc"], "seed is 'abc': give a whole number"),
        (Training, ["with", "seed=-1"], "seed is -1"),
        (Training, ["-m", f"mongodb://me:{PASSWORD}@host/jnet"], "-m is not host:port:db"),
        (Training, ["-m", "host:port:jnet"], "-m is not host:port:db"),
        (Training, ["-F", "/dev/null/x"], "/dev/null/x: cannot be written ("),
        (Training, ["-q"], "-q: runs cannot be queued"),
        (Training, ["-P", "3"], "-P: runs cannot be queued"),
        (Training, ["-b", "0"], "-b: the heartbeat has a fixed interval"),
        (Training, ["-s", "sqlite:///x"], "-s: runs are recorded in a folder (-F) and in MongoDB"),
        (Training, ["-S", "s3://x/y"], "-S: runs are recorded in a folder (-F) and in MongoDB"),
        (Training, ["-t", "x"], "-t: runs are recorded in a folder (-F) and in MongoDB"),
        (Training, ["--capture=bogus"], "-C is 'bogus': choose 'no', 'sys'"),
        (Training, ["-l", "nonsense"], "-l is 'nonsense': choose"),
        (Training, ["-l", "debug"], "-l is 'debug': did you mean 'DEBUG'?"),
        (Training, ["with", "cfg=3"], "cfg is 3: give its entries, such as cfg.task='voice'"),
        (Training, ["with", "=3"], "'' is not an entry"),
        (Training, ["with", "__doc__=3"], "__doc__ is not an entry"),
        (Training, ["with", "__x=3"], "__x is not an entry"),
        (Training, ["with", "cfg.j1"], "did you mean 'cfg.J1'?"),
        (Training, ["with", "cfg.precision=float16"], "did you mean 'mixed_float16'?"),
        (Training, ["cfg.J1"], "write 'with' before cfg.J1"),
        (Training, ["J1"], "write 'with' before J1"),
        (Training, ["seed=3"], "write 'with' before seed=3"),
        (Training, ["print_config", "cfg.J1", "cfg.demo"], "write 'with' before cfg.J1"),
        (Predict, ["with", "cfg.J1"], "Predict.py has no named configs: give entries as NAME="),
        (Training, ["-i", "../x"], "-i is '../x', not a valid name of a folder"),
        (Training, ["with", "cfg.demo", "cfg.output_path=/dev/null/x"], "/dev/null/x: cannot be"),
    ],
)
def test_bad_input_prints_one_line_and_exits_with_status_2(run_command, script, argv, message):
    status, out, errors = run_command(script, *argv)
    assert status == 2
    assert [line for line in errors if not line.startswith("WARNING: Changed type")] == [errors[-1]]
    assert errors[-1].startswith(f"{Path(script.__file__).name}: ")
    assert message in errors[-1]
    assert "Traceback" not in out
    assert PASSWORD not in out + errors[-1]


@pytest.mark.parametrize(
    ("script", "argv", "message"),
    [
        (Training, ["cfg.musdb_path=nowhere"], "nowhere: does not exist"),
        (Training, ["cfg.demo", "cfg.output_path=/dev/null/x"], "/dev/null/x: cannot be written"),
        (Training, ["cfg.demo", "cfg.demo_path=/dev/null/x"], "/dev/null/x: cannot be written"),
        (Training, ["cfg.demo", "experiment_id=a/b"], "experiment_id is 'a/b'"),
        (Evaluate, ["model_path=nowhere.safetensors"], "nowhere.safetensors: does not exist"),
        (Evaluate, [f"model_path={WEIGHTS}", "cfg.musdb_path=nowhere"], "nowhere: does not exist"),
        (Predict, [f"model_path={WEIGHTS}", "input_path=no.wav"], "no.wav: does not exist"),
        (Predict, ["model_path=no.safetensors", "input_path=a.wav"], "no.safetensors: does not"),
        (
            Predict,
            [f"model_path={WEIGHTS}", "input_path=a.wav", "output_path=/dev/null/x"],
            "/dev/null/x: cannot be written",
        ),
        (Datasets, ["cfg.musdb_path=nowhere"], "nowhere: does not exist"),
    ],
)
def test_a_mistyped_path_leaves_no_record(run_command, script, argv, message):
    soundfile.write("a.wav", np.zeros((100, 1)), 8000)
    status, _, errors = run_command(script, "with", *argv)
    assert (status, message in errors[-1]) == (2, True), errors
    assert not Path("runs").exists()


def test_the_result_of_a_check_is_the_first_argument_of_its_command():
    ex = JNetExperiment("scripted", Script.__file__)
    ex.add_config(entry=5)

    @ex.check("act")
    def check_entry(entry):
        return entry + 1

    @ex.main
    def act(checked, entry, _run):
        ex.print_record()
        return [checked, entry]

    run = ex.run()
    assert run.result == [6, 5]
    assert run.captured_out == f"recording in runs/{run._id}\n"
    assert ex.run(options={"--unobserved": True}).captured_out == ""


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.json", b"{broken", "a.json: is not valid JSON: Expecting"),
        ("a.json", b"\xff", "a.json: is not valid JSON: 'utf-8'"),
        ("a.json", b"[" * 100_000, "a.json: is not valid JSON: maximum recursion"),
        ("a.yaml", b"cfg: [", "a.yaml: is not valid YAML: while parsing"),
        ("a.yml", b"a: !!python/name:os.system", "a.yml: is not valid YAML: could not determine"),
        ("a.yaml", b"1: 2", "a.yaml: does not contain entries"),
        ("a.json", b"[1]", "a.json: does not contain entries"),
        ("a.json", b"null", "a.json: does not contain entries"),
        ("a.json", b'{"seed": [{"py/object": "os._wrap_close"}]}', "does not contain entries"),
        ("a.json", b'{"cfg": 3}', "cfg is 3: give its entries"),
        ("a.pickle", b"", "a.pickle: is not a config file: give a .json or .yaml file"),
        ("cfg.J1", None, "cfg.J1: is not a config file"),
    ],
)
def test_a_malformed_config_file_is_one_line(run_command, name, content, message):
    if content is None:
        Path(name).mkdir()
    else:
        Path(name).write_bytes(content)
    status, _, errors = run_command(Training, "print_config", "with", name)
    assert (status, len(errors)) == (2, 1)
    assert message in errors[0]


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.json", '{"cfg": {"num_layers": 9}}'), ("a.yaml", "cfg: {num_layers: 9}")],
)
def test_a_config_file_sets_entries(capsys, name, content):
    Path(name).write_text(content)
    Training.ex.run_commandline([Training.__file__, "print_config", "with", name])
    assert "num_layers = 9" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("dirty", "message"),
    [(True, "the program has uncommitted changes"), (None, "is not in a git repository")],
)
def test_enforce_clean_accepts_only_committed_programs(run_command, monkeypatch, dirty, message):
    script = Script(lambda run: None)
    monkeypatch.setattr(script.ex.mainfile, "is_dirty", dirty)
    status, _, errors = run_command(script, "-e")
    assert (status, len(errors)) == (2, 1)
    assert message in errors[0]


def test_the_help_shows_a_complete_sentence_for_every_command():
    for script in (Training, Evaluate, Predict, Convert, Datasets):
        for name, command in script.ex.gather_commands():
            first_line = command.__doc__.strip().splitlines()[0]
            assert first_line.endswith("."), f"{script.__name__} {name}"


def test_the_debug_flag_raises_the_error():
    with pytest.raises(experiment.ConfigError, match="sead is not an entry"):
        Training.ex.run_commandline([Training.__file__, "-d", "with", "sead=3"])


def test_a_completed_run_records_its_result_sources_and_main_file():
    run = Script(lambda run: {"loss": 0.5}).ex.run()
    record = read_run_json()
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
    own_files = {
        name for name in loaded if not name.startswith((".venv", "tests", "benchmarks", "docs"))
    }
    assert len(own_files) > 20
    assert own_files <= recorded
    assert {path.relative_to(ROOT).as_posix() for path in ROOT.glob("Models/*.py")} <= recorded


def test_an_error_of_this_project_has_its_own_exit_status_and_marks_the_run_failed(run_command):
    def fail(run):
        raise RunFailed("the loss is\nnot finite")

    status, _, errors = run_command(Script(fail))
    assert (status, errors) == (3, ["Training.py: the loss is not finite"])
    assert read_run_json()["status"] == "FAILED"


def test_other_errors_print_a_traceback_and_exit_with_status_1(run_command):
    def fail(run):
        raise ZeroDivisionError("a bug")

    status, _, errors = run_command(Script(fail))
    assert status == 1
    assert any("Traceback" in line for line in errors)
    assert "ZeroDivisionError: a bug" in errors
    assert read_run_json()["status"] == "FAILED"


@pytest.mark.parametrize(
    ("number", "status", "message"),
    [
        (signal.SIGINT, 130, "interrupted"),
        (signal.SIGTERM, 143, "terminated"),
        (signal.SIGHUP, 129, "terminated"),
    ],
)
def test_a_signal_marks_the_run_interrupted(run_command, number, status, message):
    before = signal.getsignal(signal.SIGTERM)
    ended_with, _, errors = run_command(Script(lambda run: os.kill(os.getpid(), number)))
    assert (ended_with, errors) == (status, [f"Training.py: {message}"])
    assert read_run_json()["status"] == "INTERRUPTED"
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_deferred_interruption_ends_the_run_at_the_next_check(run_command):
    done = []

    def act(run):
        with defer_interruptions() as check:
            os.kill(os.getpid(), signal.SIGTERM)
            done.append("checkpoint")
            check()
            done.append("next step")

    status, _, errors = run_command(Script(act))
    assert (status, errors, done) == (143, ["Training.py: terminated"], ["checkpoint"])
    assert read_run_json()["status"] == "INTERRUPTED"


@pytest.mark.parametrize(
    ("event", "recorded"), [("started_event", "INTERRUPTED"), ("completed_event", "COMPLETED")]
)
def test_an_interruption_leaves_no_incomplete_record(run_command, monkeypatch, event, recorded):
    record_event = getattr(run_folder.RunFolder, event)

    def interrupt_and_record(self, *args, **kwargs):
        os.kill(os.getpid(), signal.SIGINT)
        return record_event(self, *args, **kwargs)

    monkeypatch.setattr(run_folder.RunFolder, event, interrupt_and_record)
    status, _, errors = run_command(Script(lambda run: None))
    assert (status, errors) == (130, ["Training.py: interrupted"])
    assert read_run_json()["status"] == recorded


def test_an_interruption_that_a_c_extension_converts_ends_the_run(run_command):
    def act(run):
        try:
            os.kill(os.getpid(), signal.SIGINT)
        except KeyboardInterrupt as interruption:
            raise ImportError("initialization failed") from interruption

    status, _, errors = run_command(Script(act))
    assert (status, errors) == (130, ["Training.py: interrupted"])
    assert read_run_json()["status"] == "INTERRUPTED"


def test_an_interruption_of_sacreds_command_line_ends_in_one_line(run_command, monkeypatch):
    monkeypatch.setattr(
        JNetExperiment, "get_usage", lambda self: os.kill(os.getpid(), signal.SIGINT)
    )
    status, _, errors = run_command(Script(lambda run: None))
    assert (status, errors) == (130, ["Training.py: interrupted"])


def test_an_error_is_not_hidden_by_a_deferred_interruption(run_command):
    def act(run):
        with defer_interruptions():
            os.kill(os.getpid(), signal.SIGTERM)
            raise RunFailed("the loss is not finite")

    status, _, errors = run_command(Script(act))
    assert (status, errors) == (3, ["Training.py: the loss is not finite"])


def test_an_interruption_does_not_affect_the_next_run(run_command):
    run_command(Script(lambda run: os.kill(os.getpid(), signal.SIGTERM)))
    Script(lambda run: check_interrupted()).ex.run()


def test_an_ignored_signal_does_not_end_the_run():
    """With `nohup`, a run continues when its terminal is closed."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        script = Script(lambda run: os.kill(os.getpid(), signal.SIGHUP))
        script.ex.run_commandline([script.__file__])
    finally:
        signal.signal(signal.SIGHUP, before)
    assert read_run_json()["status"] == "COMPLETED"


def test_an_interrupt_in_a_notebook_is_raised_as_keyboard_interrupt():
    def interrupted(run):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Script(interrupted).ex.run()
    assert read_run_json()["status"] == "INTERRUPTED"


def test_runs_started_in_the_same_millisecond_get_different_folders(monkeypatch, tmp_path):
    start = 261120132525715
    ticks = iter([*[start] * 12, *range(start + 1, start + 100)])
    monkeypatch.setattr(run_folder, "new_run_id", lambda: next(ticks))

    def make(_):
        return run_folder.make_run_folder(tmp_path / "runs", None).name

    with ThreadPoolExecutor(4) as pool:
        names = list(pool.map(make, range(12)))
    assert len(set(names)) == 12


def test_an_id_is_an_integer_that_is_exact_in_every_json_reader():
    assert 10**14 < run_folder.new_run_id() < 2**53


def test_the_id_option_sets_the_id_and_rejects_an_existing_one(run_command):
    script = Script(lambda run: None)
    assert script.ex.run(options={"--id": "17"})._id == 17
    status, _, errors = run_command(script, "-i", "17")
    assert (status, len(errors)) == (2, 1)
    assert "runs/17: already exists" in errors[0]
    assert read_run_json()["status"] == "COMPLETED"


def test_unobserved_runs_are_not_recorded_and_the_folder_can_be_chosen(tmp_path):
    script = Script(lambda run: run._id)
    assert script.ex.run(options={"--unobserved": True}).result is None
    assert not Path("runs").exists()
    script.ex.run(options={"--file_storage": str(tmp_path / "other")})
    assert read_run_json(tmp_path / "other")["status"] == "COMPLETED"
    assert not Path("runs").exists()


def test_artifacts_keep_their_names_in_the_run_folder(tmp_path):
    (tmp_path / "x.json").write_text("{}")
    name = "museval test Sønġ – “ü”.json"
    Script(lambda run: run.add_artifact("x.json", name, content_type="application/json")).ex.run()
    assert read_run_json()["artifacts"] == [name]
    assert len(list(Path("runs").glob(f"*/{name}"))) == 1


def test_only_the_last_state_of_a_progress_bar_is_recorded():
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
        ("one\n 50%\r", "one\n 50%\r"),  # the next heartbeat continues this line
    ],
)
def test_output_is_recorded_as_a_terminal_shows_it(output, shown):
    assert experiment.render_output(output) == shown
    assert experiment.apply_backspaces_and_linefeeds(output) == shown


@pytest.mark.parametrize("password", [PASSWORD, f"a@{PASSWORD}", f"a/{PASSWORD}@:b"])
def test_git_is_not_called_for_every_file_and_the_password_of_its_remote_is_removed(
    monkeypatch, password
):
    calls = []

    def commit(filename, save_git_info):
        calls.append(filename)
        return f"https://me:{password}@host/jnet.git", "7248fc5", False

    monkeypatch.setattr("sacred.dependencies.get_commit_if_possible", commit)
    monkeypatch.setattr(experiment, "has_commit", lambda folder: True)
    run = Script(lambda run: None).ex.run()
    assert len(calls) <= 2
    (repository,) = run.experiment_info["repositories"]
    assert repository == {"url": "https://host/jnet.git", "commit": "7248fc5", "dirty": False}
    assert len(run.experiment_info["sources"]) > 100


def test_unusual_packages_are_recorded_or_left_out(tmp_path, monkeypatch):
    metadata = {
        "a-1": b"Name: a\nVersion: 2.13.0+cpu\n",
        "b-1": b"Name: b\nVersion: 1.0.dev0+g123\n",
        "c-1": b"Name: c\nVersion: 0+unknown\n",
        "d-1": b"Name: d\nVersion: 2024a\n",
        "e-1": b"Name: e\nVersion: \n",
        "f": b"Name: f\n",
        "g-1": b"Version: 1\n",
        "h-1": b"Name: h\xff\nVersion: 1\n",
        "x-1.0": None,
    }
    for name, content in metadata.items():
        folder = tmp_path / "packages" / f"{name}.dist-info"
        folder.mkdir(parents=True)
        if content is not None:
            (folder / "METADATA").write_bytes(content)
    monkeypatch.setattr(sys, "path", [str(tmp_path / "packages"), *sys.path])
    experiment.list_packages.cache_clear()
    try:
        Script(lambda run: None).ex.run()
    finally:
        experiment.list_packages.cache_clear()
    packages = dict(text.split("==") for text in read_run_json()["experiment"]["dependencies"])
    assert {name: packages[name] for name in packages if len(name) == 1} == {
        **{"a": "2.13.0+cpu", "b": "1.0.dev0+g123", "c": "0+unknown", "d": "2024a"},
        **{"e": "<unknown>", "f": "<unknown>"},
    }
    assert packages["sacred"] == "0.8.7"


def test_help_and_print_commands_import_no_tensorflow_and_record_nothing():
    code = (
        "import sys, Training\n"
        "for command in sys.argv[1:]:\n"
        "    try: Training.ex.run_commandline(['Training.py', command])\n"
        "    except SystemExit as end: assert not end.code\n"
        "    print('END OF COMMAND')\n"
        "assert 'tensorflow' not in sys.modules and 'keras' not in sys.modules\n"
    )
    wanted = {
        "-h": "python Training.py with cfg.J1",
        "print_config": "num_initial_filters",
        "print_named_configs": "cfg.J1",
    }
    shown = subprocess.run(
        [sys.executable, "-c", code, *wanted],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (shown.returncode, shown.stderr) == (0, "")
    outputs = shown.stdout.split("END OF COMMAND\n")[:-1]
    for text, output in zip(wanted.values(), outputs, strict=True):
        assert text in output
    assert not Path("runs").exists()


def test_help_shows_the_docstring_of_every_script(capsys):
    for script in (Training, Evaluate, Predict, Convert, Datasets):
        with pytest.raises(SystemExit):
            script.ex.run_commandline([script.__file__, "-h"])
        assert str(script.__doc__).strip().splitlines()[0][:40] in capsys.readouterr().out
