"""The errors a user can cause, each one sentence, and the exit status each ends with."""

import difflib
from collections.abc import Iterable


class JNetError(Exception):
    """Something the user can put right; its text says what, where and what to do."""

    exit_status = 2


class ConfigError(JNetError):
    """A config entry that does not exist, or has a value it cannot have."""


class DataError(JNetError):
    """Music that is missing, damaged or does not fit together."""


class WeightsError(JNetError):
    """A weights file that is missing, damaged or belongs to another model."""


class RecordError(JNetError):
    """A place to record in that cannot be reached or written to."""


class RunFailed(JNetError):
    """A run that failed on its own, with nothing wrong in what it was given."""

    exit_status = 3


def nearest(word: str, choices: Iterable[str]) -> str:
    """A hint that names the choice most like `word`, or all choices when none is alike."""
    choices = sorted(choices)
    alike = difflib.get_close_matches(word, choices, n=1, cutoff=0.5)
    if alike:
        return f"did you mean {alike[0]!r}?"
    return f"choose {', '.join(map(repr, choices))}"
