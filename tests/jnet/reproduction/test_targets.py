"""Compare the rows of every table and figure with the papers and the named configs."""

import pytest

from Config import config_ingredient
from jnet.errors import ConfigError
from jnet.reproduction.targets import TARGETS, Row, list_rows, make_variant_row


def test_figure_2_has_eleven_pairs_from_eighteen_trainings():
    rows = list_rows("figure2")
    u_variants = {row.label[1:] for row in rows if row.label[0] == "U"}
    j_variants = {row.label[1:] for row in rows if row.label[0] == "J"}
    assert u_variants == j_variants
    assert len(u_variants) == 11
    assert len({row.trained_as for row in rows}) == 18
    assert list_rows("figure3") == rows


def test_rows_of_the_same_model_share_a_training():
    assert {row.label: row.trained_as for row in list_rows("table3")} == {
        **dict.fromkeys(("U4_1", "U4_2", "U4_3"), "U4"),
        **dict.fromkeys(("U1", "U1_2", "U1_3"), "U1"),  # U1_1 is U1
    }


@pytest.mark.parametrize(
    ("target", "labels"),
    [
        ("table1", "M4 U1 U3_10 U2_2_10 U4_1 U5"),
        ("table2", "U1 L L_first3 L_last3"),
        ("waveunet_table2", "M1 M2 M3 M4 M5 M7 U7 U7a"),
        ("waveunet_table3", "M6"),
    ],
)
def test_a_table_has_the_papers_rows(target, labels):
    assert {row.label for row in list_rows(target)} >= set(labels.split())


@pytest.mark.parametrize("target", [name for name in TARGETS if name != "rank"])
def test_the_configs_of_every_row_exist_and_have_its_passes(target):
    configs = config_ingredient.named_configs
    for row in list_rows(target):
        assert {row.trained_as, row.scored_as} <= set(configs), row
        passes = configs[row.scored_as]().get("passes", 1)
        has_passes = row.trained_as != row.label and row.label[-2] == "_"
        assert passes == (int(row.label[-1]) if has_passes else 1)


def test_a_variant_gives_the_row_of_its_j_model():
    assert make_variant_row("U3_5") == make_variant_row("J3_5") == Row("J3_5", "J3_5", "J3_5")
    assert make_variant_row("U4_2") == Row("J4_2", "J4", "J4_2")
    row = make_variant_row("U1+cfg.filter_size=9+cfg.init=orthogonal")
    words = ("cfg.filter_size=9", "cfg.init=orthogonal")
    assert row == Row("J1+cfg.filter_size=9+cfg.init=orthogonal", "J1", "J1", words)


@pytest.mark.parametrize(
    ("variant", "message"),
    [
        ("U9", "U9 is not a variant with a J model"),
        ("L", "L is not a variant"),
        ("U3_15", "did you mean 'U3_5'?"),
        ("U1+demo", "'demo' is not a config entry"),
        ("U1+cfg.epoch_steps=9", "a variant cannot set cfg.epoch_steps=9"),
    ],
)
def test_an_invalid_variant_is_rejected(variant, message):
    with pytest.raises(ConfigError) as error:
        make_variant_row(variant)
    assert message in str(error.value)
