"""The configs by name, how they compose, and what a wrong entry is told."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import Training
from Config import DEFAULTS, config_ingredient, specs
from Spec.Errors import ConfigError
from Spec.Shapes import ONLY_WAVE_U_NET

ROOT = Path(__file__).parents[1]
COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def printed_config(capsys, *words):
    """What `python Training.py print_config with …` ends up with, and what it shows."""
    run = Training.ex.run_commandline(["Training.py", "print_config", "with", *words])
    return run.config, COLOURS.sub("", capsys.readouterr().out)


def comments():
    """Of every entry in Config.py's source, the comment on its line."""
    source = (ROOT / "Config.py").read_text()
    lines = source.splitlines()
    scope = next(
        node
        for node in ast.parse(source).body
        if isinstance(node, ast.FunctionDef) and node.name == "cfg"
    )
    found = {}
    for node in scope.body:
        assert isinstance(node, ast.Assign), "a config scope is data"
        assert node.lineno == node.end_lineno, "Sacred keeps comments of single lines alone"
        _, _, comment = lines[node.lineno - 1].partition("  # ")
        found[node.targets[0].id] = comment
    return found


def test_every_entry_has_a_comment_and_print_config_shows_it(capsys):
    written = comments()
    assert set(written) == set(DEFAULTS)
    _, shown = printed_config(capsys, "cfg.U1")
    for entry, comment in written.items():
        assert len(comment) > 5, f"{entry} has no comment"
        line = rf"^ +{entry} = .*# {re.escape(comment)}$"
        assert re.search(line, shown, re.MULTILINE), f"{entry} is not shown with {comment!r}"


def test_every_named_config_says_in_its_docstring_what_it_is():
    for name, scope in config_ingredient.named_configs.items():
        said = str(dict(scope())["__doc__"])
        assert re.search(r"J-Net|Wave-U-Net|generated songs", said), f"{name}: {said}"


def test_a_named_config_changes_only_entries_that_exist():
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
def test_a_named_config_is_the_papers_model_and_nothing_else(capsys, name, changes):
    """J-Net paper, Section 4, and Wave-U-Net paper, Section 4.3, from U1's numbers on."""
    config, _ = printed_config(capsys, f"cfg.{name}")
    entries = {key: value for key, value in config["cfg"].items() if key != "__doc__"}
    assert entries == {**DEFAULTS, **changes}
    spec = specs(entries, seed=1)
    assert (spec.model.num_layers, spec.model.num_initial_filters) == (10, 24)
    assert (spec.model.num_frames, spec.model.sample_rate) == (16384, 22050)
    assert [(stage.batch_size, stage.learning_rate) for stage in spec.training.stages] == [
        (16, 1e-4),
        (32, 1e-5),
        (32, 1e-6),
    ]


def test_the_demo_is_any_model_made_small(capsys):
    small = printed_config(capsys, "cfg.demo")[0]["cfg"]
    assert small["dataset"] == "demo"
    assert small["num_initial_filters"] < DEFAULTS["num_initial_filters"]
    assert small["epoch_steps"] * small["max_epochs"] * len(small["batch_sizes"]) < 5000
    j1 = printed_config(capsys, "cfg.J1", "cfg.demo")[0]["cfg"]
    differing = {key for key in DEFAULTS if j1[key] != small[key]}
    assert differing == {"frozen"}
    assert j1["frozen"] == ["encoder", "skip"]


def test_named_configs_compose_left_to_right(capsys):
    config, _ = printed_config(capsys, "cfg.L_last3", "cfg.J1")
    assert (config["cfg"]["frozen"], config["cfg"]["skip_levels"]) == (["encoder", "skip"], "last3")
    config, _ = printed_config(capsys, "cfg.J1", "cfg.L_last3")
    assert (config["cfg"]["frozen"], config["cfg"]["skip_levels"]) == (["decoder"], "last3")
    config, _ = printed_config(capsys, "cfg.L_last3", "cfg.L_first3")
    assert config["cfg"]["skip_levels"] == "first3"


@pytest.mark.parametrize("words", [("cfg.patience=3", "cfg.demo"), ("cfg.demo", "cfg.patience=3")])
def test_what_the_command_line_says_wins_over_named_configs(capsys, words):
    config, _ = printed_config(capsys, *words, "seed=7", "cfg.frozen=['bottleneck']")
    assert config["cfg"]["patience"] == 3
    assert config["cfg"]["frozen"] == ["bottleneck"]
    assert config["cfg"]["dataset"] == "demo"  # what it does not say stays as named
    assert config["seed"] == 7


@pytest.mark.parametrize(
    ("entry", "value", "said"),
    [
        ("task", "vioce", "cfg.task is 'vioce': did you mean 'voice'?"),
        ("frozen", ["encodr"], "did you mean 'encoder'?"),
        ("num_frames", 16385, "a multiple of 1024, such as 16384"),
        ("skip_levels", "first0", "N of at least 1"),
        ("filter_size", 14, "odd"),
        ("learning_rates", [1e-4], "one of each for every stage"),
    ],
)
def test_a_wrong_value_is_named_with_the_right_ones(entry, value, said):
    with pytest.raises(ConfigError, match=f"cfg.{entry}") as error:
        specs({**DEFAULTS, entry: value}, seed=1)
    assert said in str(error.value)


MISTYPED = [
    ("cfg.num_layrs=3", "Training.py: cfg.num_layrs is not an entry: did you mean 'num_layers'?"),
    ("cfg.J11", "Training.py: cfg.J11 is not a named config: did you mean 'cfg.J1'?"),
    ("sed=3", "Training.py: sed is not an entry: did you mean 'seed'?"),
    ("cfg.patience=0", "Training.py: cfg.patience is 0: give a whole number of at least 1"),
    ("cfg.tsk=voice", "Training.py: cfg.tsk is not an entry: did you mean 'task'?"),
]


@pytest.mark.parametrize("command", [[], ["print_config"], ["train_and_score"]], ids=str)
@pytest.mark.parametrize(("word", "line"), MISTYPED, ids=lambda text: text.split("=")[0])
def test_what_is_mistyped_ends_in_one_line_that_names_the_nearest(
    capsys, monkeypatch, tmp_path, command, word, line
):
    monkeypatch.chdir(tmp_path)  # where a run would be recorded
    with pytest.raises(SystemExit) as end:
        Training.ex.run_commandline(["Training.py", *command, "with", word])
    assert end.value.code == 2
    assert capsys.readouterr().err.splitlines() == [line]


def test_a_mistyped_entry_stops_a_real_process_before_tensorflow_is_imported(tmp_path):
    """In the shell's view: status 2, one line on standard error, nothing else, nothing written."""
    program = ROOT / "Training.py"
    words = ["with", "cfg.J1", "cfg.num_layrs=3"]
    ended = subprocess.run(
        [sys.executable, "-X", "importtime", program, *words],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    lines = ended.stderr.splitlines()
    imported = {line.split("|")[-1].strip() for line in lines if line.startswith("import time:")}
    said = [line for line in lines if not line.startswith("import time:")]
    assert ended.returncode == 2
    assert said == [MISTYPED[0][1]]
    assert ended.stdout == ""
    assert "sacred" in imported
    assert not imported & {"tensorflow", "keras", "soxr", "museval"}
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_what_the_spectrogram_separator_ignores_is_refused_when_it_is_changed():
    entries = {**DEFAULTS, "network": "unet_spectrogram", "num_channels": 1}
    specs(entries, seed=1)
    for key, default in ONLY_WAVE_U_NET.items():
        assert DEFAULTS[key] == default
    for changes in ({"upsampling": "learned"}, {"filter_size": 7}, {"skip_levels": "none"}):
        with pytest.raises(ConfigError, match=f"cfg.{next(iter(changes))}"):
            specs({**entries, **changes}, seed=1)


def test_a_path_begins_at_home_where_it_begins_with_a_tilde():
    store = specs({**DEFAULTS, "store_path": "~/store"}, seed=1).data.store_path
    assert store == str(Path.home() / "store")
    with pytest.raises(ConfigError, match=r"cfg\.musdb_path is 5"):
        specs({**DEFAULTS, "musdb_path": 5}, seed=1)
