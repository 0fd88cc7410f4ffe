"""The convolutions of the Wave-U-Net as a CPU computes them fastest: exact, with their gradients.

TensorFlow's own gradients keep more than is needed and take slower ways; each operation here
brings its own. Signals are [B, T, C] and kernels [taps, C, F], as in Keras; a `padding` is the
frames of zeros before and after. The one module of the separators that knows TensorFlow: no
other backend needs it, and `keras.ops` has no gradients of one's own.
"""

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
        y = tf.squeeze(leaky_relu(tf.nn.bias_add(correlated(x, kernel, padding), bias)), [1])

        def gradient(dy):
            dy = leaky_gradient(dy, y)
            return (
                input_gradient(x, kernel, dy, padding),
                kernel_gradient(x, kernel, dy, padding),
                sum_over_frames(dy),
            )

        return y, gradient

    return operation(x, kernel, bias)


def leaky_convolution_over(added, x, kernel, bias, padding: Padding):
    """LeakyReLU of a convolution plus what is `added` to it, [B, T', F], one operation."""

    @tf.custom_gradient
    def operation(added, x, kernel, bias):
        y = tf.nn.bias_add(correlated(x, kernel, padding), bias) + high(added)
        y = tf.squeeze(leaky_relu(y), [1])

        def gradient(dy):
            dy = leaky_gradient(dy, y)
            return (
                dy,
                input_gradient(x, kernel, dy, padding),
                kernel_gradient(x, kernel, dy, padding),
                sum_over_frames(dy),
            )

        return y, gradient

    return operation(added, x, kernel, bias)


def convolution(x, kernel, padding: Padding):
    """The bare convolution, [B, T, C] → [B, T', F]."""

    @tf.custom_gradient
    def operation(x, kernel):
        def gradient(dy):
            return input_gradient(x, kernel, dy, padding), kernel_gradient(x, kernel, dy, padding)

        return tf.squeeze(correlated(x, kernel, padding), [1]), gradient

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


def halves(x):
    """The even and the odd frames, [B, T, C] → twice [B, T / 2, C]; T is even."""

    @tf.custom_gradient
    def operation(x):
        frames, channels = x.shape[1:]
        pairs = tf.reshape(x, (-1, frames // 2, 2 * channels))
        return tf.split(pairs, 2, axis=2), interleaved_values

    return operation(x)


def interleaved(even, odd):
    """Frames in turn from the two, twice [B, T / 2, C] → [B, T, C]: undoes `halves`."""

    @tf.custom_gradient
    def operation(even, odd):
        return interleaved_values(even, odd), halves

    return operation(even, odd)


def interleaved_values(even, odd):
    """What `interleaved` gives, without its gradient."""
    frames, channels = even.shape[1:]
    return tf.reshape(tf.stack([even, odd], axis=2), (-1, 2 * frames, channels))


def with_ends(x):
    """[B, T, C] as it is, its first frame and its last frame, [B, C] each.

    The gradients of the two go into that of the whole, in place.
    """
    ends = [0, x.shape[1] - 1]

    @tf.custom_gradient
    def operation(x):
        def gradient(dx, first, last):
            return add_rows(dx, ends, tf.stack([first, last], axis=1))

        return (tf.identity(x), *tf.unstack(tf.gather(x, ends, axis=1), axis=1)), gradient

    return operation(x)


def add_rows(x, frames: list[int], rows):
    """[B, T, F] with [B, K, F] added at `frames` of T, in place: `x` may be used nowhere else."""

    @tf.custom_gradient
    def operation(x, rows):
        length, filters = x.shape[1:]
        # TensorFlow's scattering in a tensor copies it first.
        firsts = tf.range(0, tf.size(x) // filters, length)
        places = tf.expand_dims(firsts, 1) + frames
        sums = tf.raw_ops.InplaceAdd(
            x=tf.reshape(x, (-1, filters)),
            i=tf.reshape(places, (-1,)),
            v=tf.reshape(rows, (-1, filters)),
        )

        def gradient(dy):
            return dy, tf.gather(dy, frames, axis=1)

        return tf.reshape(sums, (-1, length, filters)), gradient

    return operation(x, rows)


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


def correlated(x, kernel, padding: Padding):
    """The convolution itself, [B, 1, T', F]: oneDNN makes one operation of it, a bias and a
    LeakyReLU only where nothing reshapes in between."""
    known = method(kernel.shape[0], padding)
    x = x if known == "SAME" else padded(x, padding)
    return tf.nn.conv2d(high(x), tf.expand_dims(kernel, 0), 1, known)


def input_gradient(x, kernel, dy, padding: Padding):
    """The gradient of a convolution with respect to its input."""
    known = method(kernel.shape[0], padding)
    frames = x.shape[1]
    before, after = (0, 0) if known == "SAME" else padding
    sizes = tf.shape(high(x))
    if before + after:
        sizes += (0, 0, before + after, 0)
    dx = tf.raw_ops.Conv2DBackpropInput(
        input_sizes=sizes,
        filter=tf.expand_dims(kernel, 0),
        out_backprop=high(dy),
        strides=[1, 1, 1, 1],
        padding=known,
    )
    dx = tf.squeeze(dx, [1])
    return dx[:, before : before + frames] if before + after else dx


def kernel_gradient(x, kernel, dy, padding: Padding):
    """The gradient of a convolution with respect to its kernel."""
    taps, channels, filters = kernel.shape
    known = method(taps, padding)
    in_pairs = channels >= 16 and filters <= FEW_FILTERS and dy.shape[1] >= LONG_SIGNAL
    if in_pairs and taps < LONG_KERNEL and dy.shape[1] % 2 == 0:
        return kernel_gradient_in_pairs(x, taps, dy, padding)
    if taps >= LONG_KERNEL and dy.shape[1] > PIECE_FRAMES:
        x, dy = pieces(padded(x, padding), dy, taps)
        known = "VALID"
    elif known == "VALID":
        x = padded(x, padding)
    gradient = tf.raw_ops.Conv2DBackpropFilter(
        input=high(x),
        filter_sizes=(1, *kernel.shape),
        out_backprop=high(dy),
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
