"""Runs in processes of their own, forked from one that has imported what they need.

`python tests/forked_runs.py` reads JSON from standard input: a list of
`{"name", "url", "argv", "act"}`. Each runs in a folder of its name with JNET_MONGO_URL set, what
it prints goes to `said.txt` there, and its exit status to `status.txt`.
"""

import json
import os
import sys
import time
import traceback
from pathlib import Path

ROOT = Path(__file__).parents[1]
PATIENCE = 30  # seconds


def plain(run):
    print("epoch 1")
    run.log_scalar("loss", 1.0, 1)
    Path("x.json").write_text("[1]")
    run.add_artifact("x.json", "x.json", content_type="application/json")
    run._emit_heartbeat()


def failing(run):
    plain(run)
    raise ZeroDivisionError("a bug")


def waiting(run):
    """Until the server is gone, as whoever made it says with a file."""
    plain(run)
    Path("ready").touch()
    for _ in range(PATIENCE * 50):
        if Path("cut").exists():
            break
        time.sleep(0.02)
    plain(run)


def child(case: dict) -> None:
    """Do what a case says, as its own process would, and end."""
    os.chdir(case["name"])
    os.environ["JNET_MONGO_URL"] = case["url"]
    said = os.open("said.txt", os.O_WRONLY | os.O_CREAT)
    os.dup2(said, 1)
    os.dup2(said, 2)
    status: object = 0
    try:
        if case["act"] == "report":
            import Report

            status = Report.main(case["argv"])
        else:
            case["experiment"].run_commandline(["Training.py", *case["argv"]])
    except SystemExit as end:
        status = end.code
    except BaseException:
        traceback.print_exc()
        status = 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        Path("status.txt").write_text(str(status))
        os._exit(0)


def main() -> None:
    sys.path.insert(0, str(ROOT))
    import gridfs  # noqa: F401
    import pymongo  # noqa: F401

    import MongoObserver
    from Recording import Mongo
    from tests.scripted import scripted

    Mongo.WAIT, MongoObserver.END_WAIT, MongoObserver.PING_WAIT = 500, 0.5, 0.3
    experiments = {act.__name__: scripted(act) for act in (plain, failing, waiting)}
    pids = []
    for case in json.load(sys.stdin):
        case["experiment"] = experiments.get(case["act"])
        Path(case["name"]).mkdir(exist_ok=True)
        pids.append(os.fork())
        if pids[-1] == 0:
            child(case)
    for pid in pids:
        os.waitpid(pid, 0)


if __name__ == "__main__":
    main()
