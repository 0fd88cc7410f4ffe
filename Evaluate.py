"""Score weights, one museval JSON per song: `python Evaluate.py with cfg.J1 model_path=…`."""

from pathlib import Path

from Config import config_ingredient, specs
from Experiments import JNetExperiment
from Spec.Errors import ConfigError, nearest
from Terminal import bar

ex = JNetExperiment("evaluation", __file__, ingredients=[config_ingredient])


@ex.config
def config():
    seed = 1  # changes no score; kept with the record
    model_path = None  # weights to score, a .safetensors with its .json beside it
    subset = "test"  # songs to score: 'test', 'valid' or 'train'
    output_path = None  # folder for the scores; None: the folder of the weights


@ex.main
def evaluate(cfg, seed, model_path, subset, output_path, _run):
    """Separate and score every song of a set."""
    run = specs(cfg, seed)
    if model_path is None:
        raise ConfigError("no weights to score: give model_path=….safetensors")
    if subset not in run.data.subsets:
        raise ConfigError(f"subset is {subset!r}: {nearest(str(subset), run.data.subsets)}")
    from Input.Collection import find_songs

    songs = [song for song in find_songs(run.data, bar("generating")) if song.subset == subset]
    folder = Path(output_path or Path(model_path).parent)
    folder.mkdir(parents=True, exist_ok=True)

    # TensorFlow takes seconds to import: not before config and data are known to be right.
    from Engine.Score import score_model
    from Engine.Weights import load_weights
    from Models.Build import build

    separator = build(run.model)
    load_weights(separator, run.model, Path(model_path))
    return score_model(
        separator,
        run.model,
        run.scoring,
        run.training.eval_batch_size,
        songs,
        folder,
        _run,
        bar("scoring songs"),
    )


if __name__ == "__main__":
    ex.run_commandline()
