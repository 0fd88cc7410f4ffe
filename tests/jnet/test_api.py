"""The Python API `import jnet`: separation and scoring of arrays."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import jnet
from jnet.errors import ConfigError, DataError, WeightsError
from jnet.weights.files import save_weights
from Models.Build import build

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def weights(tiny_settings, tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "best.safetensors"
    save_weights(build(tiny_settings.model), tiny_settings.model, path)
    return path


@pytest.fixture(scope="module")
def separate(weights):
    return jnet.load(weights)


def noise(*shape, seed=0):
    return np.random.default_rng(seed).uniform(-0.3, 0.3, shape)


@pytest.mark.parametrize("shape", [(9000,), (9000, 1), (9000, 2), (3001, 6)], ids=str)
@pytest.mark.parametrize("rate", [8000, 44100])
def test_estimates_have_the_shape_of_the_audio_at_any_rate(separate, shape, rate):
    audio = noise(*shape)
    estimates = separate(audio, rate)
    assert list(estimates) == ["accompaniment", "vocals"]
    assert {estimate.shape for estimate in estimates.values()} == {shape}
    if rate == 8000 and len(shape) == 2 and shape[1] == 2:  # no resampling
        np.testing.assert_allclose(sum(estimates.values()), audio, atol=1e-6)  # difference output


def test_repeated_separation_and_loading_return_the_same_estimates(separate, weights):
    audio = noise(5000, 2)
    first, second, again = separate(audio, 8000), separate(audio, 8000), jnet.load(weights)
    for source, estimate in first.items():
        np.testing.assert_array_equal(estimate, second[source])
        np.testing.assert_array_equal(estimate, again(audio, 8000)[source])


def test_the_plain_graph_and_the_fast_computation_agree(separate, weights):
    audio = noise(5000, 2)
    plain = jnet.load(weights, computation="plain")(audio, 8000)
    for source, estimate in separate(audio, 8000).items():
        np.testing.assert_allclose(estimate, plain[source], atol=1e-6)


@pytest.mark.parametrize(
    ("audio", "message"),
    [
        (np.zeros((0, 2)), "has the shape"),
        (np.zeros((2, 3, 4)), "has the shape"),
        (np.zeros(9, np.int16), r"give floats \[T\] or \[T, C\] with full scale at ±1"),
        (np.array([0.0, np.nan]), "not finite"),
    ],
)
def test_invalid_audio_is_rejected(separate, audio, message):
    with pytest.raises(DataError, match=message):
        separate(audio, 8000)


def test_invalid_arguments_are_rejected(separate, weights, tmp_path):
    with pytest.raises(ConfigError, match="sample_rate is 0"):
        separate(noise(100), 0)
    with pytest.raises(WeightsError, match="does not exist: correct the path"):
        jnet.load(tmp_path / "none.safetensors")
    with pytest.raises(ConfigError, match=r"cfg\.computation is 'quick'"):
        jnet.load(weights, computation="quick")
    with pytest.raises(ConfigError, match="scorer is 'bss'"):
        jnet.score({"vocals": noise(9)}, {"vocals": noise(9)}, 8000, scorer="bss")
    with pytest.raises(DataError, match="give the same sources for both"):
        jnet.score({"vocals": noise(9)}, {"bass": noise(9)}, 8000)
    with pytest.raises(DataError, match="have the shapes"):
        jnet.score({"vocals": noise(9)}, {"vocals": noise(8)}, 8000)


def test_the_sdr_equals_its_definition():
    """The SDR of a window is 10 log10 of the ratio of the energies of reference and error."""
    references = {"vocals": noise(2000), "accompaniment": noise(2000, seed=1)}
    errors = {"vocals": 0.1 * noise(2000, seed=2), "accompaniment": 0.2 * noise(2000, seed=3)}
    estimates = {source: references[source] + errors[source] for source in references}
    scores = jnet.score(references, estimates, 1000)
    for source, metrics in scores.items():
        assert set(metrics) == {"SDR", "SIR", "SAR", "ISR"}
        for window in range(2):
            part = slice(1000 * window, 1000 * (window + 1))
            signal, error = (np.square(x[source][part]).sum() for x in (references, errors))
            assert metrics["SDR"][window] == pytest.approx(10 * np.log10(signal / error))


def run_python(code, folder, path):
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
    )


def test_the_import_is_fast_and_works_in_any_folder(tmp_path):
    code = "import jnet, sys; print({'keras', 'numpy', 'sacred'} & {*sys.modules})"
    ended = run_python(code, tmp_path, str(ROOT))
    assert (ended.stdout, ended.stderr) == ("set()\n", "")


def test_another_package_named_models_raises_an_error(tmp_path):
    (tmp_path / "Models").mkdir()
    (tmp_path / "Models" / "__init__.py").touch()
    ended = run_python("import jnet", tmp_path, str(ROOT))
    last = ended.stderr.splitlines()[-1]
    assert last.startswith("ImportError: jnet needs its own package Models in ")
    assert f"but {tmp_path / 'Models'} comes first in sys.path" in last


def test_the_order_of_imports_does_not_change_results(weights, tmp_path):
    """Takes ten seconds for two processes that import TensorFlow in different orders."""
    code = (
        "import {first}, hashlib, jnet, numpy as np, os\n"
        "estimates = jnet.load({path!r})(np.linspace(-0.5, 0.5, 3000), 8000)\n"
        "print(hashlib.sha256(estimates['vocals'].tobytes()).hexdigest())\n"
        "print(os.environ['TF_FORCE_GPU_ALLOW_GROWTH'])"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code.format(first=first, path=str(weights))],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            text=True,
        )
        for first in ("keras", "jnet.training.train")
    ]
    here = jnet.load(weights)(np.linspace(-0.5, 0.5, 3000), 8000)["vocals"]
    for process in processes:
        output, _ = process.communicate(timeout=120)
        assert output.split() == [hashlib.sha256(here.tobytes()).hexdigest(), "true"]
