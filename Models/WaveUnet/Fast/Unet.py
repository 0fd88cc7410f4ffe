"""The Wave-U-Net of `UnetAudioSeparator` on the same weights, with fewer operations on a CPU.

Function and gradients are the same. Inputs of convolutions are not concatenated, signals are not
upsampled before a convolution, and a level without skip computes only the samples that decimation
keeps. The settings choose the block of each level, as in `UnetAudioSeparator`; tests compare the
two implementations.
"""

import keras
from keras import ops

from Models.WaveUnet.Fast import Convolution as fast
from Models.WaveUnet.Fast.Polyphase import (
    decimated_leaky_convolution,
    interpolated_convolution,
    leaky_convolution_by_halves,
)
from Models.WaveUnet.Settings import WaveUnetSettings


class FastUnet:
    """A faster implementation of `separator`: mix [B, T, C] → estimates [B, T, S, C].

    It uses the weights of the separator, which receive the gradients. The computation between the
    mix and the outputs is in `dtype`; weights and estimates keep their own dtypes.
    """

    def __init__(self, separator: keras.Model, settings: WaveUnetSettings, dtype: str = "float32"):
        self.separator = separator
        self.weights = {weight.path: weight for weight in separator.weights}
        self.settings = settings
        self.dtype = dtype

    def __call__(self, mix, training: bool = False):
        settings = self.settings
        x = ops.cast(mix, self.dtype)
        skips = {}
        for level in range(1, settings.num_layers + 1):
            skips[level], x = self.encoder_block(x, level)
        x = self.convolution(x, "bottleneck_conv")  # [B, T / 2^L, F]
        for level in range(settings.num_layers, 0, -1):
            x = self.decoder_block(x, skips[level], level)
        return self.estimate_sources(crop_centre(mix, x.shape[1]), x, training)

    def get_weight(self, path: str):
        """Return a weight by its path, cast to the dtype of the computation."""
        return ops.cast(self.weights[path], self.dtype)

    def get_kernel_and_bias(self, name: str):
        """Return the kernel and the bias of the convolution `name`."""
        return self.get_weight(f"{name}/kernel"), self.get_weight(f"{name}/bias")

    def choose_padding(self, taps: int) -> fast.Padding:
        """Return the padding of a convolution: none in *context* mode, else *same*."""
        return (0, 0) if self.settings.context else fast.same_padding(taps)

    def convolution(self, x, name: str):
        """Apply the convolution `name` and LeakyReLU: [B, T, C] → [B, T, F]."""
        kernel, bias = self.get_kernel_and_bias(name)
        if self.is_faster_by_halves(x, kernel):
            return leaky_convolution_by_halves(x, kernel, bias)[0]
        return fast.leaky_convolution(x, kernel, bias, self.choose_padding(kernel.shape[0]))

    def is_faster_by_halves(self, x, kernel) -> bool:
        """Return whether `leaky_convolution_by_halves` is faster for a convolution.

        The convolution must be large enough to outweigh the additional sums, and the dtype must be
        precise enough for them.
        """
        taps, channels, _ = kernel.shape
        samples = x.shape[1]
        return (
            self.dtype != "bfloat16"
            and not self.settings.context
            and samples % 2 == 0
            and samples >= 64
            and taps >= 9
            and channels >= 48
        )

    def encoder_block(self, x, level: int):
        """Return the skip of an encoder level, [B, T, F], and its decimation, [B, ceil(T / 2), F].

        The skip is None if the level has none.
        """
        name = f"encoder_{level:02d}"
        if self.settings.block(level) == "multires":
            skip = self.multires_block([x], name)
            return skip, fast.decimate(skip)
        kernel, bias = self.get_kernel_and_bias(f"{name}_conv")
        padding = self.choose_padding(kernel.shape[0])
        if self.settings.skip(level) == "none":
            return None, decimated_leaky_convolution(x, kernel, bias, padding)
        if self.is_faster_by_halves(x, kernel):
            return leaky_convolution_by_halves(x, kernel, bias)
        skip = fast.leaky_convolution(x, kernel, bias, padding)
        return skip, fast.decimate(skip)

    def decoder_block(self, x, skip, level: int):
        """Upsample, join the skip, and apply the block of a decoder level.

        Parameters
        ----------
        x : tensor [B, T, C]
            Features of the level below.
        skip : tensor or None
            The features of the encoder at this level, for the skip.
        level : int
            The level, from 1.

        Returns
        -------
        tensor [B, 2 T, F]
            The output. In *context* mode it is shorter.
        """
        name = f"decoder_{level:02d}"
        samples = 2 * x.shape[1] - (1 if self.settings.context else 0)
        skips = []
        if self.settings.skip(level) != "none":
            skips = [crop_centre(self.process_skip(skip, level), samples)]
        if self.settings.block(level) == "multires":
            up = ops.cast(self.separator.get_layer(f"{name}_upsample")(x), self.dtype)
            return self.multires_block([*skips, up], name)
        kernel, bias = self.get_kernel_and_bias(f"{name}_conv")
        share = None
        if self.settings.upsampling == "learned":
            share = ops.sigmoid(self.get_weight(f"{name}_upsample/interpolation"))
        if not skips:
            up = interpolated_convolution(x, kernel, share, self.settings.context)
            return fast.leaky_bias(up, bias)
        of_skip, of_up = fast.split_tensor(kernel, [skips[0].shape[2], x.shape[2]], axis=1)
        up = interpolated_convolution(x, of_up, share, self.settings.context)
        padding = self.choose_padding(kernel.shape[0])
        return fast.leaky_convolution(skips[0], of_skip, bias, padding, up)

    def process_skip(self, skip, level: int):
        """Return the skip of a level for the decoder, after its Res path if it has one."""
        if self.settings.skip(level) == "res_path":
            for unit in range(1, self.settings.res_path_units + 1):
                name = f"skip_{level:02d}_unit{unit}"
                features = self.convolution(skip, f"{name}_conv")
                skip = self.add_shortcut([skip], features, f"{name}_shortcut")
        return skip

    def multires_block(self, inputs: list, name: str):
        """Apply a MultiRes block to the concatenation of `inputs`.

        Two convolutions follow one another, and a 1×1 shortcut is added to both outputs. The
        concatenation is not computed.
        """
        kernel, bias = self.get_kernel_and_bias(f"{name}_conv1")
        *others, (last, of_last) = split_kernel(inputs, kernel)
        padding = self.choose_padding(kernel.shape[0])
        added = sum(fast.convolution(x, part, padding) for x, part in others) if others else None
        short = fast.leaky_convolution(last, of_last, bias, padding, added)
        long = self.convolution(short, f"{name}_conv2")
        both = ops.concatenate([crop_centre(short, long.shape[1]), long], axis=2)
        return self.add_shortcut(inputs, both, f"{name}_shortcut")

    def add_shortcut(self, inputs: list, features, name: str):
        """Return LeakyReLU of `features` plus a 1×1 shortcut.

        Parameters
        ----------
        inputs : list of tensors [B, T, C]
            The parts of the input of the shortcut, which are not concatenated.
        features : tensor [B, T', F]
            The features. The inputs are centre-cropped to their length.
        name : str
            The name of the shortcut's convolution.

        Returns
        -------
        tensor [B, T', F]
            The output.
        """
        kernel, bias = self.get_kernel_and_bias(name)
        inputs = [crop_centre(x, features.shape[1]) for x in inputs]
        *others, (last, of_last) = split_kernel(inputs, kernel)
        added = features + sum(fast.convolution(x, part, (0, 0)) for x, part in others)
        return fast.leaky_convolution(last, of_last, bias, (0, 0), added)

    def estimate_sources(self, mix, x, training: bool):
        """Return the estimates of all sources.

        One matrix product computes all heads. With the difference output, the last source is the
        mix minus all other estimates.

        Parameters
        ----------
        mix : tensor [B, T, C]
            The mix, cropped to the output length.
        x : tensor [B, T, F]
            The last features.
        training : bool
            Whether the network runs in training mode, in which the difference is not clipped.

        Returns
        -------
        tensor [B, T, S, C]
            The estimates.
        """
        settings = self.settings
        heads = settings.sources[:-1] if settings.output_type == "difference" else settings.sources
        names = [f"output_{source}_conv" for source in heads]
        kernel = ops.concatenate([self.weights[f"{name}/kernel"][0] for name in names], axis=1)
        bias = ops.concatenate([self.weights[f"{name}/bias"] for name in names], axis=0)
        features = ops.cast(x, kernel.dtype)
        of_mix = ops.tensordot(mix, kernel[: settings.num_channels], 1)
        of_features = ops.tensordot(features, kernel[settings.num_channels :], 1)
        estimates = ops.split(ops.tanh(of_mix + of_features + bias), len(heads), axis=2)
        if settings.output_type == "difference":
            rest = self.separator.get_layer(f"output_{settings.sources[-1]}_difference")
            estimates = [*estimates, rest([mix, *estimates], training=training)]
        return self.separator.get_layer("output_stack")(estimates)


def split_kernel(inputs: list, kernel) -> list:
    """Return pairs of an input and the part of the kernel [taps, C, F] that is applied to it."""
    if len(inputs) == 1:
        return [(inputs[0], kernel)]
    channels = [x.shape[2] for x in inputs]
    return list(zip(inputs, fast.split_tensor(kernel, channels, axis=1), strict=True))


def crop_centre(x, samples: int):
    """Return the middle `samples` samples of a signal [B, T, C]; T − `samples` is even."""
    first = (x.shape[1] - samples) // 2
    return x[:, first : first + samples] if first else x
