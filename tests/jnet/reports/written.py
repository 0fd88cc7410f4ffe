"""Write small files as museval and Sacred do, for the tests of the reports."""

import json

import numpy as np

from jnet.results.published import read_musdb18_test_tracks

VOICE = ("vocals", "accompaniment")
TRACKS = ("One", "Two", "Three")
SHA = "a" * 64


def museval(values, targets=VOICE, shift=1.0, duration=1.0):
    """Return a track's JSON: the scores of target i are `values` plus i · `shift` dB."""
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


def write(folder, tracks, **options):
    """Write `<folder>/<track>.json` for every track and return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, values in tracks.items():
        (folder / f"{name}.json").write_text(json.dumps(museval(values, **options)))
    return folder


def musdb_scores(shift=0.0, seed=0):
    """Return a random score for every window of MUSDB18's test tracks."""
    random = np.random.default_rng(seed)
    return {
        name: [round(value, 5) for value in random.normal(5 + shift, 3, windows)]
        for name, windows in read_musdb18_test_tracks().items()
    }


def record(
    runs,
    run_id,
    named,
    tracks,
    status="COMPLETED",
    experiment="training",
    seed=1,
    updates=None,
    sha=None,
    subset=None,
    passes=1,
    entries=(),
    trained=(),
):
    """Write a run's folder like Sacred's FileStorageObserver and return it.

    `entries` are added to the config entries, `trained` to the result.
    """
    folder = runs / str(run_id)
    folder.mkdir(parents=True)
    artifacts = []
    for name, values in tracks.items():
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
            "scores": {target: {"tracks": len(tracks)} for target in VOICE},
            **dict(trained),
        },
        "start_time": f"2026-11-20T10:00:00.{run_id:06d}",
        "status": status,
    }
    config = {"cfg": {"passes": passes, "num_layers": 10, **dict(entries)}, "seed": seed}
    if subset is not None:
        config["subset"] = subset
    (folder / "run.json").write_text(json.dumps(entry))
    (folder / "config.json").write_text(json.dumps(config))
    return folder
