"""Complete trainings of a tiny J and L: trained weights, stages, files and messages."""

import contextlib
import hashlib
import io
import itertools
import json
import math
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util.tensor_util import make_ndarray

import jnet.training.train as module
from Config import make_run_settings
from jnet.data.excerpts import draw_batch
from jnet.data.pipeline import make_training_batches
from jnet.errors import RunFailed
from jnet.training.checkpoints import read_checkpoint
from jnet.training.resume import TrainingFolder
from jnet.training.train import TrainingResult, TrainingRun
from jnet.weights.files import load_weights
from jnet.weights.manifests import read_manifest
from Models.Build import build
from Models.Initializers import derive_layer_seed, draw_kernel
from tests.Models.reference import Net

SEED = 1
FROZEN = {"U": [], "J": ["encoder", "skip"], "L": ["decoder"]}


class Record:
    """A replacement for a Sacred run that keeps scalars by name, as (step, value)."""

    def __init__(self):
        self.scalars = {}

    def log_scalar(self, metric_name, value, step):
        assert type(value) is float
        self.scalars.setdefault(metric_name, []).append((step, value))

    def add_artifact(self, filename, name, *, content_type):
        assert Path(filename).is_file()

    def steps(self, name):
        return [step for step, _ in self.scalars[name]]

    def values(self, name):
        return [value for _, value in self.scalars[name]]


@dataclass
class Run:
    """A training and the observed calls and outputs."""

    folder: Path
    record: Record = field(default_factory=Record)
    trained: TrainingResult | None = None
    step: object = None
    error: RunFailed | None = None
    validated: list = field(default_factory=list)  # weights at each validation
    started: list = field(default_factory=list)  # each stage: (batch size, seed, step, weights)
    printed: io.StringIO = field(default_factory=io.StringIO)

    def weights(self):
        return copy_weights(self.trained.separator)


def copy_weights(separator):
    return {variable.path: variable.numpy() for variable in separator.weights}


def run_training(entries, store, folder, losses=None):
    """Train and return the `Run`; `losses` replace the validation losses, one per epoch."""
    run, settings = Run(folder), make_run_settings(entries, SEED)
    replacements = iter(losses or ())

    def build_training_step(*args):
        run.step = original["build_training_step"](*args)
        return run.step

    def batches(store, model, augmentation, batch_size, seed, step):
        run.started.append((batch_size, seed, step, copy_weights(run.step.model)))
        return original["make_training_batches"](store, model, augmentation, batch_size, seed, step)

    def build_validation_loss(model, *args):
        real = original["build_validation_loss"](model, *args)

        def loss(batches):
            run.validated.append(copy_weights(model))
            return next(replacements, 0.25) if losses else real(batches)

        return loss

    observed = {
        "build_training_step": build_training_step,
        "make_training_batches": batches,
        "build_validation_loss": build_validation_loss,
    }
    original = {name: getattr(module, name) for name in observed}
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(run.printed):
        for name, function in observed.items():
            patch.setattr(module, name, function)
        try:
            run.trained = TrainingRun(
                settings, store, TrainingFolder(folder, {}), run.record
            ).train()
        except RunFailed as error:
            run.error = error
    return run


@pytest.fixture(scope="module")
def runs(tiny, tiny_store, tmp_path_factory):
    """Return complete trainings of a J and an L."""
    return {
        name: run_training(
            {**tiny, "frozen": FROZEN[name]}, tiny_store, tmp_path_factory.mktemp(name)
        )
        for name in ("J", "L")
    }


@pytest.fixture(params=["J", "L"])
def run(request, runs):
    return runs[request.param]


def draw_initial_weights(weights):
    """Return the initial weights, drawn from the seed and the names of the layers."""
    return {
        path: draw_kernel(value.shape, derive_layer_seed(SEED, path.split("/")[0]))
        if path.endswith("kernel")
        else np.zeros_like(value)
        for path, value in weights.items()
    }


def part_of(path):
    return path.split("_")[0]


# Trained and frozen weights


@pytest.mark.parametrize("name", ["J", "L"])
def test_frozen_parts_keep_their_initial_bits_and_all_others_change(runs, name):
    weights = runs[name].weights()
    assert {part_of(path) for path in weights} == {"encoder", "bottleneck", "decoder", "output"}
    for path, start in draw_initial_weights(weights).items():
        if part_of(path) in FROZEN[name]:
            assert weights[path].tobytes() == start.tobytes(), path
        else:
            assert (weights[path] != start).any(), path


def test_frozen_parts_are_unchanged_in_every_epoch(run):
    frozen = run.step.model.non_trainable_variables
    assert len(frozen) == 6  # kernels and biases of three levels
    for weights in run.validated:
        start = draw_initial_weights(weights)
        for variable in frozen:
            np.testing.assert_array_equal(weights[variable.path], start[variable.path])


def test_the_optimizer_has_moments_of_trained_variables_only(run):
    optimizer, trained = run.step.optimizer, run.step.model.trainable_variables
    shapes = sorted(tuple(v.shape) for v in optimizer.variables if len(v.shape))
    assert shapes == sorted(2 * [tuple(v.shape) for v in trained])
    assert len(trained) == 10  # kernel and bias of three levels, the bottleneck and one head
    names = " ".join(v.path for v in optimizer.variables)
    for variable in run.step.model.weights:
        assert (variable.path.replace("/", "_") in names) == variable.trainable


def test_the_optimizer_has_the_parameters_of_kingma_and_ba(run):
    optimizer = run.step.optimizer
    assert (optimizer.beta_1, optimizer.beta_2, optimizer.epsilon) == (0.9, 0.999, 1e-8)
    assert not optimizer.weight_decay
    assert int(optimizer.iterations) == run.trained.progress.step


def test_models_of_the_same_seed_have_equal_weights_and_batches(tiny, tiny_store, runs):
    u1, j1 = (make_run_settings({**tiny, "frozen": FROZEN[name]}, SEED) for name in ("U", "J"))
    start = copy_weights(build(u1.model))
    for run in runs.values():
        first = run.started[0][3]
        assert first.keys() == start.keys()
        for path, value in start.items():
            assert first[path].tobytes() == value.tobytes()
    batches = [
        make_training_batches(tiny_store, settings.model, settings.augmentation, 2, SEED, 0)
        for settings in (u1, j1)
    ]
    different = set()
    for (mix, sources), (same_mix, same_sources) in itertools.islice(zip(*batches, strict=True), 6):
        np.testing.assert_array_equal(mix, same_mix)
        np.testing.assert_array_equal(sources, same_sources)
        different.add(mix.numpy().tobytes())
    assert len(different) == 6


# Stages


def test_every_stage_has_its_batch_size_and_continues_the_steps(run, tiny):
    steps = tiny["epoch_steps"]
    assert [row[:2] for row in run.started] == [(2, SEED), (4, SEED)]
    first_stage = run.record.steps("validation.loss")[: len(run.validated)]
    assert run.started[0][2] == 0
    assert run.started[1][2] in first_stage
    assert run.started[1][2] % steps == 0


def test_every_stage_has_its_learning_rate(run):
    rates = dict(run.record.scalars["training.learning_rate"])
    border = run.started[1][2]
    assert {rate for step, rate in rates.items() if step <= border} == {1e-3}
    assert {rate for step, rate in rates.items() if step > border} == {1e-4}
    assert float(run.step.optimizer.learning_rate) == pytest.approx(1e-4)


# For two stages with patience 1: the first epoch remains the best. The last is the test loss.
GIVEN_LOSSES = [0.5, 0.9, 0.7, 0.6]


@pytest.fixture(scope="module")
def runs_by_start(tiny, tiny_store, tmp_path_factory):
    """Return trainings with given validation losses, by `stage_start`."""
    entries = {**tiny, "batch_sizes": [2, 2], "max_epochs": None}
    return {
        start: run_training(
            {**entries, "stage_start": start},
            tiny_store,
            tmp_path_factory.mktemp(start),
            GIVEN_LOSSES,
        )
        for start in ("last", "best")
    }


@pytest.mark.parametrize(("start", "epoch"), [("last", 2), ("best", 1)])
def test_a_stage_starts_from_the_last_or_the_best_weights(runs_by_start, start, epoch):
    run = runs_by_start[start]
    assert run.record.values("validation.loss") == GIVEN_LOSSES[:3]
    assert len(run.started) == 2
    begun, wanted, other = run.started[1][3], run.validated[epoch - 1], run.validated[2 - epoch]
    for path, value in begun.items():
        assert value.tobytes() == wanted[path].tobytes()
        assert (value != other[path]).any()


@pytest.mark.parametrize("start", ["last", "best"])
def test_the_best_epoch_of_an_earlier_stage_is_the_result(runs_by_start, start):
    run = runs_by_start[start]
    for path, value in run.weights().items():
        assert value.tobytes() == run.validated[0][path].tobytes()
    assert run.trained.progress.best_loss == 0.5
    assert run.trained.test_loss == 0.6
    assert read_manifest(run.trained.weights)["epoch"] == 1


@pytest.fixture(scope="module")
def single_steps(tiny, tiny_store, tmp_path_factory):
    """Return a training of two stages with two epochs of one step; the third epoch is the best."""
    entries = {**tiny, "batch_sizes": [3, 3], "epoch_steps": 1, "max_epochs": 2}
    losses = [0.5, 0.9, 0.3, 0.4]
    return run_training(entries, tiny_store, tmp_path_factory.mktemp("steps"), losses)


def test_the_best_epoch_of_a_later_stage_is_the_result(single_steps):
    run = single_steps
    for path, value in run.weights().items():
        assert value.tobytes() == run.validated[2][path].tobytes()
    manifest = read_manifest(run.trained.weights)
    assert (manifest["stage"], manifest["epoch"], manifest["step"]) == (1, 3, 3)
    assert manifest["validation_loss"] == run.trained.progress.best_loss == 0.3


def test_the_loss_of_a_step_is_the_mean_squared_error_of_its_batch(single_steps, tiny, tiny_store):
    """Compare with NumPy, for the weights before the step and the batch of the seed."""
    run = make_run_settings(tiny, SEED)
    settings = run.model
    before = [single_steps.started[0][3], *single_steps.validated]
    batches = make_training_batches(tiny_store, settings, run.augmentation, 3, SEED, 0)
    losses = single_steps.record.values("training.loss")
    assert len(losses) == 4
    for weights, (mix, sources), loss in zip(before, batches, losses, strict=False):
        net = Net(weights, settings.num_layers, settings.sources, settings.skip_levels)
        wanted = np.square(net.separate(mix, training=True) - sources).mean()
        assert loss == pytest.approx(wanted, rel=1e-5)


# Files


def test_the_best_weights_are_saved_with_their_manifest(run, tiny_settings):
    assert run.trained.weights == run.folder / "best.safetensors"
    digest = hashlib.sha256((run.folder / "best.safetensors").read_bytes()).hexdigest()
    manifest = json.loads((run.folder / "best.json").read_text())
    assert manifest["sha256"] == run.trained.sha256 == digest
    best = min(run.record.values("validation.loss"))
    assert manifest["validation_loss"] == run.trained.progress.best_loss == best
    names = {path.name for path in run.folder.iterdir()}
    assert names == {"best.safetensors", "best.json", "checkpoints", "tensorboard"}


def test_the_saved_weights_are_those_of_the_best_epoch_and_the_result(run, tiny):
    losses = run.record.values("validation.loss")
    best = run.validated[losses.index(min(losses))]
    frozen = FROZEN["J"] if run.step.model.weights[0].trainable is False else FROZEN["L"]
    settings = make_run_settings({**tiny, "frozen": frozen}, SEED).model
    loaded = build(settings)
    load_weights(loaded, settings, run.folder / "best.safetensors")
    for path, value in copy_weights(loaded).items():
        assert value.tobytes() == best[path].tobytes() == run.weights()[path].tobytes()


# Records and messages


def test_the_scalars_of_every_epoch_are_recorded_with_its_step(run, tiny):
    steps = run.record.steps("validation.loss")
    assert steps == [tiny["epoch_steps"] * epoch for epoch in range(1, len(steps) + 1)]
    assert 2 <= len(steps) <= 4  # one or two epochs in each of two stages
    assert run.record.steps("training.loss") == run.record.steps("training.learning_rate") == steps
    assert run.record.steps("test.loss") == [steps[-1]]
    assert run.trained.progress.step == steps[-1]
    assert set(run.record.scalars) == {
        "training.loss",
        "validation.loss",
        "training.learning_rate",
        "training.steps_per_second",
        "test.loss",
    }
    assert all(math.isfinite(v) for name in run.record.scalars for v in run.record.values(name))
    assert run.record.values("test.loss") == [run.trained.test_loss]


def test_the_test_loss_belongs_to_the_best_weights(run, tiny_store):
    separator = run.trained.separator
    weights = {path: value.astype(np.float64) for path, value in run.weights().items()}
    net = Net(weights, 3, ("accompaniment", "vocals"), (1, 2, 3))
    track = tiny_store.subset("test")[0]
    sources = tiny_store.open(track) * track.scale
    length = separator.input_shape[1]
    padded = np.pad(sources, ((0, -len(sources) % length), (0, 0), (0, 0)))
    mix = padded.sum(axis=1).reshape(-1, length, 2)
    estimates = net.separate(mix).reshape(padded.shape)[: len(sources)]
    wanted = np.square(estimates - sources).mean()
    assert run.trained.test_loss == pytest.approx(wanted, rel=1e-5)


def test_tensorboard_has_the_same_scalars(run):
    events = EventAccumulator(str(run.folder / "tensorboard"))
    events.Reload()
    assert set(events.Tags()["tensors"]) == set(run.record.scalars)
    for name, recorded in run.record.scalars.items():
        shown = [(e.step, float(make_ndarray(e.tensor_proto))) for e in events.Tensors(name)]
        assert shown == [(step, pytest.approx(value, rel=1e-6)) for step, value in recorded]


def test_one_line_is_printed_per_epoch_and_for_the_test_loss(runs_by_start):
    lines = runs_by_start["last"].printed.getvalue().splitlines()
    for line, parts in zip(
        lines,
        (
            ("stage 1/2", "epoch 1", "step 3", "rate 0.001", "validation 0.5", "best"),
            ("stage 1/2", "epoch 2", "step 6", "rate 0.001", "validation 0.9", "patience 1/1"),
            ("stage 2/2", "epoch 3", "step 9", "rate 0.0001", "validation 0.7", "patience 1/1"),
            ("test loss 0.6", "epoch 1"),
        ),
        strict=True,
    ):
        assert all(part in line for part in parts), line


# Failures


def test_a_nan_loss_ends_the_run_and_keeps_the_best_weights(tiny, tiny_store, tmp_path):
    """The second stage diverges because of its learning rate."""
    entries = {
        **tiny,
        "batch_sizes": [2, 2],
        "learning_rates": [1e-3, 1e30],
        "num_layers": 2,
        "epoch_steps": 2,
        "max_epochs": 2,
    }
    run = run_training(entries, tiny_store, tmp_path)
    assert run.error is not None
    assert run.error.exit_status == 3
    assert "cfg.learning_rates" in str(run.error)
    assert "\n" not in str(run.error)
    run_settings = make_run_settings(entries, SEED)
    settings = run_settings.model
    # Step 5 makes the weights far too large; step 6 is the first step that fails.
    tracks = tiny_store.subset("train")
    lengths = np.array([track.frames for track in tracks])
    draw = draw_batch(SEED, 5, 2, lengths, run_settings.model, run_settings.augmentation)
    names = {tracks[index].name for index in draw.tracks}
    assert f"finite in step 6, on excerpts of {', '.join(sorted(names))}: " in str(run.error)
    for place in (tmp_path / "checkpoints").iterdir():
        checkpoint = read_checkpoint(place)
        assert checkpoint.state.step <= 4
        for tensor in (
            *checkpoint.read_tensors("weights").values(),
            *checkpoint.read_tensors("training").values(),
        ):
            assert np.isfinite(tensor).all()
    best = build(settings)
    load_weights(best, settings, tmp_path / "best.safetensors")
    losses = run.record.values("validation.loss")
    assert all(math.isfinite(loss) for loss in losses)
    for path, value in copy_weights(best).items():
        assert np.isfinite(value).all()
        assert value.tobytes() == run.validated[losses.index(min(losses))][path].tobytes()


def test_a_nan_weight_ends_the_run_before_anything_is_saved(
    tiny, tiny_store, tmp_path, monkeypatch
):
    monkeypatch.setattr("Models.Initializers.draw_kernel", lambda shape, *_: np.full(shape, np.nan))
    run = run_training({**tiny, "epoch_steps": 1, "num_layers": 1}, tiny_store, tmp_path)
    assert run.error is not None
    assert run.error.exit_status == 3
    assert "/kernel is no longer finite at step 0" in str(run.error)
    assert not list(tmp_path.glob("best*"))
    assert run.record.scalars == {}


def test_a_nan_validation_loss_ends_the_run(tiny, tiny_store, tmp_path):
    entries = {**tiny, "epoch_steps": 1, "num_layers": 1}
    run = run_training(entries, tiny_store, tmp_path, [0.5, math.nan])
    assert run.error is not None
    assert "the validation loss is nan after step 2" in str(run.error)
    assert read_manifest(tmp_path / "best.safetensors")["epoch"] == 1


def test_two_runs_of_the_same_seed_have_equal_scalars(tiny, tiny_store, runs, tmp_path):
    again = run_training({**tiny, "frozen": FROZEN["J"]}, tiny_store, tmp_path)
    for name, recorded in runs["J"].record.scalars.items():
        if name == "training.steps_per_second":  # depends on the machine
            continue
        assert again.record.scalars[name] == [
            (step, pytest.approx(value, rel=1e-4)) for step, value in recorded
        ]
