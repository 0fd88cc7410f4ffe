"""Train a separator, and score it: `python Training.py with cfg.J1`."""

from pathlib import Path

from Config import config_ingredient, specs
from Experiments import JNetExperiment, text_entry
from Observers import check_writable, new_run_id
from Spec.Checks import folder_name
from Terminal import bar, interruptions_held

ex = JNetExperiment("training", __file__, ingredients=[config_ingredient])


@ex.config
def config():
    seed = 1  # of weights and batches: with one seed, U1 and J1 start alike and hear the same
    picture_path = "model.svg"  # where the command describe draws the separator
    experiment_id = None  # folder below cfg.output_path; None: one that was interrupted, or new


@ex.main
def train_and_score(cfg, seed, experiment_id, _run):
    """Prepare what is missing, train stage after stage or go on, then score the best weights."""
    run = specs(cfg, seed)
    wanted = None if experiment_id is None else folder_name("experiment_id", experiment_id)
    root = Path(run.training.output_path)
    check_writable(root, "give another cfg.output_path")
    from Evaluation.Scoring import ready_scorer

    ready_scorer(run.scoring)  # before a training of days, not after
    from Input.Collection import find_songs
    from Input.Preparation import prepare
    from Input.Store import refuse_short_songs
    from Spec.Shapes import output_frames

    songs = [
        song for song in find_songs(run.data, bar("generating songs")) if song.subset == "test"
    ]
    store = prepare(run.data, bar("preparing songs"))
    refuse_short_songs(store, output_frames(run.model))

    # TensorFlow takes seconds to import: not before config and data are known to be right.
    from Engine.Resume import claimed, statement_of
    from Engine.Score import JSON, score_model
    from Engine.Train import train

    run_id = _run._id or new_run_id()
    statement = statement_of(run, store.folder.name)
    with claimed(root, wanted, str(run_id), statement, print) as place:
        print(place.said(), flush=True)
        _run.info["resumed"] = place.resumed
        with interruptions_held() as check_interrupted:
            trained = train(run.model, run.training, store, place, _run, run_id, check_interrupted)
        _run.add_artifact(str(trained.manifest), trained.manifest.name, content_type=JSON)
        scores = score_model(
            trained.separator,
            run.model,
            run.scoring,
            run.training.eval_batch_size,
            trained.sha256,
            songs,
            place.folder,
            _run,
            bar("scoring songs"),
        )
    print(f"weights {trained.weights} sha256 {trained.sha256}")
    return {
        "store": store.folder.name,
        "folder": str(place.folder),
        "resumed": place.resumed,
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
