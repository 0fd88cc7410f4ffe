"""Which models can be described, and what a description that cannot be is told."""

import dataclasses

import pytest

from Config import DEFAULTS, specs
from Spec.Errors import ConfigError
from Spec.Model import PARTS, model_spec


def described(**changes):
    return model_spec({**DEFAULTS, **changes}, seed=1)


def refused(**changes):
    with pytest.raises(ConfigError) as error:
        specs({**DEFAULTS, **changes}, seed=1)
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
        ("first11", (1, 2, 3, 4, 5, 6, 7, 8, 9, 10)),  # all, where there are fewer
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
    assert described(skip_levels=value).skip_levels == levels


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
def test_skip_levels_that_mean_nothing_are_refused(value):
    assert repr(value) in refused(skip_levels=value)


@pytest.mark.parametrize("level", [0, 11, -1, 1.5, "3", True, None], ids=repr)
def test_a_level_that_does_not_exist_is_refused_by_name(level):
    message = refused(skip_levels=[1, level])
    assert repr(level) in message
    assert "from 1 to 10" in message


def test_sources_come_in_the_order_of_the_task():
    assert described().sources == ("accompaniment", "vocals")
    assert described(task="multi_instrument").sources == ("bass", "drums", "other", "vocals")


def test_the_defaults_are_the_papers_u1():
    """J-Net paper, Section 4, and Wave-U-Net paper, Section 4.3."""
    spec = described()
    assert (spec.num_layers, spec.num_initial_filters) == (10, 24)
    assert (spec.filter_size, spec.merge_filter_size) == (15, 5)
    assert (spec.num_frames, spec.sample_rate, spec.num_channels) == (16384, 22050, 2)
    assert (spec.upsampling, spec.output_type) == ("linear", "difference")
    assert spec.frozen == ()
    assert [spec.filters(level) for level in (1, 2, 10, 11)] == [24, 48, 240, 264]


def test_a_description_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        described().num_layers = 3


def test_a_description_can_be_compared_and_used_as_a_key():
    assert described(skip_levels="all") == described(skip_levels=list(range(1, 11)))
    assert len({described(), described(), described(frozen=["encoder"])}) == 2


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("task", "voices", "did you mean 'voice'?"),
        ("task", "karaoke", "choose 'multi_instrument', 'voice'"),
        ("network", "unett", "did you mean 'unet'?"),
        ("upsampling", "linaer", "did you mean 'linear'?"),
        ("output_type", "diference", "did you mean 'difference'?"),
        ("num_layers", 0, "whole number of at least 1"),
        ("num_layers", 2.0, "whole number"),
        ("num_layers", True, "whole number"),
        ("num_layers", "3", "whole number"),
        ("num_initial_filters", 0, "whole number of at least 1"),
        ("num_channels", 0, "whole number of at least 1"),
        ("filter_size", 14, "odd number"),
        ("filter_size", -1, "whole number of at least 1"),
        ("merge_filter_size", 4, "odd number"),
        ("sample_rate", 999, "whole number of at least 1000"),
        ("num_frames", 0, "whole number of at least 1"),
        ("num_frames", -1024, "whole number of at least 1"),
        ("frozen", ["encodr"], "did you mean 'encoder'?"),
        ("frozen", "encoder", "give a list"),
        ("frozen", ["encoder", "encoder"], "only once"),
        ("frozen", None, "give a list"),
    ],
)
def test_a_wrong_value_is_told_what_would_be_right(key, value, said):
    message = refused(**{key: value})
    assert said in message


@pytest.mark.parametrize(
    ("num_frames", "num_layers", "step", "fitting"),
    [(16385, 10, 1024, 16384), (16000, 10, 1024, 16384), (1, 10, 1024, 1024), (100, 3, 8, 96)],
)
def test_a_length_that_cannot_be_halved_is_told_the_nearest_that_can(
    num_frames, num_layers, step, fitting
):
    message = refused(num_frames=num_frames, num_layers=num_layers)
    assert f"a multiple of {step}, such as {fitting}" in message
    specs({**DEFAULTS, "num_frames": fitting, "num_layers": num_layers}, seed=1)


def test_every_part_can_be_frozen():
    assert PARTS == ("encoder", "bottleneck", "skip", "decoder", "output")
    assert described(frozen=list(PARTS)).frozen == PARTS
