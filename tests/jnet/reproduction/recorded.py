"""Write small run folders as Sacred's FileStorageObserver does, with the entries used by plans."""

import hashlib
import json
from datetime import datetime, timedelta
from pathlib import Path

START = datetime(2026, 11, 20, 14, 0, 0)
METRICS = ("SDR", "SIR", "SAR", "ISR")


def make_museval_json(windows):
    """Return the museval JSON of a track with the same windows for vocals and accompaniment."""
    frames = [
        {"time": float(second), "duration": 1.0, "metrics": dict.fromkeys(METRICS, value)}
        for second, value in enumerate(windows)
    ]
    return {"targets": [{"name": name, "frames": frames} for name in ("vocals", "accompaniment")]}


def write_run(
    runs,
    run_id,
    experiment="training",
    status="COMPLETED",
    cfg=(),
    seed=1,
    result=(),
    tracks=None,
    minutes=0,
    seconds=100,
    named=(),
):
    """Write the folder of a run in `runs` and return it.

    The run starts `minutes` after START and takes `seconds`. `tracks` has the windows of each
    track.
    """
    folder = Path(runs) / str(run_id)
    folder.mkdir(parents=True)
    tracks = {"one": [1.0, 2.0], "two": [3.0]} if tracks is None else tracks
    start = START + timedelta(minutes=minutes)
    scores = {"vocals": {"tracks": len(tracks)}, "accompaniment": {"tracks": len(tracks)}}
    entry = {
        "artifacts": [f"museval test {name}.json" for name in tracks],
        "command": {"training": "train_and_score"}.get(experiment, "evaluate"),
        "experiment": {"name": experiment, "sources": [], "repositories": []},
        "meta": {"named_configs": [f"cfg.{name}" for name in named], "config_updates": {}},
        "result": {"scores": scores, **dict(result)} if status == "COMPLETED" else None,
        "start_time": start.isoformat(),
        "stop_time": (start + timedelta(seconds=seconds)).isoformat(),
        "status": status,
    }
    (folder / "run.json").write_text(json.dumps(entry))
    (folder / "config.json").write_text(json.dumps({"cfg": dict(cfg), "seed": seed}))
    for name, windows in tracks.items():
        (folder / f"museval test {name}.json").write_text(json.dumps(make_museval_json(windows)))
    return folder


def write_weights(folder, content="weights"):
    """Write weights and their manifest; return the entries of a training's result about them."""
    path = Path(folder) / "best.safetensors"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    sha256 = hashlib.sha256(content.encode()).hexdigest()
    path.with_suffix(".json").write_text(json.dumps({"sha256": sha256}))
    return {"weights": str(path), "weights_sha256": sha256}
