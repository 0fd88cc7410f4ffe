"""Every separator returns the same estimates with the JAX backend of Keras."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from tests.Models.backend_outputs import compute_outputs

PROGRAM = Path(__file__).with_name("backend_outputs.py")


@pytest.mark.skipif(find_spec("jax") is None, reason="JAX is not installed")
def test_jax_and_tensorflow_give_the_same_estimates(tmp_path):
    file = tmp_path / "jax.npz"
    environment = {**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
    with subprocess.Popen([sys.executable, PROGRAM, file], env=environment) as process:
        ours = compute_outputs()  # at the same time
        assert process.wait(timeout=300) == 0
    with np.load(file, allow_pickle=False) as under_jax:
        assert set(under_jax.files) == set(ours)
        for kind, estimates in ours.items():
            assert np.abs(estimates).max() > 1e-3
            np.testing.assert_allclose(under_jax[kind], estimates, atol=1e-4, err_msg=kind)
