"""Where a run's numbers go: the record a caller hands in, and curves for TensorBoard."""

from pathlib import Path
from typing import Protocol

import tensorflow as tf


class Record(Protocol):
    """What training needs of a record; a Sacred run is one."""

    def log_scalar(self, metric_name: str, value: float, step: int) -> None: ...

    def add_artifact(self, filename: str, name: str, *, content_type: str) -> None: ...


class Curves:
    """Every scalar to the record and to TensorBoard under one name."""

    def __init__(self, record: Record, folder: Path):
        self.record = record
        self.writer = tf.summary.create_file_writer(str(folder))

    def log(self, step: int, **values: float) -> None:
        """`values` at a training step; `validation__loss` is logged as `validation.loss`."""
        with self.writer.as_default(step=step):
            for name, value in values.items():
                name = name.replace("__", ".")
                self.record.log_scalar(name, float(value), step)
                tf.summary.scalar(name, float(value))
        self.writer.flush()
