"""Records as Sacred's FileStorageObserver writes them, made by hand: what planning reads."""

import hashlib
import json
from datetime import datetime, timedelta
from pathlib import Path

START = datetime(2026, 11, 20, 14, 0, 0)
METRICS = ("SDR", "SIR", "SAR", "ISR")


def museval(vocals):
    """A song's museval JSON with these vocals' windows; the accompaniment has the same."""
    frames = [
        {"time": float(second), "duration": 1.0, "metrics": dict.fromkeys(METRICS, value)}
        for second, value in enumerate(vocals)
    ]
    return {"targets": [{"name": name, "frames": frames} for name in ("vocals", "accompaniment")]}


def record(
    runs,
    run_id,
    experiment="training",
    status="COMPLETED",
    cfg=(),
    seed=1,
    result=(),
    songs=None,
    minutes=0,
    epochs=None,
    named=(),
):
    """One run's folder below `runs`, begun `minutes` after START; `epochs` are the seconds after
    which each was over and the steps done, `songs` the vocals' windows by song."""
    folder = Path(runs) / str(run_id)
    folder.mkdir(parents=True)
    songs = {"one": [1.0, 2.0], "two": [3.0]} if songs is None else songs
    start = START + timedelta(minutes=minutes)
    scores = {"vocals": {"songs": len(songs)}, "accompaniment": {"songs": len(songs)}}
    entry = {
        "artifacts": [f"museval test {name}.json" for name in songs],
        "command": {"training": "train_and_score"}.get(experiment, "evaluate"),
        "experiment": {"name": experiment, "sources": [], "repositories": []},
        "meta": {"named_configs": [f"cfg.{name}" for name in named], "config_updates": {}},
        "result": {"scores": scores, **dict(result)} if status == "COMPLETED" else None,
        "start_time": start.isoformat(),
        "stop_time": (start + timedelta(seconds=100)).isoformat(),
        "status": status,
    }
    (folder / "run.json").write_text(json.dumps(entry))
    (folder / "config.json").write_text(json.dumps({"cfg": dict(cfg), "seed": seed}))
    times = [(start + timedelta(seconds=second)).isoformat() for second, _ in epochs or ()]
    metric = {"steps": [steps for _, steps in epochs or ()], "timestamps": times, "values": []}
    (folder / "metrics.json").write_text(json.dumps({"validation.loss": metric}))
    for name, windows in songs.items():
        (folder / f"museval test {name}.json").write_text(json.dumps(museval(windows)))
    return folder


def weights(folder, content="weights"):
    """A weights file with its manifest below `folder`; what a training's result says of it."""
    path = Path(folder) / "best.safetensors"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    sha256 = hashlib.sha256(content.encode()).hexdigest()
    path.with_suffix(".json").write_text(json.dumps({"sha256": sha256}))
    return {"weights": str(path), "weights_sha256": sha256}
