"""The Wave-U-Net as a CPU computes it is the plain graph of Keras layers, loss and gradients."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from Config import DEFAULTS, config_ingredient, specs
from Engine.Losses import training_loss
from Models.Build import build
from Models.Computation import computation
from Models.FastUnet import FastUnet
from Spec.Shapes import output_frames
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
    """Variables of 64 bits, so that ways that are the same agree to 12 digits."""
    for dtype in ("float64", "float32"):
        keras.config.set_floatx(dtype)
        keras.config.set_dtype_policy(dtype)
        if dtype == "float64":
            yield


def described(changes):
    """The described model, its biases and interpolation weights not zero, and its specs."""
    found = specs({**TINY, **changes}, 1)
    model = build(found.model)
    random = np.random.default_rng(0)
    for variable in model.weights:
        if not variable.path.endswith("kernel"):
            variable.assign(random.uniform(-0.3, 0.3, variable.shape))
    return model, found


def batch_of(model, spec):
    random = np.random.default_rng(1)
    sources = (2, output_frames(spec), len(spec.sources), spec.num_channels)
    mix = random.uniform(-1, 1, (2, *model.input_shape[1:]))
    return tf.constant(mix), tf.constant(random.uniform(-1, 1, sources))


def loss_and_gradients(separate, model, training, batch):
    mix, sources = batch
    with tf.GradientTape() as tape:
        loss = training_loss(separate, sources, separate(mix, training=True), training)
    weights = model.trainable_variables
    return float(loss), tape.gradient(loss, [weight.value for weight in weights])


@pytest.mark.parametrize("changes", VARIANTS, ids=str)
def test_every_variant_has_the_loss_and_the_gradients_of_the_plain_graph(changes):
    model, found = described(changes)
    fast, batch = computation(model, found.model), batch_of(model, found.model)
    assert isinstance(fast, FastUnet)
    loss, gradients = loss_and_gradients(fast, model, found.training, batch)
    wanted, wanted_gradients = loss_and_gradients(model, model, found.training, batch)
    assert loss == pytest.approx(wanted, rel=1e-12)
    for weight, one, other in zip(
        model.trainable_variables, gradients, wanted_gradients, strict=True
    ):
        largest = np.abs(other).max()
        assert largest > 0
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-12 * largest, err_msg=weight.path)
    estimates = fast(batch[0] * 3, training=False)
    np.testing.assert_allclose(estimates, model(batch[0] * 3, training=False), atol=1e-12)


def test_a_compiled_function_takes_any_batch():
    model, found = described({})
    fast, (mix, _) = computation(model, found.model), batch_of(model, found.model)
    signature = tf.TensorSpec((None, *mix.shape[1:]), tf.float64)
    compiled = tf.function(lambda mix: fast(mix), input_signature=(signature,))
    for count in (1, 2):
        np.testing.assert_allclose(compiled(mix[:count]), model(mix[:count]), atol=1e-12)


def operations(changes, way):
    """The kinds of the operations that the loss and the gradients of one step need."""
    model, found = described(changes)
    batch = batch_of(model, found.model)
    separate = computation(model, found.model) if way == "fast" else model

    @tf.function
    def step():
        return loss_and_gradients_in_graph(separate, model, found.training, batch)

    graph = step.get_concrete_function()
    waiting, needed = [tensor.op for tensor in graph.outputs], set()
    while waiting:
        operation = waiting.pop()
        if operation not in needed:
            needed.add(operation)
            waiting += [tensor.op for tensor in operation.inputs] + operation.control_inputs
    return [operation.type for operation in needed]


def loss_and_gradients_in_graph(separate, model, training, batch):
    mix, sources = batch
    with tf.GradientTape() as tape:
        loss = training_loss(separate, sources, separate(mix, training=True), training)
    return loss, tape.gradient(loss, [weight.value for weight in model.trainable_variables])


@pytest.mark.parametrize(
    ("changes", "of_kernels", "of_inputs"),
    [
        # 3 levels: 3 encoder kernels and that of the bottleneck, 3 decoder kernels in two halves.
        ({}, 4 + 6, 3 + 6),
        ({"frozen": ENCODER}, 1 + 6, 3),  # only what was upsampled leads back to the bottleneck
        ({"frozen": DECODER}, 4, 3 + 6),
        ({"frozen": DECODER, "skip_levels": "none"}, 4, 3 + 3),
        ({"frozen": ["encoder", "skip", "bottleneck"]}, 6, 2),
    ],
    ids=str,
)
def test_frozen_parts_get_no_gradient_computed(changes, of_kernels, of_inputs):
    kinds = operations(changes, "fast")
    assert kinds.count("Conv2DBackpropFilter") == of_kernels
    assert kinds.count("Conv2DBackpropInput") == of_inputs


def test_nothing_is_concatenated_or_resampled_on_the_way():
    assert "ConcatV2" in operations({}, "plain")
    forward = operations({"frozen": ["encoder", "skip", "bottleneck", "decoder"]}, "fast")
    assert forward.count("Conv2D") == 4 + 6
    assert "Conv2DBackpropInput" not in forward


@pytest.mark.parametrize("name", ["U1", "J1", "L", "L_last3"])
def test_the_named_models_are_computed_fast_with_their_own_weights(name):
    named = dict(config_ingredient.named_configs[name]())
    spec = specs({**DEFAULTS, **named, "num_initial_filters": 1, "num_frames": 1024}, 1).model
    model = build(spec)
    before = [weight.path for weight in model.weights]
    fast = computation(model, spec)
    assert isinstance(fast, FastUnet)
    assert [weight.path for weight in model.weights] == before
    mix = np.random.default_rng(0).uniform(-1, 1, (1, 1024, 2))
    np.testing.assert_allclose(fast(mix), model(mix), atol=1e-12)
