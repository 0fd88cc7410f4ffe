"""What a separator is made of: its layers, parts, weights, reach and cost, read off the model."""

import math
from dataclasses import dataclass

import keras

from Models.Freezing import count, part_of, weights_by_part
from Spec.Model import PARTS, ModelSpec
from Spec.Shapes import input_frames, output_frames, receptive_field


@dataclass(frozen=True)
class LayerRow:
    """A layer: its name, its output's shape without the batch, its weights, its part where it
    has weights, and its multiply-adds for one window."""

    name: str
    shape: tuple[int, ...]
    weights: int
    part: str
    multiply_adds: int


def layer_rows(separator: keras.Model) -> list[LayerRow]:
    """Every layer of the separator, in the order of computation."""
    return [
        LayerRow(
            name=layer.name,
            shape=tuple(layer.output.shape[1:]),
            weights=count(layer.weights),
            part=part_of(layer.weights[0]) if layer.weights else "",
            multiply_adds=multiply_adds(layer),
        )
        for layer in separator.layers
    ]


def multiply_adds(layer: keras.layers.Layer) -> int:
    """Multiply-adds of a convolution for one window; nothing else counts.

    A kernel is applied once for every position of its output, a transposed one of its input.
    """
    kernel = getattr(layer, "kernel", None)
    if kernel is None:
        return 0
    over = layer.input if isinstance(layer, keras.layers.Conv2DTranspose) else layer.output
    return math.prod(kernel.shape) * math.prod(over.shape[1:-1])


def multiply_adds_per_second(rows: list[LayerRow], spec: ModelSpec) -> float:
    """Multiply-adds for one second of separated audio."""
    per_window = sum(row.multiply_adds for row in rows)
    return per_window * spec.sample_rate / output_frames(spec)


def describe(separator: keras.Model, spec: ModelSpec) -> str:
    """Layers, parts, reach and cost as text; the last line counts the weights."""
    rows = layer_rows(separator)
    reach = receptive_field(spec)
    trainable = count(separator.trainable_variables)
    frozen = frozen_weights(separator, spec)
    statistics = count(separator.weights) - trainable - frozen
    lines = [
        *layer_table(rows, spec),
        "",
        *part_table(separator, spec),
        "",
        f"a window takes in {input_frames(spec)} frames and gives out {output_frames(spec)}, "
        f"at {spec.sample_rate} Hz",
        f"receptive field: {reach} frames, {reach / spec.sample_rate:.2f} s",
        f"multiply-adds per second of audio: {multiply_adds_per_second(rows, spec):.4g}",
    ]
    if statistics:
        lines.append(f"running statistics of batch normalisation, never trained: {statistics}")
    lines.append(
        f"weights: total {count(separator.weights)}, trainable {trainable}, frozen {frozen}"
    )
    return "\n".join(lines)


def frozen_weights(separator: keras.Model, spec: ModelSpec) -> int:
    """Weights that would train if their part were not frozen."""
    by_part = weights_by_part(separator)
    statistics = {
        id(weight)
        for layer in separator.layers
        if isinstance(layer, keras.layers.BatchNormalization)
        for weight in (layer.moving_mean, layer.moving_variance)
    }
    return count(
        weight for part in spec.frozen for weight in by_part[part] if id(weight) not in statistics
    )


def layer_table(rows: list[LayerRow], spec: ModelSpec) -> list[str]:
    """A line per layer: name, output's shape, weights, and whether they train."""
    width = max(len(row.name) for row in rows)
    return [
        f"{row.name:{width}}  {' × '.join(map(str, row.shape)):>20}  "
        + (f"{row.weights:>10}  {state(row.part, spec)}" if row.weights else "")
        for row in rows
    ]


def part_table(separator: keras.Model, spec: ModelSpec) -> list[str]:
    """A line per part: its weights, and whether they train."""
    by_part = weights_by_part(separator)
    return [
        f"{part:10}  {count(by_part[part]):>10}  {state(part, spec)}"
        for part in PARTS
        if by_part[part]
    ]


def state(part: str, spec: ModelSpec) -> str:
    """What becomes of a part's weights."""
    return "random" if part in spec.frozen else "trained"
