"""Print or draw the papers' tables and figures from your runs: `python Report.py table1 runs`.

A SOURCE is a folder of museval JSON files, FOLDER or MODEL=FOLDER; a folder of recorded runs, or
one run in it; or a MongoDB, host:port:db or mongodb://…. The default is the MongoDB of
JNET_MONGO_URL if it is set, else the folder runs. `push` copies the missing parts of recorded runs
to MongoDB.
"""

from jnet.system.programs import start_program

if __name__ == "__main__":
    start_program("Report.py")  # before the other imports, which take time

import sys
from collections.abc import Mapping
from typing import Any

from jnet.errors import JNetError
from jnet.system.signals import end_on_signals, report_error


def write_report(arguments: list[str] | None) -> None:
    """Print or write the requested report."""
    from jnet.reports.commands import FORMATS, make_parser, write_text

    args = make_parser(str(__doc__), read_defaults).parse_args(arguments)
    if "write" in args:
        for line in args.write(args):
            print(line, flush=True)
        return
    text = FORMATS[args.format](args.report(args))
    if args.out is None:
        print(text, end="")
    else:
        write_text(args.out, text)


def read_defaults() -> Mapping[str, Any]:
    """Return the default values of all config entries, for records of earlier versions."""
    from Config import DEFAULTS  # imports Sacred, which most reports do not need

    return DEFAULTS


def main(arguments: list[str] | None = None) -> int:
    """Print or write the requested report and return the exit status."""
    try:
        with end_on_signals():
            write_report(arguments)
    except (JNetError, OSError, KeyboardInterrupt) as error:
        return report_error("Report.py", error)
    return 0


if __name__ == "__main__":
    sys.exit(main())
