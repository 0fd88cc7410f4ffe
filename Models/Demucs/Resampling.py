"""Resampling within the network by a windowed sinc filter, as version 2 of Demucs does."""

import numpy as np
from keras import layers, ops

# The defaults of julius 0.2, the library that Demucs uses: zero crossings on each side of the
# filter, and its cut-off as a fraction of the lower Nyquist frequency.
ZERO_CROSSINGS, ROLLOFF = 24, 0.945


class Resample(layers.Layer):
    """Resample [B, T, C] from the rate `old` to the rate `new`: [B, ⌊T · new / old⌋, C].

    The rates are integers without a common factor. The first and last samples are repeated beyond
    the borders.
    """

    def __init__(self, old: int, new: int, **kwargs):
        super().__init__(trainable=False, **kwargs)
        self.old, self.new = old, new
        self.filters = sinc_filters(old, new)  # [taps, 1, new]
        self.reach = (len(self.filters) - old) // 2

    def call(self, x):
        samples, channels = x.shape[1:]
        x = ops.transpose(x, (0, 2, 1))  # [B, C, T]
        x = ops.reshape(x, (-1, samples, 1))  # [B · C, T, 1]
        before, after = x[:, :1], x[:, -1:]
        x = ops.concatenate(
            [
                ops.repeat(before, self.reach, axis=1),
                x,
                ops.repeat(after, self.reach + self.old, axis=1),
            ],
            axis=1,
        )
        filters = ops.cast(self.filters, x.dtype)
        x = ops.conv(x, filters, strides=self.old)  # [B · C, T / old, new]
        length = samples * self.new // self.old
        x = ops.reshape(x, (-1, channels, x.shape[1] * self.new))[:, :, :length]
        return ops.transpose(x, (0, 2, 1))  # [B, T · new / old, C]

    def compute_output_shape(self, input_shape):
        batch, samples, channels = input_shape
        return batch, samples * self.new // self.old, channels


def sinc_filters(old: int, new: int) -> np.ndarray:
    """Return the filters of the `new` outputs per `old` inputs, [taps, 1, new] float64.

    They are sinc functions at the lower of the two rates with a squared cosine window; each sums
    to 1.
    """
    rate = min(old, new) * ROLLOFF
    reach = int(np.ceil(ZERO_CROSSINGS * old / rate))
    taps = np.arange(-reach, reach + old)
    filters = []
    for phase in range(new):
        time = (taps / old - phase / new) * rate
        time = np.clip(time, -ZERO_CROSSINGS, ZERO_CROSSINGS)
        kernel = np.sinc(time) * np.cos(np.pi * time / ZERO_CROSSINGS / 2) ** 2
        filters.append(kernel / kernel.sum())
    return np.stack(filters, axis=-1)[:, None]
