"""Figures and the listening page that Report.py makes from a recorded run."""

import json
import shutil
from pathlib import Path

import matplotlib.figure
import pytest

import Evaluate
import Report
import Training
from jnet.reports.figures import spectrogram


@pytest.fixture(scope="module")
def run_folder(tiny, tmp_path_factory):
    """Return the folder of a recorded run of a tiny J1 with saved estimates."""
    place = tmp_path_factory.mktemp("recorded")
    entries = {
        **tiny,
        "num_layers": 1,
        "batch_sizes": [2],
        "learning_rates": [1e-3],
        "max_epochs": 1,
        "epoch_steps": 1,
        "output_path": str(place / "experiments"),
        "save_estimates": True,
    }
    run = Training.ex.run(
        config_updates={"cfg": entries},
        named_configs=["cfg.J1"],
        options={"--file_storage": str(place / "runs")},
    )
    return place / "runs" / str(run._id)


def is_png(path):
    return path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


@pytest.mark.filterwarnings("error:constrained_layout")
@pytest.mark.parametrize("command", ["figure2", "figure3", "violins", "boxes"])
def test_a_figure_of_recorded_scores_is_written_as_png_and_pdf(
    command, run_folder, tmp_path, capsys
):
    out = tmp_path / f"{command}.png"
    assert Report.main([command, str(run_folder.parent), "--out", str(out)]) == 0
    assert is_png(out)
    assert out.with_suffix(".pdf").read_bytes()[:5] == b"%PDF-"
    assert capsys.readouterr().out.split() == [str(out), str(out.with_suffix(".pdf"))]


def test_curves_and_a_spectrogram_of_a_run(run_folder, tmp_path):
    assert Report.main(["curves", str(run_folder), "--out", str(tmp_path / "curves.png")]) == 0
    assert is_png(tmp_path / "curves.png")
    out = tmp_path / "estimate.png"
    assert Report.main(["spectrogram", str(run_folder), "--seconds", "2", "--out", str(out)]) == 0
    assert is_png(out)


def test_a_page_has_every_track_with_mix_references_and_estimates(run_folder, tmp_path, capsys):
    assert Report.main(["page", str(run_folder), "--out", str(tmp_path / "page")]) == 0
    text = (tmp_path / "page" / "index.html").read_text(encoding="utf-8")
    assert "J1, changed: " in text
    recordings = sorted((tmp_path / "page" / "audio").glob("*.wav"))
    assert len(recordings) == 1 + 2 + 2
    for recording in recordings:
        assert recording.name in text
    capsys.readouterr()
    assert Report.main(["page", str(run_folder), "--out", str(tmp_path / "page")]) == 2
    assert "already exists" in capsys.readouterr().err


def test_an_evaluation_without_a_named_config_uses_the_model_of_its_weights(
    run_folder, tiny, tmp_path, monkeypatch
):
    weights = json.loads((run_folder / "run.json").read_text())["result"]["weights"]
    data = {key: tiny[key] for key in ("dataset", "folder_path", "store_path")}
    run = Evaluate.ex.run(
        config_updates={
            "cfg": {**data, "output_path": str(tmp_path / "scores"), "save_estimates": True},
            "model_path": weights,
        },
        options={"--file_storage": str(tmp_path / "runs")},
    )
    drawn = []

    def draw(samples, sample_rate, hop_seconds, **look):
        drawn.append((hop_seconds, look["highest_hz"]))
        return matplotlib.figure.Figure()

    monkeypatch.setattr(spectrogram, "draw_spectrogram", draw)
    folder = tmp_path / "runs" / str(run._id)
    assert Report.main(["spectrogram", str(folder), "--out", str(tmp_path / "s.png")]) == 0
    model = json.loads(Path(weights).with_suffix(".json").read_text())["model"]
    assert model["sample_rate"] == 8000  # the default is 22050
    assert drawn == [(model["num_frames"] / 8000, 4000)]


@pytest.mark.parametrize(
    ("manifest", "reason"),
    [("{", "is not a weights manifest"), ('{"model": {}}', "it has no entry network")],
)
def test_a_damaged_manifest_is_reported(manifest, reason, run_folder, tmp_path, capsys):
    copied = tmp_path / run_folder.name
    shutil.copytree(run_folder, copied)
    (copied / "best.json").write_text(manifest)
    assert Report.main(["spectrogram", str(copied), "--out", str(tmp_path / "s.png")]) == 2
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    assert reason in line
    assert not (tmp_path / "s.png").exists()


def test_a_track_without_estimates_is_rejected(run_folder, tmp_path, capsys):
    arguments = ["page", str(run_folder), "--only", "No such track", "--out", str(tmp_path / "p")]
    assert Report.main(arguments) == 2
    assert "has no estimates of 'No such track'" in capsys.readouterr().err
    assert not (tmp_path / "p" / "index.html").exists()


@pytest.mark.parametrize("command", ["page", "spectrogram"])
@pytest.mark.parametrize("left", [(), ("estimates",), ("estimates", "test")])
def test_a_run_without_estimates_explains_how_to_save_them(
    command, left, run_folder, tmp_path, capsys
):
    tmp_path.joinpath("nowhere", *left).mkdir(parents=True)
    copied = tmp_path / run_folder.name
    shutil.copytree(run_folder, copied)
    entry = json.loads((copied / "run.json").read_text())
    entry["result"]["folder"] = str(tmp_path / "nowhere")
    (copied / "run.json").write_text(json.dumps(entry))
    assert Report.main([command, str(copied), "--out", str(tmp_path / "p.png")]) == 2
    line = capsys.readouterr().err
    assert "cfg.save_estimates=True" in line
    assert line.count("\n") == 1
