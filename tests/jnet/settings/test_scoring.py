"""The settings of scoring: the default, and errors for invalid values."""

import pytest

from Config import DEFAULTS, make_run_settings
from jnet.errors import ConfigError


def test_a_track_is_separated_in_segments_unless_whole_track_is_set():
    assert not make_run_settings(DEFAULTS, 1).scoring.whole_track
    assert make_run_settings({**DEFAULTS, "whole_track": True}, 1).scoring.whole_track


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"whole_track": "yes"}, "cfg.whole_track is 'yes': give True or False"),
        (
            {"whole_track": True, "network": "unet_spectrogram", "num_channels": 1},
            "cfg.whole_track is True: 'unet_spectrogram' separates only segment by segment",
        ),
        ({"passes": 0}, "cfg.passes is 0: give a whole number of at least 1"),
        ({"eval_batch_size": 0}, "cfg.eval_batch_size is 0: give a whole number of at least 1"),
        ({"scorer": "bss"}, "cfg.scorer is 'bss': did you mean 'bss_eval'?"),
    ],
)
def test_invalid_settings_of_an_evaluation_are_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        make_run_settings({**DEFAULTS, **changes}, 1)
