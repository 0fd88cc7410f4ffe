"""Make a table or figure of the papers: `python Reproduce.py figure2 with cfg.demo`."""

import functools
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from Config import DEFAULTS, config_ingredient
from Experiments import JNetExperiment, ended_by_signals, exit_status, sentence
from Recording.Mongo import ENVIRONMENT
from Spec.Errors import ConfigError, JNetError

ex = JNetExperiment("reproduction", __file__, ingredients=[config_ingredient])
ex.logger.setLevel("ERROR")  # a run of its own warns of what it is given


@ex.command(unobserved=True)
def entries(cfg):
    """The cfg entries that named configs and updates come to."""
    return dict(cfg)


def resolve(words: Sequence[str]) -> Mapping[str, Any]:
    """The cfg entries of words as they stand after `with`; `ConfigError` for wrong ones."""
    return resolved(tuple(words))


@functools.cache
def resolved(words: tuple[str, ...]) -> Mapping[str, Any]:
    """As `resolve`, each once: a figure asks for the same words many times."""
    from sacred.arg_parser import get_config_updates

    updates, named_configs = get_config_updates([*words])
    others = [name for name in named_configs if not name.startswith("cfg.")]
    if others:
        raise ConfigError(f"{others[0]} is not a named config: give cfg.demo and the like")
    return ex.run("entries", config_updates=updates, named_configs=named_configs).result


def main(argv: Sequence[str], **changes: Any) -> None:
    """Do what the command line says; `changes` to the maker are for tests."""
    from Reproduction.Order import order

    asked = order(argv)
    for seed in asked.seeds:  # what is mistyped is told before anything is looked at
        resolve((*asked.words, f"seed={seed}"))
    from Reproduction.Lock import alone
    from Reproduction.Making import Maker

    def maker(lock: int | None) -> Maker:
        mongo = asked.mongo or os.environ.get(ENVIRONMENT) or None
        given = {"say": say, "mongo": mongo, "lock": lock, **changes}
        return Maker(asked, resolve, DEFAULTS, **given)

    if asked.dry_run:
        maker(None).finish()
        return
    with alone(asked.runs) as lock:
        maker(lock).finish()


def say(line: str) -> None:
    """A line to the terminal, at once."""
    print(line, flush=True)


def run_commandline(argv: Sequence[str], **changes: Any) -> None:
    """As `main`; bad input ends the process with one line and the exit status README lists."""
    try:
        with ended_by_signals():
            main(argv, **changes)
    except (JNetError, OSError, KeyboardInterrupt) as error:
        print(f"Reproduce.py: {sentence(error)}", file=sys.stderr)
        if isinstance(error, KeyboardInterrupt):
            print(GO_ON, file=sys.stderr)
        raise SystemExit(exit_status(error)) from error


GO_ON = "what is completed stays; the same command goes on with the rest"

if __name__ == "__main__":
    run_commandline(sys.argv[1:])
