"""The packages that are imported with TensorFlow."""

import importlib
import json
import subprocess
import sys

import pytest

from jnet.system.quiet_tensorflow import hide_packages
from tests.forked import ROOT


def test_a_hidden_package_cannot_be_imported(tmp_path, monkeypatch):
    (tmp_path / "a_package_of_this_test.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    with hide_packages("a_package_of_this_test", "json"):
        with pytest.raises(ModuleNotFoundError):
            importlib.import_module("a_package_of_this_test")
        assert importlib.import_module("json") is json, "imported packages are not hidden"
    assert importlib.import_module("a_package_of_this_test")


def test_importing_tensorflow_imports_neither_jax_nor_matplotlib():
    code = (
        "from jnet.system.quiet_tensorflow import import_quietly; import_quietly();"
        "import keras, sys; print(sorted({'jax', 'matplotlib'} & {*sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout == "[]\n", done.stderr
