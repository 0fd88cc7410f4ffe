"""Files of version 0.1.0 can be read: weights, manifests, records and scores."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

import Report
from Config import DEFAULTS, config_ingredient, make_run_settings
from jnet.errors import ConfigError
from jnet.names import rename_entries
from jnet.results.recorded import read_sources
from jnet.scoring.statistics import TRACK_MEDIANS, compute_statistics
from jnet.settings.run import make_training_fingerprint
from jnet.training.checkpoints import read_newest_checkpoint
from jnet.training.resume import claim_training
from jnet.weights.files import load_weights
from jnet.weights.manifests import read_settings
from Models.Build import build
from Models.Networks import make_model_settings, settings_from_manifest

STORED = Path(__file__).parent / "fixtures" / "version_0.1.0"
RENAMED = {"num_validation_songs": "num_validation_tracks"}


def get_named_entries(name):
    return {**DEFAULTS, **config_ingredient.named_configs[name]()}


def test_named_configs_are_the_same():
    stored = json.loads((STORED / "named_configs.json").read_text())
    assert stored.keys() <= config_ingredient.named_configs.keys()
    for name, entries in stored.items():
        changes = {RENAMED.get(key, key): value for key, value in entries.items()}
        assert get_named_entries(name) == {**DEFAULTS, **changes}, name


@pytest.mark.parametrize("name", ["J1", "J2_3_5", "L_first3", "M5", "M6", "U7"])
def test_manifests_describe_the_same_models(name):
    stored = json.loads((STORED / "manifest_models.json").read_text())[name]
    assert settings_from_manifest(stored) == make_model_settings(get_named_entries(name), seed=3)


def test_weights_are_loaded():
    path = STORED / "training" / "best.safetensors"
    settings = read_settings(path)
    assert (settings.num_layers, settings.frozen) == (2, ("encoder", "skip"))
    model = build(settings)
    load_weights(model, settings, path)
    tensors = load_file(path)
    for weight in model.weights:
        np.testing.assert_array_equal(weight.numpy(), tensors[weight.path])


def test_a_run_record_is_reported():
    """The label, the notes and the scores are those that version 0.1.0 printed."""
    (result,) = read_sources([str(STORED / "run")]).results
    assert (result.row, result.seed, len(result.tracks)) == ("J1", 1, 3)
    assert result.label.startswith("J1, changed: batch_sizes=[2], epoch_steps=3, ")
    assert result.notes[0] == "demo sizes (cfg.demo)"
    printed = json.loads((STORED / "run" / "scores.json").read_text())
    for source, numbers in printed.items():
        computed = compute_statistics([track.targets[source]["SDR"] for track in result.tracks])
        assert computed["pooled_median"] == pytest.approx(numbers["pooled_median"], abs=1e-9)
        assert computed[TRACK_MEDIANS] == pytest.approx(
            numbers["median_over_songs_of_song_medians"], abs=1e-9
        )


def test_a_finished_training_is_recognised(tmp_path):
    """The same settings claim its folder, and only the scores are missing."""
    folder = shutil.copytree(STORED / "training", tmp_path / "training")
    config = json.loads((STORED / "run" / "config.json").read_text())
    entries = rename_entries({k: v for k, v in config["cfg"].items() if k != "__doc__"})
    checkpoint = read_newest_checkpoint(folder, pytest.fail)
    store = checkpoint.fingerprint["store"]
    fingerprint = make_training_fingerprint(make_run_settings({**DEFAULTS, **entries}, 1), store)
    with claim_training(tmp_path, "training", "new", fingerprint, pytest.fail) as claimed:
        assert (
            claimed.describe()
            == f"{folder} was trained with these settings, its scores are used again: to train "
            f"again, give a new experiment_id"
        )
    other = make_training_fingerprint(
        make_run_settings({**DEFAULTS, **entries, "patience": 3}, 1), store
    )
    with (
        pytest.raises(ConfigError, match=r"cfg\.patience is 3 and was 2"),
        claim_training(tmp_path, "training", "new", other, pytest.fail),
    ):
        pass


@pytest.mark.parametrize("command", ["page", "spectrogram"])
def test_reports_of_a_recorded_run_use_defaults_for_newer_entries(
    command, capsys, tmp_path, monkeypatch
):
    """The record has no `cfg.computation`. It has no estimates either, which is an error."""
    monkeypatch.chdir(tmp_path)
    assert Report.main([command, str(STORED / "run")]) == 2
    assert "no saved estimates" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
