"""Training: losses, stages, callbacks, weights on disk. The layer that knows TensorFlow."""

from Engine import Importing  # noqa: F401 - before anything else can import TensorFlow
