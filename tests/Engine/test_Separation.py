"""The function that separates windows, against NumPy."""

import joblib
import numpy as np
import pytest

from Engine.Separation import MOST_AT_ONCE, predictor
from Models.Build import build
from tests.Models.reference import Net, weights_of


@pytest.fixture(scope="module")
def spec(tiny_specs):
    return tiny_specs.model


@pytest.fixture(scope="module")
def model(spec):
    return build(spec)


@pytest.fixture(scope="module")
def mix(spec):
    return np.random.default_rng(0).uniform(-1, 1, (5, spec.num_frames, 2))


@pytest.fixture(scope="module")
def wanted(model, spec, mix):
    net = Net(weights_of(model), spec.num_layers, spec.sources, spec.skip_levels)
    return net.separate(mix)


def test_it_is_the_model_on_any_number_of_windows(spec, model, mix, wanted):
    predict = predictor(model, spec)
    for size in (1, 2, 5):
        estimates = predict(mix[:size])
        assert isinstance(estimates, np.ndarray)
        assert estimates.dtype == np.float32
        np.testing.assert_allclose(estimates, wanted[:size], atol=1e-5)


def test_it_clips_as_outside_training(spec, model):
    mix = np.full((1, spec.num_frames, 2), 4.0)
    assert np.abs(predictor(model, spec)(mix)).max() <= 1.0


def test_it_keeps_the_weights_it_was_made_with(spec, mix, wanted):
    model = build(spec)
    predict = predictor(model, spec)
    for weight in model.weights:
        weight.assign(0 * weight)
    np.testing.assert_allclose(predict(mix), wanted, atol=1e-5)


@pytest.mark.parametrize("cores", [1, 2, 3])
def test_windows_come_back_in_order_from_all_cores(monkeypatch, spec, model, mix, wanted, cores):
    """Again and again: operations that threads cannot share have crashed here."""
    monkeypatch.setattr(joblib, "cpu_count", lambda: cores)
    predict = predictor(model, spec)
    many = np.concatenate([mix] * MOST_AT_ONCE)
    for _ in range(100):
        np.testing.assert_allclose(predict(mix), wanted, atol=1e-5)
    np.testing.assert_allclose(predict(many), np.concatenate([wanted] * MOST_AT_ONCE), atol=1e-5)
