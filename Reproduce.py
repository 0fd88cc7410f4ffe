"""Reproduce a table or figure of the papers: `python Reproduce.py figure2 with cfg.demo`."""

from jnet.system.programs import start_program

if __name__ == "__main__":
    start_program("Reproduce.py")  # before the other imports, which take time

import functools
import sys
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import Any

from Config import check_given_entries, config_ingredient
from jnet.errors import JNetError
from jnet.recording.experiment import JNetExperiment
from jnet.system.signals import end_on_signals, report_error

RESUMING = "completed runs are kept; the same command resumes with the rest"

ex = JNetExperiment("reproduction", __file__, [config_ingredient], check_given_entries)


@ex.command(unobserved=True)
def list_entries(cfg):
    """Return the entries of a config."""
    return cfg


@functools.cache
def resolve_words(words: tuple[str, ...]) -> Mapping[str, Any]:
    """Return the `cfg` entries that result from the words after `with`, as in Training.py.

    Raises `ConfigError` for unknown names and invalid values.
    """
    from sacred.arg_parser import get_config_updates

    updates, configs = get_config_updates(list(words))
    entries = ex.run("list_entries", updates, configs).result
    # A row's program would refuse them later.
    check_given_entries(entries, set(updates.get("cfg", ())))
    return entries


def main(argv: Sequence[str]) -> None:
    """Create the table or figure that the command line requests."""
    from jnet.reproduction.request import parse_request

    request = parse_request(argv)
    for seed in request.seeds:  # unknown words are rejected before any file is read
        resolve_words((*request.words, f"seed={seed}"))
    from jnet.reproduction.builder import Builder
    from jnet.reproduction.runner import lock_record

    with nullcontext() if request.dry_run else lock_record(request.runs) as lock:
        try:
            Builder(request, resolve_words, lock).build()
        except KeyboardInterrupt:
            print(RESUMING)
            raise


def run_commandline(argv: Sequence[str]) -> None:
    """Run `main`; exit with one line and the documented status after an error."""
    try:
        with end_on_signals():
            main(argv)
    except (JNetError, OSError, KeyboardInterrupt) as error:
        raise SystemExit(report_error("Reproduce.py", error)) from error


if __name__ == "__main__":
    run_commandline(sys.argv[1:])
