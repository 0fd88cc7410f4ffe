"""The function that separates windows, against NumPy."""

import subprocess
import sys
import threading
import time

import joblib
import numpy as np
import pytest

from Config import DEFAULTS, specs
from Engine import Separation
from Engine.Separation import MOST_AT_ONCE, MOST_GRAPHS, predictor
from Models.Build import build
from tests.forked import ROOT
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


@pytest.mark.parametrize("cores", [1, 2, 3, 9])
def test_windows_come_back_in_order_from_all_cores(monkeypatch, spec, model, mix, wanted, cores):
    monkeypatch.setattr(joblib, "cpu_count", lambda: cores)
    predict = predictor(model, spec)
    np.testing.assert_allclose(predict(mix), wanted, atol=1e-5)
    many = np.concatenate([mix] * MOST_AT_ONCE)
    np.testing.assert_allclose(predict(many), np.concatenate([wanted] * MOST_AT_ONCE), atol=1e-5)


def test_no_two_threads_are_in_one_graph(monkeypatch, spec, model):
    """Whatever the graphs are: each notices when it is entered a second time."""
    monkeypatch.setattr(joblib, "cpu_count", lambda: 3)
    made = []

    def watched(model, spec):
        inside = threading.Lock()
        made.append(inside)

        def graph(mix):
            assert inside.acquire(blocking=False), "two threads in one graph"
            time.sleep(0.01)
            inside.release()
            return mix

        return graph

    monkeypatch.setattr(Separation, "compiled", watched)
    windows = np.arange(7 * 3 * MOST_AT_ONCE + 2)
    np.testing.assert_array_equal(predictor(model, spec)(windows), windows)
    assert len(made) == 3


def test_a_larger_model_stands_threads(monkeypatch):
    """A convolution and what is added to it are one operation of oneDNN's, which two threads
    cannot share: in a larger model that crashed the process two times of three."""
    monkeypatch.setattr(joblib, "cpu_count", lambda: 2)
    size = {"num_layers": 6, "num_initial_filters": 16, "num_frames": 8192}
    spec = specs({**DEFAULTS, **size}, seed=1).model
    model = build(spec)
    for weight in model.weights:  # a compiler leaves zeros out
        weight.assign(weight + 0.01)
    predict = predictor(model, spec)
    mix = np.random.default_rng(0).uniform(-1, 1, (2, 8192, 2)).astype(np.float32)
    first = predict(mix)
    for _ in range(100):
        np.testing.assert_array_equal(predict(mix), first)


# What a program can be, and the threads of an operation then: 0 is as TensorFlow likes.
THREAD_CASES = {"": 1, "late": 0, "context": 0, "whole song": 0, "many cores": 0}
THREADS = f"""
import os
import joblib
import tensorflow as tf
from Config import DEFAULTS, specs
from Engine.Separation import keep_operations_whole

for case in {list(THREAD_CASES)!r}:
    if os.fork() == 0:  # TensorFlow can be told its threads only once
        joblib.cpu_count = lambda: {MOST_GRAPHS + 1} if case == "many cores" else 2
        if case == "late":
            tf.ones(())
        spec = specs({{**DEFAULTS, "context": case == "context"}}, seed=1).model
        keep_operations_whole(spec, case == "whole song")
        print(tf.config.threading.get_intra_op_parallelism_threads(), flush=True)
        os._exit(0)
    os.wait()
"""


def test_operations_are_computed_by_one_thread_where_every_core_has_a_graph():
    done = subprocess.run([sys.executable, "-c", THREADS], capture_output=True, text=True, cwd=ROOT)
    assert list(map(int, done.stdout.split())) == list(THREAD_CASES.values()), done.stderr
