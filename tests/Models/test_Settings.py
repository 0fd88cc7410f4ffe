"""The settings of models, and the messages for invalid entries."""

import dataclasses

import pytest

from Config import DEFAULTS, make_run_settings
from jnet.errors import ConfigError
from Models.Networks import make_model_settings
from Models.Settings import ModelSettings

PARTS = ModelSettings.PARTS


def make_settings(**changes):
    return make_model_settings({**DEFAULTS, **changes}, seed=1)


def get_error(**changes):
    with pytest.raises(ConfigError) as error:
        make_run_settings({**DEFAULTS, **changes}, seed=1)
    message = str(error.value)
    assert "\n" not in message
    assert f"cfg.{next(iter(changes))}" in message
    return message


@pytest.mark.parametrize(
    ("value", "levels"),
    [
        ("all", (1, 2, 3, 4, 5, 6, 7, 8, 9, 10)),
        ("none", ()),
        ("first3", (1, 2, 3)),  # the shallowest
        ("last3", (8, 9, 10)),  # the deepest
        ("first1", (1,)),
        ("last10", (1, 2, 3, 4, 5, 6, 7, 8, 9, 10)),
        ("first11", (1, 2, 3, 4, 5, 6, 7, 8, 9, 10)),  # all, because there are fewer
        ("last99", (1, 2, 3, 4, 5, 6, 7, 8, 9, 10)),
        ("first10", (1, 2, 3, 4, 5, 6, 7, 8, 9, 10)),
        ([7, 2], (2, 7)),
        ([3, 3], (3,)),
        ([], ()),
        ((10,), (10,)),
    ],
    ids=str,
)
def test_skip_levels_are_resolved_shallowest_first(value, levels):
    assert make_settings(skip_levels=value).skip_levels == levels


@pytest.mark.parametrize(
    "value",
    [
        "first0",
        "last",
        "last-1",
        "1",
        "",
        "ALL",
        "first3 ",
        "first1.0",
        "all3",
        3,
        None,
        {},
    ],
    ids=repr,
)
def test_invalid_skip_levels_are_an_error(value):
    assert repr(value) in get_error(skip_levels=value)


@pytest.mark.parametrize("level", [0, 11, -1, 1.5, "3", True, None], ids=repr)
def test_a_level_that_does_not_exist_is_an_error(level):
    message = get_error(skip_levels=[1, level])
    assert repr(level) in message
    assert "from 1 to 10" in message


def test_sources_are_in_the_order_of_the_task():
    assert make_settings().sources == ("accompaniment", "vocals")
    assert make_settings(task="multi_instrument").sources == ("bass", "drums", "other", "vocals")


def test_the_defaults_are_the_papers_u1():
    """J-Net paper, Section 4, and Wave-U-Net paper, Section 4.3."""
    settings = make_settings()
    assert (settings.num_layers, settings.num_initial_filters) == (10, 24)
    assert (settings.filter_size, settings.merge_filter_size) == (15, 5)
    assert (settings.num_frames, settings.sample_rate, settings.num_channels) == (16384, 22050, 2)
    assert (settings.upsampling, settings.output_type) == ("linear", "difference")
    assert settings.frozen == ()
    assert [settings.filters(level) for level in (1, 2, 10, 11)] == [24, 48, 240, 264]


def test_settings_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        make_settings().num_layers = 3


def test_settings_can_be_compared_and_hashed():
    assert make_settings(skip_levels="all") == make_settings(skip_levels=list(range(1, 11)))
    assert len({make_settings(), make_settings(), make_settings(frozen=["encoder"])}) == 2


@pytest.mark.parametrize(
    ("key", "value", "hint"),
    [
        ("task", "voices", "did you mean 'voice'?"),
        ("task", "karaoke", "choose 'multi_instrument', 'voice'"),
        ("network", "unett", "did you mean 'unet'?"),
        ("upsampling", "linaer", "did you mean 'linear'?"),
        ("output_type", "diference", "did you mean 'difference'?"),
        ("num_layers", 0, "whole number from 1 to 22"),
        ("num_layers", 2.0, "whole number"),
        ("num_layers", True, "whole number"),
        ("num_layers", "3", "whole number"),
        ("num_initial_filters", 0, "whole number of at least 1"),
        ("num_channels", 0, "whole number from 1 to 64"),
        ("filter_size", 14, "odd number"),
        ("filter_size", -1, "whole number of at least 1"),
        ("merge_filter_size", 4, "odd number"),
        ("sample_rate", 999, "whole number from 1000 to 1000000"),
        ("num_frames", 0, "whole number from 1 to 4194304"),
        ("num_frames", -1024, "whole number from 1 to 4194304"),
        ("frozen", ["encodr"], "did you mean 'encoder'?"),
        ("frozen", "encoder", "give a list"),
        ("frozen", ["encoder", "encoder"], "only once"),
        ("frozen", None, "give a list"),
    ],
)
def test_an_invalid_value_is_an_error_with_a_hint(key, value, hint):
    assert hint in get_error(**{key: value})


@pytest.mark.parametrize(
    ("num_frames", "num_layers", "step", "fitting"),
    [(16385, 10, 1024, 16384), (16000, 10, 1024, 16384), (1, 10, 1024, 1024), (100, 3, 8, 96)],
)
def test_the_error_for_an_indivisible_length_suggests_the_nearest_valid_one(
    num_frames, num_layers, step, fitting
):
    message = get_error(num_frames=num_frames, num_layers=num_layers)
    assert f"a multiple of {step}, such as {fitting}" in message
    make_run_settings({**DEFAULTS, "num_frames": fitting, "num_layers": num_layers}, seed=1)


def test_every_part_can_be_frozen():
    assert PARTS == ("encoder", "bottleneck", "skip", "decoder", "output")
    for part in PARTS[1:]:
        assert make_settings(frozen=["encoder", part]).frozen == ("encoder", part)
    assert make_settings(frozen=list(PARTS[:-1])).frozen == PARTS[:-1]
