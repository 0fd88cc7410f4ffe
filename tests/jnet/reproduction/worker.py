"""A replacement for Training.py and Evaluate.py that writes the record of a run at once.

Usage: `worker.py PLAN training|evaluation -F RUNS with WORDS…`. PLAN is a JSON file with the
entries `entries`, the cfg entries by the words after `with`; `seconds`, the duration of each run;
`fail`, the configs that fail; and `log`, a file that gets a line for every start.
"""

import json
import random
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))
from tests.jnet.reproduction.recorded import write_run, write_weights


def run(argv):
    """Record a run; raise `SystemExit` with an error line for a config that fails."""
    plan = json.loads(Path(argv[0]).read_text())
    experiment, runs = argv[1], Path(argv[argv.index("-F") + 1])
    words = argv[argv.index("with") + 1 :]
    given = dict(word.split("=", 1) for word in words if not word.startswith("cfg."))
    config = words[0].removeprefix("cfg.")
    cfg = plan["entries"][" ".join(word for word in words if word.startswith("cfg."))]
    with open(plan["log"], "a") as log:  # noqa: PTH123 - one write per line
        log.write(f"{experiment} {config}\n")
    if config in plan.get("fail", ()):
        sys.exit(f"Training.py: the loss of {config} is no longer finite")
    time.sleep(plan.get("seconds", 0))
    run_id = f"{time.time_ns()}"
    if experiment == "training":
        result = write_weights(runs.parent / "experiments" / run_id, run_id)
    else:
        path = Path(given["model_path"].strip("'"))
        sha256 = json.loads(path.with_suffix(".json").read_text())["sha256"]
        result = {"weights_sha256": sha256, "subset": "test"}
    draw = random.Random(config)
    tracks = {name: [draw.gauss(0, 1) for _ in range(5)] for name in "abc"}
    write_run(
        runs, run_id, experiment, cfg=cfg, seed=int(given["seed"]), result=result, tracks=tracks
    )


if __name__ == "__main__":
    run(sys.argv[1:])
