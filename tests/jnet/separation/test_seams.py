"""Separation with context has no seams: short segments equal one long segment."""

import numpy as np
import pytest

from Config import make_run_settings
from jnet.separation.predictor import build_predictor
from jnet.separation.streaming import TrackSeparator
from jnet.weights.files import load_weights, save_weights
from Models.Build import build

KINDS = [
    {},
    {"upsampling": "learned"},
    {"multires_levels": "first2"},
    {"res_path_units": 1},
    {"output_type": "direct", "num_channels": 1},
]


@pytest.mark.parametrize("changes", KINDS, ids=str)
def test_short_segments_equal_one_long_segment(tiny, changes):
    entries = {**tiny, "context": True, "num_frames": 100, **changes}
    short = make_run_settings(entries, seed=6).model
    hop = short.output_samples // 8 * 8  # a multiple of 2^num_layers
    long = make_run_settings({**entries, "num_frames": 6 * hop}, seed=6).model
    context = (long.input_samples - long.output_samples) // 2
    random = np.random.default_rng(8)
    track = random.uniform(-0.5, 0.5, (6 * hop - 7, short.num_channels)).astype(np.float32)

    separator = TrackSeparator(build_predictor(build(short), short), short, batch_size=4)
    estimates = separator.stream_pass()(track, True)

    padded = np.zeros((1, long.input_samples, short.num_channels), np.float32)
    padded[0, context : context + len(track)] = track
    wanted = build_predictor(build(long), long)(padded)[0, : len(track)]
    assert np.abs(wanted).max() > 0.01
    np.testing.assert_allclose(estimates, wanted, atol=1e-5)


def test_without_context_there_are_seams(tiny):
    """Verify that the test above can fail."""
    short, long = (
        make_run_settings({**tiny, "num_frames": samples}, seed=6).model for samples in (128, 512)
    )
    random = np.random.default_rng(8)
    track = random.uniform(-0.5, 0.5, (512, 2)).astype(np.float32)
    separator = TrackSeparator(build_predictor(build(short), short), short, batch_size=4)
    wanted = build_predictor(build(long), long)(track[np.newaxis])[0]
    assert np.abs(separator.stream_pass()(track, True) - wanted).max() > 1e-3


def test_weights_of_another_segment_length_are_rejected(tiny, tmp_path):
    from jnet.errors import WeightsError

    short, long = (make_run_settings({**tiny, "num_frames": n}, seed=6).model for n in (128, 512))
    path = tmp_path / "best.safetensors"
    save_weights(build(short), short, path)
    with pytest.raises(WeightsError, match="num_frames is 512 in the config and 128"):
        load_weights(build(long), long, path)
