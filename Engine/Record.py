"""Where a run's numbers go: the record a caller hands in, and curves for TensorBoard."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Protocol

import tensorflow as tf


class Record(Protocol):
    """What training needs of a record; a Sacred run is one."""

    def log_scalar(self, metric_name: str, value: float, step: int) -> None: ...

    def add_artifact(self, filename: str, name: str, *, content_type: str) -> None: ...


class Curves:
    """Every scalar to the record and to TensorBoard under one name. `logged` has all of them,
    `(step, {name: value})` each."""

    def __init__(self, record: Record, folder: Path):
        self.record = record
        self.writer = tf.summary.create_file_writer(str(folder))
        self.logged: list[tuple[int, Mapping[str, float]]] = []

    def log(self, step: int, **values: float) -> None:
        """`values` at a training step; `validation__loss` is logged as `validation.loss`."""
        numbers = {name.replace("__", "."): float(value) for name, value in values.items()}
        self.repeat([(step, numbers)])
        with self.writer.as_default(step=step):
            for name, value in numbers.items():
                tf.summary.scalar(name, value)
        self.writer.flush()

    def repeat(self, logged: Iterable[tuple[int, Mapping[str, float]]]) -> None:
        """Give the record what was logged before an interruption, so that it has whole curves;
        TensorBoard has it already."""
        for step, numbers in logged:
            self.logged.append((step, numbers))
            for name, value in numbers.items():
                self.record.log_scalar(name, value, step)
