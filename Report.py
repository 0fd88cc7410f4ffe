"""The papers' tables and figures with your numbers: `python Report.py table1 runs`.

A SOURCE is a folder of museval JSONs, whoever wrote them, as FOLDER or MODEL=FOLDER; a folder of
recorded runs, or one run in it; or a MongoDB, host:port:db or mongodb://…. Without one it is the
MongoDB of JNET_MONGO_URL, else runs. `push` puts what MongoDB lacks of recorded runs into it.
"""

import os
import sys

from Spec.Errors import JNetError


def main(arguments: list[str] | None = None) -> int:
    """Print or write what the command line asks for; the exit status."""
    from Evaluation.Commands import FORMATS, command_line, write

    try:
        args = command_line(str(__doc__)).parse_args(arguments)
        if "write" in args:
            for line in args.write(args):
                print(line, flush=True)
            return 0
        text = FORMATS[args.format](args.report(args))
        if args.out is None:
            print(text, end="", flush=True)
        else:
            write(args.out, text)
    except BrokenPipeError:  # whoever reads has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except JNetError as error:
        return ended(str(error), error.exit_status)
    except OSError as error:
        return ended(f"{error.filename}: {error.strerror}", JNetError.exit_status)
    except KeyboardInterrupt:
        return ended("interrupted", 130)
    return 0


def ended(sentence: str, status: int) -> int:
    """Say in one line why the report ends, and give its status."""
    print(f"Report.py: {' '.join(sentence.split())}", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
