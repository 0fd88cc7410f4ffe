"""Tables of published numbers and recorded scores, and their notes."""

import csv
import io
from dataclasses import replace

import pandas as pd
import pytest

from jnet.errors import DataError
from jnet.reports.documents import (
    Document,
    escape_latex,
    format_csv,
    format_latex,
    format_markdown,
)
from jnet.reports.paper_tables import make_models_document, make_paper_document
from jnet.results.published import collect_printed_numbers, find_paper_table
from jnet.results.recorded import read_sources
from tests.jnet.reports.written import SHA, musdb_scores, record, write

SMALL = {"One": [1.0, 2.0], "Two": [3.0]}
FOUR = ("vocals", "drums", "bass", "other")


def make_table(command, *sources, **options):
    return make_paper_document(
        find_paper_table(command), read_sources(list(map(str, sources))), **options
    )


def read_rows(document, begin):
    """Return the texts of the table whose title begins with `begin`, by model."""
    (table,) = [table for title, table in document.tables.items() if title.startswith(begin)]
    return {name: tuple(texts) for name, *texts in table.reset_index().to_numpy().tolist()}


def read_csv_lines(document):
    """Return the lines of the CSV by model, source and statistic."""
    reader = csv.DictReader(io.StringIO(format_csv(document)))
    return {(line["model"], line["source"], line["statistic"]): line for line in reader}


def test_stl1_has_the_published_numbers_of_m4(shared_data):
    document = make_table("table1", f"M4={shared_data / 'sisec18' / 'STL1'}")
    voice, music = (read_rows(document, source)["M4"] for source in ("vocals", "accompaniment"))
    assert voice[:-1:3] == voice[1:-1:3] == ("4.46", "3.21", "0.65", "13.67")
    assert music[:-1:3] == music[1:-1:3] == ("10.69", "3.15", "11.85", "7.03")
    assert voice[2:-1:3] == music[2:-1:3] == ("0.00",) * 4
    assert (voice[-1], music[-1]) == ("4.97", "11.11")
    assert read_rows(document, "Runs behind")["M4"][5:] == ("50", "12439", "2799", "2799")
    other = make_table("waveunet_table2", f"M4={shared_data / 'sisec18' / 'STL1'}")
    assert read_rows(other, "vocals")["M4"] == voice


def test_without_runs_a_table_has_published_numbers_and_commands():
    document = make_table("table3")
    assert read_rows(document, "vocals")["U4_2"][:3] == ("–", "4.32", "–")
    assert document.notes["Models without a run"][1] == (
        "U4_2: `python Training.py with cfg.U4`, then "
        "`python Evaluate.py with cfg.U4_2 model_path=…`"
    )
    assert read_rows(document, "Runs behind")["U1_1"][0] == "no run"


def test_seeds_are_averaged_with_their_deviation(tmp_path):
    for seed in (1, 2, 3):
        shifted = {
            name: [value + seed for value in values] for name, values in musdb_scores().items()
        }
        record(tmp_path, seed, ["J1"], shifted, seed=seed)
    document = make_models_document(collect_printed_numbers(), read_sources([str(tmp_path)]), "SDR")
    line = read_csv_lines(document)["J1", "vocals", "pooled_median"]
    assert (line["runs"], line["seeds"], line["deviation"]) == ("3", "1; 2; 3", "1.0")
    assert float(line["ours"]) == pytest.approx(7.0, abs=0.1)
    assert read_rows(document, "vocals")["J1"][0].endswith(" ± 1.00")
    assert read_rows(document, "Runs behind")["J1"][:3] == ("1, 2, 3", "7248fc5", "1, 2, 3")


def test_only_comparable_runs_have_a_difference(tmp_path):
    record(tmp_path, 1, ["U5"], musdb_scores())
    record(tmp_path, 2, ["U1", "demo"], SMALL)
    document = make_table("table1", tmp_path)
    ours, published, difference = read_rows(document, "vocals")["U5"][:3]
    assert float(ours) - float(published) == pytest.approx(float(difference), abs=0.011)
    assert read_rows(document, "vocals")["U1 †"][:3] == ("2.00", "4.48", "–")
    (note,) = document.notes["† Not comparable with the published numbers"]
    assert note == "U1 (run 2): demo sizes (cfg.demo); 2 tracks, none of MUSDB18's 50 test tracks"


def test_runs_that_are_not_comparable_are_hidden_by_comparable_runs(tmp_path):
    record(tmp_path, 1, ["U1"], musdb_scores())
    record(tmp_path, 2, ["U1", "demo"], musdb_scores(9))
    document = make_table("table1", tmp_path)
    assert read_rows(document, "Runs behind")["U1"][0] == "1"
    assert "run 2 (U1): not shown" in document.notes["Results not used"][0]
    assert "demo sizes" in document.notes["Results not used"][0]


def test_a_run_with_changed_entries_has_a_line_of_its_own_below_its_row(tmp_path):
    """The name of a row of a paper is given only to that row."""
    record(tmp_path, 1, ["U1"], musdb_scores(), updates={"cfg": {"num_layers": 5}})
    document = make_table("table1", tmp_path)
    rows = read_rows(document, "Runs behind")
    assert rows["U1"][0] == "no run"
    assert rows["U1, changed: num_layers=5 †"][0] == "1"
    assert read_rows(document, "vocals")["U1, changed: num_layers=5 †"][1:3] == ("–", "–")
    models = make_models_document(collect_printed_numbers(), read_sources([str(tmp_path)]), "SDR")
    assert list(read_rows(models, "vocals")) == ["U1, changed: num_layers=5 †"]
    assert models.title == "SDR of 1 model"


def test_one_run_fills_every_row_of_its_model(tmp_path):
    record(tmp_path, 1, ["U1"], musdb_scores())
    record(tmp_path, 2, ["U4"], musdb_scores(), sha=SHA)
    document = make_table("table3", tmp_path)
    rows = read_rows(document, "Runs behind")
    assert (rows["U1_1"][0], rows["U4_1"][0], rows["U4_2"][0]) == ("1", "2", "no run")
    assert document.notes["Models without a run"][0] == (
        "U4_2: `python Evaluate.py with cfg.U4_2 model_path=experiments/2/best.safetensors`"
    )


def test_full_44khz_is_shown_beside_the_numbers_of_the_original_readme(tmp_path):
    """The README: median (mean) SDR of 4.95 (1.01) for vocals, 11.16 (12.87) for accompaniment."""
    record(tmp_path, 1, ["full_44KHz"], musdb_scores())
    found = read_sources([str(tmp_path)])
    for document in (
        make_models_document(collect_printed_numbers(), found, "SDR"),
        make_paper_document(find_paper_table("waveunet_repository"), found),
    ):
        in_csv = read_csv_lines(document)
        for source, median, mean in (("vocals", 4.95, 1.01), ("accompaniment", 11.16, 12.87)):
            for statistic, published in (("pooled_median", median), ("pooled_mean", mean)):
                line = in_csv["full_44KHz", source, statistic]
                assert float(line["published"]) == published
                assert float(line["ours"]) - published == pytest.approx(float(line["difference"]))
            assert in_csv["full_44KHz", source, "pooled_sd"]["published"] == ""
    assert read_rows(make_table("waveunet_repository"), "vocals")["full_44KHz"][:3] == (
        "–",
        "4.95",
        "–",
    )


def test_demucs_tables_have_the_mean_over_the_four_sources(tmp_path):
    write(tmp_path / "a", musdb_scores(), targets=FOUR)
    document = make_table("demucs_table1", f"Wave-U-Net={tmp_path / 'a'}", family="tracks")
    csv_lines = read_csv_lines(document)
    ours = [
        float(csv_lines["Wave-U-Net", column, "median_over_tracks_of_track_medians"]["ours"])
        for column in ("all", *FOUR)
    ]
    assert ours[0] == pytest.approx(sum(ours[1:]) / 4)
    assert ours[2] - ours[1] == pytest.approx(1)
    assert read_rows(document, "SDR in dB, median of")["Demucs"][1] == "5.35 ± 0.03"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda scores: {name: values[:6] for name, values in scores.items()}, "another length"),
        (lambda scores: scores, "scored with the targets bass, drums"),
    ],
)
def test_other_tracks_lengths_and_targets_are_marked(tmp_path, change, message):
    targets = FOUR if "scored" in message else ("vocals", "accompaniment")
    write(tmp_path / "U1", change(musdb_scores()), targets=targets)
    document = make_table("table1", tmp_path / "U1")
    (note,) = document.notes["† Not comparable with the published numbers"]
    assert message in note
    assert read_rows(document, "vocals")["U1 †"][2] == "–"


def test_a_folder_that_is_not_a_row_is_added_below(tmp_path):
    write(tmp_path / "Mine", musdb_scores())
    assert read_rows(make_table("table1", tmp_path / "Mine"), "vocals")["Mine"][1] == "–"


def test_49_of_50_tracks_are_rejected_and_the_missing_one_is_named(tmp_path):
    scores = musdb_scores()
    del scores["Zeno - Signs"]
    write(tmp_path / "U1", scores)
    with pytest.raises(DataError, match="49 tracks, but 50 are expected: Zeno - Signs missing"):
        make_table("table1", tmp_path / "U1")
    record(tmp_path / "runs", 1, ["U1"], scores)
    document = make_table("table1", tmp_path / "runs")
    assert read_rows(document, "Runs behind")["U1"][0] == "no run"
    assert "Zeno - Signs missing" in document.notes["Results not used"][0]
    document = make_table("table1", tmp_path / "runs", tracks=49)
    assert document.notes["† Not comparable with the published numbers"] == [
        "U1 (run 1): 49 tracks, 49 of MUSDB18's 50 test tracks"
    ]
    with pytest.raises(DataError, match="has 49 tracks, but --tracks is 48"):
        make_table("table1", tmp_path / "U1", tracks=48)


def test_other_results_determine_the_expected_tracks(tmp_path):
    write(tmp_path / "A", SMALL)
    write(tmp_path / "B", {"One": [1.0, 2.0]})
    write(tmp_path / "C", {"Elsewhere": [1.0]})
    found = read_sources([str(tmp_path / name) for name in "ABC"])
    with pytest.raises(DataError, match=r"B: has 1 track, but 2 are expected: Two missing"):
        make_models_document({}, found, "SDR")


def test_infinite_scores_are_counted(tmp_path):
    write(tmp_path / "U1", {**SMALL, "Three": [float("inf"), 1.0]})
    document = make_models_document({}, read_sources([str(tmp_path / "U1")]), "SDR")
    assert any("8 scores in" in note for note in document.notes["Tracks and runs"])
    assert read_rows(document, "Runs behind")["U1 †"][-2:] == ("1", "1")


def test_markdown_and_latex_escape_special_characters():
    table = pd.DataFrame({"value": ["-1.39"]}, pd.Index(["50 %"], name="x | y"))
    document = Document("T", ("i",), {"a_b": table}, {"N": ["`a_b`"], "none": []}, table)
    assert format_markdown(document) == (
        "# T\n\ni\n\n## a_b\n\n"
        "| x \\| y   |   value |\n|:---------|--------:|\n| 50 %     |   -1.39 |\n\n"
        "## N\n\n- `a_b`\n"
    )
    assert r"50 \% & $-$1.39 \\" in format_latex(document)
    assert r"\caption{a\_b}" in format_latex(document)
    assert format_latex(replace(document, title="a\nb")).startswith("% a b\n\n% i\n")
    numbers = pd.DataFrame({"label": ["=1+1", "-x", "@a", "U1"], "value": [-1.5, 1, 2, 3]})
    assert format_csv(replace(document, numbers=numbers)).splitlines()[1:] == [
        *("'=1+1,-1.5", "'-x,1.0", "'@a,2.0", "U1,3.0")
    ]
    assert escape_latex("`a_b` † …") == r"\texttt{a\_b} $^\dagger$ \ldots{}"
