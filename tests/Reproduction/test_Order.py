"""The command line, as data."""

from pathlib import Path

import pytest

from Reproduction.Order import order
from Spec.Errors import ConfigError


def test_words_stand_after_with_up_to_the_next_option():
    given = order(
        [
            "figure2",
            "--processes",
            "2",
            "with",
            "cfg.demo",
            "cfg.epoch_steps=3",
            "seed=4",
            "--runs",
            "r",
            "--mongo",
            "h:1:d",
        ]
    )
    assert given.words == ("cfg.demo", "cfg.epoch_steps=3")
    assert given.seeds == (4,)
    assert (given.processes, given.runs, given.mongo) == (2, Path("r"), "h:1:d")
    assert given.out == Path("reproduced/figure2")
    assert not given.dry_run


@pytest.mark.parametrize(
    "line",
    [
        "figure2 --dry-run with cfg.demo",
        "dry_run figure2 with cfg.demo",
        "figure2 with cfg.demo dry_run",
    ],
)
def test_a_dry_run_is_asked_for_in_either_spelling(line):
    given = order(line.split())
    assert given.dry_run
    assert given.words == ("cfg.demo",)


def test_several_seeds_each_once():
    assert order(["table2", "--seeds", "3", "1", "3"]).seeds == (3, 1)
    assert order(["table2"]).seeds == (1,)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("figure22", "did you mean 'figure2'?"),
        ("", "the following arguments are required: TARGET"),
        ("figure2 --bogus", "--bogus"),
        ("figure2 cfg.demo", "cfg.demo"),
        ("figure2 --processes 0", "'0' is not a whole number from 1 up"),
        ("figure2 --seeds 1 with seed=2", "leave one out"),
        ("figure2 --seeds one", "seed is 'one'"),
        ("figure2 with cfg.passes=2", "cfg.passes is what a row itself says"),
        ("figure2 --measure", "--measure is for --dry-run"),
        ("figure2 --budget 5", "--budget is for rank alone"),
        ("rank --budget 5", "rank needs --variants"),
        ("rank --variants U1 U3_5", "and --budget STEPS"),
        ("rank --variants U1 J1 --budget 5", "names J1 alone"),
    ],
)
def test_a_wrong_command_line_is_one_sentence(line, said):
    with pytest.raises(ConfigError) as error:
        order(line.split())
    assert said in str(error.value)
    assert "\n" not in str(error.value)
