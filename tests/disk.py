"""A disk that is full."""

import contextlib
import resource
import signal


@contextlib.contextmanager
def file_size_limit(size):
    """Let no file grow beyond `size` bytes within the block: writing raises an `OSError`."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
