"""Convolutions of the Wave-U-Net with fewer operations on a CPU, and their gradients.

The automatic gradients of TensorFlow keep more tensors than necessary and use slower operations.
Each function here defines its own gradient, which is exact like TensorFlow's. Signals are
[B, T, C] and kernels [taps, C, F], as in Keras. A `padding` is the pair of numbers of zeros before
and after a signal. No other module of `Models` imports TensorFlow: other backends compute the
Keras graph.
"""

import tensorflow as tf

from Models.WaveUnet.Convolution import LEAKY_SLOPE

# For kernels of at least LONG_KERNEL taps, oneDNN computes the kernel gradient fastest on pieces of
# PIECE_LENGTH samples.
PIECE_LENGTH, LONG_KERNEL = 128, 9
# For kernels of at most FEW_FILTERS filters, oneDNN computes the kernel gradient slowly on signals
# of at least LONG_SIGNAL samples. Pairs of samples as channels are faster, although a sixth of the
# results is discarded.
FEW_FILTERS, LONG_SIGNAL = 32, 2048
Padding = tuple[int, int]


def same_padding(taps: int) -> Padding:
    """Return the padding for which a convolution keeps the length of its input."""
    return (taps - 1) // 2, taps // 2


def leaky_convolution(x, kernel, bias, padding: Padding, added=None):
    """Apply a convolution and LeakyReLU as one operation.

    The gradient needs only the output, which has the sign of the input of LeakyReLU.

    Parameters
    ----------
    x : tensor [B, T, C]
        The signal.
    kernel : tensor [taps, C, F]
        The kernel.
    bias : tensor [F]
        The bias.
    padding : Padding
        Zeros before and after the signal.
    added : tensor [B, T', F], optional
        A signal that is added before LeakyReLU.

    Returns
    -------
    tensor [B, T', F]
        The output.
    """
    others = [] if added is None else [added]

    @tf.custom_gradient
    def operation(x, kernel, bias, *others):
        correlation = Correlation(x, kernel, padding)
        y = tf.nn.bias_add(correlation.output(), bias)
        for other in others:
            y = y + add_height(other)
        y = tf.squeeze(leaky_relu(y), [1])

        def gradient(dy):
            dy = leaky_gradient(dy, y)
            return *correlation.gradients(dy), sum_over_time(dy), *(dy for _ in others)

        return y, gradient

    return operation(x, kernel, bias, *others)


def convolution(x, kernel, padding: Padding):
    """Apply a convolution without bias and activation.

    Parameters
    ----------
    x : tensor [B, T, C]
        The signal.
    kernel : tensor [taps, C, F]
        The kernel.
    padding : Padding
        Zeros before and after the signal.

    Returns
    -------
    tensor [B, T', F]
        The output.
    """

    @tf.custom_gradient
    def operation(x, kernel):
        correlation = Correlation(x, kernel, padding)
        return tf.squeeze(correlation.output(), [1]), correlation.gradients

    return operation(x, kernel)


def leaky_bias(x, bias):
    """Return LeakyReLU of `x` [B, T, F] plus `bias` [F]."""

    @tf.custom_gradient
    def operation(x, bias):
        y = leaky_relu(tf.nn.bias_add(x, bias))

        def gradient(dy):
            dy = leaky_gradient(dy, y)
            return dy, sum_over_time(dy)

        return y, gradient

    return operation(x, bias)


def decimate(x):
    """Decimate by two and keep the first sample: [B, T, C] → [B, ceil(T / 2), C]."""

    @tf.custom_gradient
    def operation(x):
        samples, channels = x.shape[1:]
        odd = samples % 2

        def gradient(dy):
            dy = tf.reshape(
                tf.pad(dy, [[0, 0], [0, 0], [0, channels]]), (-1, samples + odd, channels)
            )
            return dy[:, :samples]

        even_length = tf.pad(x, [[0, 0], [0, odd], [0, 0]]) if odd else x
        pairs = tf.reshape(even_length, (-1, (samples + odd) // 2, 2 * channels))
        return pairs[:, :, :channels], gradient

    return operation(x)


def split_tensor(x, sizes: list[int], axis: int):
    """Split a tensor along an axis.

    This is one operation; `keras.ops.split` needs about twenty.

    Parameters
    ----------
    x : tensor
        The tensor.
    sizes : list of int
        The lengths of the parts along `axis`.
    axis : int
        The axis.

    Returns
    -------
    list of tensors
        The parts.
    """
    return tf.split(x, sizes, axis)


def extract_ends(x):
    """Return a signal [B, T, C], its first sample [B, C] and its last sample [B, C].

    The gradients of the two samples are added to the gradient of the signal. The automatic gradient
    of a slice would be a second signal that is zero everywhere else.
    """
    ends = [0, x.shape[1] - 1]

    @tf.custom_gradient
    def operation(x):
        def gradient(dx, first, last):
            return add_rows(dx, ends, tf.stack([first, last], axis=1))

        return (tf.identity(x), *tf.unstack(tf.gather(x, ends, axis=1), axis=1)), gradient

    return operation(x)


def add_rows(x, positions: list[int], rows):
    """Add values to a signal at some of its samples.

    Parameters
    ----------
    x : tensor [B, T, F]
        The signal.
    positions : list of int
        K positions in time, in samples.
    rows : tensor [B, K, F]
        The values to add.

    Returns
    -------
    tensor [B, T, F]
        The sum.
    """

    @tf.custom_gradient
    def operation(x, rows):
        length, filters = x.shape[1:]
        starts = tf.range(0, tf.size(x) // filters, length)  # first row of each signal
        sums = tf.tensor_scatter_nd_add(
            tf.reshape(x, (-1, filters)),
            tf.reshape(tf.expand_dims(starts, 1) + positions, (-1, 1)),
            tf.reshape(rows, (-1, filters)),
        )

        def gradient(dy):
            return dy, tf.gather(dy, positions, axis=1)

        return tf.reshape(sums, (-1, length, filters)), gradient

    return operation(x, rows)


def leaky_relu(x):
    """Return LeakyReLU of `x` with the slope of the Wave-U-Net."""
    return tf.nn.leaky_relu(x, LEAKY_SLOPE)


def leaky_gradient(dy, y):
    """Return the gradient with respect to the input of LeakyReLU.

    `dy` is the gradient with respect to its output `y`.
    """
    return tf.raw_ops.LeakyReluGrad(gradients=dy, features=y, alpha=LEAKY_SLOPE)


def sum_over_time(dy):
    """Return the sum of a gradient over batch and time: [B, T, F] → [F].

    In bfloat16 the sum is a matrix product with ones, which accumulates in float32.
    """
    if dy.dtype != tf.bfloat16:
        return tf.raw_ops.BiasAddGrad(out_backprop=dy)
    rows = tf.reshape(dy, (-1, dy.shape[2]))
    return tf.squeeze(tf.matmul(tf.ones((1, tf.shape(rows)[0]), dy.dtype), rows), [0])


def add_height(x):
    """Return a signal as an image of height 1: [B, T, C] → [B, 1, T, C]."""
    return tf.expand_dims(x, 1)


def choose_padding_mode(taps: int, padding: Padding) -> str:
    """Return the padding mode for TensorFlow, 'SAME' or 'VALID'.

    'VALID' stands for a signal that is already padded. TensorFlow also has a mode with explicit
    numbers of zeros, but the gradients of oneDNN do not support it.
    """
    return "SAME" if padding == same_padding(taps) else "VALID"


def pad_signal(x, padding: Padding):
    """Return a signal [B, T, C] with zeros before and after it."""
    return tf.pad(x, [[0, 0], padding, [0, 0]]) if any(padding) else x


class Correlation:
    """A convolution, [B, T, C] → [B, 1, T', F], and its gradients.

    Output and gradients share the reshaped signal and kernel: each operation of a graph adds about
    half a millisecond to the start of a training.
    """

    def __init__(self, x, kernel, padding: Padding):
        self.x, self.padding = x, padding
        self.taps, self.channels, self.filters = kernel.shape
        self.mode = choose_padding_mode(self.taps, padding)
        self.padded = x if self.mode == "SAME" else pad_signal(x, padding)
        self.image, self.kernel = add_height(self.padded), tf.expand_dims(kernel, 0)

    def output(self):
        """Return the convolution, [B, 1, T', F].

        oneDNN fuses it with a bias and a LeakyReLU only if there is no reshape between them;
        therefore the output keeps the axis of height 1.
        """
        return tf.nn.conv2d(self.image, self.kernel, 1, self.mode)

    def gradients(self, dy):
        """Return the gradients with respect to the signal and to the kernel.

        `dy` [B, T', F] is the gradient with respect to the output.
        """
        image = add_height(dy)
        return self.input_gradient(image), self.kernel_gradient(dy, image)

    def input_gradient(self, dy):
        """Return the gradient with respect to the signal, [B, T, C].

        `dy` [B, 1, T', F] is the gradient with respect to the output.
        """
        dx = tf.raw_ops.Conv2DBackpropInput(
            input_sizes=tf.shape(self.image),
            filter=self.kernel,
            out_backprop=dy,
            strides=[1, 1, 1, 1],
            padding=self.mode,
        )
        dx = tf.squeeze(dx, [1])
        if self.padded is self.x:
            return dx
        before = self.padding[0]
        return dx[:, before : before + self.x.shape[1]]

    def kernel_gradient(self, dy, image):
        """Return the gradient with respect to the kernel, [taps, C, F].

        `dy` [B, T', F] is the gradient with respect to the output, and `image` is the same
        gradient as [B, 1, T', F].
        """
        taps, samples = self.taps, dy.shape[1]
        in_pairs = (
            self.channels >= 16
            and self.filters <= FEW_FILTERS
            and samples >= LONG_SIGNAL
            and samples % 2 == 0
        )
        if in_pairs and taps < LONG_KERNEL:
            return kernel_gradient_in_pairs(self.x, taps, dy, self.padding)
        inputs, mode = self.image, self.mode
        if taps >= LONG_KERNEL and samples > PIECE_LENGTH:
            x, dy = cut_into_pieces(pad_signal(self.x, self.padding), dy, taps)
            inputs, image, mode = add_height(x), add_height(dy), "VALID"
        gradient = tf.raw_ops.Conv2DBackpropFilter(
            input=inputs,
            filter_sizes=self.kernel.shape,
            out_backprop=image,
            strides=[1, 1, 1, 1],
            padding=mode,
        )
        return tf.squeeze(gradient, [0])


def kernel_gradient_in_pairs(x, taps: int, dy, padding: Padding):
    """Return the gradient with respect to the kernel, computed on pairs of samples.

    Two neighbouring samples become the channels of one, [B, T / 2, 2 C]. The gradient at tap j
    is the sum of the products of the input sample at place `i` (0 or 1) of one pair and the output
    sample at place `o` of another pair, `shift` pairs apart, with `2 shift + i − o = j − before`.

    Parameters
    ----------
    x : tensor [B, T, C]
        The signal.
    taps : int
        The number of taps.
    dy : tensor [B, T', F]
        The gradient with respect to the output; T' is even.
    padding : Padding
        Zeros before and after the signal.

    Returns
    -------
    tensor [taps, C, F]
        The gradient.
    """
    before = padding[0]
    samples, channels, filters = dy.shape[1], x.shape[2], dy.shape[2]
    first, last = (-before) // 2, (taps - before) // 2  # shifts
    skipped = -2 * first - before  # zeros that complete the first pair
    padded_samples = samples + 2 * (last - first)
    x = pad_signal(x, (before + skipped, padded_samples - before - skipped - x.shape[1]))
    pairs = tf.reshape(x, (-1, 1, padded_samples // 2, 2 * channels))
    span = last - first + 1
    products = tf.raw_ops.Conv2DBackpropFilter(
        input=pairs,
        filter_sizes=(1, span, 2 * channels, 2 * filters),
        out_backprop=tf.reshape(dy, (-1, 1, samples // 2, 2 * filters)),
        strides=[1, 1, 1, 1],
        padding="VALID",
    )
    products = tf.reshape(products, (span, 2, channels, 2, filters))
    gradients = [
        sum(
            products[shift - first, i, :, o]
            for o in (0, 1)
            for shift, i in [divmod(tap - before + o, 2)]
        )
        for tap in range(taps)
    ]
    return tf.stack(gradients)


def cut_into_pieces(x, dy, taps: int):
    """Cut a signal and the gradient of its convolution into pieces of `PIECE_LENGTH` samples.

    Zeros complete the last piece of the gradient; they do not change the gradient of the kernel.

    Parameters
    ----------
    x : tensor [B, T + taps − 1, C]
        The padded signal.
    dy : tensor [B, T, F]
        The gradient with respect to the output.
    taps : int
        The number of taps.

    Returns
    -------
    x : tensor [B · K, piece + taps − 1, C]
        For each piece of the gradient, the samples of the signal that it depends on.
    dy : tensor [B · K, piece, F]
        The pieces of the gradient.
    """
    samples, channels = dy.shape[1], x.shape[2]
    count = -(-samples // PIECE_LENGTH)
    total = count * PIECE_LENGTH
    x, dy = pad_signal(x, (0, total - samples)), pad_signal(dy, (0, total - samples))
    pieces = tf.reshape(x[:, :total], (-1, count, PIECE_LENGTH, channels))
    following = tf.concat([pieces[:, 1:, : taps - 1], x[:, None, total:]], axis=1)
    pieces = tf.concat([pieces, following], axis=2)
    return (
        tf.reshape(pieces, (-1, PIECE_LENGTH + taps - 1, channels)),
        tf.reshape(dy, (-1, PIECE_LENGTH, dy.shape[2])),
    )
