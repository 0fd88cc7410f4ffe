"""A reference implementation of the Wave-U-Net and its variants in NumPy, in float64.

It is written from the papers and independent of `Models`. Each block is a function, and a variant
replaces a block by another function. `Net.separate` is Table 1 of the Wave-U-Net paper. Signals
are [B, T, C] and kernels [taps, inputs, outputs].
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

import numpy as np

Weights = Mapping[str, np.ndarray]  # by path, as in "encoder_03_conv/kernel"


def get_weights(model) -> dict[str, np.ndarray]:
    """Return the weights of a Keras model by path, in float64."""
    return {variable.path: variable.numpy().astype(np.float64) for variable in model.weights}


def leaky_relu(x, slope=0.2):
    """Return LeakyReLU of `x`."""
    return np.where(x > 0, x, slope * x)


def sigmoid(x):
    """Return the logistic function of `x`."""
    return 1 / (1 + np.exp(-x))


def correlate(x, kernel, bias, padded: bool):
    """Return the sum over the taps of shifted inputs: [B, T, C] → [B, T, F].

    With `padded` there are equally many zeros before and after the signal if the number of taps is
    odd. Without, the output has T − taps + 1 samples.
    """
    taps = len(kernel)
    if padded:
        x = np.pad(x, ((0, 0), ((taps - 1) // 2, taps // 2), (0, 0)))
    samples = x.shape[1] - taps + 1
    return sum(x[:, tap : tap + samples] @ kernel[tap] for tap in range(taps)) + bias


def decimate(x):
    """Return every second sample, starting with the first."""
    return x[:, ::2]


def midpoint_grid(samples: int, padded: bool):
    """Return the positions of the upsampled samples on the original grid.

    These are 2 n positions, or 2 n − 1 in context mode, where nothing is extrapolated.
    """
    return np.arange(2 * samples - (0 if padded else 1)) / 2


def crop(x, samples: int):
    """Return the `samples` samples in the middle."""
    surplus = x.shape[1] - samples
    assert surplus >= 0, (x.shape, samples)
    assert surplus % 2 == 0, "all lengths in the paper are odd, so that a crop has a centre"
    return x[:, surplus // 2 : surplus // 2 + samples]


# The blocks. Arguments are the net, the beginning of the names of the weights, and the input.


def convolution(net: "Net", name: str, x):
    """Return the block of the plain Wave-U-Net: `Conv1D(F, f)` and LeakyReLU."""
    return leaky_relu(net.conv(f"{name}_conv", x))


def multires(net: "Net", name: str, x):
    """Return the block of U3.

    The outputs of two convolutions in a row are concatenated, and a 1×1 convolution of the input is
    added.
    """
    first = leaky_relu(net.conv(f"{name}_conv1", x))
    second = leaky_relu(net.conv(f"{name}_conv2", first))
    both = np.concatenate([crop(first, second.shape[1]), second], axis=2)
    return leaky_relu(both + crop(net.conv(f"{name}_shortcut", x), both.shape[1]))


def linear_upsampling(net: "Net", name: str, x):
    """Return the linear interpolation on the original grid; the last sample repeats at the end."""
    grid, samples = midpoint_grid(x.shape[1], net.padded), np.arange(x.shape[1])
    return np.stack(
        [
            np.stack([np.interp(grid, samples, channel) for channel in signal.T], axis=1)
            for signal in x
        ]
    )


def learned_upsampling(net: "Net", name: str, x):
    """Return Equation 1 of the Wave-U-Net paper; a padded signal is followed by zero."""
    share = sigmoid(net.weights[f"{name}_upsample/interpolation"])  # [C]
    following = np.pad(x[:, 1:], ((0, 0), (0, 1), (0, 0)))
    up = np.empty((x.shape[0], 2 * x.shape[1], x.shape[2]))
    up[:, 0::2] = x
    up[:, 1::2] = share * x + (1 - share) * following
    return up if net.padded else up[:, :-1]


def res_path(units: int) -> Callable:
    """Return the Res path of U2 as a function (ResPath of MultiResUNet without normalisation).

    Each unit is `Conv1D(F, f)` and LeakyReLU, plus a 1×1 convolution of its input, and LeakyReLU of
    the sum.
    """

    def path(net: "Net", name: str, x):
        for unit in range(1, units + 1):
            inner = leaky_relu(net.conv(f"{name}_unit{unit}_conv", x))
            shortcut = net.conv(f"{name}_unit{unit}_shortcut", x)
            x = leaky_relu(inner + crop(shortcut, inner.shape[1]))
        return x

    return path


@dataclass(frozen=True)
class Net:
    """A separator: its weights and its blocks.

    `down`, `up` and `skip` contain the levels whose block is not the plain one. A level that is not
    in `skip_levels` has no skip. `padded` selects the base architecture of the paper, False its
    input context.
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
        """Return the convolution with the weights of `layer`, without activation."""
        kernel, bias = self.weights[f"{layer}/kernel"], self.weights[f"{layer}/bias"]
        return correlate(x, kernel, bias, self.padded)

    def features(self, mix):
        """Return the input of the output layers: [B, T, C] → [B, T, C + F]."""
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
                skip = skips[level]
                if level in self.skip:
                    skip = self.skip[level](self, f"skip_{name}", skip)
                x = np.concatenate([crop(skip, x.shape[1]), x], axis=2)
            x = self.up.get(level, convolution)(self, f"decoder_{name}", x)
        return np.concatenate([crop(mix, x.shape[1]), x], axis=2)

    def separate(self, mix, training: bool = False):
        """Return the estimates of all sources: mix [B, T, C] → [B, T, S, C]."""
        features = self.features(np.asarray(mix, np.float64))
        heads = self.sources[:-1] if self.difference else self.sources
        estimates = [np.tanh(self.conv(f"output_{source}_conv", features)) for source in heads]
        if self.difference:
            rest = crop(mix, features.shape[1]) - sum(estimates)
            estimates.append(rest if training else np.clip(rest, -1, 1))
        return np.stack(estimates, axis=2)
