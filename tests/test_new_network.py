"""A new network needs only its folder and one line in the registry."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

import Evaluate
import Report
import Training
from Models.Networks import NETWORKS
from tests.new_network.network import OneLayerSettings

ROOT = Path(__file__).parents[1]
SMALL = {
    "network": "one_layer",
    "num_initial_filters": 2,
    "num_frames": 1024,
    "sample_rate": 8000,
    "frozen": ["encoder"],
    "dataset": "folder",
    "num_validation_tracks": 1,
    "num_workers": 1,
    "batch_sizes": [2],
    "learning_rates": [1e-3],
    "epoch_steps": 200,
    "max_epochs": 2,
    "checkpoint_minutes": 0,
}


@pytest.fixture
def words(demo_path, tmp_path, monkeypatch):
    """Return the command line of a small training and change to an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(NETWORKS, "one_layer", (OneLayerSettings, "tests.new_network.graph"))
    entries = {**SMALL, "folder_path": str(demo_path)}
    return ["with", *(f"cfg.{key}={value!r}" for key, value in entries.items())]


def kill_training(words):
    """Start a training in a separate process and kill it after some steps."""
    program = [sys.executable, "-m", "tests.new_network.network", "Training.py", *words]
    process = subprocess.Popen(program, env={**os.environ, "PYTHONPATH": str(ROOT)})
    try:
        while process.poll() is None and not list(Path("experiments").glob("*/checkpoints/00002*")):
            time.sleep(0.02)
        assert process.poll() is None, "the training ended before it could be killed"
    finally:
        process.kill()
        process.wait()


def test_a_new_network_is_trained_resumed_evaluated_and_reported(words, capsys):
    Training.ex.run_commandline(["Training.py", "describe", *words])
    description = capsys.readouterr().out
    # Conv1D(9, stereo, 2) with biases, frozen; two heads Conv1D(1, 2, stereo) with biases.
    assert ["encoder", "38", "random"] in map(str.split, description.splitlines())
    assert description.splitlines()[-1] == "weights: total 50, trainable 12, frozen 38"
    assert Path("model.svg").read_text().startswith("<svg")

    kill_training(words)
    run = Training.ex.run_commandline(["Training.py", *words])
    trained = run.result
    assert trained["resumed"] is not None
    (folder,) = Path("experiments").iterdir()
    state = json.loads(max(folder.glob("checkpoints/*/state.json")).read_text())["state"]
    assert state["progress"]["step"] == 400
    assert len(state["runs"]) == 2

    model = f"model_path={trained['weights']!r}"
    data = [word for word in words if word.startswith(("cfg.dataset", "cfg.folder"))]
    evaluated = Evaluate.ex.run_commandline(["Evaluate.py", "with", model, *data]).result
    assert evaluated["scores"] == trained["scores"]

    capsys.readouterr()
    assert Report.main(["models", "runs"]) == 0
    assert f"{trained['scores']['vocals']['pooled_median']:.2f}" in capsys.readouterr().out
