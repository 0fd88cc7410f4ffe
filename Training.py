"""Train a separator and score it: `python Training.py with cfg.J1`."""

from jnet.system.programs import start_program

if __name__ == "__main__":
    start_program("Training.py")  # before the other imports, which take time

from pathlib import Path

from Config import check_given_entries, config_ingredient, make_run_settings
from jnet.recording.experiment import JNetExperiment, read_text_entry
from jnet.recording.run_folder import new_run_id
from jnet.settings.run import make_training_fingerprint
from jnet.system.files import check_writable
from jnet.system.progress import make_progress_bar
from jnet.system.signals import defer_interruptions
from Models.Entries import folder_name

ex = JNetExperiment("training", __file__, [config_ingredient], check_given_entries)


@ex.config
def config():
    seed = 1  # of initial weights and batches; U1 and J1 of one seed share both
    picture_path = "model.svg"  # output file of the command describe
    experiment_id = None  # folder in cfg.output_path; None: resume an unfinished training or start


@ex.check("train_and_score")
def check_inputs(cfg, seed, experiment_id):
    """Check settings, tracks, scorer and output folder, which takes no time."""
    run = make_run_settings(cfg, seed)
    folder = None if experiment_id is None else folder_name("experiment_id", experiment_id)
    from jnet.data.find import check_data
    from jnet.scoring.scorer import check_scorer
    from jnet.weights.manifests import check_ancestor

    check_scorer(run.scoring)
    check_data(run.data)
    ancestor = check_ancestor(run.training.init_from, run.model)
    root = Path(run.training.output_path)
    check_writable(root, "give another cfg.output_path")
    return run, root, folder, ancestor


@ex.main
def train_and_score(inputs, _run):
    """Prepare missing tracks, train or resume all stages, and score the best weights."""
    ex.print_record()
    run, root, folder, ancestor = inputs
    from jnet.data.find import find_tracks
    from jnet.data.preparation import prepare
    from jnet.data.store import refuse_short_tracks

    tracks = find_tracks(run.data, make_progress_bar("generating tracks"), ("test",))
    store = prepare(run.data, make_progress_bar("preparing tracks"))
    refuse_short_tracks(store, run.model, run.augmentation)

    # TensorFlow takes seconds to import, so config and data are checked first.
    from jnet.system.quiet_tensorflow import import_quietly

    import_quietly()
    from jnet.scoring.evaluation import score_model
    from jnet.separation.predictor import build_separator
    from jnet.training.resume import claim_training
    from jnet.training.train import TrainingRun

    run_id = _run._id or new_run_id()
    wanted = make_training_fingerprint(run, store.folder.name, ancestor)
    with claim_training(root, folder, str(run_id), wanted, print) as claimed:
        print(claimed.describe(), flush=True)
        _run.info["resumed"] = claimed.resumed
        with defer_interruptions() as check_interrupted:
            trained = TrainingRun(run, store, claimed, _run, run_id, check_interrupted).train()
        separator = build_separator(
            trained.separator, run.model, run.computing, run.scoring.passes, run.scoring.whole_track
        )
        bar = make_progress_bar("scoring tracks")
        scores = score_model(separator, run, trained.weights, tracks, claimed.folder, _run, bar)
    print(f"weights {trained.weights} sha256 {trained.sha256}")
    place = {"store": store.folder.name, "folder": str(claimed.folder), "resumed": claimed.resumed}
    return {**place, "ancestor": ancestor, **trained.summarize(), "scores": scores}


@ex.command(unobserved=True)
def describe(cfg, seed, picture_path):
    """Print the layers, parts, weights, receptive field and cost of a model, and draw it."""
    path = Path(read_text_entry("picture_path", picture_path, "give picture_path=….svg"))
    from jnet.system.quiet_tensorflow import import_quietly

    import_quietly()
    from Models.Drawing import describe_and_draw

    print(describe_and_draw(make_run_settings(cfg, seed).model, path))


if __name__ == "__main__":
    ex.run_commandline()
