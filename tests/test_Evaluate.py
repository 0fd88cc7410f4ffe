"""Evaluate: one JSON a song, estimates as audio on request, and weights that do not fit."""

import json
from dataclasses import asdict

import numpy as np
import pytest
import soundfile

import Evaluate
from Config import specs
from Engine import Separation
from Engine.Weights import save_weights
from Input.Collection import find_songs
from Models import Build
from Models.Build import build
from Spec.Errors import ConfigError


@pytest.fixture(scope="module")
def weights(tiny, tmp_path_factory):
    """The tiny model at its random start, at the corpus' own rate."""
    model = specs({**tiny, "sample_rate": 44100}, seed=1).model
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


def test_estimates_on_request_are_as_long_as_the_mix_and_add_up_to_it(evaluate, tiny, tmp_path):
    evaluate({"save_estimates": True})
    run = specs(tiny, seed=1)
    (song,) = (s for s in find_songs(run.data, lambda *_: None) if s.subset == "test")
    recording = song.read(run.model.sources)
    folder = tmp_path / "scores" / "estimates" / "test" / song.name
    heard = [soundfile.read(folder / f"{name}.wav") for name in run.model.sources]
    assert {rate for _, rate in heard} == {recording.sample_rate}
    total = sum(samples for samples, _ in heard)
    assert total.shape == recording.mix.shape
    np.testing.assert_allclose(total, recording.mix, atol=1e-6)


def test_threads_are_seen_to_before_the_model_is_built(evaluate, tiny, monkeypatch):
    calls = []
    monkeypatch.setattr(Separation, "keep_operations_whole", lambda *said: calls.append(said))
    monkeypatch.setattr(Build, "build", lambda spec: calls.append("built") or build(spec))
    evaluate({"whole_song": True})
    assert calls[:2] == [(specs({**tiny, "sample_rate": 44100}, seed=1).model, True), "built"]


def test_the_record_has_the_jsons_the_manifest_and_the_subset(evaluate, tmp_path):
    run = evaluate(subset="valid")
    (record,) = (tmp_path / "runs").glob("*/run.json")
    artifacts = json.loads(record.read_text())["artifacts"]
    (song,) = (tmp_path / "scores" / "museval" / "valid").glob("*.json")
    assert set(artifacts) == {"best.json", "scores.json", f"museval valid {song.name}"}
    assert run.result["subset"] == "valid"
    assert run.result["scores"]["vocals"]["songs"] == 1


def test_a_second_start_goes_on_and_a_third_of_other_entries_is_refused(
    evaluate, tmp_path, capsys, monkeypatch
):
    def stopped(*args, **kwargs):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("Engine.Score.score_songs", stopped)
        with pytest.raises(KeyboardInterrupt):
            evaluate()
    scores = tmp_path / "scores"
    assert sorted(path.name for path in scores.iterdir()) == [
        *(".evaluation.lock", "evaluation.json"),
    ]
    first = evaluate().result
    assert "scored already" not in capsys.readouterr().out
    (path,) = (scores / "museval" / "test").glob("*.json")
    before = path.stat().st_mtime_ns, path.read_bytes(), (scores / "scores.json").read_bytes()
    again = evaluate()
    assert "1 of 1 songs are scored already" in capsys.readouterr().out
    assert again.result == first
    assert again.result["scores"]["vocals"]["mixture_pooled_median"] is not None
    after = path.stat().st_mtime_ns, path.read_bytes(), (scores / "scores.json").read_bytes()
    assert after == before
    with pytest.raises(ConfigError, match="passes is 2 and was 1: score into another folder"):
        evaluate({"passes": 2})


def failed(capsys, *updates):
    with pytest.raises(SystemExit) as end:
        Evaluate.ex.run_commandline(["Evaluate.py", "-u", "with", *updates])
    lines = [line for line in capsys.readouterr().err.splitlines() if "Changed type" not in line]
    assert (end.value.code, len(lines)) == (2, 1)
    return lines[0]


@pytest.fixture
def entries(tiny, weights, tmp_path):
    """The tiny config as a file, which a command line takes like a named config."""
    path = tmp_path / "config.json"
    cfg = {key: value for key, value in tiny.items() if key != "__doc__"}
    path.write_text(json.dumps({"cfg": {**cfg, "sample_rate": 44100}}))
    return str(path)


def test_weights_of_another_config_are_refused_with_what_differs(capsys, entries, weights):
    line = failed(capsys, entries, f"model_path={weights}", "cfg.num_initial_filters=5")
    assert "num_initial_filters is 5 in the config and 4 in the weights" in line


def test_weights_that_are_not_there_are_named(capsys, entries, tmp_path):
    line = failed(capsys, entries, f"model_path={tmp_path}/none.safetensors")
    assert f"{tmp_path}/none.safetensors: there is no such weights file" in line


def test_a_file_that_is_no_weights_is_refused(capsys, entries):
    assert "is no weights file of this project" in failed(capsys, entries, f"model_path={entries}")


def test_weights_changed_after_their_manifest_are_refused(capsys, entries, weights, tmp_path):
    (tmp_path / "best.json").write_bytes(weights.with_suffix(".json").read_bytes())
    (tmp_path / "best.safetensors").write_bytes(weights.read_bytes() + b"x")
    line = failed(capsys, entries, f"model_path={tmp_path}/best.safetensors")
    assert "is not the file its manifest best.json describes" in line


def test_a_folder_that_holds_scores_is_not_written_over(capsys, entries, weights, tmp_path):
    (tmp_path / "scores.json").write_text("{}")
    line = failed(capsys, entries, f"model_path={weights}", f"output_path={tmp_path}")
    assert "scores.json: holds scores of which it is not known how they were made" in line
    assert (tmp_path / "scores.json").read_text() == "{}"


def test_a_folder_that_cannot_be_written_to_is_named(capsys, entries, weights):
    line = failed(capsys, entries, f"model_path={weights}", "output_path=/dev/null/x")
    assert "/dev/null/x" in line
    assert "give another output_path" in line


def test_the_manifest_says_which_model_it_is(weights, tiny):
    model = json.loads(weights.with_suffix(".json").read_text())["model"]
    wanted = asdict(specs({**tiny, "sample_rate": 44100}, seed=1).model)
    assert model == json.loads(json.dumps(wanted))
