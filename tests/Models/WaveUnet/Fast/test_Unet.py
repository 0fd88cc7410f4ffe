"""The fast Wave-U-Net has the same estimates, loss and gradients as the Keras graph."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from Config import DEFAULTS, config_ingredient, make_run_settings
from jnet.training.losses import training_loss
from Models.Build import build
from Models.Computation import model_function
from Models.WaveUnet.Fast.Unet import FastUnet
from tests.Models.tiny import TINY

LONG = {"num_initial_filters": 24, "filter_size": 15, "merge_filter_size": 5, "num_frames": 512}
ENCODER, DECODER = ["encoder", "skip"], ["decoder"]
VARIANTS = [
    {},
    {"frozen": ENCODER},
    {"frozen": DECODER},
    {"frozen": DECODER, "skip_levels": "last1"},
    {"frozen": DECODER, "skip_levels": "first1"},
    {"skip_levels": "none"},
    {"task": "multi_instrument"},
    {"num_channels": 1},
    {"num_layers": 1, "num_frames": 2},
    {"num_frames": 24},
    {"num_frames": 8, "merge_filter_size": 9},
    {"filter_size": 1, "merge_filter_size": 7},
    {"filter_size": 1, "merge_filter_size": 1, "skip_levels": "first1"},
    {"filter_size": 7, "skip_levels": "last1"},
    {"output_type": "direct"},
    {"output_type": "direct", "task": "multi_instrument", "num_channels": 1},
    {"upsampling": "learned"},
    {"upsampling": "learned", "num_frames": 8, "merge_filter_size": 7},
    {"context": True},
    {"context": True, "upsampling": "learned", "skip_levels": "last1"},
    {"context": True, "num_frames": 100, "task": "multi_instrument"},
    {"context": True, "filter_size": 1, "merge_filter_size": 1},
    {"res_path_units": 2, "res_path_levels": "first2"},
    {"res_path_units": 1, "res_path_levels": "all", "frozen": ENCODER},
    {"multires_levels": "all"},
    {"multires_levels": [2], "res_path_units": 2, "skip_levels": "first2", "frozen": ENCODER},
    {"context": True, "multires_levels": "first1", "res_path_units": 2},
    {"context": True, "multires_levels": "all", "upsampling": "learned"},
    {"train_passes": 2},
    {"train_passes": 2, "frozen": ENCODER},
    {"identity_weight": 1.0},
    {"identity_weight": 0.5, "train_passes": 2, "upsampling": "learned"},
    LONG,
    {**LONG, "frozen": ENCODER},
    {**LONG, "skip_levels": "last1", "frozen": DECODER},
    {**LONG, "res_path_units": 1, "res_path_levels": "first1"},
    {**LONG, "multires_levels": "first1"},
    {**LONG, "context": True},
    {**LONG, "context": True, "skip_levels": "last1", "num_frames": 300},
]


@pytest.fixture(scope="module", autouse=True)
def in_float64():
    """Compute in float64, so that equal functions agree to 12 digits."""
    for dtype in ("float64", "float32"):
        keras.config.set_floatx(dtype)
        keras.config.set_dtype_policy(dtype)
        if dtype == "float64":
            yield


def build_model(changes):
    """Return a model with random biases and interpolation weights, and the settings of its run."""
    run = make_run_settings({**TINY, **changes}, 1)
    model = build(run.model)
    random = np.random.default_rng(0)
    for variable in model.weights:
        if not variable.path.endswith("kernel"):
            variable.assign(random.uniform(-0.3, 0.3, variable.shape))
    return model, run


def draw_batch(model, settings):
    random = np.random.default_rng(1)
    sources = (2, settings.output_samples, len(settings.sources), settings.num_channels)
    mix = random.uniform(-1, 1, (2, *model.input_shape[1:]))
    return tf.constant(mix), tf.constant(random.uniform(-1, 1, sources))


def compute_loss_and_gradients(separate, model, training, batch):
    mix, sources = batch
    with tf.GradientTape() as tape:
        loss = training_loss(separate, sources, separate(mix, training=True), training)
    weights = model.trainable_variables
    return float(loss), tape.gradient(loss, [weight.value for weight in weights])


@pytest.mark.parametrize("changes", VARIANTS, ids=str)
def test_every_variant_has_the_loss_and_the_gradients_of_the_keras_graph(changes):
    model, run = build_model(changes)
    fast, batch = model_function(model, run.model), draw_batch(model, run.model)
    assert isinstance(fast, FastUnet)
    loss, gradients = compute_loss_and_gradients(fast, model, run.training, batch)
    expected_loss, expected_gradients = compute_loss_and_gradients(
        model, model, run.training, batch
    )
    assert loss == pytest.approx(expected_loss, rel=1e-12)
    for weight, gradient, expected in zip(
        model.trainable_variables, gradients, expected_gradients, strict=True
    ):
        largest = np.abs(expected).max()
        assert largest > 0
        np.testing.assert_allclose(
            gradient, expected, rtol=0, atol=1e-12 * largest, err_msg=weight.path
        )
    estimates = fast(batch[0] * 3, training=False)
    np.testing.assert_allclose(estimates, model(batch[0] * 3, training=False), atol=1e-12)


def test_a_compiled_function_accepts_any_batch_size():
    model, run = build_model({})
    fast, (mix, _) = model_function(model, run.model), draw_batch(model, run.model)
    signature = tf.TensorSpec((None, *mix.shape[1:]), tf.float64)
    compiled = tf.function(lambda mix: fast(mix), input_signature=(signature,))
    for count in (1, 2):
        np.testing.assert_allclose(compiled(mix[:count]), model(mix[:count]), atol=1e-12)


def list_operations(changes, computation):
    """Return the types of all operations that compute the loss and the gradients of one step."""
    model, run = build_model(changes)
    batch = draw_batch(model, run.model)
    separate = model_function(model, run.model) if computation == "fast" else model

    @tf.function
    def step():
        return trace_loss_and_gradients(separate, model, run.training, batch)

    graph = step.get_concrete_function()
    pending, needed = [tensor.op for tensor in graph.outputs], set()
    while pending:
        operation = pending.pop()
        if operation not in needed:
            needed.add(operation)
            pending += [tensor.op for tensor in operation.inputs] + operation.control_inputs
    return [operation.type for operation in needed]


def trace_loss_and_gradients(separate, model, training, batch):
    mix, sources = batch
    with tf.GradientTape() as tape:
        loss = training_loss(separate, sources, separate(mix, training=True), training)
    return loss, tape.gradient(loss, [weight.value for weight in model.trainable_variables])


@pytest.mark.parametrize(
    ("changes", "of_kernels", "of_inputs"),
    [
        # 3 encoder kernels, 1 bottleneck kernel and 3 decoder kernels, each in two parts.
        ({}, 4 + 6, 3 + 6),
        ({"frozen": ENCODER}, 1 + 6, 3),  # only the upsampled inputs depend on the bottleneck
        ({"frozen": DECODER}, 4, 3 + 6),
        ({"frozen": DECODER, "skip_levels": "none"}, 4, 3 + 3),
        ({"frozen": ["encoder", "skip", "bottleneck"]}, 6, 2),
    ],
    ids=str,
)
def test_no_gradients_of_frozen_parts_are_computed(changes, of_kernels, of_inputs):
    kinds = list_operations(changes, "fast")
    assert kinds.count("Conv2DBackpropFilter") == of_kernels
    assert kinds.count("Conv2DBackpropInput") == of_inputs


def test_inputs_of_convolutions_are_not_concatenated_or_upsampled():
    assert "ConcatV2" in list_operations({}, "plain")
    forward = list_operations({"frozen": ["encoder", "skip", "bottleneck", "decoder"]}, "fast")
    assert forward.count("Conv2D") == 4 + 6
    assert "Conv2DBackpropInput" not in forward


@pytest.mark.parametrize("name", ["U1", "J1", "L", "L_last3"])
def test_the_fast_function_of_named_models_uses_their_weights(name):
    named = dict(config_ingredient.named_configs[name]())
    settings = make_run_settings(
        {**DEFAULTS, **named, "num_initial_filters": 1, "num_frames": 1024}, 1
    ).model
    model = build(settings)
    before = [weight.path for weight in model.weights]
    fast = model_function(model, settings)
    assert isinstance(fast, FastUnet)
    assert [weight.path for weight in model.weights] == before
    mix = np.random.default_rng(0).uniform(-1, 1, (1, 1024, 2))
    np.testing.assert_allclose(fast(mix), model(mix), atol=1e-12)
