"""Prepares a corpus in a process of its own, to be held, limited or killed by a test.

`python -m tests.Input.preparer CORPUS STORE [--workers N] [--hold K] [--limit BYTES]`: prints a
line per song; with `--hold` waits for a line of input after K songs; with `--limit` writes no file
longer than that. Ends as the scripts do, with one line and the error's status.
"""

import argparse
import resource
import sys

from Input.Preparation import prepare
from Spec.Errors import JNetError
from tests.Input.songs import spec


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("corpus")
    parser.add_argument("store")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--hold", type=int)
    parser.add_argument("--limit", type=int)
    given = parser.parse_args()
    if given.limit is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (given.limit, given.limit))

    def progress(name, done, total):
        print(f"{name}: {done} of {total}", flush=True)
        if done == given.hold:
            sys.stdin.readline()

    try:
        store = prepare(spec(given.corpus, given.store, num_workers=given.workers), progress)
    except JNetError as error:
        print(error, file=sys.stderr)
        return error.exit_status
    print(store.folder, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
