"""Files as museval and Sacred write them, small: what the report layer's tests read."""

import json

import numpy as np

from Evaluation.Published import musdb18_test_songs

VOICE = ("vocals", "accompaniment")
SONGS = ("One", "Two", "Three")
SHA = "a" * 64


def museval(values, targets=VOICE, shift=1.0, duration=1.0):
    """A song's JSON: each target's SDR are `values`, the next target's `shift` more."""
    return {
        "targets": [
            {
                "name": target,
                "frames": [
                    {
                        "time": float(time),
                        "duration": duration,
                        "metrics": dict.fromkeys(
                            ("SDR", "SIR", "SAR", "ISR"), value + index * shift
                        ),
                    }
                    for time, value in enumerate(values)
                ],
            }
            for index, target in enumerate(targets)
        ]
    }


def write(folder, songs, **options):
    """`<folder>/<song>.json` for every song and its values; the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, values in songs.items():
        (folder / f"{name}.json").write_text(json.dumps(museval(values, **options)))
    return folder


def musdb_scores(shift=0.0, seed=0):
    """A score for every window of MUSDB18's test songs."""
    random = np.random.default_rng(seed)
    return {
        name: [round(value, 5) for value in random.normal(5 + shift, 3, windows)]
        for name, windows in musdb18_test_songs().items()
    }


def record(
    runs,
    run_id,
    named,
    songs,
    status="COMPLETED",
    experiment="training",
    seed=1,
    updates=None,
    sha=None,
    subset=None,
    passes=1,
):
    """One run's folder as Sacred's FileStorageObserver leaves it."""
    folder = runs / str(run_id)
    folder.mkdir(parents=True)
    artifacts = []
    for name, values in songs.items():
        artifacts.append(f"museval {subset or 'test'} {name}.json")
        (folder / artifacts[-1]).write_text(json.dumps(museval(values)))
    entry = {
        "artifacts": artifacts,
        "experiment": {
            "name": experiment,
            "repositories": [{"commit": "7248fc5" + "0" * 33, "dirty": False, "url": "x"}],
        },
        "meta": {
            "named_configs": [f"cfg.{name}" for name in named],
            "config_updates": updates or {},
        },
        "result": {
            "weights_sha256": sha or f"{run_id:064d}",
            "weights": f"experiments/{run_id}/best.safetensors",
            "scores": {target: {"songs": len(songs)} for target in VOICE},
        },
        "start_time": f"2026-11-20T10:00:00.{run_id:06d}",
        "status": status,
    }
    config = {"cfg": {"passes": passes, "num_layers": 10}, "seed": seed}
    if subset is not None:
        config["subset"] = subset
    (folder / "run.json").write_text(json.dumps(entry))
    (folder / "config.json").write_text(json.dumps(config))
    return folder
