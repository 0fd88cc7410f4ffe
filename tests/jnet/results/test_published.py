"""Compare the stored numbers of the papers with the papers' text and the named configs."""

import re

import numpy as np
import pytest

from Config import config_ingredient
from jnet.errors import DataError
from jnet.results import published as Published
from jnet.results.published import (
    find_paper_table,
    find_row,
    read_musdb18_test_tracks,
    read_numbers,
    read_paper_rows,
    read_paper_tables,
)

POOLED = ("pooled_median", "pooled_mad", "pooled_mean", "pooled_sd")
TRACKS = "median_over_tracks_of_track_medians"


@pytest.fixture
def read_paper(shared_data):
    """Return a function that reads the text of a paper, with ASCII minus signs."""

    def read(name):
        text = (shared_data.parent / "papers" / name).read_text(encoding="utf-8")
        return re.sub(r"</?b>", "", text).replace("−", "-")

    return read


def format_number(value):
    return f"{value:.2f}"


@pytest.mark.parametrize("command", ["table1", "table2", "table3", "waveunet_table2"])
def test_the_paper_contains_every_line_of_tables_with_a_column_per_model(read_paper, command):
    table = find_paper_table(command)
    waveunet = command.startswith("wave")
    text = read_paper("wave-u-net-1806.03185.txt" if waveunet else "jnet-1911.12926.txt")
    lines = [" ".join(re.findall(r"-?\d+\.\d+", line)) for line in text.splitlines()]
    for source in ("vocals", "accompaniment"):
        for name in POOLED:
            values = [table.numbers[row, source, "SDR", name].value for row in table.list_rows()]
            assert " ".join(map(format_number, values)) in lines, (source, name)


def test_the_paper_contains_the_numbers_of_the_four_instruments(read_paper):
    numbers = find_paper_table("waveunet_table3").numbers
    text = " ".join(read_paper("wave-u-net-1806.03185.txt").split())
    for first, second in (("vocals", "other"), ("bass", "drums")):
        line = [
            numbers["M6", source, "SDR", name].value
            for source in (first, second)
            for name in POOLED
        ]
        printed = " ".join(map(format_number, line)).replace("3.00 ", "3.0 ", first == "vocals")
        assert f"M6 {printed}" in text


@pytest.mark.parametrize("command", ["demucs_table1", "demucs_sir", "demucs_sar"])
def test_the_demucs_paper_contains_every_line_of_its_tables(read_paper, command):
    table = find_paper_table(command)
    lines = [
        " ".join(re.findall(r"\d*\.\d\d", line.partition("✗")[2] or line.partition("✓")[2]))
        for line in read_paper("demucs-iclr2020-submission.txt").splitlines()
    ]
    for row in table.list_rows():
        printed = []
        for column in table.columns:
            number = table.numbers[row, column, table.metric, TRACKS]
            printed.append(format_number(number.value))
            if not np.isnan(number.deviation):
                printed.append(format_number(number.deviation).removeprefix("0"))
        assert " ".join(printed) in lines, row


def test_the_demucs_paper_contains_all_18_numbers_of_its_ablation(read_paper):
    ablation = read_numbers("demucs.csv")["Table 2"]
    text = read_paper("demucs-iclr2020-submission.txt")
    for (_, _, metric, _), number in ablation.items():
        digits = 3 if metric != "SDR" else 2
        assert (f"{number.value:.{digits}f}" if not np.isnan(number.value) else number.note) in text
    assert len(ablation) == 18
    assert ablation["Reference", "all", "SDR", TRACKS].value == 5.27


def test_the_tables_have_all_their_numbers():
    sizes = {name: len(table.numbers) for name, table in read_paper_tables().items()}
    assert sizes == {
        **{"table1": 48, "table2": 32, "table3": 48},
        **{"waveunet_table2": 64, "waveunet_table3": 16, "waveunet_repository": 4},
        **{"demucs_table1": 25, "demucs_sir": 25, "demucs_sar": 25, "demucs_ablations": 9},
    }


def test_the_jnet_tables_differ_for_u1_and_agree_for_u4():
    table1, table2, table3 = (find_paper_table(f"table{n}").numbers for n in (1, 2, 3))
    assert table1["U1", "vocals", "SDR", "pooled_median"].value == 4.48
    assert table3["U1_1", "vocals", "SDR", "pooled_median"].value == 4.41
    for name in POOLED:
        for source in ("vocals", "accompaniment"):
            u4, u1 = ((row, source, "SDR", name) for row in ("U4_1", "U1"))
            assert table1[u4].value == table3[u4].value
            assert table1[u1].value == table2[u1].value
    text = (Published.FOLDER / "jnet.csv").read_text(encoding="utf-8")
    assert "Inconsistency of the paper" in text


def test_every_row_has_a_named_config_and_every_named_config_has_a_row():
    rows = read_paper_rows()
    named = set(config_ingredient.named_configs)
    for row in rows.values():
        assert {name for name in (row.config, row.alias, row.trained) if name} <= named
    configs_of_rows = {
        name for row in rows.values() for name in (row.config, row.alias, row.trained)
    }
    without_row = {"J_demucs", "L_demucs", "demucs100", "demucs_small"}
    assert named - configs_of_rows == {"demo", *without_row}
    for table in read_paper_tables().values():
        assert set(table.list_rows()) <= rows.keys()


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
        ("full_44KHz", 1, "full_44KHz"),
        ("full_44KHz", 2, None),
        ("demucs", 1, "Demucs"),
        ("demucs_mse", 1, "MSE loss"),
        ("J_demucs", 1, None),
    ],
)
def test_a_row_is_found_by_config_and_passes(config, passes, row):
    assert find_row(config, passes) == row


def test_a_row_states_the_command_that_produces_it():
    rows = read_paper_rows()
    assert rows["J2_2_5"].format_command() == "`python Training.py with cfg.J2_2_5`"
    assert rows["U4_1"].format_command() == "`python Training.py with cfg.U4`"
    assert rows["U4_2"].format_command() == (
        "`python Training.py with cfg.U4`, then `python Evaluate.py with cfg.U4_2 model_path=…`"
    )
    assert rows["U4_2"].format_command("x.safetensors") == (
        "`python Evaluate.py with cfg.U4_2 model_path=x.safetensors`"
    )
    assert rows["Demucs"].format_command() == "`python Training.py with cfg.demucs`"
    assert rows["MMDenseLSTM"].format_command() == "not a model of this code"


def test_the_musdb18_test_tracks_are_those_of_sisec_2018(shared_data):
    names = {path.stem for path in (shared_data / "sisec18/STL1/test").glob("*.json")}
    assert read_musdb18_test_tracks().keys() == names
    assert sum(read_musdb18_test_tracks().values()) == 12439


def test_the_error_for_an_unknown_table_suggests_the_nearest_name():
    with pytest.raises(DataError, match="did you mean 'table1'"):
        find_paper_table("tabel1")
