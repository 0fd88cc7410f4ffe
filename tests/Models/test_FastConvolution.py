"""Gradients by ways of their own, against TensorFlow's."""

import numpy as np
import pytest
import tensorflow as tf

from Models import FastConvolution as fast


def arrays(*shapes):
    random = np.random.default_rng(0)
    return [tf.constant(random.normal(size=shape)) for shape in shapes]


@pytest.mark.parametrize(
    ("taps", "padding", "frames", "channels"),
    [
        (5, (2, 2), fast.LONG_SIGNAL, 16),  # in pairs
        (4, (1, 2), fast.LONG_SIGNAL, 16),
        (2, (0, 1), fast.LONG_SIGNAL, 16),
        (5, (0, 0), fast.LONG_SIGNAL, 16),
        (3, (2, 1), fast.LONG_SIGNAL, 17),
        (1, (0, 0), fast.LONG_SIGNAL, 16),
        (5, (2, 2), fast.LONG_SIGNAL + 1, 16),
        (5, (2, 2), fast.LONG_SIGNAL, 2),
        (5, (2, 2), 64, 16),
        (9, (4, 4), 2 * fast.PIECE_FRAMES, 3),  # in pieces
        (15, (7, 7), 2 * fast.PIECE_FRAMES + 1, 3),
        (15, (0, 0), 3 * fast.PIECE_FRAMES, 3),
        (9, (7, 6), fast.LONG_SIGNAL, 16),
    ],
)
def test_gradients_of_a_convolution(taps, padding, frames, channels):
    filters = 3
    heard = frames + taps - 1 - sum(padding)
    x, kernel, dy = arrays((2, heard, channels), (taps, channels, filters), (2, frames, filters))

    def gradients(convolve):
        with tf.GradientTape() as tape:
            tape.watch([x, kernel])
            y = convolve()
        return y, *tape.gradient(y, [x, kernel], dy)

    own = gradients(lambda: fast.convolution(x, kernel, padding))
    theirs = gradients(lambda: tf.nn.conv1d(fast.padded(x, padding), kernel, 1, "VALID"))
    for one, other in zip(own, theirs, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-11)


def test_added_rows_and_their_gradients():
    x, rows, dy = arrays((3, 6, 2), (3, 2, 2), (3, 6, 2))
    wanted = x.numpy()
    wanted[:, [1, 4]] += rows.numpy()
    with tf.GradientTape() as tape:
        tape.watch([x, rows])
        sums = fast.add_rows(x + 0.0, [1, 4], rows)
    of_x, of_rows = tape.gradient(sums, [x, rows], dy)
    np.testing.assert_array_equal(sums, wanted)
    np.testing.assert_array_equal(of_x, dy)
    np.testing.assert_array_equal(of_rows, dy.numpy()[:, [1, 4]])
