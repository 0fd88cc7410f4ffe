"""Runs in separate processes, forked from a process that has imported all modules.

`python tests/forked_runs.py` reads JSON from standard input: a list of
`{"name", "url", "argv", "act", "answers"}`. Each case runs in the folder `name` with JNET_MONGO_URL
set to `url`. It writes its output to `said.txt` and its exit status to `status.txt`. If `answers`
is false, the time limit for connecting to the server is half a second.
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
    """Wait until the file `cut` shows that the server has been stopped."""
    plain(run)
    Path("ready").touch()
    for _ in range(PATIENCE * 50):
        if Path("cut").exists():
            break
        time.sleep(0.02)
    plain(run)


def run_child(case: dict) -> None:
    """Run a case in the child process and end the process."""
    os.chdir(case["name"])
    os.environ["JNET_MONGO_URL"] = case["url"]
    from jnet.recording import mongo, mongo_observer

    mongo_observer.END_WAIT, mongo_observer.PING_WAIT = 0.5, 0.3
    if not case["answers"]:
        mongo.CONNECT_MILLISECONDS = 500
    output = os.open("said.txt", os.O_WRONLY | os.O_CREAT)
    os.dup2(output, 1)
    os.dup2(output, 2)
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

    import jnet.recording.mongo_observer  # noqa: F401
    from tests.jnet.recording.scripted import make_experiment

    experiments = {act.__name__: make_experiment(act) for act in (plain, failing, waiting)}
    pids = []
    for case in json.load(sys.stdin):
        case["experiment"] = experiments.get(case["act"])
        Path(case["name"]).mkdir(exist_ok=True)
        pids.append(os.fork())
        if pids[-1] == 0:
            run_child(case)
    for pid in pids:
        os.waitpid(pid, 0)


if __name__ == "__main__":
    main()
