"""The Wave-U-Net of `UnetAudioSeparator` on its own weights, as a CPU computes it fastest.

The same function and the same gradients by less work: nothing is concatenated before it is
convolved, nothing upsampled, and a level without skip computes only the frames that decimation
keeps. Which block stands at which level is the spec's, as there; tests hold the two together.
"""

import keras
from keras import ops

from Models import FastConvolution as fast
from Models.Polyphase import (
    decimated_leaky_convolution,
    interpolated_convolution,
    leaky_convolution_by_halves,
)
from Spec.Model import ModelSpec


class FastUnet:
    """Computes what `separator` does: [B, T, C] of mix to [B, T, S, C] of estimates.

    Gradients reach the separator's own weights. All between mix and outputs is computed in
    `dtype`; weights, outputs and estimates stay as they are.
    """

    def __init__(self, separator: keras.Model, spec: ModelSpec, dtype: str = "float32"):
        self.separator = separator
        self.weights = {weight.path: weight for weight in separator.weights}
        self.spec = spec
        self.dtype = dtype

    def __call__(self, mix, training: bool = False):
        spec = self.spec
        x = ops.cast(mix, self.dtype)
        kept = {}
        for level in range(1, spec.num_layers + 1):
            kept[level], x = self.encoder_block(x, level)
        x = self.convolution(x, "bottleneck_conv")  # [B, T / 2^L, F]
        for level in range(spec.num_layers, 0, -1):
            x = self.decoder_block(x, kept[level], level)
        return self.outputs(centre(mix, x.shape[1]), x, training)

    def weight(self, path: str):
        """A weight as it is computed with."""
        return ops.cast(self.weights[path], self.dtype)

    def kernel_and_bias(self, name: str):
        """Those of a convolution."""
        return self.weight(f"{name}/kernel"), self.weight(f"{name}/bias")

    def padding(self, taps: int) -> fast.Padding:
        """That of the convolutions in the spec's mode."""
        return (0, 0) if self.spec.context else fast.same(taps)

    def convolution(self, x, name: str):
        """A convolution of a block and its LeakyReLU."""
        kernel, bias = self.kernel_and_bias(name)
        if self.gains_by_halves(x, kernel):
            return leaky_convolution_by_halves(x, kernel, bias)[0]
        return fast.leaky_convolution(x, kernel, bias, self.padding(kernel.shape[0]))

    def gains_by_halves(self, x, kernel) -> bool:
        """Whether a convolution is faster by halves: long enough to pay for the sums around it, and
        of numbers that bear them."""
        taps, channels, _ = kernel.shape
        frames = x.shape[1]
        return (
            self.dtype != "bfloat16"
            and not self.spec.context
            and frames % 2 == 0
            and frames >= 64
            and taps >= 9
            and channels >= 48
        )

    def encoder_block(self, x, level: int):
        """What is kept for the skip, None where there is none, and every second frame of it."""
        name = f"encoder_{level:02d}"
        if self.spec.block(level) == "multires":
            kept = self.multires([x], name)
            return kept, fast.decimate(kept)
        kernel, bias = self.kernel_and_bias(f"{name}_conv")
        padding = self.padding(kernel.shape[0])
        if self.spec.skip(level) == "none":
            return None, decimated_leaky_convolution(x, kernel, bias, padding)
        if self.gains_by_halves(x, kernel):
            return leaky_convolution_by_halves(x, kernel, bias)
        kept = fast.leaky_convolution(x, kernel, bias, padding)
        return kept, fast.decimate(kept)

    def decoder_block(self, x, kept, level: int):
        """Twice the frames, the skip beside them where there is one, and a block."""
        name = f"decoder_{level:02d}"
        frames = 2 * x.shape[1] - (1 if self.spec.context else 0)
        skips = []
        if self.spec.skip(level) != "none":
            skips = [centre(self.skip(kept, level), frames)]
        if self.spec.block(level) == "multires":
            up = ops.cast(self.separator.get_layer(f"{name}_upsample")(x), self.dtype)
            return self.multires([*skips, up], name)
        kernel, bias = self.kernel_and_bias(f"{name}_conv")
        share = None
        if self.spec.upsampling == "learned":
            share = ops.sigmoid(self.weight(f"{name}_upsample/interpolation"))
        if not skips:
            up = interpolated_convolution(x, kernel, share, self.spec.context)
            return fast.leaky_bias(up, bias)
        of_skip, of_up = fast.split(kernel, [skips[0].shape[2], x.shape[2]], axis=1)
        up = interpolated_convolution(x, of_up, share, self.spec.context)
        padding = self.padding(kernel.shape[0])
        return fast.leaky_convolution_over(up, skips[0], of_skip, bias, padding)

    def skip(self, kept, level: int):
        """What reaches the decoder of what the encoder kept."""
        if self.spec.skip(level) == "res_path":
            for unit in range(1, self.spec.res_path_units + 1):
                name = f"skip_{level:02d}_unit{unit}"
                features = self.convolution(kept, f"{name}_conv")
                kept = self.over_shortcut([kept], features, f"{name}_shortcut")
        return kept

    def multires(self, inputs: list, name: str):
        """Two convolutions in a row, both kept, over a 1×1 shortcut of the joined `inputs`."""
        kernel, bias = self.kernel_and_bias(f"{name}_conv1")
        *others, (last, of_last) = split(inputs, kernel)
        padding = self.padding(kernel.shape[0])
        if others:
            added = sum(fast.convolution(x, part, padding) for x, part in others)
            short = fast.leaky_convolution_over(added, last, of_last, bias, padding)
        else:
            short = fast.leaky_convolution(last, of_last, bias, padding)
        long = self.convolution(short, f"{name}_conv2")
        both = ops.concatenate([centre(short, long.shape[1]), long], axis=2)
        return self.over_shortcut(inputs, both, f"{name}_shortcut")

    def over_shortcut(self, inputs: list, features, name: str):
        """LeakyReLU of `features` over a 1×1 convolution of the joined `inputs`."""
        kernel, bias = self.kernel_and_bias(name)
        inputs = [centre(x, features.shape[1]) for x in inputs]
        *others, (last, of_last) = split(inputs, kernel)
        added = features + sum(fast.convolution(x, part, (0, 0)) for x, part in others)
        return fast.leaky_convolution_over(added, last, of_last, bias, (0, 0))

    def outputs(self, mix, x, training: bool):
        """The estimates: all heads as one product, then what is left of the mix."""
        spec = self.spec
        heads = spec.sources[:-1] if spec.output_type == "difference" else spec.sources
        names = [f"output_{source}_conv" for source in heads]
        kernel = ops.concatenate([self.weights[f"{name}/kernel"][0] for name in names], axis=1)
        bias = ops.concatenate([self.weights[f"{name}/bias"] for name in names], axis=0)
        features = ops.cast(x, kernel.dtype)
        of_mix = ops.tensordot(mix, kernel[: spec.num_channels], 1)
        of_features = ops.tensordot(features, kernel[spec.num_channels :], 1)
        estimates = ops.split(ops.tanh(of_mix + of_features + bias), len(heads), axis=2)
        if spec.output_type == "difference":
            rest = self.separator.get_layer(f"output_{spec.sources[-1]}_difference")
            estimates = [*estimates, rest([mix, *estimates], training=training)]
        return self.separator.get_layer("output_stack")(estimates)


def split(inputs: list, kernel) -> list:
    """Each of the joined `inputs` with its part of the kernel [taps, C, F]."""
    if len(inputs) == 1:
        return [(inputs[0], kernel)]
    channels = [x.shape[2] for x in inputs]
    return list(zip(inputs, fast.split(kernel, channels, axis=1), strict=True))


def centre(x, frames: int):
    """The middle `frames` of a signal; what is cut is even."""
    first = (x.shape[1] - frames) // 2
    return x[:, first : first + frames] if first else x
