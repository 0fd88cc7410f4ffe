"""Whole trainings of a tiny J and L: what moves and what stays, what is kept, what is said."""

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

import Engine.Train as module
from Config import specs
from Engine.Checkpoints import read_checkpoint
from Engine.Resume import Place
from Engine.Train import Trained, train
from Engine.Weights import load_weights, read_manifest
from Input.Draws import draw_batch
from Input.Pipeline import training_batches
from Models.Build import build
from Models.Initializers import draw_kernel, layer_seed
from Spec.Errors import RunFailed
from tests.Models.reference import Net

SEED = 1
FROZEN = {"U": [], "J": ["encoder", "skip"], "L": ["decoder"]}


class Record:
    """What a Sacred run is to a training: the scalars by name, as (step, value)."""

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
    """One training and what was seen of it from outside."""

    folder: Path
    record: Record = field(default_factory=Record)
    trained: Trained | None = None
    trainer: object = None
    error: RunFailed | None = None
    validated: list = field(default_factory=list)  # weights at every validation
    started: list = field(default_factory=list)  # of every stage: (batch size, seed, step, weights)
    printed: io.StringIO = field(default_factory=io.StringIO)

    def weights(self):
        return copied(self.trained.separator)


def copied(separator):
    return {variable.path: variable.numpy() for variable in separator.weights}


def run_training(entries, store, folder, losses=None):
    """A real training; with `losses` those stand for the validation losses, one an epoch."""
    run, described = Run(folder), specs(entries, SEED)
    given = iter(losses or ())

    def compiled_trainer(*args):
        run.trainer = original["compiled_trainer"](*args)
        return run.trainer

    def batches(store, model, batch_size, seed, step):
        run.started.append((batch_size, seed, step, copied(run.trainer.separator)))
        return original["training_batches"](store, model, batch_size, seed, step)

    def validation_loss(separator, spec):
        real = original["validation_loss"](separator, spec)

        def loss(held_out):
            run.validated.append(copied(separator))
            return next(given, 0.25) if losses else real(held_out)

        return loss

    watched = {
        "compiled_trainer": compiled_trainer,
        "training_batches": batches,
        "validation_loss": validation_loss,
    }
    original = {name: getattr(module, name) for name in watched}
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(run.printed):
        for name, watch in watched.items():
            patch.setattr(module, name, watch)
        try:
            run.trained = train(
                described.model, described.training, store, Place(folder, {}), run.record
            )
        except RunFailed as error:
            run.error = error
    return run


@pytest.fixture(scope="module")
def runs(tiny, tiny_store, tmp_path_factory):
    """A J and an L through all stages."""
    return {
        name: run_training(
            {**tiny, "frozen": FROZEN[name]}, tiny_store, tmp_path_factory.mktemp(name)
        )
        for name in ("J", "L")
    }


@pytest.fixture(params=["J", "L"])
def run(request, runs):
    return runs[request.param]


def drawn(weights):
    """What every weight was at its start, by its layer's name alone."""
    return {
        path: draw_kernel(value.shape, layer_seed(SEED, path.split("/")[0]))
        if path.endswith("kernel")
        else np.zeros_like(value)
        for path, value in weights.items()
    }


def part(path):
    return path.split("_")[0]


# What is trained


@pytest.mark.parametrize("name", ["J", "L"])
def test_frozen_parts_are_bit_identical_to_their_draw_and_all_others_moved(runs, name):
    weights = runs[name].weights()
    assert {part(path) for path in weights} == {"encoder", "bottleneck", "decoder", "output"}
    for path, start in drawn(weights).items():
        if part(path) in FROZEN[name]:
            assert weights[path].tobytes() == start.tobytes(), path
        else:
            assert (weights[path] != start).any(), path


def test_frozen_parts_stay_in_every_epoch_not_only_in_the_best(run):
    frozen = run.trainer.separator.non_trainable_variables
    assert len(frozen) == 6  # kernels and biases of three levels
    for weights in run.validated:
        start = drawn(weights)
        for variable in frozen:
            np.testing.assert_array_equal(weights[variable.path], start[variable.path])


def test_the_optimizer_keeps_moments_of_trained_variables_alone(run):
    optimizer, trained = run.trainer.optimizer, run.trainer.separator.trainable_variables
    shapes = sorted(tuple(v.shape) for v in optimizer.variables if len(v.shape))
    assert shapes == sorted(2 * [tuple(v.shape) for v in trained])
    assert len(trained) == 10  # kernel and bias of three levels, the bottleneck and one head
    names = " ".join(v.path for v in optimizer.variables)
    for variable in run.trainer.separator.weights:
        assert (variable.path.replace("/", "_") in names) == variable.trainable


def test_the_optimizer_is_kingma_and_bas(run):
    optimizer = run.trainer.optimizer
    assert (optimizer.beta_1, optimizer.beta_2, optimizer.epsilon) == (0.9, 0.999, 1e-8)
    assert not optimizer.weight_decay
    assert int(optimizer.iterations) == run.trained.progress.step


def test_models_of_one_seed_start_alike_and_hear_the_same(tiny, tiny_store, runs):
    u1, j1 = (specs({**tiny, "frozen": FROZEN[name]}, SEED) for name in ("U", "J"))
    start = copied(build(u1.model))
    for run in runs.values():
        first = run.started[0][3]
        assert first.keys() == start.keys()
        for path, value in start.items():
            assert first[path].tobytes() == value.tobytes()
    heard = [
        training_batches(tiny_store, described.model, 2, described.training.seed, 0)
        for described in (u1, j1)
    ]
    different = set()
    for (mix, sources), (same_mix, same_sources) in itertools.islice(zip(*heard, strict=True), 6):
        np.testing.assert_array_equal(mix, same_mix)
        np.testing.assert_array_equal(sources, same_sources)
        different.add(mix.numpy().tobytes())
    assert len(different) == 6


# Stages


def test_every_stage_has_its_batch_size_and_goes_on_from_the_step_before(run, tiny):
    steps = tiny["epoch_steps"]
    assert [row[:2] for row in run.started] == [(2, SEED), (4, SEED)]
    first_stage = run.record.steps("validation.loss")[: len(run.validated)]
    assert run.started[0][2] == 0
    assert run.started[1][2] in first_stage
    assert run.started[1][2] % steps == 0


def test_a_stage_has_its_learning_rate(run):
    rates = dict(run.record.scalars["training.learning_rate"])
    border = run.started[1][2]
    assert {rate for step, rate in rates.items() if step <= border} == {1e-3}
    assert {rate for step, rate in rates.items() if step > border} == {1e-4}
    assert float(run.trainer.optimizer.learning_rate) == pytest.approx(1e-4)


# Patience 1, two stages: the best is the first epoch and never beaten. And one test loss.
SCRIPTED = [0.5, 0.9, 0.7, 0.6]


@pytest.fixture(scope="module")
def scripted(tiny, tiny_store, tmp_path_factory):
    """Trainings whose validation losses are given, by `stage_start`."""
    entries = {**tiny, "batch_sizes": [2, 2], "max_epochs": None}
    return {
        start: run_training(
            {**entries, "stage_start": start}, tiny_store, tmp_path_factory.mktemp(start), SCRIPTED
        )
        for start in ("last", "best")
    }


@pytest.mark.parametrize(("start", "epoch"), [("last", 2), ("best", 1)])
def test_a_stage_goes_on_from_the_last_or_the_best_weights(scripted, start, epoch):
    run = scripted[start]
    assert run.record.values("validation.loss") == SCRIPTED[:3]
    assert len(run.started) == 2
    begun, wanted, other = run.started[1][3], run.validated[epoch - 1], run.validated[2 - epoch]
    for path, value in begun.items():
        assert value.tobytes() == wanted[path].tobytes()
        assert (value != other[path]).any()


@pytest.mark.parametrize("start", ["last", "best"])
def test_the_best_epoch_of_an_earlier_stage_is_the_result(scripted, start):
    run = scripted[start]
    for path, value in run.weights().items():
        assert value.tobytes() == run.validated[0][path].tobytes()
    assert run.trained.progress.best_loss == 0.5
    assert run.trained.test_loss == 0.6
    assert read_manifest(run.trained.weights)["epoch"] == 1


@pytest.fixture(scope="module")
def single_steps(tiny, tiny_store, tmp_path_factory):
    """Two stages of two epochs of a single step each; the third epoch is the best."""
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


def test_the_loss_of_a_step_is_the_squared_error_of_its_batch(single_steps, tiny, tiny_store):
    """In NumPy, of the weights before the step and the seed's batch: nothing else is in it."""
    spec = specs(tiny, SEED).model
    before = [single_steps.started[0][3], *single_steps.validated]
    batches = training_batches(tiny_store, spec, 3, SEED, 0)
    losses = single_steps.record.values("training.loss")
    assert len(losses) == 4
    for weights, (mix, sources), loss in zip(before, batches, losses, strict=False):
        net = Net(weights, spec.num_layers, spec.sources, spec.skip_levels)
        wanted = np.square(net.separate(mix, training=True) - sources).mean()
        assert loss == pytest.approx(wanted, rel=1e-5)


# What is kept


def test_the_best_weights_are_on_disk_with_a_manifest_that_agrees(run, tiny_specs):
    assert run.trained.weights == run.folder / "best.safetensors"
    assert run.trained.manifest == run.folder / "best.json"
    digest = hashlib.sha256((run.folder / "best.safetensors").read_bytes()).hexdigest()
    manifest = json.loads((run.folder / "best.json").read_text())
    assert manifest["sha256"] == run.trained.sha256 == digest
    best = min(run.record.values("validation.loss"))
    assert manifest["validation_loss"] == run.trained.progress.best_loss == best
    kept = {path.name for path in run.folder.iterdir()}
    assert kept == {"best.safetensors", "best.json", "checkpoints", "tensorboard"}


def test_the_weights_on_disk_are_those_of_the_best_epoch_and_of_the_result(run, tiny):
    losses = run.record.values("validation.loss")
    best = run.validated[losses.index(min(losses))]
    frozen = FROZEN["J"] if run.trainer.separator.weights[0].trainable is False else FROZEN["L"]
    spec = specs({**tiny, "frozen": frozen}, SEED).model
    loaded = build(spec)
    load_weights(loaded, spec, run.folder / "best.safetensors")
    for path, value in copied(loaded).items():
        assert value.tobytes() == best[path].tobytes() == run.weights()[path].tobytes()


# What is said


def test_every_epochs_numbers_are_recorded_with_its_step(run, tiny):
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


def test_the_test_loss_is_that_of_the_best_weights(run, tiny_store):
    separator = run.trained.separator
    weights = {path: value.astype(np.float64) for path, value in run.weights().items()}
    net = Net(weights, 3, ("accompaniment", "vocals"), (1, 2, 3))
    song = tiny_store.subset("test")[0]
    sources = tiny_store.open(song) * song.scale
    frames = separator.input_shape[1]
    padded = np.pad(sources, ((0, -len(sources) % frames), (0, 0), (0, 0)))
    mix = padded.sum(axis=1).reshape(-1, frames, 2)
    estimates = net.separate(mix).reshape(padded.shape)[: len(sources)]
    wanted = np.square(estimates - sources).mean()
    assert run.trained.test_loss == pytest.approx(wanted, rel=1e-5)


def test_tensorboard_has_the_same_numbers(run):
    events = EventAccumulator(str(run.folder / "tensorboard"))
    events.Reload()
    assert set(events.Tags()["tensors"]) == set(run.record.scalars)
    for name, recorded in run.record.scalars.items():
        shown = [(e.step, float(make_ndarray(e.tensor_proto))) for e in events.Tensors(name)]
        assert shown == [(step, pytest.approx(value, rel=1e-6)) for step, value in recorded]


def test_every_epoch_is_one_line_on_the_terminal_and_the_test_loss_the_last(scripted):
    lines = scripted["last"].printed.getvalue().splitlines()
    for line, said in zip(
        lines,
        (
            ("stage 1/2", "epoch 1", "step 3", "rate 0.001", "validation 0.5", "best"),
            ("stage 1/2", "epoch 2", "step 6", "rate 0.001", "validation 0.9", "1/1 waited"),
            ("stage 2/2", "epoch 3", "step 9", "rate 0.0001", "validation 0.7", "1/1 waited"),
            ("test loss 0.6", "epoch 1"),
        ),
        strict=True,
    ):
        assert all(words in line for words in said), line


# What goes wrong


def test_a_loss_that_is_no_number_ends_the_run_and_keeps_the_best(tiny, tiny_store, tmp_path):
    """A learning rate that blows the second stage up."""
    entries = {
        **tiny,
        "batch_sizes": [2, 2],
        "learning_rates": [1e-3, 1e30],
        "epoch_steps": 2,
        "max_epochs": 2,
    }
    run = run_training(entries, tiny_store, tmp_path)
    assert run.error is not None
    assert run.error.exit_status == 3
    assert "cfg.learning_rates" in str(run.error)
    assert "\n" not in str(run.error)
    spec = specs(entries, SEED).model
    # Step 5 makes the weights 1e30 times too large, step 6 is the first that cannot be computed.
    songs = tiny_store.subset("train")
    frames = np.array([song.frames for song in songs])
    heard = {songs[i].name for i in draw_batch(SEED, 5, 2, frames, spec.num_frames, 2).songs}
    assert f"finite in step 6, which heard {', '.join(sorted(heard))}: " in str(run.error)
    for place in (tmp_path / "checkpoints").iterdir():
        checkpoint = read_checkpoint(place)
        assert checkpoint.state.step <= 4
        for tensor in (*checkpoint.weights().values(), *checkpoint.training_state().values()):
            assert np.isfinite(tensor).all()
    kept = build(spec)
    load_weights(kept, spec, tmp_path / "best.safetensors")
    losses = run.record.values("validation.loss")
    assert all(math.isfinite(loss) for loss in losses)
    for path, value in copied(kept).items():
        assert np.isfinite(value).all()
        assert value.tobytes() == run.validated[losses.index(min(losses))][path].tobytes()


def test_a_weight_that_is_no_number_ends_the_run_before_anything_is_kept(
    tiny, tiny_store, tmp_path, monkeypatch
):
    monkeypatch.setattr("Models.Initializers.draw_kernel", lambda shape, *_: np.full(shape, np.nan))
    run = run_training({**tiny, "epoch_steps": 1}, tiny_store, tmp_path)
    assert run.error is not None
    assert run.error.exit_status == 3
    assert "/kernel is no longer finite at step 0" in str(run.error)
    assert not list(tmp_path.glob("best*"))
    assert run.record.scalars == {}


def test_a_validation_loss_that_is_no_number_ends_the_run(tiny, tiny_store, tmp_path):
    entries = {**tiny, "epoch_steps": 1}
    run = run_training(entries, tiny_store, tmp_path, [0.5, math.nan])
    assert run.error is not None
    assert "the validation loss is nan after step 2" in str(run.error)
    assert read_manifest(tmp_path / "best.safetensors")["epoch"] == 1


def test_two_runs_of_one_seed_give_the_same_numbers(tiny, tiny_store, runs, tmp_path):
    again = run_training({**tiny, "frozen": FROZEN["J"]}, tiny_store, tmp_path)
    for name, recorded in runs["J"].record.scalars.items():
        if name == "training.steps_per_second":  # the one number that is the machine's
            continue
        assert again.record.scalars[name] == [
            (step, pytest.approx(value, rel=1e-4)) for step, value in recorded
        ]
