"""Score weights in one museval JSON per track: `python Evaluate.py with cfg.J1 model_path=…`."""

from jnet.system.programs import start_program

if __name__ == "__main__":
    start_program("Evaluate.py")  # before the other imports, which take time

from pathlib import Path

from Config import check_given_entries, config_ingredient, make_run_settings, select_given_entries
from jnet.errors import ConfigError, suggest_nearest
from jnet.recording.experiment import JNetExperiment, read_text_entry
from jnet.recording.run_folder import new_run_id
from jnet.settings.data import SUBSETS
from jnet.system.files import check_writable
from jnet.system.progress import make_progress_bar

ex = JNetExperiment("evaluation", __file__, [config_ingredient], check_given_entries)


@ex.config
def config():
    seed = 1  # has no effect on scores; recorded only
    model_path = None  # .safetensors file to score; its .json manifest describes the model
    subset = "test"  # tracks to score: 'test', 'valid' or 'train'
    # folder for the scores, resumed if it has some; None: evaluations/<run> beside the weights
    output_path = None


@ex.check("evaluate")
def check_inputs(cfg, seed, model_path, subset, output_path, _run):
    """Check the weights' manifest, the scorer, the tracks and the output folder."""
    if subset not in SUBSETS:
        raise ConfigError(f"subset is {subset!r}: {suggest_nearest(str(subset), SUBSETS)}")
    weights = Path(
        read_text_entry(
            "model_path", model_path, "no weights to score: give model_path=….safetensors"
        )
    )
    from jnet.data.find import check_data
    from jnet.scoring.scorer import check_scorer
    from jnet.weights.manifests import read_settings, refuse_another_model

    model = read_settings(weights)
    given = select_given_entries(cfg, _run.meta_info.get("named_configs", ()))
    refuse_another_model(weights, model, given)
    run = make_run_settings(cfg, seed, model)
    check_scorer(run.scoring)
    check_data(run.data, (subset,))
    root = weights.parent / "evaluations"
    if output_path is not None:
        root = Path(read_text_entry("output_path", output_path, ""))
    check_writable(root, "give another output_path")
    return weights, run, root


@ex.main
def evaluate(inputs, subset, output_path, _run):
    """Separate and score the tracks of a subset with trained weights.

    The manifest of the weights describes the model. If `cfg` also names a model, it must be the
    same.
    """
    ex.print_record()
    weights, run, root = inputs
    folder = root / str(_run._id or new_run_id()) if output_path is None else root
    from jnet.data.find import find_tracks
    from jnet.data.preparation import find_store_name
    from jnet.weights.manifests import read_manifest

    tracks = find_tracks(run.data, make_progress_bar("generating tracks"), (subset,))
    manifest, store = read_manifest(weights), find_store_name(run.data)
    trained_on = manifest.get("store")
    if trained_on and not trained_on.startswith(store or run.data.dataset):
        print(f"note: trained on {trained_on}, scored on {store or run.data.dataset}")

    # TensorFlow takes seconds to import, so config and data are checked first.
    from jnet.separation.loading import load_separator

    separator = load_separator(weights, run.computing, run.scoring.passes, run.scoring.whole_track)
    from jnet.scoring.evaluation import score_model

    print(f"scoring into {folder}", flush=True)
    progress = make_progress_bar("scoring tracks")
    scores = score_model(separator, run, weights, tracks, folder, _run, progress)
    return {
        "folder": str(folder),
        "store": store,
        "weights": str(weights),
        "weights_sha256": manifest["sha256"],
        "subset": subset,
        "scores": scores,
    }


if __name__ == "__main__":
    ex.run_commandline()
