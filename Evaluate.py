"""Score weights, one museval JSON per song: `python Evaluate.py with cfg.J1 model_path=…`."""

from pathlib import Path

from Config import config_ingredient, specs
from Experiments import JNetExperiment, text_entry
from Observers import check_writable, new_run_id
from Spec.Errors import ConfigError, nearest
from Terminal import bar

ex = JNetExperiment("evaluation", __file__, ingredients=[config_ingredient])


@ex.config
def config():
    seed = 1  # changes no score; kept with the record
    model_path = None  # weights to score, a .safetensors with its .json beside it
    subset = "test"  # songs to score: 'test', 'valid' or 'train'
    # Folder for the scores, gone on with where it has some; None: evaluations/<run> by the weights
    output_path = None


@ex.main
def evaluate(cfg, seed, model_path, subset, output_path, _run):
    """Separate and score every song of a set."""
    run = specs(cfg, seed)
    weights = Path(
        text_entry("model_path", model_path, "no weights to score: give model_path=….safetensors")
    )
    if subset not in run.data.subsets:
        raise ConfigError(f"subset is {subset!r}: {nearest(str(subset), run.data.subsets)}")
    if output_path is None:
        folder = weights.parent / "evaluations" / str(_run._id or new_run_id())
    else:
        folder = Path(text_entry("output_path", output_path, ""))
    from Evaluation.Scoring import ready_scorer
    from Input.Collection import find_songs
    from Input.Store import store_name

    ready_scorer(run.scoring)
    found = find_songs(run.data, bar("generating songs"))
    songs = [song for song in found if song.subset == subset]

    # TensorFlow takes seconds to import: not before config and data are known to be right.
    from Engine.Score import JSON, score_model
    from Engine.Separation import keep_operations_whole
    from Engine.Weights import load_weights, manifest_path, read_manifest
    from Models.Build import build

    keep_operations_whole(run.model, run.scoring.whole_song)
    separator = build(run.model)
    load_weights(separator, run.model, weights)
    check_writable(folder, "give another output_path")
    _run.add_artifact(str(manifest_path(weights)), manifest_path(weights).name, content_type=JSON)
    print(f"scoring into {folder}", flush=True)
    sha256 = read_manifest(weights)["sha256"]
    scores = score_model(
        separator,
        run.model,
        run.scoring,
        run.training.eval_batch_size,
        sha256,
        songs,
        folder,
        _run,
        bar("scoring songs"),
    )
    return {
        "folder": str(folder),
        "store": store_name(run.data, found),
        "weights": str(weights),
        "weights_sha256": sha256,
        "subset": subset,
        "scores": scores,
    }


if __name__ == "__main__":
    ex.run_commandline()
