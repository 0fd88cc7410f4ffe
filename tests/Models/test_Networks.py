"""What the settings state of the weights, for random settings of every network."""

import random
from contextlib import suppress

import pytest

from jnet.errors import ConfigError
from Models.Build import build
from Models.Freezing import count_scalars, group_weights_by_part
from Models.Networks import make_model_settings
from tests.Models.tiny import TINY, as_spectrogram_unet

LEVELS = ("all", "first1", "last1", [2])
CHOICES = {
    "task": ("voice", "multi_instrument"),
    "num_channels": (1, 2),
    "num_layers": (2, 4),
    "num_initial_filters": (2, 8),
    "filter_size": (1, 5),
    "merge_filter_size": (1, 3),
    "context": (False, True),
    "upsampling": ("linear", "learned"),
    "output_type": ("difference", "direct"),
    "skip_levels": (*LEVELS, "none"),
    "res_path_units": (0, 2),
    "res_path_levels": LEVELS,
    "multires_levels": ("none", "none", "first1"),
}
SPECTROGRAM_CHOICES = {key: CHOICES[key] for key in ("task", "num_initial_filters")}
DEMUCS_CHOICES = {
    "task": CHOICES["task"],
    "num_channels": (1, 2),
    "num_layers": (2, 4),
    "num_initial_filters": (2, 8),
    "growth": (1.0, 1.5, 2.0),
    "kernel_size": (4, 8),
    "stride": (2, 4),
    "rewrite": ("all", "decoder", "none"),
    "decoder_context": (1, 3),
    "glu": (False, True),
    "lstm_layers": (0, 1, 2),
    "resample": (1, 2),
}


def draw_settings(network: str, count: int):
    """Return valid settings with random entries; the seed is fixed."""
    entries, choices = TINY, CHOICES
    if network == "unet_spectrogram":
        entries, choices = as_spectrogram_unet(TINY), SPECTROGRAM_CHOICES
    if network == "demucs":
        entries, choices = {**TINY, "network": network}, DEMUCS_CHOICES
    generator = random.Random(14)
    drawn = []
    while len(drawn) < count:
        changes = {key: generator.choice(values) for key, values in choices.items()}
        with suppress(ConfigError):
            drawn.append(make_model_settings({**entries, **changes}, seed=1))
    return drawn


@pytest.mark.parametrize(
    ("network", "count"), [("unet", 30), ("unet_spectrogram", 4), ("demucs", 12)]
)
def test_settings_bound_the_weights_and_know_their_parts(network, count):
    """Files with fewer weights than the bound are refused as damaged."""
    for settings in draw_settings(network, count):
        model = build(settings)
        weights = count_scalars(model.weights)
        assert settings.weighted_parts == {
            part for part, variables in group_weights_by_part(model, settings).items() if variables
        }
        assert weights / 20 < settings.least_weights <= weights, settings
