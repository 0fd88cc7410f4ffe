"""Errors that a user can cause. Each has a one-line message and an exit status."""

from Models.Entries import ConfigError, JNetError, suggest_nearest

__all__ = [
    "ConfigError",
    "DataError",
    "JNetError",
    "RecordError",
    "RunFailed",
    "WeightsError",
    "suggest_nearest",
]


class DataError(JNetError):
    """An error for tracks or runs that are missing, damaged or inconsistent."""


class WeightsError(JNetError):
    """An error for a weights file that is missing, damaged or of another model."""


class RecordError(JNetError):
    """An error for a folder or database that cannot be reached, locked or written to."""


class RunFailed(JNetError):
    """An error for a run that failed although its input was valid."""

    exit_status = 3
