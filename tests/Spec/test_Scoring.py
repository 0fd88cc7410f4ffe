"""How estimates are scored, checked once."""

import pytest

from Config import DEFAULTS
from Spec.Errors import ConfigError
from Spec.Scoring import scoring_spec


def test_a_song_goes_window_by_window_unless_it_is_wanted_whole():
    assert not scoring_spec(DEFAULTS).whole_song
    assert scoring_spec({**DEFAULTS, "whole_song": True}).whole_song


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"whole_song": "yes"}, "cfg.whole_song is 'yes': give True or False"),
        (
            {"whole_song": True, "network": "unet_spectrogram"},
            "cfg.whole_song is True: 'unet_spectrogram' goes window by window alone",
        ),
        ({"passes": 0}, "cfg.passes is 0: give a whole number of at least 1"),
        ({"scorer": "bss"}, "cfg.scorer is 'bss': did you mean 'bss_eval'?"),
    ],
)
def test_what_no_evaluation_can_do_is_refused(changes, said):
    with pytest.raises(ConfigError, match=said):
        scoring_spec({**DEFAULTS, **changes})
