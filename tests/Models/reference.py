"""The Wave-U-Net and its variants in NumPy's float64, for tests to compare `Models` with.

Written from the papers' text, not from `Models`: whole blocks are functions, and a
variant is another function in their place. `Net.separate` is Table 1 of the Wave-U-Net paper;
signals are `[B, T, C]`, kernels `[taps, inputs, outputs]` as in the papers' Conv1D(filters, taps).
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

import numpy as np

Weights = Mapping[str, np.ndarray]  # by path, as in "encoder_03_conv/kernel"


def weights_of(model) -> dict[str, np.ndarray]:
    """A Keras model's weights by path, in float64."""
    return {variable.path: variable.numpy().astype(np.float64) for variable in model.weights}


def leaky(x, slope=0.2):
    """LeakyReLU."""
    return np.where(x > 0, x, slope * x)


def sigmoid(x):
    """The logistic function."""
    return 1 / (1 + np.exp(-x))


def correlated(x, kernel, bias, padded: bool):
    """The sum over taps of shifted inputs: [B, T, C] → [B, T, F] when `padded` with zeros (of an
    odd number of taps as many left as right), else [B, T − taps + 1, F]."""
    taps = len(kernel)
    if padded:
        x = np.pad(x, ((0, 0), ((taps - 1) // 2, taps // 2), (0, 0)))
    frames = x.shape[1] - taps + 1
    return sum(x[:, tap : tap + frames] @ kernel[tap] for tap in range(taps)) + bias


def decimate(x):
    """Features of every other time step, the first kept."""
    return x[:, ::2]


def midpoint_grid(frames: int, padded: bool):
    """Where the upsampled values lie on the original grid: 2 n of them, or 2 n − 1 in context mode,
    where nothing is extrapolated."""
    return np.arange(2 * frames - (0 if padded else 1)) / 2


def crop(x, frames: int):
    """The `frames` in the middle."""
    surplus = x.shape[1] - frames
    assert surplus >= 0, (x.shape, frames)
    assert surplus % 2 == 0, "the paper keeps every length odd, so that a crop has a centre"
    return x[:, surplus // 2 : surplus // 2 + frames]


# The blocks. Each takes the net, the name its weights begin with, and its input.


def convolution(net: "Net", name: str, x):
    """`Conv1D(F, f)` and LeakyReLU."""
    return leaky(net.conv(f"{name}_conv", x))


def multires(net: "Net", name: str, x):
    """U3: two convolutions in a row, concatenated, plus a 1×1 convolution of the input."""
    first = leaky(net.conv(f"{name}_conv1", x))
    second = leaky(net.conv(f"{name}_conv2", first))
    both = np.concatenate([crop(first, second.shape[1]), second], axis=2)
    return leaky(both + crop(net.conv(f"{name}_shortcut", x), both.shape[1]))


def linear_upsampling(net: "Net", name: str, x):
    """Linear interpolation on the original grid; past the end the last sample repeats."""
    grid, frames = midpoint_grid(x.shape[1], net.padded), np.arange(x.shape[1])
    return np.stack(
        [
            np.stack([np.interp(grid, frames, channel) for channel in signal.T], axis=1)
            for signal in x
        ]
    )


def learned_upsampling(net: "Net", name: str, x):
    """Equation 1 of the Wave-U-Net paper; past the end of a padded signal there is zero."""
    share = sigmoid(net.weights[f"{name}_upsample/interpolation"])  # [C]
    following = np.pad(x[:, 1:], ((0, 0), (0, 1), (0, 0)))
    up = np.empty((x.shape[0], 2 * x.shape[1], x.shape[2]))
    up[:, 0::2] = x
    up[:, 1::2] = share * x + (1 - share) * following
    return up if net.padded else up[:, :-1]


def res_path(units: int) -> Callable:
    """U2: `units` times `Conv1D(F, f)` and LeakyReLU, as everywhere, plus a 1×1 convolution of its
    input, and LeakyReLU of the sum (ResPath of MultiResUNet, without its normalisation)."""

    def path(net: "Net", name: str, x):
        for unit in range(1, units + 1):
            inner = leaky(net.conv(f"{name}_unit{unit}_conv", x))
            shortcut = net.conv(f"{name}_unit{unit}_shortcut", x)
            x = leaky(inner + crop(shortcut, inner.shape[1]))
        return x

    return path


@dataclass(frozen=True)
class Net:
    """One separator: its weights, and which block stands where.

    `down`, `up` and `skip` name the levels whose block is not the plain one; a level that is not in
    `skip_levels` has no skip at all. `padded` is the paper's base architecture, False its input
    context.
    """

    weights: Weights
    num_layers: int
    sources: tuple[str, ...]
    skip_levels: Collection[int]
    padded: bool = True
    difference: bool = True
    upsampling: Callable = linear_upsampling
    down: Mapping[int, Callable] = field(default_factory=dict)
    up: Mapping[int, Callable] = field(default_factory=dict)
    skip: Mapping[int, Callable] = field(default_factory=dict)

    def conv(self, layer: str, x):
        """The convolution with the weights of `layer`, no activation."""
        kernel, bias = self.weights[f"{layer}/kernel"], self.weights[f"{layer}/bias"]
        return correlated(x, kernel, bias, self.padded)

    def features(self, mix):
        """What the output layers see: [B, T, C] → [B, T, C + F]."""
        x, skips = mix, {}
        for level in range(1, self.num_layers + 1):
            name = f"{level:02d}"
            skips[level] = self.down.get(level, convolution)(self, f"encoder_{name}", x)
            x = decimate(skips[level])
        x = convolution(self, "bottleneck", x)
        for level in range(self.num_layers, 0, -1):
            name = f"{level:02d}"
            x = self.upsampling(self, f"decoder_{name}", x)
            if level in self.skip_levels:
                kept = skips[level]
                if level in self.skip:
                    kept = self.skip[level](self, f"skip_{name}", kept)
                x = np.concatenate([crop(kept, x.shape[1]), x], axis=2)
            x = self.up.get(level, convolution)(self, f"decoder_{name}", x)
        return np.concatenate([crop(mix, x.shape[1]), x], axis=2)

    def separate(self, mix, training: bool = False):
        """The estimates of all sources: [B, T, C] of mix → [B, T, S, C]."""
        features = self.features(np.asarray(mix, np.float64))
        heads = self.sources[:-1] if self.difference else self.sources
        estimates = [np.tanh(self.conv(f"output_{source}_conv", features)) for source in heads]
        if self.difference:
            rest = crop(mix, features.shape[1]) - sum(estimates)
            estimates.append(rest if training else np.clip(rest, -1, 1))
        return np.stack(estimates, axis=2)
