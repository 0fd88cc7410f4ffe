"""The configs by name, and what a wrong entry is told."""

import pytest

from Config import DEFAULTS, specs
from Spec.Errors import ConfigError


@pytest.mark.parametrize(
    ("entry", "value", "said"),
    [
        ("task", "vioce", "cfg.task is 'vioce': did you mean 'voice'?"),
        ("frozen", ["encodr"], "did you mean 'encoder'?"),
        ("num_frames", 16385, "a multiple of 1024, such as 16384"),
        ("skip_levels", "first11", "N from 1 to 10"),
        ("filter_size", 14, "odd"),
        ("learning_rates", [1e-4], "one of each for every stage"),
    ],
)
def test_a_wrong_value_is_named_with_the_right_ones(entry, value, said):
    with pytest.raises(ConfigError, match=f"cfg.{entry}") as error:
        specs({**DEFAULTS, entry: value}, seed=1)
    assert said in str(error.value)
