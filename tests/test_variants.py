"""Every row of both papers: full size it has the weights it should, tiny it trains and scores."""

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from Config import DEFAULTS, config_ingredient, specs
from Engine.Resume import Place
from Engine.Separation import predictor
from Engine.Train import train
from Evaluation.BssEval import sdr
from Evaluation.Separate import Separator
from Input.Collection import find_songs
from Input.Preparation import prepare
from Models.Build import build
from Models.Freezing import count, weights_by_part
from Spec.Shapes import input_frames, output_frames

# Design, Section 2, and for what it leaves open the sums written out in TOTALS' comments.
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
    """Weights of `units` units of 15 taps and 1 tap, 24 i channels, at each of the levels."""
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
    # without the skip a decoder's convolution of 5 taps has 24 i fewer inputs for its 24 i outputs
    "L_first3": (U1 - sum(5 * (24 * i) ** 2 for i in range(4, 11)), L_TRAINED),
    "L_last3": (U1 - sum(5 * (24 * i) ** 2 for i in range(1, 8)), L_TRAINED),
    "M1": (10_263_028,) * 2,
    "M2": (10_263_002,) * 2,  # M1 less one head of 26 weights
    "M3": (10_263_002,) * 2,
    "M4": (10_263_390,) * 2,
    "M5": (10_265_550,) * 2,
    "full_44KHz": (10_265_550,) * 2,
    "M6": (10_263_498,) * 2,
    "M7": (20_594_652,) * 2,
}
# One row for every kind of block, loss and output: what TensorFlow makes a graph of.
AS_GRAPHS = ("U2_2_5", "U3_5", "U4_1", "U5", "L_first3", "M5", "M6", "U7a")
# A window of six spectrogram halvings is 49408 frames, which the tiny songs must have.
RATES = {"U7": 22050, "U7a": 22050}
LEVELS = {"L_first3": 4, "L_last3": 4}  # so that one lacks its skip; any other row has all with 2
CONTEXT = {"M3": (147443, 16389), "M4": (147443, 16389), "M7": (233459, 102405)}


def named(*names, **changes) -> dict:
    """The entries of named configs from left to right, then `changes`."""
    entries = dict(DEFAULTS)
    for name in names:
        entries |= config_ingredient.named_configs[name]()
    entries.pop("__doc__", None)
    return {**entries, **changes}


def test_every_row_has_a_named_config_that_names_it():
    configs = config_ingredient.named_configs
    assert len(J_NET_ROWS) == 25
    assert len(ALIASES) == 9
    for name in (*J_NET_ROWS, *ALIASES, *ALIASES.values(), "full_44KHz", "demo"):
        assert configs[name]()["__doc__"]
    for name in J_NET_ROWS:
        assert configs[name]()["__doc__"].startswith("J-Net, ")


@pytest.mark.parametrize(("name", "alias"), ALIASES.items())
def test_the_originals_names_mean_the_same(name, alias):
    assert named(name) == named(alias)


@pytest.mark.parametrize(("name", "weights"), TOTALS.items())
def test_weights_at_full_size(name, weights):
    separator = build(specs(named(name), seed=1).model)
    assert (count(separator.weights), count(separator.trainable_variables)) == weights


@pytest.mark.parametrize(("name", "frames"), CONTEXT.items())
def test_lengths_with_context(name, frames):
    spec = specs(named(name), seed=1).model
    assert (input_frames(spec), output_frames(spec)) == frames
    separator = build(replace(spec, num_initial_filters=1))
    assert (separator.input_shape[1], separator.output_shape[1]) == frames


class Record:
    """A record that forgets."""

    def log_scalar(self, metric_name, value, step):
        pass


def quiet(name, done, total):
    """Progress that is not shown."""


@pytest.fixture(scope="module")
def trainings():
    """What was trained so far, by model and training: U4_1, U4_2 and U4_3 are one."""
    return {}


@pytest.fixture
def as_graphs_or_plainly(request):
    """Without graphs, of which tracing one takes ten times as long as its two steps, but for the
    rows that stand for all."""
    tf.config.run_functions_eagerly(request.getfixturevalue("name") not in AS_GRAPHS)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.mark.usefixtures("as_graphs_or_plainly")
@pytest.mark.filterwarnings("ignore:Even though the `tf.config:UserWarning")  # of the data's graphs
@pytest.mark.parametrize("name", [*J_NET_ROWS, *ALIASES, "full_44KHz"])
def test_two_steps_and_an_evaluation(name, tiny, trainings, tmp_path):
    """With the demo's sizes cut down once more; what is frozen must not have moved a bit."""
    small = {
        key: tiny[key]
        for key in ("dataset", "folder_path", "store_path", "num_validation_songs", "num_workers")
    }
    run = specs(
        named(
            name,
            "demo",
            **small,
            num_layers=LEVELS.get(name, 2),
            num_initial_filters=2,
            num_frames=2048,
            sample_rate=RATES.get(name, 8000),
            batch_sizes=[2],
            learning_rates=[1e-3],
            epoch_steps=2,
            max_epochs=1,
        ),
        seed=1,
    )
    start = {weight.path: weight.numpy() for weight in build(run.model).weights}
    kind = run.model, run.training
    if kind not in trainings:
        store = prepare(run.data, quiet)
        trainings[kind] = train(run.model, run.training, store, Place(tmp_path, {}), Record())
    trained = trainings[kind].separator
    trainable = {weight.path for weight in trained.trainable_variables}
    for part, weights in weights_by_part(trained).items():
        for weight in weights:
            if weight.path in trainable:
                assert part not in run.model.frozen
                assert not np.array_equal(weight.numpy(), start[weight.path]), weight.path
            elif "moving_" not in weight.path:
                assert part in run.model.frozen
                np.testing.assert_array_equal(weight.numpy(), start[weight.path])
    (song,) = [song for song in find_songs(run.data, quiet) if song.subset == "test"]
    recording = song.read(run.model.sources)
    separator = Separator(predictor(trained, run.model), run.model, 8, run.scoring.passes)
    estimates = separator.separate(recording.mix, recording.sample_rate)
    rate = recording.sample_rate
    scores = sdr(recording.sources, estimates, rate, rate)
    assert scores.shape == (len(run.model.sources), 2)
    assert np.isfinite(scores).all()
