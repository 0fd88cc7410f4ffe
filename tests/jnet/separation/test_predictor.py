"""The function that separates segments, compared with NumPy."""

import subprocess
import sys
import threading
import time

import joblib
import numpy as np
import pytest

from Config import DEFAULTS, make_run_settings
from jnet.separation import predictor as predictor_module
from jnet.separation.predictor import MAX_GRAPHS, SEGMENTS_PER_CORE, build_predictor
from Models.Build import build
from tests.forked import ROOT
from tests.Models.reference import Net, get_weights


@pytest.fixture(scope="module")
def settings(tiny_settings):
    return tiny_settings.model


@pytest.fixture(scope="module")
def model(settings):
    return build(settings)


@pytest.fixture(scope="module")
def mix(settings):
    return np.random.default_rng(0).uniform(-1, 1, (5, settings.num_frames, 2))


@pytest.fixture(scope="module")
def wanted(model, settings, mix):
    net = Net(get_weights(model), settings.num_layers, settings.sources, settings.skip_levels)
    return net.separate(mix)


def test_the_predictor_equals_the_model_for_any_number_of_segments(settings, model, mix, wanted):
    predict = build_predictor(model, settings)
    for size in (1, 2, 5):
        estimates = predict(mix[:size])
        assert isinstance(estimates, np.ndarray)
        assert estimates.dtype == np.float32
        np.testing.assert_allclose(estimates, wanted[:size], atol=1e-5)


def test_the_predictor_clips_estimates(settings, model):
    mix = np.full((1, settings.num_frames, 2), 4.0)
    assert np.abs(build_predictor(model, settings)(mix)).max() <= 1.0


@pytest.mark.parametrize("cores", [1, 2, 3, 9])
def test_segments_from_all_cores_are_returned_in_order(
    monkeypatch, settings, model, mix, wanted, cores
):
    monkeypatch.setattr(joblib, "cpu_count", lambda: cores)
    predict = build_predictor(model, settings)
    np.testing.assert_allclose(predict(mix), wanted, atol=1e-5)
    many = np.concatenate([mix] * SEGMENTS_PER_CORE)
    np.testing.assert_allclose(
        predict(many), np.concatenate([wanted] * SEGMENTS_PER_CORE), atol=1e-5
    )


def test_no_two_threads_execute_the_same_graph(monkeypatch, settings, model):
    """The graphs are replaced by functions that detect a second thread."""
    monkeypatch.setattr(joblib, "cpu_count", lambda: 3)
    locks = []

    def make_graph(model, settings, computation):
        lock = threading.Lock()
        locks.append(lock)

        def graph(mix):
            assert lock.acquire(blocking=False), "two threads in one graph"
            time.sleep(0.01)
            lock.release()
            return mix

        return graph

    monkeypatch.setattr(predictor_module, "compile_graph", make_graph)
    segments = np.arange(7 * 3 * SEGMENTS_PER_CORE + 2)
    np.testing.assert_array_equal(build_predictor(model, settings)(segments), segments)
    assert len(locks) == 3


def test_a_larger_model_runs_in_several_threads(monkeypatch):
    """With one graph for two threads, the process crashed in two of three attempts.

    The reason is oneDNN's fused operation of convolution and bias.
    """
    monkeypatch.setattr(joblib, "cpu_count", lambda: 2)
    size = {"num_layers": 6, "num_initial_filters": 16, "num_frames": 8192}
    settings = make_run_settings({**DEFAULTS, **size}, seed=1).model
    model = build(settings)
    for weight in model.weights:  # the compiler removes zeros
        weight.assign(weight + 0.01)
    predict = build_predictor(model, settings)
    mix = np.random.default_rng(0).uniform(-1, 1, (2, 8192, 2)).astype(np.float32)
    first = predict(mix)
    for _ in range(100):
        np.testing.assert_array_equal(predict(mix), first)


# Cases of programs and the number of threads per operation; 0 is TensorFlow's default.
THREAD_CASES = {"": 1, "after an operation": 0, "context": 0, "whole track": 0, "many cores": 0}
THREADS = f"""
import os
import joblib
import tensorflow as tf
from Config import DEFAULTS, make_run_settings
from jnet.separation.predictor import use_one_thread_per_operation

for case in {list(THREAD_CASES)!r}:
    if os.fork() == 0:  # TensorFlow's threads can be set only once
        joblib.cpu_count = lambda: {MAX_GRAPHS + 1} if case == "many cores" else 2
        if case == "after an operation":
            tf.ones(())
        settings = make_run_settings({{**DEFAULTS, "context": case == "context"}}, seed=1).model
        use_one_thread_per_operation(settings, case == "whole track")
        print(tf.config.threading.get_intra_op_parallelism_threads(), flush=True)
        os._exit(0)
    os.wait()
"""


def test_operations_use_one_thread_if_every_core_has_a_graph():
    ended = subprocess.run(
        [sys.executable, "-c", THREADS], capture_output=True, text=True, cwd=ROOT
    )
    assert list(map(int, ended.stdout.split())) == list(THREAD_CASES.values()), ended.stderr
