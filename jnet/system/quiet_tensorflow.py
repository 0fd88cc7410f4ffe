"""The import of TensorFlow without start-up messages and without packages that are not needed."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def suppress_stderr() -> Iterator[None]:
    """Suppress the output of native code to standard error, unless the block raises an exception.

    At its start, TensorFlow prints messages on drivers and instruction sets whatever its log level.
    After an exception, the suppressed output is printed.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as suppressed:
        os.dup2(suppressed.fileno(), 2)
        try:
            yield
        except Exception:
            suppressed.seek(0)
            os.write(stderr, suppressed.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)


@contextmanager
def hide_packages(*packages: str) -> Iterator[None]:
    """Let imports of `packages` fail within the block as if they were not installed.

    Packages that are already imported are not affected.
    """
    hidden = [package for package in packages if package not in sys.modules]
    for package in hidden:
        sys.modules[package] = None  # type: ignore[assignment] # makes `import` fail
    try:
        yield
    finally:
        for package in hidden:
            del sys.modules[package]


def import_quietly() -> None:
    """Import TensorFlow without its start-up messages and without packages that are not needed.

    Programs call this before their first import of Keras. Results are the same without this call.
    """
    # Keras' image utilities import Matplotlib, which takes 0.7 s, and TensorFlow's Lite converter
    # imports JAX if it is installed, which takes 1.4 s. This project calls neither of them.
    with suppress_stderr(), hide_packages("jax", "matplotlib"):
        import tensorflow

        if not tensorflow.config.list_physical_devices("GPU"):
            # The layout optimizer changes the order of axes for GPUs. On a CPU it has no effect but
            # delays the start of a training by 0.25 s.
            tensorflow.config.optimizer.set_experimental_options({"layout_optimizer": False})
