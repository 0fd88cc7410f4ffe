"""Every model of the papers: numbers of weights in full size, training and scoring when tiny."""

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from Config import DEFAULTS, config_ingredient, make_run_settings
from jnet.data.find import find_tracks
from jnet.data.preparation import prepare
from jnet.scoring.bss_eval import sdr
from jnet.separation.predictor import build_predictor
from jnet.separation.streaming import TrackSeparator
from jnet.training.checkpoints import read_newest_checkpoint
from jnet.training.resume import TrainingFolder
from jnet.training.train import TrainingRun
from Models.Build import build
from Models.Freezing import count_scalars, group_weights_by_part

# The models of the tables and figures of the J-Net paper.
J_NET_ROWS = (
    *("U1", "J1", "U2_2_5", "U2_3_5", "U2_2_10", "U2_3_10"),
    *("J2_2_5", "J2_3_5", "J2_2_10", "J2_3_10", "U3_5", "U3_10", "J3_5", "J3_10"),
    *("U4_1", "U4_2", "U4_3", "J4_1", "J4_2", "J4_3", "U5", "J5", "L", "L_first3", "L_last3"),
)
ALIASES = {
    "M1": "baseline",
    "M2": "baseline_diff",
    "M3": "baseline_context",
    "M4": "baseline_stereo",
    "M5": "full",
    "M6": "full_multi_instrument",
    "M7": "baseline_comparison",
    "U7": "unet_spectrogram",
    "U7a": "unet_spectrogram_l1",
}
U1 = 6_181_278
J1_TRAINED, L_TRAINED = 3_328_038, 3_803_958


def res_path(units: int, levels: int) -> int:
    """Return the weights of `units` units at each level, with 15 taps, 1 tap and 24 i channels."""
    return units * sum((15 + 1) * (24 * i) ** 2 + 2 * 24 * i for i in range(1, levels + 1))


TOTALS = {
    "U1": (U1, U1),
    "J1": (U1, J1_TRAINED),
    "U2_2_10": (U1 + res_path(2, 10),) * 2,
    "J2_2_10": (U1 + res_path(2, 10), J1_TRAINED),
    "J2_3_5": (U1 + res_path(3, 5), J1_TRAINED),
    "U4": (U1, U1),
    "J5": (U1, J1_TRAINED),
    "L": (U1, L_TRAINED),
    # without its skip, a decoder convolution of 5 taps and 24 i outputs has 24 i inputs less
    "L_first3": (U1 - sum(5 * (24 * i) ** 2 for i in range(4, 11)), L_TRAINED),
    "L_last3": (U1 - sum(5 * (24 * i) ** 2 for i in range(1, 8)), L_TRAINED),
    "M1": (10_263_028,) * 2,
    "M2": (10_263_002,) * 2,  # M1 without one head of 26 weights
    "M3": (10_263_002,) * 2,
    "M4": (10_263_390,) * 2,
    "M5": (10_265_550,) * 2,
    "full_44KHz": (10_265_550,) * 2,
    "M6": (10_263_498,) * 2,
    "M7": (20_594_652,) * 2,
}
DEMUCS = (
    *("demucs", "J_demucs", "L_demucs", "demucs100", "demucs_small", "demucs_relu"),
    *("demucs_depth12", "demucs_no_lstm", "demucs_no_rescale", "demucs_no_rewrite"),
    *("demucs_context1", "demucs_mse"),
)
# Several steps of the LSTM, and updates of deep layers that exceed float32's rounding.
SIZES = {
    "demucs_context1": {"num_frames": 16384, "shift_seconds": 0.1},
    "demucs_depth12": {"learning_rates": [0.1]},
}
# One model for every loss and mode, tested as a TensorFlow graph. tests/Models tests the blocks.
AS_GRAPHS = ("U4_1", "U5", "M5", "U7a")
# U7 needs tracks of at least 49408 samples and has no cfg.num_layers.
RATES = {"U7": 22050, "U7a": 22050}
LEVELS = {"L_first3": 4, "L_last3": 4}  # one level has no skip; the other models have 2 levels
CONTEXT = {"M3": (147443, 16389), "M4": (147443, 16389), "M7": (233459, 102405)}


def compose_entries(*names, **changes) -> dict:
    """Return the entries of named configs from left to right, then `changes`."""
    entries = dict(DEFAULTS)
    for name in names:
        entries |= config_ingredient.named_configs[name]()
    entries.pop("__doc__", None)
    return {**entries, **changes}


def test_every_model_has_a_named_config_with_a_description():
    configs = config_ingredient.named_configs
    assert len(J_NET_ROWS) == 25
    assert len(ALIASES) == 9
    for name in (*J_NET_ROWS, *ALIASES, *ALIASES.values(), "full_44KHz", "demo"):
        assert configs[name].__doc__
    for name in J_NET_ROWS:
        assert configs[name].__doc__.startswith("J-Net, ")


@pytest.mark.parametrize(("name", "alias"), ALIASES.items())
def test_the_original_names_are_the_same_configs(name, alias):
    assert compose_entries(name) == compose_entries(alias)


@pytest.mark.parametrize(("name", "weights"), TOTALS.items())
def test_numbers_of_weights_in_full_size(name, weights):
    separator = build(make_run_settings(compose_entries(name), seed=1).model)
    assert (
        count_scalars(separator.weights),
        count_scalars(separator.trainable_variables),
    ) == weights


@pytest.mark.parametrize(("name", "samples"), CONTEXT.items())
def test_lengths_in_context_mode(name, samples):
    settings = make_run_settings(compose_entries(name), seed=1).model
    assert (settings.input_samples, settings.output_samples) == samples
    separator = build(replace(settings, num_initial_filters=1))
    assert (separator.input_shape[1], separator.output_shape[1]) == samples


class Record:
    """A record that ignores all values."""

    def log_scalar(self, metric_name, value, step):
        pass


def ignore_progress(name, done, total):
    """Do not show progress."""


def make_small_run(name, tiny, **changes):
    """Return the settings of two steps of a small model of a named config, on the tiny corpus."""
    small = {
        key: tiny[key]
        for key in ("dataset", "folder_path", "store_path", "num_validation_tracks", "num_workers")
    }
    sizes = {
        "num_initial_filters": 2,
        "num_frames": 2048,
        "sample_rate": RATES.get(name, 8000),
        "batch_sizes": [2],
        "learning_rates": [1e-3],
        "epoch_steps": 2,
        "max_epochs": 1,
    }
    return make_run_settings(compose_entries("demo", name, **{**small, **sizes, **changes}), seed=1)


def check_frozen_weights(trained, run):
    """Check that all trainable weights have changed, and that all frozen weights have not."""
    start = {weight.path: weight.numpy() for weight in build(run.model).weights}
    trainable = {weight.path for weight in trained.trainable_variables}
    for part, weights in group_weights_by_part(trained, run.model).items():
        for weight in weights:
            if weight.path in trainable:
                assert part not in run.model.frozen
                assert not np.array_equal(weight.numpy(), start[weight.path]), weight.path
            elif "moving_" not in weight.path:
                assert part in run.model.frozen
                np.testing.assert_array_equal(weight.numpy(), start[weight.path])


def score_test_track(trained, run):
    """Separate and score the test track of the tiny corpus."""
    (track,) = [track for track in find_tracks(run.data, ignore_progress) if track.subset == "test"]
    recording = track.read(run.model.sources)
    separator = TrackSeparator(
        build_predictor(trained, run.model), run.model, 8, run.scoring.passes
    )
    estimates = separator.separate(recording.mix, recording.sample_rate)
    rate = recording.sample_rate
    scores = sdr(recording.sources, estimates, rate, rate)
    assert scores.shape == (len(run.model.sources), 2)
    assert np.isfinite(scores).all()


@pytest.fixture(scope="module")
def trainings():
    """Return the trained models by model and training settings, which U4_1 to U4_3 share."""
    return {}


@pytest.fixture
def run_eagerly(request):
    """Run all models but those of `AS_GRAPHS` without TensorFlow graphs.

    Tracing a graph takes ten times as long as its two steps.
    """
    tf.config.run_functions_eagerly(request.getfixturevalue("name") not in AS_GRAPHS)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.mark.usefixtures("run_eagerly")
@pytest.mark.filterwarnings("ignore:Even though the `tf.config:UserWarning")  # of the data
@pytest.mark.parametrize("name", [*J_NET_ROWS, *ALIASES, "full_44KHz"])
def test_training_of_two_steps_and_scoring(name, tiny, trainings, tmp_path):
    levels = {} if name in RATES else {"num_layers": LEVELS.get(name, 2)}
    run = make_small_run(name, tiny, **levels)
    key = run.model, run.training
    if key not in trainings:
        store = prepare(run.data, ignore_progress)
        trainings[key] = TrainingRun(run, store, TrainingFolder(tmp_path, {}), Record()).train()
    trained = trainings[key].separator
    check_frozen_weights(trained, run)
    score_test_track(trained, run)


class Killed(Exception):
    """The end of a training without a last checkpoint, as by a signal."""


@pytest.mark.usefixtures("run_eagerly")
@pytest.mark.filterwarnings("ignore:Even though the `tf.config:UserWarning")  # of the data
@pytest.mark.parametrize("name", DEMUCS)
def test_demucs_resumes_bit_exactly_after_a_kill_and_is_scored(name, tiny, tmp_path):
    """The training ends after its second step, before the checkpoint of that step.

    Its weights at that moment are those of a training that is not interrupted.
    """
    sizes = {"num_initial_filters": 4, "checkpoint_minutes": 0, **SIZES.get(name, {})}
    run = make_small_run(name, tiny, **sizes)
    assert run.augmentation.changes_sources == (name != "demucs_small")
    store = prepare(run.data, ignore_progress)
    steps = []

    def end_after_two_steps():
        steps.append(1)
        if len(steps) == 2:
            raise Killed

    folder = TrainingFolder(tmp_path, {})
    killed = TrainingRun(run, store, folder, Record(), check_interrupted=end_after_two_steps)
    with pytest.raises(Killed):
        killed.train()
    checkpoint = read_newest_checkpoint(tmp_path, print)
    assert checkpoint.state.step == 1
    resumed = TrainingRun(run, store, replace(folder, checkpoint=checkpoint), Record()).train()
    for weight, wanted in zip(resumed.separator.weights, killed.step.model.weights, strict=True):
        np.testing.assert_array_equal(weight.numpy(), wanted.numpy(), weight.path)
    check_frozen_weights(resumed.separator, run)
    score_test_track(resumed.separator, run)
