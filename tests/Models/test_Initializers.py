"""Random weights: their distribution, and their dependence on seed and layer name only."""

import hashlib
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from Config import DEFAULTS, make_run_settings
from Models.Build import build
from Models.Initializers import derive_layer_seed, draw_kernel

ROOT = Path(__file__).parents[2]
TINY = {**DEFAULTS, "num_layers": 2, "num_initial_filters": 4, "num_frames": 64}

# Seed and first weights of the layer encoder_01_conv with seed 1 in the first release.
STORED_SEED = 1106814513
STORED_KERNEL = [0.047011532, -0.123642504, 0.074755386, 0.028070532]

IN_A_NEW_PROCESS = """
import hashlib
from Config import DEFAULTS, make_run_settings
from Models.Build import build
entries = {**DEFAULTS, "num_layers": 2, "num_initial_filters": 4, "num_frames": 64}
for variable in build(make_run_settings(entries, 1).model).weights:
    print(variable.path, hashlib.sha256(variable.numpy().tobytes()).hexdigest())
"""


def draw_weights(entries, seed):
    return {
        variable.path: variable.numpy()
        for variable in build(make_run_settings(entries, seed).model).weights
    }


def draw_kernels(entries, seed):
    return {path: value for path, value in draw_weights(entries, seed).items() if "kernel" in path}


def test_layers_of_equal_shape_have_different_weights():
    heads = {
        path: kernel
        for path, kernel in draw_kernels({**TINY, "task": "multi_instrument"}, 1).items()
        if path.startswith("output")
    }
    assert len(heads) == 3
    assert len({kernel.shape for kernel in heads.values()}) == 1
    assert len({kernel.tobytes() for kernel in heads.values()}) == 3
    flat = [kernel.ravel() for kernel in heads.values()]
    assert not set(flat[0]) & set(flat[1])


def test_no_two_layers_have_the_same_seed():
    roles = ("conv", "conv1", "conv2", "shortcut", "unit1_conv", "unit1_shortcut", "unit2_conv")
    names = [
        f"{part}_{level:02d}_{role}"
        for part in ("encoder", "skip", "decoder")
        for level in range(1, 21)
        for role in roles
    ]
    for seed in range(5):
        assert len({derive_layer_seed(seed, name) for name in names}) == len(names)
    assert len({derive_layer_seed(seed, "encoder_01_conv") for seed in range(1000)}) == 1000


def test_a_new_process_draws_the_same_weights():
    """The weights do not depend on hash randomisation, layer counters or global random state."""
    draw_weights(TINY, seed=7)  # a model that was built before
    process = subprocess.run(
        [sys.executable, "-c", IN_A_NEW_PROCESS],
        # NumPy's backend: its import is short, and the weights are the same on every backend.
        env={**os.environ, "PYTHONHASHSEED": "12345", "KERAS_BACKEND": "numpy"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    theirs = dict(line.split() for line in process.stdout.splitlines())
    ours = {
        path: hashlib.sha256(value.tobytes()).hexdigest()
        for path, value in draw_weights(TINY, seed=1).items()
    }
    assert theirs == ours
    assert len(theirs) == 12


def test_the_weights_are_those_of_the_first_release():
    """Frozen parts can be reproduced from their seed only if these numbers never change."""
    assert derive_layer_seed(1, "encoder_01_conv") == STORED_SEED
    kernel = draw_kernel((15, 2, 24), derive_layer_seed(1, "encoder_01_conv"))
    assert kernel.dtype == np.float32
    np.testing.assert_allclose(kernel[0, 0, :4], STORED_KERNEL, rtol=1e-6)


@pytest.mark.parametrize(
    "shape", [(15, 2, 24), (15, 240, 264), (5, 72, 24), (1, 26, 2), (5, 5, 3, 16)]
)
def test_a_kernel_is_uniformly_distributed_within_glorots_limit(shape):
    """Limit sqrt(6 / (fan in + fan out)), variance limit² / 3 = 2 / (fan in + fan out)."""
    *field, inputs, outputs = shape
    fans = np.prod(field) * (inputs + outputs)
    draws = np.array([draw_kernel(shape, seed) for seed in range(200 if inputs < 200 else 1)])
    assert np.abs(draws).max() <= np.sqrt(6 / fans) * (1 + 1e-6)
    assert np.abs(draws).max() > 0.99 * np.sqrt(6 / fans)
    size = draws.size
    assert draws.var() == pytest.approx(2 / fans, rel=5 * np.sqrt(4 / 5 / size))  # 5 sigma
    assert abs(draws.mean()) < 5 * np.sqrt(2 / fans / size)
    counts = np.histogram(draws, 10, (-np.sqrt(6 / fans), np.sqrt(6 / fans)))[0]
    np.testing.assert_allclose(counts, size / 10, atol=5 * np.sqrt(size * 0.09))


def test_models_with_different_frozen_parts_start_bit_identical():
    start = draw_weights(TINY, seed=3)
    for frozen in (["encoder", "skip"], ["decoder"], ["encoder", "decoder", "bottleneck"]):
        other = draw_weights({**TINY, "frozen": frozen}, seed=3)
        assert other.keys() == start.keys()
        for path, value in start.items():
            np.testing.assert_array_equal(other[path], value, strict=True)


def test_the_weights_of_a_layer_do_not_depend_on_other_layers():
    """Models without some skips or of another task have the same encoder weights."""
    start, other = draw_kernels(TINY, 3), draw_kernels({**TINY, "task": "multi_instrument"}, 3)
    shallow = draw_kernels({**TINY, "skip_levels": "first1"}, 3)
    for path in ("encoder_01_conv/kernel", "encoder_02_conv/kernel", "bottleneck_conv/kernel"):
        np.testing.assert_array_equal(other[path], start[path])
        np.testing.assert_array_equal(shallow[path], start[path])


def test_another_seed_changes_all_kernels():
    first, second = draw_kernels(TINY, 1), draw_kernels(TINY, 2)
    assert len(first) == 6
    for path, kernel in first.items():
        assert not np.isin(second[path], kernel).any(), path


def test_every_weight_can_be_reproduced_from_seed_and_name():
    settings = replace(make_run_settings(TINY, 9).model, frozen=("encoder",))
    for variable in build(settings).weights:
        layer, kind = variable.path.split("/")
        value = variable.numpy()
        expected = (
            draw_kernel(value.shape, derive_layer_seed(9, layer)) if kind == "kernel" else 0 * value
        )
        np.testing.assert_array_equal(value, expected)
