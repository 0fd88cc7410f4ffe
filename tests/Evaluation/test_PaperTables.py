"""Tables: the papers' numbers, ours, and what is said where they do not stand side by side."""

import csv
import io

import pytest

from Evaluation.Documents import Document, Grid, comma_separated, escaped, latex, markdown, signed
from Evaluation.PaperTables import models_document, paper_document
from Evaluation.Published import paper_table, printed_numbers
from Evaluation.Records import read_sources
from Spec.Errors import DataError
from tests.Evaluation.written import SHA, musdb_scores, record, write

SMALL = {"One": [1.0, 2.0], "Two": [3.0]}
FOUR = ("vocals", "drums", "bass", "other")


def table(command, *sources, **options):
    return paper_document(paper_table(command), read_sources(list(map(str, sources))), **options)


def lines(document, grid):
    (found,) = [one for one in document.grids if one.title.startswith(grid)]
    return {line[0]: line[1:] for line in found.lines}


def numbers(document):
    """The CSV's lines by model, source and statistic."""
    read = csv.DictReader(io.StringIO(comma_separated(document)))
    return {(line["model"], line["source"], line["statistic"]): line for line in read}


def test_stl1_is_m4_to_the_digit(shared_data):
    document = table("table1", f"M4={shared_data / 'sisec18' / 'STL1'}")
    voice, music = (lines(document, source)["M4"] for source in ("vocals", "accompaniment"))
    assert voice[:-1:3] == voice[1:-1:3] == ("4.46", "3.21", "0.65", "13.67")
    assert music[:-1:3] == music[1:-1:3] == ("10.69", "3.15", "11.85", "7.03")
    assert voice[2:-1:3] == music[2:-1:3] == ("0.00",) * 4
    assert (voice[-1], music[-1]) == ("4.97", "11.11")
    assert lines(document, "What")["M4"][3:] == ("50", "12439", "2799", "2799")
    other = table("waveunet_table2", f"M4={shared_data / 'sisec18' / 'STL1'}")
    assert lines(other, "vocals")["M4"] == voice


def test_without_runs_the_published_numbers_and_the_commands_remain():
    document = table("table3")
    assert lines(document, "vocals")["U4_2"][:3] == ("–", "4.32", "–")
    assert document.notes["Without a run"][1] == (
        "U4_2: `python Training.py with cfg.U4`, then "
        "`python Evaluate.py with cfg.U4_2 model_path=…`"
    )
    assert lines(document, "What")["U1_1"][0] == "no run"


def test_seeds_are_averaged_with_their_deviation(tmp_path):
    for seed in (1, 2, 3):
        shifted = {
            name: [value + seed for value in values] for name, values in musdb_scores().items()
        }
        record(tmp_path, seed, ["J1"], shifted, seed=seed)
    document = models_document(printed_numbers(), read_sources([str(tmp_path)]), "SDR")
    line = numbers(document)["J1", "vocals", "pooled_median"]
    assert (line["runs"], line["seeds"], line["deviation"]) == ("3", "1; 2; 3", "1.0")
    assert float(line["ours"]) == pytest.approx(7.0, abs=0.1)
    assert lines(document, "vocals")["J1"][0].endswith(" ± 1.00")
    assert lines(document, "What")["J1"][:3] == ("1, 2, 3", "7248fc5", "1, 2, 3")


def test_a_comparable_run_has_a_difference_and_one_of_demo_sizes_none(tmp_path):
    record(tmp_path, 1, ["U5"], musdb_scores())
    record(tmp_path, 2, ["U1", "demo"], SMALL)
    document = table("table1", tmp_path)
    ours, published, difference = lines(document, "vocals")["U5"][:3]
    assert float(ours) - float(published) == pytest.approx(float(difference), abs=0.011)
    assert lines(document, "vocals")["U1 †"][:3] == ("2.00", "4.48", "–")
    (said,) = document.notes["† Not comparable with the published numbers"]
    assert said == "U1: demo sizes (cfg.demo); 2 songs, none of MUSDB18's 50 test songs"


def test_runs_that_do_not_compare_give_way_to_those_that_do(tmp_path):
    record(tmp_path, 1, ["U1"], musdb_scores())
    record(tmp_path, 2, ["U1"], musdb_scores(9), updates={"cfg": {"init": "he_normal"}})
    document = table("table1", tmp_path)
    assert lines(document, "What")["U1"][0] == "1"
    assert "run 2 (U1): not shown" in document.notes["Left out"][0]
    assert "changed init=he_normal" in document.notes["Left out"][0]


def test_one_run_fills_the_rows_of_all_tables_that_it_is(tmp_path):
    record(tmp_path, 1, ["U1"], musdb_scores())
    record(tmp_path, 2, ["U4"], musdb_scores(), sha=SHA)
    document = table("table3", tmp_path)
    said = lines(document, "What")
    assert (said["U1_1"][0], said["U4_1"][0], said["U4_2"][0]) == ("1", "2", "no run")
    assert document.notes["Without a run"][0] == (
        "U4_2: `python Evaluate.py with cfg.U4_2 model_path=experiments/2/best.safetensors`"
    )


def test_demucs_tables_have_the_mean_over_the_four_sources(tmp_path):
    write(tmp_path / "a", musdb_scores(), targets=FOUR)
    document = table("demucs_table1", f"Wave-U-Net={tmp_path / 'a'}", family="songs")
    found = numbers(document)
    ours = [
        float(found["Wave-U-Net", column, "median_over_songs_of_song_medians"]["ours"])
        for column in ("all", *FOUR)
    ]
    assert ours[0] == pytest.approx(sum(ours[1:]) / 4)
    assert ours[2] - ours[1] == pytest.approx(1)
    assert lines(document, "SDR in dB, median of")["Demucs"][1] == "5.35 ± 0.03"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda scores: {name: values[:6] for name, values in scores.items()}, "another length"),
        (lambda scores: scores, "scored as bass, drums"),
    ],
)
def test_other_songs_lengths_and_targets_are_marked(tmp_path, change, said):
    targets = FOUR if "scored" in said else ("vocals", "accompaniment")
    write(tmp_path / "U1", change(musdb_scores()), targets=targets)
    document = table("table1", tmp_path / "U1")
    (note,) = document.notes["† Not comparable with the published numbers"]
    assert said in note
    assert lines(document, "vocals")["U1 †"][2] == "–"


def test_a_folder_that_is_no_row_is_added_beneath(tmp_path):
    write(tmp_path / "Mine", musdb_scores())
    assert lines(table("table1", tmp_path / "Mine"), "vocals")["Mine"][1] == "–"


def test_49_of_50_songs_are_refused_and_the_missing_one_named(tmp_path):
    scores = musdb_scores()
    del scores["Zeno - Signs"]
    write(tmp_path / "U1", scores)
    with pytest.raises(DataError, match="49 songs where 50 are expected: Zeno - Signs missing"):
        table("table1", tmp_path / "U1")
    record(tmp_path / "runs", 1, ["U1"], scores)
    document = table("table1", tmp_path / "runs")
    assert lines(document, "What")["U1"][0] == "no run"
    assert "Zeno - Signs missing" in document.notes["Left out"][0]
    document = table("table1", tmp_path / "runs", songs=49)
    assert document.notes["† Not comparable with the published numbers"] == [
        "U1: 49 songs, 49 of MUSDB18's 50 test songs"
    ]
    with pytest.raises(DataError, match="has 49 songs, --songs says 48"):
        table("table1", tmp_path / "U1", songs=48)


def test_other_results_say_which_songs_there_should_be(tmp_path):
    write(tmp_path / "A", SMALL)
    write(tmp_path / "B", {"One": [1.0, 2.0]})
    write(tmp_path / "C", {"Elsewhere": [1.0]})
    found = read_sources([str(tmp_path / name) for name in "ABC"])
    with pytest.raises(DataError, match=r"B: has 1 songs where 2 are expected: Two missing"):
        models_document({}, found, "SDR")


def test_infinite_scores_are_counted(tmp_path):
    write(tmp_path / "U1", {**SMALL, "Three": [float("inf"), 1.0]})
    document = models_document({}, read_sources([str(tmp_path / "U1")]), "SDR")
    assert any("8 scores in" in note for note in document.notes["Songs and runs"])
    assert lines(document, "What")["U1 †"][-2:] == ("1", "1")


def test_numbers_have_no_minus_zero():
    assert [signed(value) for value in (-0.001, 0.004, 0.02, -1.0, None)] == [
        *("0.00", "0.00", "+0.02", "-1.00", "–")
    ]


def test_markdown_and_latex_keep_special_letters_apart():
    grid = Grid("a_b", ("x | y", "value"), (("50 %", "-1.39"),))
    document = Document("T", ("i",), (grid,), {"N": ["`a_b`"], "none": []}, ())
    assert markdown(document) == (
        "# T\n\ni\n\n## a_b\n\n"
        "| x \\| y | value |\n| ------ | ----: |\n| 50 %   | -1.39 |\n\n## N\n\n- `a_b`\n"
    )
    assert r"50 \% & $-$1.39 \\" in latex(document)
    assert r"\caption{a\_b}" in latex(document)
    assert escaped("`a_b` † …") == r"\texttt{a\_b} $^\dagger$ \ldots{}"
