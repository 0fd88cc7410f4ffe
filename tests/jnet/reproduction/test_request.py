"""Parse command lines of Reproduce.py."""

from pathlib import Path

import pytest

from jnet.errors import JNetError
from jnet.reproduction.request import parse_request


def test_words_follow_with_up_to_the_next_option():
    given = parse_request(
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
        "figure2 with dry_run cfg.demo",
    ],
)
def test_a_dry_run_has_two_spellings(line):
    given = parse_request(line.split())
    assert given.dry_run
    assert given.words == ("cfg.demo",)


def test_repeated_seeds_count_once():
    assert parse_request(["table2", "--seeds", "3", "1", "3"]).seeds == (3, 1)
    assert parse_request(["table2"]).seeds == (1,)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("figure22", "invalid choice: 'figure22' (choose from"),
        ("", "the following arguments are required: TARGET"),
        ("figure2 --bogus", "--bogus"),
        ("figure2 cfg.demo", "unrecognized arguments: cfg.demo: write 'with' before cfg.demo"),
        ("figure2 --processes 0", "'0' is not a whole number of at least 1"),
        ("figure2 --seeds 1 with seed=2", "remove one of them"),
        ("figure2 --seeds one", "seed is 'one'"),
        ("figure2 with cfg.passes=2", "cfg.passes is set by each row"),
        ("figure2 --measure", "--measure"),
        ("figure2 --budget 5", "--budget is only for rank"),
        ("rank --budget 5", "rank needs --variants"),
        ("rank --variants U1 U3_5", "and --budget STEPS"),
        ("rank --variants U1 J1 --budget 5", "gives only J1"),
    ],
)
def test_an_invalid_command_line_gives_a_one_line_error(line, message):
    with pytest.raises(JNetError) as error:
        parse_request(line.split())
    assert message in str(error.value)
    assert "\n" not in str(error.value)
