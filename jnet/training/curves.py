"""The scalars of a run, logged to its record and, as curves, to TensorBoard."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Protocol

import tensorflow as tf

LoggedScalars = tuple[int, Mapping[str, float]]  # a training step and its scalars by name


class Record(Protocol):
    """The methods of a run's record that training needs; a Sacred run has them."""

    def log_scalar(self, metric_name: str, value: float, step: int) -> None:
        """Log the value of a scalar at a training step."""


class Curves:
    """A logger of scalars that uses the same names in a run's record and in TensorBoard.

    `logged` contains all scalars logged so far, including those from before an interruption.
    """

    def __init__(self, record: Record, folder: Path):
        self.record = record
        self.writer = tf.summary.create_file_writer(str(folder))
        self.logged: list[LoggedScalars] = []

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Log `values`, for example `{"validation.loss": 0.1}`, at a training step."""
        numbers = {name: float(value) for name, value in values.items()}
        self.replay([(step, numbers)])
        with self.writer.as_default(step=step):
            for name, value in numbers.items():
                tf.summary.scalar(name, value)
        self.writer.flush()

    def replay(self, logged: Iterable[LoggedScalars]) -> None:
        """Log scalars to the record but not to TensorBoard.

        A resumed run calls this with the scalars from before the interruption, so that the curves
        in its record are complete. TensorBoard's files already contain them.
        """
        for step, numbers in logged:
            self.logged.append((step, numbers))
            for name, value in numbers.items():
                self.record.log_scalar(name, value, step)
