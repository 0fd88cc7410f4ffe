"""Report.py's pictures and page, from a run that was really recorded."""

import json
import shutil

import pytest

import Report
import Training


@pytest.fixture(scope="module")
def run_folder(tiny, tmp_path_factory):
    """The record of a tiny J1 that kept its estimates."""
    place = tmp_path_factory.mktemp("recorded")
    entries = {
        **tiny,
        "num_layers": 1,
        "batch_sizes": [2],
        "learning_rates": [1e-3],
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


def test_a_page_has_every_song_with_mix_references_and_estimates(run_folder, tmp_path, capsys):
    assert Report.main(["page", str(run_folder), "--out", str(tmp_path / "page")]) == 0
    text = (tmp_path / "page" / "index.html").read_text(encoding="utf-8")
    assert "J1, run" in text
    recordings = sorted((tmp_path / "page" / "audio").glob("*.wav"))
    assert len(recordings) == 1 + 2 + 2
    for recording in recordings:
        assert recording.name in text
    capsys.readouterr()
    assert Report.main(["page", str(run_folder), "--out", str(tmp_path / "page")]) == 2
    assert "is already there" in capsys.readouterr().err


def test_a_song_that_the_run_has_not_is_refused(run_folder, tmp_path, capsys):
    arguments = ["page", str(run_folder), "--only", "No such song", "--out", str(tmp_path / "p")]
    assert Report.main(arguments) == 2
    assert "has no estimates of 'No such song'" in capsys.readouterr().err
    assert not (tmp_path / "p" / "index.html").exists()


def test_a_run_without_estimates_says_how_to_get_them(run_folder, tmp_path, capsys):
    copied = tmp_path / run_folder.name
    shutil.copytree(run_folder, copied)
    entry = json.loads((copied / "run.json").read_text())
    entry["result"]["folder"] = str(tmp_path / "nowhere")
    (copied / "run.json").write_text(json.dumps(entry))
    assert Report.main(["page", str(copied), "--out", str(tmp_path / "p")]) == 2
    assert "cfg.save_estimates=True" in capsys.readouterr().err
