"""TensorFlow's import: quiet, without what is never called here, and set up for this project."""

import gc
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def held_back_stderr() -> Iterator[None]:
    """Hold back what native code writes to standard error; show it after all if the block fails.

    TensorFlow's notes on drivers and instruction sets at its start ignore its own log level, and
    drown what a user should read.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except KeyboardInterrupt:
            raise
        except BaseException:
            held.seek(0)
            os.write(kept, held.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)


@contextmanager
def as_if_not_installed(*packages: str) -> Iterator[None]:
    """Have imports of packages that were not imported yet fail as where they are missing."""
    absent = [package for package in packages if package not in sys.modules]
    for package in absent:
        sys.modules[package] = None  # type: ignore[assignment] # Python's own mark of the missing
    try:
        yield
    finally:
        for package in absent:
            del sys.modules[package]


@contextmanager
def nothing_collected() -> Iterator[None]:
    """Leave Python's search for garbage: it looks through all that thousands of modules make, over
    and over, and finds nothing, a sixth of their import."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


# Keras' picture galleries import Matplotlib, and TensorFlow's converter to Lite JAX where it is
# installed: 0.7 s and 1.4 s of every start, for what is never called here.
with held_back_stderr(), as_if_not_installed("jax", "matplotlib"), nothing_collected():
    import tensorflow

    gpus = tensorflow.config.list_physical_devices("GPU")
    for gpu in gpus:
        # Two trainings, or a training and an evaluation, share a GPU that neither takes whole.
        tensorflow.config.experimental.set_memory_growth(gpu, True)
    if not gpus:
        # It arranges axes as GPUs like them: on a CPU it changes nothing, and takes a quarter of a
        # second of a training's start.
        tensorflow.config.optimizer.set_experimental_options({"layout_optimizer": False})
