"""Train a separator, and score it: `python Training.py with cfg.J1`."""

from pathlib import Path

from Config import config_ingredient, specs
from Experiments import JNetExperiment, text_entry
from Observers import check_writable, new_run_id
from Spec.Errors import ConfigError
from Terminal import bar

ex = JNetExperiment("training", __file__, ingredients=[config_ingredient])


@ex.config
def config():
    seed = 1  # of weights and batches: with one seed, U1 and J1 start alike and hear the same
    picture_path = "model.svg"  # where the command describe draws the separator
    experiment_id = None  # folder below cfg.output_path; None: the run's own id


@ex.main
def train_and_score(cfg, seed, experiment_id, _run):
    """Prepare what is missing, train stage after stage, then score the best weights."""
    run = specs(cfg, seed)
    folder = Path(run.training.output_path) / str(experiment_id or _run._id or new_run_id())
    if (folder / "best.json").exists():
        raise ConfigError(f"{folder}: is a training already: give another experiment_id")
    check_writable(folder.parent, "give another cfg.output_path")
    from Evaluation.Scoring import ready_scorer

    ready_scorer(run.scoring)  # before a training of days, not after
    from Input.Collection import find_songs
    from Input.Store import prepare, refuse_short_songs
    from Spec.Shapes import output_frames

    songs = [
        song for song in find_songs(run.data, bar("generating songs")) if song.subset == "test"
    ]
    store = prepare(run.data, bar("preparing songs"))
    refuse_short_songs(store, output_frames(run.model))

    # TensorFlow takes seconds to import: not before config and data are known to be right.
    from Engine.Score import JSON, score_model
    from Engine.Train import train

    folder.mkdir(exist_ok=True)  # there, but without weights: a training that came to nothing
    print(f"training into {folder}", flush=True)
    trained = train(run.model, run.training, store, folder, _run)
    _run.add_artifact(str(trained.manifest), trained.manifest.name, content_type=JSON)
    scores = score_model(
        trained.separator,
        run.model,
        run.scoring,
        run.training.eval_batch_size,
        songs,
        folder,
        _run,
        bar("scoring songs"),
    )
    print(f"weights {trained.weights} sha256 {trained.sha256}")
    return {
        "store": store.folder.name,
        "folder": str(folder),
        "weights": str(trained.weights),
        "validation_loss": trained.progress.best_loss,
        "test_loss": trained.test_loss,
        "weights_sha256": trained.sha256,
        "scores": scores,
    }


@ex.command(unobserved=True)
def describe(cfg, seed, picture_path):
    """Print a model's layers, parts, weights, reach and cost, and draw it."""
    spec = specs(cfg, seed).model
    import Engine  # noqa: F401 - TensorFlow, without its notes
    from Models.Build import build
    from Models.Describe import describe as description
    from Models.Picture import draw

    separator = build(spec)
    print(description(separator, spec))
    path = Path(text_entry("picture_path", picture_path, "give picture_path=….svg"))
    path.write_text(draw(separator, spec), encoding="utf-8")


if __name__ == "__main__":
    ex.run_commandline()
