"""What is imported with TensorFlow, and what not."""

import gc
import importlib
import json
import subprocess
import sys

import pytest

from Engine.Importing import as_if_not_installed, nothing_collected
from tests.forked import ROOT


def test_a_package_can_be_as_if_not_installed(tmp_path, monkeypatch):
    (tmp_path / "a_package_of_this_test.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    with as_if_not_installed("a_package_of_this_test", "json"):
        with pytest.raises(ModuleNotFoundError):
            importlib.import_module("a_package_of_this_test")
        assert importlib.import_module("json") is json, "what was imported already stays"
    assert importlib.import_module("a_package_of_this_test")


def test_garbage_is_collected_again_where_it_was_before():
    assert gc.isenabled()
    with nothing_collected():
        assert not gc.isenabled()
        with nothing_collected():
            pass
        assert not gc.isenabled()
    assert gc.isenabled()


def test_tensorflow_starts_without_what_is_not_called_here():
    code = "import Engine, keras, sys; print(sorted({'jax', 'matplotlib'} & {*sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout == "[]\n", done.stderr
