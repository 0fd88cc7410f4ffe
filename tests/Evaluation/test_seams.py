"""With input context there is no seam: window by window equals one long valid pass."""

import numpy as np
import pytest

from Config import specs
from Engine.Separation import predictor
from Engine.Weights import load_weights, save_weights
from Evaluation.Separate import Separator
from Models.Build import build
from Spec.Shapes import input_frames, output_frames

KINDS = [
    {},
    {"upsampling": "learned"},
    {"multires_levels": "first2"},
    {"res_path_units": 1},
    {"output_type": "direct", "num_channels": 1},
]


@pytest.mark.parametrize("changes", KINDS, ids=str)
def test_windows_equal_one_long_pass(tiny, changes):
    entries = {**tiny, "context": True, "num_frames": 100, **changes}
    short = specs(entries, seed=6).model
    hop = output_frames(short) // 8 * 8  # a multiple of 2^num_layers
    long = specs({**entries, "num_frames": 6 * hop}, seed=6).model
    context = (input_frames(long) - output_frames(long)) // 2
    random = np.random.default_rng(8)
    song = random.uniform(-0.5, 0.5, (6 * hop - 7, short.num_channels)).astype(np.float32)

    separator = Separator(predictor(build(short), short), short, batch_size=4)
    windows = separator.one_pass()(song, True)

    padded = np.zeros((1, input_frames(long), short.num_channels), np.float32)
    padded[0, context : context + len(song)] = song
    whole = predictor(build(long), long)(padded)[0, : len(song)]
    assert np.abs(whole).max() > 0.01
    np.testing.assert_allclose(windows, whole, atol=1e-5)


def test_without_context_there_is_a_seam(tiny):
    """The reason for context, and the proof that the test above could fail."""
    short, long = (specs({**tiny, "num_frames": frames}, seed=6).model for frames in (128, 512))
    random = np.random.default_rng(8)
    song = random.uniform(-0.5, 0.5, (512, 2)).astype(np.float32)
    separator = Separator(predictor(build(short), short), short, batch_size=4)
    whole = predictor(build(long), long)(song[np.newaxis])[0]
    assert np.abs(separator.one_pass()(song, True) - whole).max() > 1e-3


def test_weights_of_one_window_length_are_refused_by_another(tiny, tmp_path):
    from Spec.Errors import WeightsError

    short, long = (specs({**tiny, "num_frames": n}, seed=6).model for n in (128, 512))
    path = tmp_path / "best.safetensors"
    save_weights(build(short), short, path)
    with pytest.raises(WeightsError, match="num_frames is 512 in the config and 128"):
        load_weights(build(long), long, path)
