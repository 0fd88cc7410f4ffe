"""Evaluate: a JSON per track, optional audio of the estimates, and errors of weights."""

import json
import shutil
from dataclasses import asdict

import numpy as np
import pytest
import soundfile

import Evaluate
from Config import make_run_settings
from jnet.data.find import find_tracks
from jnet.errors import ConfigError
from jnet.separation import predictor as Separation
from jnet.weights.files import save_weights
from Models import Build
from Models.Build import build


@pytest.fixture(scope="module")
def weights(tiny, tmp_path_factory):
    """Return a weights file of the tiny model, not trained, at the rate of the corpus."""
    model = make_run_settings({**tiny, "sample_rate": 44100}, seed=1).model
    path = tmp_path_factory.mktemp("weights") / "best.safetensors"
    save_weights(build(model), model, path)
    return path


@pytest.fixture
def evaluate(tiny, weights, tmp_path, monkeypatch):
    monkeypatch.delenv("JNET_MONGO_URL", raising=False)

    def run(changes=(), **entries):
        return Evaluate.ex.run(
            config_updates={
                "cfg": {**tiny, "sample_rate": 44100, **dict(changes)},
                "model_path": str(weights),
                "output_path": str(tmp_path / "scores"),
                **entries,
            },
            options={"--file_storage": str(tmp_path / "runs")},
        )

    return run


def test_saved_estimates_have_the_length_of_the_mix_and_add_up_to_it(evaluate, tiny, tmp_path):
    evaluate({"save_estimates": True})
    run = make_run_settings(tiny, seed=1)
    (track,) = (s for s in find_tracks(run.data, lambda *_: None) if s.subset == "test")
    recording = track.read(run.model.sources)
    folder = tmp_path / "scores" / "estimates" / "test" / track.name
    estimates = [soundfile.read(folder / f"{name}.wav") for name in run.model.sources]
    assert {rate for _, rate in estimates} == {recording.sample_rate}
    total = sum(samples for samples, _ in estimates)
    assert total.shape == recording.mix.shape
    np.testing.assert_allclose(total, recording.mix, atol=1e-6)


def test_threads_are_configured_before_the_model_is_built(evaluate, tiny, monkeypatch):
    calls = []
    monkeypatch.setattr(
        Separation, "use_one_thread_per_operation", lambda *arguments: calls.append(arguments)
    )
    monkeypatch.setattr(Build, "build", lambda settings: calls.append("built") or build(settings))
    evaluate({"whole_track": True})
    assert calls[:2] == [
        (make_run_settings({**tiny, "sample_rate": 44100}, seed=1).model, True),
        "built",
    ]


def test_weights_that_were_trained_on_other_data_get_a_note(evaluate, weights, tmp_path, capsys):
    evaluate()
    assert "note:" not in capsys.readouterr().out
    copy = tmp_path / "copy" / "best.safetensors"
    shutil.copytree(weights.parent, copy.parent)
    manifest = json.loads(copy.with_suffix(".json").read_text())
    copy.with_suffix(".json").write_text(json.dumps({**manifest, "store": "musdb18-44100Hz-12"}))
    evaluate(model_path=str(copy), output_path=str(tmp_path / "again"))
    assert "note: trained on musdb18-44100Hz-12, scored on folder" in capsys.readouterr().out


def test_the_record_has_the_jsons_the_manifest_and_the_subset(evaluate, tmp_path):
    run = evaluate(subset="valid")
    (record,) = (tmp_path / "runs").glob("*/run.json")
    artifacts = json.loads(record.read_text())["artifacts"]
    (track,) = (tmp_path / "scores" / "museval" / "valid").glob("*.json")
    assert set(artifacts) == {"best.json", "scores.json", f"museval valid {track.name}"}
    assert run.result["subset"] == "valid"
    assert run.result["scores"]["vocals"]["tracks"] == 1


def test_an_evaluation_is_resumed_and_other_entries_are_an_error(
    evaluate, tmp_path, capsys, monkeypatch
):
    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("jnet.scoring.evaluation.score_tracks", interrupt)
        with pytest.raises(KeyboardInterrupt):
            evaluate()
    scores = tmp_path / "scores"
    assert sorted(path.name for path in scores.iterdir()) == [
        *(".evaluation.lock", "evaluation.json"),
    ]
    first = evaluate().result
    assert "already scored" not in capsys.readouterr().out
    (path,) = (scores / "museval" / "test").glob("*.json")
    before = path.stat().st_mtime_ns, path.read_bytes(), (scores / "scores.json").read_bytes()
    again = evaluate()
    assert "1 of 1 tracks are already scored" in capsys.readouterr().out
    assert again.result == first
    assert again.result["scores"]["vocals"]["mixture_pooled_median"] is not None
    after = path.stat().st_mtime_ns, path.read_bytes(), (scores / "scores.json").read_bytes()
    assert after == before
    with pytest.raises(ConfigError, match="passes is 2 and was 1: choose another folder"):
        evaluate({"passes": 2})


def get_error(capsys, *updates):
    with pytest.raises(SystemExit) as end:
        Evaluate.ex.run_commandline(["Evaluate.py", "-u", "with", *updates])
    lines = [line for line in capsys.readouterr().err.splitlines() if "Changed type" not in line]
    assert (end.value.code, len(lines)) == (2, 1)
    return lines[0]


@pytest.fixture
def entries(tiny, weights, tmp_path):
    """Return a config file of the tiny model, used on the command line like a named config."""
    path = tmp_path / "config.json"
    cfg = {key: value for key, value in tiny.items() if key != "__doc__"}
    path.write_text(json.dumps({"cfg": {**cfg, "sample_rate": 44100}}))
    return str(path)


def test_weights_of_another_config_are_an_error_that_names_the_difference(capsys, entries, weights):
    line = get_error(capsys, entries, f"model_path={weights}", "cfg.num_initial_filters=5")
    assert "num_initial_filters is 5 in the config and 4 in the weights" in line


def test_missing_weights_are_an_error(capsys, entries, tmp_path):
    line = get_error(capsys, entries, f"model_path={tmp_path}/none.safetensors")
    assert f"{tmp_path}/none.safetensors: does not exist: correct the path of the weights" in line


def test_another_file_as_weights_is_an_error(capsys, entries):
    assert "is not a weights file" in get_error(capsys, entries, f"model_path={entries}")


def test_weights_that_do_not_match_their_manifest_are_an_error(capsys, entries, weights, tmp_path):
    (tmp_path / "best.json").write_bytes(weights.with_suffix(".json").read_bytes())
    (tmp_path / "best.safetensors").write_bytes(weights.read_bytes() + b"x")
    line = get_error(capsys, entries, f"model_path={tmp_path}/best.safetensors")
    assert "does not match its manifest best.json: replace both files" in line


def test_existing_scores_are_not_overwritten(capsys, entries, weights, tmp_path):
    (tmp_path / "scores.json").write_text("{}")
    line = get_error(capsys, entries, f"model_path={weights}", f"output_path={tmp_path}")
    assert "scores.json: contains scores of unknown origin" in line
    assert (tmp_path / "scores.json").read_text() == "{}"


def test_a_folder_that_is_not_writable_is_an_error(capsys, entries, weights):
    line = get_error(capsys, entries, f"model_path={weights}", "output_path=/dev/null/x")
    assert "/dev/null/x" in line
    assert "give another output_path" in line


def test_the_manifest_describes_the_model(weights, tiny):
    model = json.loads(weights.with_suffix(".json").read_text())["model"]
    wanted = asdict(make_run_settings({**tiny, "sample_rate": 44100}, seed=1).model)
    assert model == json.loads(json.dumps(wanted))
