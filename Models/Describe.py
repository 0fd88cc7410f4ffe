"""A text description of a model: layers, parts, weights, receptive field and cost."""

import math

import keras

from Models.Freezing import count_scalars, group_weights_by_part
from Models.Settings import ModelSettings


def describe(separator: keras.Model, settings: ModelSettings) -> str:
    """Return the layers, parts, receptive field and cost of a model as text.

    The last line counts the weights.
    """
    reach, rate = settings.receptive_field, settings.sample_rate
    total, trainable, frozen, statistics = count_weights(separator)
    fixed, excerpt = training_memory(separator)
    lines = [
        *tabulate_layers(separator, settings),
        "",
        *tabulate_parts(separator, settings),
        "",
        f"segment: {settings.input_samples} input samples, "
        f"{settings.output_samples} output samples, at {rate} Hz",
        f"receptive field: {reach} samples, {reach / rate:.2f} s",
        f"multiply-adds per second of audio: {multiply_adds_per_second(separator, settings):.4g}",
        f"memory of a training step, at least: {fixed / 1e9:.3g} GB and {excerpt / 1e9:.3g} GB per "
        f"excerpt of the batch",
    ]
    if statistics:
        lines.append(f"running statistics of batch normalisation, never trained: {statistics}")
    lines.append(f"weights: total {total}, trainable {trainable}, frozen {frozen}")
    return "\n".join(lines)


def count_weights(separator: keras.Model) -> tuple[int, int, int, int]:
    """Return the numbers of all, trainable and frozen weights and of running statistics.

    The running statistics of batch normalisation are neither trainable nor frozen.
    """
    total = count_scalars(separator.weights)
    trainable = count_scalars(separator.trainable_variables)
    statistics = sum(
        count_scalars((layer.moving_mean, layer.moving_variance))
        for layer in separator.layers
        if isinstance(layer, keras.layers.BatchNormalization)
    )
    return total, trainable, total - trainable - statistics, statistics


def multiply_adds(layer: keras.layers.Layer) -> int:
    """Return the multiply-adds of the kernels of a layer for one segment.

    A convolution, a dense layer and an LSTM apply their kernels once per position of their output,
    a transposed convolution once per position of its input.
    """
    cell = layer.cell if isinstance(layer, keras.layers.LSTM) else layer
    names = ("kernel", "recurrent_kernel")
    kernels = [getattr(cell, name) for name in names if hasattr(cell, name)]
    is_transposed = isinstance(layer, keras.layers.Conv1DTranspose | keras.layers.Conv2DTranspose)
    positions = layer.input if is_transposed else layer.output
    return sum(math.prod(kernel.shape) for kernel in kernels) * math.prod(positions.shape[1:-1])


def training_memory(separator: keras.Model) -> tuple[int, int]:
    """Return estimates of the memory of a training step in float32, in bytes.

    They are for the Keras graph: temporary arrays of the computation are not counted.

    Returns
    -------
    fixed : int
        Weights, and for trainable weights the gradient and Adam's two moments.
    per_excerpt : int
        The outputs of all operations, which are kept for the gradients, for one excerpt.
    """
    weights = count_scalars(separator.weights) + 3 * count_scalars(separator.trainable_variables)
    outputs = sum(math.prod(operation.output.shape[1:]) for operation in separator.operations)
    return 4 * weights, 4 * outputs


def multiply_adds_per_second(separator: keras.Model, settings: ModelSettings) -> float:
    """Return the multiply-adds of all kernels per second of separated audio."""
    per_segment = sum(map(multiply_adds, separator.layers))
    return per_segment * settings.sample_rate / settings.output_samples


def tabulate_layers(separator: keras.Model, settings: ModelSettings) -> list[str]:
    """Return one line per layer, in the order of computation.

    A line has the name of the layer, the shape of its output, its number of weights and whether
    they are trained.
    """
    width = max(len(layer.name) for layer in separator.layers)
    lines = []
    for layer in separator.layers:
        weights = count_scalars(layer.weights)
        trained = f"{weights:>10}  {get_state(layer.name, settings)}" if weights else ""
        lines.append(f"{layer.name:{width}}  {format_output_shape(layer):>20}  {trained}")
    return lines


def tabulate_parts(separator: keras.Model, settings: ModelSettings) -> list[str]:
    """Return one line per part: its number of weights and whether they are trained."""
    return [
        f"{part:10}  {count_scalars(weights):>10}  {get_state(part, settings)}"
        for part, weights in group_weights_by_part(separator, settings).items()
        if weights
    ]


def format_output_shape(layer: keras.layers.Layer) -> str:
    """Return the output shape of a layer as text, without the batch axis.

    It is samples × channels, or STFT frames × bins × channels.
    """
    return " × ".join(map(str, layer.output.shape[1:]))


def get_state(name: str, settings: ModelSettings) -> str:
    """Return 'random' for a frozen part or a layer of it, and 'trained' for any other.

    `name` is the name of a part, or of a layer, which begins with the name of its part.
    """
    return "random" if name.split("_")[0] in settings.frozen else "trained"
