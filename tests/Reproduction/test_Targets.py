"""The rows of every table and figure, held against the papers and the named configs."""

import pytest

from Config import config_ingredient
from Reproduction.Targets import TARGETS, Row, rows, variant_row
from Spec.Errors import ConfigError


def test_figure_2_is_eleven_pairs_from_eighteen_trainings():
    needed = rows("figure2")
    us = {row.label[1:] for row in needed if row.label[0] == "U"}
    js = {row.label[1:] for row in needed if row.label[0] == "J"}
    assert us == js
    assert len(us) == 11
    assert len({row.trained_as for row in needed}) == 18
    assert rows("figure3") == needed


def test_rows_of_one_model_share_its_training():
    assert {row.label: row.trained_as for row in rows("table3")} == {
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
    assert {row.label for row in rows(target)} >= set(labels.split())


@pytest.mark.parametrize("target", [name for name in TARGETS if name != "rank"])
def test_every_row_has_its_configs_with_its_passes(target):
    known = config_ingredient.named_configs
    for row in rows(target):
        assert {row.trained_as, row.scored_as} <= set(known), row
        passes = known[row.scored_as]().get("passes", 1)
        assert passes == (int(row.label[-1]) if row.trained_as != row.label else 1)


def test_a_variant_stands_for_its_j():
    assert variant_row("U3_5") == variant_row("J3_5") == Row("J3_5", "J3_5", "J3_5")
    assert variant_row("U4_2") == Row("J4_2", "J4", "J4_2")
    own = variant_row("U1+cfg.filter_size=9+cfg.init=orthogonal")
    words = ("cfg.filter_size=9", "cfg.init=orthogonal")
    assert own == Row("J1+cfg.filter_size=9+cfg.init=orthogonal", "J1", "J1", words)


@pytest.mark.parametrize(
    ("variant", "said"),
    [
        ("U9", "U9 is no variant that has a J model"),
        ("L", "L is no variant"),
        ("U3_15", "did you mean 'U3_5'?"),
        ("U1+demo", "'demo' is not an entry"),
        ("U1+cfg.epoch_steps=9", "all train alike"),
    ],
)
def test_a_wrong_variant_is_told(variant, said):
    with pytest.raises(ConfigError) as error:
        variant_row(variant)
    assert said in str(error.value)
