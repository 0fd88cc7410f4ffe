"""The papers' numbers as data, held against the papers' text and the named configs."""

import re

import pytest

from Config import config_ingredient
from Evaluation import Published
from Evaluation.Published import (
    musdb18_test_songs,
    numbers,
    paper_rows,
    paper_table,
    paper_tables,
    row_of,
)
from Spec.Errors import DataError

POOLED = ("pooled_median", "pooled_mad", "pooled_mean", "pooled_sd")
SONGS = "median_over_songs_of_song_medians"


@pytest.fixture
def paper(shared_data):
    def text(name):
        found = (shared_data.parent / "papers" / name).read_text(encoding="utf-8")
        return re.sub(r"</?b>", "", found).replace("−", "-")

    return text


def printed(value):
    return f"{value:.2f}"


@pytest.mark.parametrize("command", ["table1", "table2", "table3", "waveunet_table2"])
def test_every_line_of_the_tables_with_a_model_a_column_stands_in_the_paper(paper, command):
    table = paper_table(command)
    waveunet = command.startswith("wave")
    text = paper("wave-u-net-1806.03185.txt" if waveunet else "jnet-1911.12926.txt")
    lines = [" ".join(re.findall(r"-?\d+\.\d+", line)) for line in text.splitlines()]
    for source in ("vocals", "accompaniment"):
        for name in POOLED:
            values = [table.numbers[row, source, "SDR", name].value for row in table.rows()]
            assert " ".join(map(printed, values)) in lines, (source, name)


def test_the_four_instruments_stand_in_the_paper(paper):
    numbers = paper_table("waveunet_table3").numbers
    text = " ".join(paper("wave-u-net-1806.03185.txt").split())
    for first, second in (("vocals", "other"), ("bass", "drums")):
        line = [
            numbers["M6", source, "SDR", name].value
            for source in (first, second)
            for name in POOLED
        ]
        said = " ".join(map(printed, line)).replace("3.00 ", "3.0 ", first == "vocals")
        assert f"M6 {said}" in text


@pytest.mark.parametrize("command", ["demucs_table1", "demucs_sir", "demucs_sar"])
def test_every_line_of_demucs_tables_stands_in_its_paper(paper, command):
    table = paper_table(command)
    lines = [
        " ".join(re.findall(r"\d*\.\d\d", line.partition("✗")[2] or line.partition("✓")[2]))
        for line in paper("demucs-iclr2020-submission.txt").splitlines()
    ]
    for row in table.rows():
        said = []
        for column in table.columns():
            number = table.numbers[row, column, table.metric(), SONGS]
            said.append(printed(number.value))
            if number.deviation is not None:
                said.append(printed(number.deviation).removeprefix("0"))
        assert " ".join(said) in lines, row


def test_demucs_ablation_has_all_its_numbers(paper):
    ablation = numbers("demucs.csv")["Table 2"]
    text = paper("demucs-iclr2020-submission.txt")
    for number in ablation.values():
        digits = 3 if number.metric != "SDR" else 2
        assert (f"{number.value:.{digits}f}" if number.value is not None else number.note) in text
    assert len(ablation) == 18
    assert ablation["Reference", "all", "SDR", SONGS].value == 5.27


def test_the_tables_are_whole():
    sizes = {name: len(table.numbers) for name, table in paper_tables().items()}
    assert sizes == {
        **{"table1": 48, "table2": 32, "table3": 48},
        **{"waveunet_table2": 64, "waveunet_table3": 16},
        **{"demucs_table1": 25, "demucs_sir": 25, "demucs_sar": 25},
    }


def test_jnets_tables_disagree_on_u1_and_agree_on_u4():
    one, two, three = (paper_table(f"table{n}").numbers for n in (1, 2, 3))
    assert one["U1", "vocals", "SDR", "pooled_median"].value == 4.48
    assert three["U1_1", "vocals", "SDR", "pooled_median"].value == 4.41
    for name in POOLED:
        for source in ("vocals", "accompaniment"):
            u4, u1 = ((row, source, "SDR", name) for row in ("U4_1", "U1"))
            assert one[u4].value == three[u4].value
            assert one[u1].value == two[u1].value
    text = (Published.FOLDER / "jnet.csv").read_text(encoding="utf-8")
    assert "does not agree with itself" in text


def test_every_row_is_a_named_config_and_every_model_a_row():
    rows = paper_rows()
    named = set(config_ingredient.named_configs)
    for row in rows.values():
        assert {name for name in (row.config, row.alias, row.trained) if name} <= named
    reached = {name for row in rows.values() for name in (row.config, row.alias, row.trained)}
    assert named - reached == {"demo", "full_44KHz"}
    for table in paper_tables().values():
        assert set(table.rows()) <= rows.keys()


@pytest.mark.parametrize(
    ("config", "passes", "row"),
    [
        ("J1", 1, "J1"),
        ("U4", 1, "U4_1"),
        ("U4", 2, "U4_2"),
        ("U4_3", 3, "U4_3"),
        ("U1_1", 1, "U1"),
        ("U1", 3, "U1_3"),
        ("baseline_stereo", 1, "M4"),
        ("J1", 2, None),
        ("full_44KHz", 1, None),
    ],
)
def test_a_config_and_its_passes_are_a_row(config, passes, row):
    assert row_of(config, passes) == row


def test_a_row_says_what_makes_it():
    rows = paper_rows()
    assert rows["J2_2_5"].command() == "`python Training.py with cfg.J2_2_5`"
    assert rows["U4_1"].command() == "`python Training.py with cfg.U4`"
    assert rows["U4_2"].command() == (
        "`python Training.py with cfg.U4`, then `python Evaluate.py with cfg.U4_2 model_path=…`"
    )
    assert rows["U4_2"].command("x.safetensors") == (
        "`python Evaluate.py with cfg.U4_2 model_path=x.safetensors`"
    )
    assert rows["Demucs"].command() == "not a model of this code"


def test_musdb18s_test_songs_are_sisecs(shared_data):
    names = {path.stem for path in (shared_data / "sisec18/STL1/test").glob("*.json")}
    assert musdb18_test_songs().keys() == names
    assert sum(musdb18_test_songs().values()) == 12439


def test_an_unknown_table_is_told_the_nearest():
    with pytest.raises(DataError, match="did you mean 'table1'"):
        paper_table("tabel1")
