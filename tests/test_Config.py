"""Named configs, their composition, and the messages for invalid entries."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import Training
from Config import DEFAULTS, DEMO, config_ingredient, make_run_settings
from jnet.errors import ConfigError

ROOT = Path(__file__).parents[1]
COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def print_config(capsys, *words):
    """Return the config and the output of `python Training.py print_config with …`."""
    run = Training.ex.run_commandline(["Training.py", "print_config", "with", *words])
    return run.config, COLOURS.sub("", capsys.readouterr().out)


def read_comments():
    """Return the comment of every entry in the source of Config.py."""
    source = (ROOT / "Config.py").read_text()
    lines = source.splitlines()
    scope = next(
        node
        for node in ast.parse(source).body
        if isinstance(node, ast.FunctionDef) and node.name == "cfg"
    )
    comments = {}
    for node in scope.body:
        assert isinstance(node, ast.Assign), "a config scope is data"
        assert node.lineno == node.end_lineno, "Sacred keeps only comments of single lines"
        _, _, comment = lines[node.lineno - 1].partition("  # ")
        comments[node.targets[0].id] = comment
    return comments


def test_every_entry_has_a_comment_and_print_config_shows_it(capsys):
    comments = read_comments()
    assert set(comments) == set(DEFAULTS)
    _, shown = print_config(capsys, "cfg.U1")
    for entry, comment in comments.items():
        assert len(comment) > 5, f"{entry} has no comment"
        line = rf"^ +{entry} = .*# {re.escape(comment)}$"
        assert re.search(line, shown, re.MULTILINE), f"{entry} is not shown with {comment!r}"


def test_every_named_config_has_a_description():
    for name, scope in config_ingredient.named_configs.items():
        description = str(scope.__doc__)
        assert re.search(r"J-Net|Wave-U-Net|Demucs|generated tracks", description), (
            f"{name}: {description}"
        )


def test_named_configs_change_only_existing_entries():
    for name, scope in config_ingredient.named_configs.items():
        assert set(dict(scope())) - {"__doc__"} <= set(DEFAULTS), name


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("U1", {}),
        ("J1", {"frozen": ["encoder", "skip"]}),
        ("L", {"frozen": ["decoder"]}),
        ("L_first3", {"frozen": ["decoder"], "skip_levels": "first3"}),
        ("L_last3", {"frozen": ["decoder"], "skip_levels": "last3"}),
    ],
)
def test_a_named_config_is_the_model_of_the_paper(capsys, name, changes):
    """Sizes and schedule are those of the J-Net paper, Section 4, and Wave-U-Net paper, 4.3."""
    config, _ = print_config(capsys, f"cfg.{name}")
    entries = {key: value for key, value in config["cfg"].items() if key != "__doc__"}
    assert entries == {**DEFAULTS, **changes}
    settings = make_run_settings(entries, seed=1)
    assert (settings.model.num_layers, settings.model.num_initial_filters) == (10, 24)
    assert (settings.model.num_frames, settings.model.sample_rate) == (16384, 22050)
    assert [(stage.batch_size, stage.learning_rate) for stage in settings.training.stages] == [
        (16, 1e-4),
        (32, 1e-5),
        (32, 1e-6),
    ]


def test_the_demo_is_a_small_version_of_any_model(capsys):
    small = print_config(capsys, "cfg.demo")[0]["cfg"]
    assert small["dataset"] == "demo"
    assert small["num_initial_filters"] < DEFAULTS["num_initial_filters"]
    assert small["epoch_steps"] * small["max_epochs"] * len(small["batch_sizes"]) < 5000
    j1 = print_config(capsys, "cfg.J1", "cfg.demo")[0]["cfg"]
    differing = {key for key in DEFAULTS if j1[key] != small[key]}
    assert differing == {"frozen"}
    assert j1["frozen"] == ["encoder", "skip"]


def test_named_configs_compose_left_to_right(capsys):
    config, _ = print_config(capsys, "cfg.L_last3", "cfg.J1")
    assert (config["cfg"]["frozen"], config["cfg"]["skip_levels"]) == (["encoder", "skip"], "last3")
    config, _ = print_config(capsys, "cfg.J1", "cfg.L_last3")
    assert (config["cfg"]["frozen"], config["cfg"]["skip_levels"]) == (["decoder"], "last3")
    config, _ = print_config(capsys, "cfg.L_last3", "cfg.L_first3")
    assert config["cfg"]["skip_levels"] == "first3"


@pytest.mark.parametrize("words", [("cfg.patience=3", "cfg.demo"), ("cfg.demo", "cfg.patience=3")])
def test_entries_of_the_command_line_override_named_configs(capsys, words):
    config, _ = print_config(capsys, *words, "seed=7", "cfg.frozen=['bottleneck']")
    assert config["cfg"]["patience"] == 3
    assert config["cfg"]["frozen"] == ["bottleneck"]
    assert config["cfg"]["dataset"] == "demo"  # an entry that only the named config gives
    assert config["seed"] == 7


@pytest.mark.parametrize(
    ("entry", "value", "hint"),
    [
        ("task", "vioce", "cfg.task is 'vioce': did you mean 'voice'?"),
        ("frozen", ["encodr"], "did you mean 'encoder'?"),
        ("num_frames", 16385, "a multiple of 1024, such as 16384"),
        ("skip_levels", "first0", "N of at least 1"),
        ("filter_size", 14, "odd"),
        ("learning_rates", [1e-4], "one batch size and one learning rate for every stage"),
    ],
)
def test_an_invalid_value_is_an_error_with_a_hint(entry, value, hint):
    with pytest.raises(ConfigError, match=f"cfg.{entry}") as error:
        make_run_settings({**DEFAULTS, entry: value}, seed=1)
    assert hint in str(error.value)


MISTYPED = [
    ("cfg.num_layrs=3", "Training.py: cfg.num_layrs is not an entry: did you mean 'num_layers'?"),
    ("cfg.J11", "Training.py: cfg.J11 is not a named config: did you mean 'cfg.J1'?"),
    ("sed=3", "Training.py: sed is not an entry: did you mean 'seed'?"),
    ("cfg.patience=0", "Training.py: cfg.patience is 0: give a whole number of at least 1"),
    ("cfg.tsk=voice", "Training.py: cfg.tsk is not an entry: did you mean 'task'?"),
]


@pytest.mark.parametrize("command", [[], ["print_config"], ["train_and_score"]], ids=str)
@pytest.mark.parametrize(("word", "line"), MISTYPED, ids=lambda text: text.split("=")[0])
def test_a_mistyped_word_ends_with_one_line_that_names_the_nearest(
    capsys, monkeypatch, tmp_path, command, word, line
):
    monkeypatch.chdir(tmp_path)  # a run would be recorded here
    with pytest.raises(SystemExit) as end:
        Training.ex.run_commandline(["Training.py", *command, "with", word])
    assert end.value.code == 2
    assert capsys.readouterr().err.splitlines() == [line]


def test_a_mistyped_entry_stops_a_real_process_before_tensorflow_is_imported(tmp_path):
    """The status is 2, standard error has one line, and no file is written."""
    program = ROOT / "Training.py"
    words = ["with", "cfg.J1", "cfg.num_layrs=3"]
    process = subprocess.run(
        [sys.executable, "-X", "importtime", program, *words],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    lines = process.stderr.splitlines()
    imported = {line.split("|")[-1].strip() for line in lines if line.startswith("import time:")}
    messages = [line for line in lines if not line.startswith("import time:")]
    assert process.returncode == 2
    assert messages == [MISTYPED[0][1]]
    assert process.stdout == ""
    assert "sacred" in imported
    assert not imported & {"tensorflow", "keras", "soxr", "museval"}
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    "changes",
    [
        {"upsampling": "learned"},
        {"filter_size": 7},
        {"skip_levels": "none"},
        {"num_layers": 5},
        {"context": True},
    ],
    ids=str,
)
def test_a_changed_entry_of_another_network_is_an_error(changes):
    entries = {**DEFAULTS, "network": "unet_spectrogram", "num_channels": 1}
    make_run_settings(entries, seed=1)
    make_run_settings({**entries, "num_layers": DEMO["num_layers"]}, seed=1)  # as with cfg.demo
    with pytest.raises(ConfigError, match=f"cfg.{next(iter(changes))} is .* not have this entry"):
        make_run_settings({**entries, **changes}, seed=1)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["cfg.J1", "cfg.folder_path=x"], "cfg.folder_path is not used: give cfg.dataset=folder"),
        (
            ["cfg.J1", "cfg.demo", "cfg.musdb_path=x"],
            "cfg.musdb_path is not used: give cfg.dataset",
        ),
        (["cfg.J1", "cfg.init_deviation=0.1"], "cfg.init_deviation is not used: give cfg.init=nor"),
        (["cfg.J1", "cfg.res_path_levels=all"], "is not used: give cfg.res_path_units, or leave"),
        (
            ["cfg.J1", "cfg.batch_sizes=[1]", "cfg.learning_rates=[1]", "cfg.stage_start=best"],
            "sev",
        ),
        (
            ["cfg.U7", "cfg.filter_size=15"],
            "cfg.filter_size is 15: cfg.network = 'unet_spectrogram'",
        ),
        (["cfg.J1", "experiment_id=x"], "experiment_id is not used by the command describe"),
        (
            ["cfg.U1", "cfg.frozen=['encoder','bottleneck','decoder','output']"],
            "nothing would be tr",
        ),
        (["cfg.U7", "cfg.frozen=['encoder','decoder','output']"], "nothing would be trained"),
    ],
)
def test_an_entry_that_nothing_uses_is_an_error(tmp_path, monkeypatch, capsys, words, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as end:
        Training.ex.run_commandline(["Training.py", "describe", "with", *words])
    line = capsys.readouterr().err
    assert end.value.code == 2
    assert message in line
    assert line.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_the_tilde_of_a_path_is_expanded():
    store = make_run_settings({**DEFAULTS, "store_path": "~/store"}, seed=1).data.store_path
    assert store == str(Path.home() / "store")
    with pytest.raises(ConfigError, match=r"cfg\.musdb_path is 5"):
        make_run_settings({**DEFAULTS, "musdb_path": 5}, seed=1)
