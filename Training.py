"""Train a separator, and score it: `python Training.py with cfg.J1`."""

from pathlib import Path

from Config import config_ingredient, specs
from Experiments import JNetExperiment
from Terminal import bar

ex = JNetExperiment("training", __file__, ingredients=[config_ingredient])


@ex.config
def config():
    seed = 1  # of weights and batches: with one seed, U1 and J1 start alike and hear the same
    experiment_id = None  # folder below cfg.output_path; None: the run's own id


@ex.main
def train_and_score(cfg, seed, experiment_id, _run):
    """Prepare what is missing, train stage after stage, then score the best weights."""
    run = specs(cfg, seed)
    folder = Path(run.training.output_path) / str(experiment_id or _run._id)
    folder.mkdir(parents=True, exist_ok=True)
    # TensorFlow takes seconds to import: not before config and data are known to be right.
    from Input.Store import prepare

    store = prepare(run.data, bar("preparing songs"))

    from Engine.Score import JSON, score_model
    from Engine.Train import train
    from Input.Collection import find_songs

    print(f"training into {folder}", flush=True)
    trained = train(run.model, run.training, store, folder, _run)
    _run.add_artifact(str(trained.manifest), trained.manifest.name, content_type=JSON)
    songs = [song for song in find_songs(run.data, bar("generating")) if song.subset == "test"]
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
        "validation_loss": trained.progress.best_loss,
        "test_loss": trained.test_loss,
        "weights_sha256": trained.sha256,
        "scores": scores,
    }


if __name__ == "__main__":
    ex.run_commandline()
