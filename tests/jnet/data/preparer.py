"""Prepare a corpus in a separate process, which a test can stop, limit or kill.

`python -m tests.jnet.data.preparer CORPUS STORE [--workers N] [--hold K] [--limit BYTES]`: prints a
line per track. With `--hold`, it waits for a line of input after K tracks. With `--limit`, it
cannot write longer files. An error ends it like the scripts, with one line and the exit status.
"""

import argparse
import resource
import sys

from jnet.data.preparation import prepare
from jnet.errors import JNetError
from tests.jnet.data.corpora import settings


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("corpus")
    parser.add_argument("store")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--hold", type=int)
    parser.add_argument("--limit", type=int)
    options = parser.parse_args()
    if options.limit is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (options.limit, options.limit))

    def progress(name, done, total):
        print(f"{name}: {done} of {total}", flush=True)
        if done == options.hold:
            sys.stdin.readline()

    try:
        store = prepare(
            settings(options.corpus, options.store, num_workers=options.workers), progress
        )
    except JNetError as error:
        print(error, file=sys.stderr)
        return error.exit_status
    print(store.folder, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
