"""The gradients of the fast functions equal those of TensorFlow."""

import numpy as np
import pytest
import tensorflow as tf

from Models.WaveUnet.Fast import Convolution as fast


def make_arrays(*shapes):
    random = np.random.default_rng(0)
    return [tf.constant(random.normal(size=shape)) for shape in shapes]


@pytest.mark.parametrize(
    ("taps", "padding", "samples", "channels"),
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
        (9, (4, 4), 2 * fast.PIECE_LENGTH, 3),  # in pieces
        (15, (7, 7), 2 * fast.PIECE_LENGTH + 1, 3),
        (15, (0, 0), 3 * fast.PIECE_LENGTH, 3),
        (9, (7, 6), fast.LONG_SIGNAL, 16),
    ],
)
def test_gradients_of_a_convolution(taps, padding, samples, channels):
    filters = 3
    input_samples = samples + taps - 1 - sum(padding)
    x, kernel, dy = make_arrays(
        (2, input_samples, channels), (taps, channels, filters), (2, samples, filters)
    )

    def gradients(convolve):
        with tf.GradientTape() as tape:
            tape.watch([x, kernel])
            y = convolve()
        return y, *tape.gradient(y, [x, kernel], dy)

    ours = gradients(lambda: fast.convolution(x, kernel, padding))
    theirs = gradients(lambda: tf.nn.conv1d(fast.pad_signal(x, padding), kernel, 1, "VALID"))
    for array, reference in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(array, reference, rtol=1e-12, atol=1e-11)


def test_add_rows_and_its_gradients():
    x, rows, dy = make_arrays((3, 6, 2), (3, 2, 2), (3, 6, 2))
    expected = x.numpy()
    expected[:, [1, 4]] += rows.numpy()
    with tf.GradientTape() as tape:
        tape.watch([x, rows])
        sums = fast.add_rows(x, [1, 4], rows)
    of_x, of_rows = tape.gradient(sums, [x, rows], dy)
    np.testing.assert_array_equal(sums, expected)
    np.testing.assert_array_equal(of_x, dy)
    np.testing.assert_array_equal(of_rows, dy.numpy()[:, [1, 4]])
