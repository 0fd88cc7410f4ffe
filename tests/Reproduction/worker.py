"""Stands in for Training.py and Evaluate.py: records in a moment what they take hours for.

`worker.py PLAN training|evaluation -F RUNS with WORDS…`. PLAN is a JSON: `entries`, the cfg entries
by what stands after `with`; `seconds` each run takes; `fail`, configs that fail; `log`, a file that
gets a line for every start.
"""

import json
import random
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from recorded import record, weights

plan = json.loads(Path(sys.argv[1]).read_text())
experiment, runs = sys.argv[2], Path(sys.argv[sys.argv.index("-F") + 1])
words = sys.argv[sys.argv.index("with") + 1 :]
given = dict(word.split("=", 1) for word in words if not word.startswith("cfg."))
config = words[0].removeprefix("cfg.")
cfg = plan["entries"][" ".join(word for word in words if word.startswith("cfg."))]
with open(plan["log"], "a") as log:  # noqa: PTH123 - one line at once
    log.write(f"{experiment} {config}\n")
if config in plan.get("fail", ()):
    sys.exit(f"Training.py: the loss of {config} is no longer finite")
time.sleep(plan.get("seconds", 0))
run_id = f"{time.time_ns()}"
if experiment == "training":
    result = weights(runs.parent / "experiments" / run_id, run_id)
else:
    path = Path(given["model_path"].strip("'"))
    sha256 = json.loads(path.with_suffix(".json").read_text())["sha256"]
    result = {"weights_sha256": sha256, "subset": "test"}
draw = random.Random(config)
songs = {name: [draw.gauss(0, 1) for _ in range(5)] for name in "abc"}
record(runs, run_id, experiment, cfg=cfg, seed=int(given["seed"]), result=result, songs=songs)
