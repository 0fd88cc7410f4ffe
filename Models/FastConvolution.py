"""The convolutions of the Wave-U-Net as a CPU computes them fastest: exact, with their gradients.

TensorFlow's own gradients keep more than is needed and take slower ways; each operation here
brings its own. Signals are [B, T, C] and kernels [taps, C, F], as in Keras; a `padding` is the
frames of zeros before and after. The one module of the separators that knows TensorFlow: no
other backend needs it, and `keras.ops` has no gradients of one's own.
"""

import numpy as np
import tensorflow as tf

from Models.Convolution import LEAKY_SLOPE

# oneDNN's gradient of a long kernel is fastest on pieces of this many frames, from this many taps.
PIECE_FRAMES, LONG_KERNEL = 128, 9
# Its gradient of a kernel of this many filters or fewer is slow on signals this long or longer: two
# frames side by side as channels are faster, though a sixth of what is computed is thrown away.
FEW_FILTERS, LONG_SIGNAL = 32, 2048
Padding = tuple[int, int]


def same(taps: int) -> Padding:
    """The padding that keeps the length."""
    return (taps - 1) // 2, taps // 2


def leaky_convolution(x, kernel, bias, padding: Padding):
    """LeakyReLU of a convolution, one operation: [B, T, C] → [B, T', F].

    The gradient needs no more than the output: its sign is that of what went in.
    """

    @tf.custom_gradient
    def operation(x, kernel, bias):
        correlation = Correlation(x, kernel, padding)
        y = tf.squeeze(leaky_relu(tf.nn.bias_add(correlation.output(), bias)), [1])

        def gradient(dy):
            dy = leaky_gradient(dy, y)
            return *correlation.gradients(dy), sum_over_frames(dy)

        return y, gradient

    return operation(x, kernel, bias)


def leaky_convolution_over(added, x, kernel, bias, padding: Padding):
    """LeakyReLU of a convolution plus what is `added` to it, [B, T', F], one operation."""

    @tf.custom_gradient
    def operation(added, x, kernel, bias):
        correlation = Correlation(x, kernel, padding)
        y = tf.nn.bias_add(correlation.output(), bias) + high(added)
        y = tf.squeeze(leaky_relu(y), [1])

        def gradient(dy):
            dy = leaky_gradient(dy, y)
            return dy, *correlation.gradients(dy), sum_over_frames(dy)

        return y, gradient

    return operation(added, x, kernel, bias)


def convolution(x, kernel, padding: Padding):
    """The bare convolution, [B, T, C] → [B, T', F]."""

    @tf.custom_gradient
    def operation(x, kernel):
        correlation = Correlation(x, kernel, padding)
        return tf.squeeze(correlation.output(), [1]), correlation.gradients

    return operation(x, kernel)


def leaky_bias(x, bias):
    """LeakyReLU of [B, T, F] plus a bias."""

    @tf.custom_gradient
    def operation(x, bias):
        y = leaky_relu(tf.nn.bias_add(x, bias))

        def gradient(dy):
            dy = leaky_gradient(dy, y)
            return dy, sum_over_frames(dy)

        return y, gradient

    return operation(x, bias)


def decimate(x):
    """Every second frame, the first kept: [B, T, C] → [B, ceil(T / 2), C]."""

    @tf.custom_gradient
    def operation(x):
        frames, channels = x.shape[1:]
        odd = frames % 2

        def gradient(dy):
            dy = tf.reshape(
                tf.pad(dy, [[0, 0], [0, 0], [0, channels]]), (-1, frames + odd, channels)
            )
            return dy[:, :frames]

        whole = tf.pad(x, [[0, 0], [0, odd], [0, 0]]) if odd else x
        pairs = tf.reshape(whole, (-1, (frames + odd) // 2, 2 * channels))
        return pairs[:, :, :channels], gradient

    return operation(x)


def split(x, sizes: list[int], axis: int):
    """Parts of these sizes: one operation, where `keras.ops` makes twenty."""
    return tf.split(x, sizes, axis)


def with_ends(x):
    """[B, T, C] as it is, its first frame and its last frame, [B, C] each.

    The gradients of the two go into that of the whole, in place.
    """
    ends = [0, x.shape[1] - 1]

    @tf.custom_gradient
    def operation(x):
        def gradient(dx, first, last):
            return added_rows(dx, ends, tf.stack([first, last], axis=1))

        return (tf.identity(x), *tf.unstack(tf.gather(x, ends, axis=1), axis=1)), gradient

    return operation(x)


def add_rows(x, frames: list[int], rows):
    """[B, T, F] with [B, K, F] added at `frames` of T, in place: `x` may be used nowhere else."""

    @tf.custom_gradient
    def operation(x, rows):
        def gradient(dy):
            return dy, tf.gather(dy, frames, axis=1)

        return added_rows(x, frames, rows), gradient

    return operation(x, rows)


def added_rows(x, frames: list[int], rows):
    """What `add_rows` gives, without its gradient."""
    length, filters = x.shape[1:]
    # TensorFlow's scattering in a tensor copies it first.
    sums = tf.raw_ops.InplaceAdd(
        x=tf.reshape(x, (-1, filters)),
        i=places(x, frames),
        v=tf.reshape(rows, (-1, filters)),
    )
    return tf.reshape(sums, (-1, length, filters))


def places(x, frames: list[int]):
    """Where `frames` of every signal of [B, T, F] are in all B · T, [B · K]."""
    batch, length, filters = x.shape
    if batch is not None:
        return np.add.outer(length * np.arange(batch, dtype=np.int32), frames).ravel()
    firsts = tf.range(0, tf.size(x) // filters, length)
    return tf.reshape(tf.expand_dims(firsts, 1) + frames, (-1,))


def leaky_relu(x):
    """The slope of the Wave-U-Net."""
    return tf.nn.leaky_relu(x, LEAKY_SLOPE)


def leaky_gradient(dy, y):
    """The gradient before LeakyReLU, from the one after it and LeakyReLU's own output."""
    return tf.raw_ops.LeakyReluGrad(gradients=dy, features=y, alpha=LEAKY_SLOPE)


def sum_over_frames(dy):
    """[B, T, F] → [F]; in bfloat16 as a product with ones, which is kept in float32 while it is
    added up."""
    if dy.dtype != tf.bfloat16:
        return tf.raw_ops.BiasAddGrad(out_backprop=dy)
    rows = tf.reshape(dy, (-1, dy.shape[2]))
    return tf.squeeze(tf.matmul(tf.ones((1, tf.shape(rows)[0]), dy.dtype), rows), [0])


def high(x):
    """A signal as a picture of one row, [B, T, C] → [B, 1, T, C]."""
    return tf.expand_dims(x, 1)


def method(taps: int, padding: Padding) -> str:
    """TensorFlow's word for the padding; 'VALID' of an input padded by hand where it has none.

    It has one for any padding, but oneDNN's gradients do not know it.
    """
    return "SAME" if padding == same(taps) else "VALID"


def padded(x, padding: Padding):
    """[B, T, C] with zeros before and after."""
    return tf.pad(x, [[0, 0], padding, [0, 0]]) if any(padding) else x


class Correlation:
    """A convolution, [B, T, C] → [B, 1, T', F], and its gradients.

    Both need the signal as a picture and the kernel as a picture's, which are made once: every
    operation of a graph costs the start of a training about half a millisecond.
    """

    def __init__(self, x, kernel, padding: Padding):
        self.x, self.padding = x, padding
        self.taps, self.channels, self.filters = kernel.shape
        self.method = method(self.taps, padding)
        self.heard = x if self.method == "SAME" else padded(x, padding)
        self.picture, self.kernel = high(self.heard), tf.expand_dims(kernel, 0)

    def output(self):
        """The convolution itself: oneDNN makes one operation of it, a bias and a LeakyReLU only
        where nothing reshapes in between."""
        return tf.nn.conv2d(self.picture, self.kernel, 1, self.method)

    def gradients(self, dy):
        """Those with respect to the signal and to the kernel, from that of the output,
        [B, T', F]."""
        picture = high(dy)
        return self.input_gradient(picture), self.kernel_gradient(dy, picture)

    def input_gradient(self, dy):
        """From [B, 1, T', F]."""
        dx = tf.raw_ops.Conv2DBackpropInput(
            input_sizes=tf.shape(self.picture),
            filter=self.kernel,
            out_backprop=dy,
            strides=[1, 1, 1, 1],
            padding=self.method,
        )
        dx = tf.squeeze(dx, [1])
        if self.heard is self.x:
            return dx
        before = self.padding[0]
        return dx[:, before : before + self.x.shape[1]]

    def kernel_gradient(self, dy, picture):
        """From [B, T', F], and as a picture."""
        taps, frames = self.taps, dy.shape[1]
        in_pairs = (
            self.channels >= 16
            and self.filters <= FEW_FILTERS
            and frames >= LONG_SIGNAL
            and frames % 2 == 0
        )
        if in_pairs and taps < LONG_KERNEL:
            return kernel_gradient_in_pairs(self.x, taps, dy, self.padding)
        heard, known = self.picture, self.method
        if taps >= LONG_KERNEL and frames > PIECE_FRAMES:
            cut = pieces(padded(self.x, self.padding), dy, taps)
            heard, picture, known = high(cut[0]), high(cut[1]), "VALID"
        gradient = tf.raw_ops.Conv2DBackpropFilter(
            input=heard,
            filter_sizes=self.kernel.shape,
            out_backprop=picture,
            strides=[1, 1, 1, 1],
            padding=known,
        )
        return tf.squeeze(gradient, [0])


def kernel_gradient_in_pairs(x, taps: int, dy, padding: Padding):
    """`kernel_gradient` of a signal of an even length, of its frames in pairs [B, T / 2, 2 C].

    Tap j stands where a frame of one pair meets that of another: `2 shift + heard − given =
    j − before`, for frames `heard` and `given` in their pairs.
    """
    before = padding[0]
    frames, channels, filters = dy.shape[1], x.shape[2], dy.shape[2]
    first, last = (-before) // 2, (taps - before) // 2  # shifts
    skipped = -2 * first - before  # frames of silence that complete the first pair
    wanted = frames + 2 * (last - first)
    x = padded(x, (before + skipped, wanted - before - skipped - x.shape[1]))
    pairs = tf.reshape(x, (-1, 1, wanted // 2, 2 * channels))
    span = last - first + 1
    found = tf.raw_ops.Conv2DBackpropFilter(
        input=pairs,
        filter_sizes=(1, span, 2 * channels, 2 * filters),
        out_backprop=tf.reshape(dy, (-1, 1, frames // 2, 2 * filters)),
        strides=[1, 1, 1, 1],
        padding="VALID",
    )
    found = tf.reshape(found, (span, 2, channels, 2, filters))
    meetings = [
        sum(
            found[shift - first, heard, :, given]
            for given in (0, 1)
            for shift, heard in [divmod(tap - before + given, 2)]
        )
        for tap in range(taps)
    ]
    return tf.stack(meetings)


def pieces(x, dy, taps: int):
    """A signal [B, T + taps − 1, C] and a gradient [B, T, F], cut into pieces of the gradient and
    what of the signal each heard: [B · K, piece + taps − 1, C] and [B · K, piece, F].

    The last piece is filled up with zeros, whose gradient is zero.
    """
    frames, channels = dy.shape[1], x.shape[2]
    count = -(-frames // PIECE_FRAMES)
    whole = count * PIECE_FRAMES
    x, dy = padded(x, (0, whole - frames)), padded(dy, (0, whole - frames))
    cut = tf.reshape(x[:, :whole], (-1, count, PIECE_FRAMES, channels))
    following = tf.concat([cut[:, 1:, : taps - 1], x[:, None, whole:]], axis=1)
    heard = tf.concat([cut, following], axis=2)
    return (
        tf.reshape(heard, (-1, PIECE_FRAMES + taps - 1, channels)),
        tf.reshape(dy, (-1, PIECE_FRAMES, dy.shape[2])),
    )
