"""A TensorFlow 1 graph of the original Wave-U-Net, with its names of variables, and its Adam.

It is written from the papers and the names in the released checkpoints, with TensorFlow's own
resizing and convolutions, and shares no code with `Models`.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

v1 = tf.compat.v1
LEVELS, FILTERS, DOWN, UP = 3, 4, 5, 3  # levels, channels of level 1, taps of encoder and decoder
RATE = 1e-3


@dataclass
class Original:
    """A graph with its session: the mix [B, T, C], the sources [B, T, S, C], and what is computed.

    `estimates` are those of training, in which the last source is not clipped.
    """

    session: Any
    mix: Any
    sources: Any
    estimates: Any
    train: Any
    saver: Any
    increment: Any

    def separate(self, mix):
        return self.session.run(self.estimates, {self.mix: mix})

    def step(self, mix, sources):
        self.session.run([self.train, self.increment], {self.mix: mix, self.sources: sources})

    def save(self, prefix, step=0):
        with self.session.graph.as_default():
            return self.saver.save(self.session, str(prefix), step, write_meta_graph=False)

    def weights(self):
        """Return the variables of the separator by name."""
        variables = self.session.graph.get_collection("variables")
        chosen = [variable for variable in variables if variable.name.startswith("separator/")]
        return dict(zip([v.op.name for v in chosen], self.session.run(chosen), strict=True))


def build_original(
    samples, outputs, channels, sources, learned, difference, context, seed=0
) -> Original:
    """Build the graph for segments of `samples` samples with random weights."""
    graph = tf.Graph()
    with graph.as_default():
        v1.set_random_seed(seed)
        mix = v1.placeholder(tf.float32, [2, samples, channels])
        wanted = v1.placeholder(tf.float32, [2, outputs, sources, channels])
        estimates = separate(mix, sources, learned, difference, context)
        loss = sum(
            tf.reduce_mean(tf.square(wanted[:, :, index] - estimate))
            for index, estimate in enumerate(estimates)
        ) / float(sources)
        zero = v1.constant_initializer(0)
        global_step = v1.get_variable("global_step", [], tf.int64, zero, trainable=False)
        with v1.variable_scope("separator_solver"):
            weights = v1.trainable_variables("separator/")
            train = v1.train.AdamOptimizer(RATE).minimize(loss, var_list=weights)
        saver = v1.train.Saver(v1.global_variables(), write_version=v1.train.SaverDef.V2)
        session = v1.Session(graph=graph)
        session.run(v1.global_variables_initializer())
        increment = v1.assign_add(global_step, 1)
        stacked = tf.stack(estimates, 2)
    return Original(session, mix, wanted, stacked, train, saver, increment)


def separate(mix, sources, learned, difference, context):
    """Return one estimate [B, T, C] per source."""
    count = 0

    def convolve(x, filters, taps, activation):
        nonlocal count
        name = f"conv1d_{count}" if count else "conv1d"
        count += 1
        with v1.variable_scope(name):
            shape = [taps, x.shape[2], filters]
            kernel = v1.get_variable("kernel", shape, initializer=v1.glorot_uniform_initializer())
            # The original's biases start at zero; random ones show mistakes.
            bias = v1.get_variable(
                "bias", [filters], initializer=v1.random_uniform_initializer(-0.3, 0.3)
            )
        padding = "VALID" if context or taps == 1 else "SAME"
        return activation(tf.nn.conv1d(x, kernel, 1, padding) + bias)

    def leaky(x):
        return tf.maximum(0.2 * x, x)

    def crop_and_concat(x, features):
        surplus = x.shape[1] - features.shape[1]
        return tf.concat([x[:, surplus // 2 : x.shape[1] - (surplus - surplus // 2)], features], 2)

    with v1.variable_scope("separator"):
        x, skips = mix, []
        for level in range(1, LEVELS + 1):
            skips.append(convolve(x, FILTERS * level, DOWN, leaky))
            x = skips[-1][:, ::2]
        x = convolve(x, FILTERS * (LEVELS + 1), DOWN, leaky)
        for index in range(LEVELS):
            x = upsample(x, learned, context, index)
            x = crop_and_concat(skips[LEVELS - 1 - index], x)
            x = convolve(x, FILTERS * (LEVELS - index), UP, leaky)
        cropped = crop_and_concat(mix, x[:, :, :0])
        x = crop_and_concat(mix, x)
        channels = mix.shape[2]
        heads = [convolve(x, channels, 1, tf.tanh) for _ in range(sources - difference)]
        return [*heads, cropped - sum(heads)] if difference else heads


def upsample(x, learned, context, index):
    """Insert a midpoint after every sample, in context mode only between samples."""
    samples, channels = x.shape[1:]
    if not learned:
        size = [1, 2 * samples - 1 if context else 2 * samples]
        return v1.image.resize_bilinear(x[:, None], size, align_corners=context)[:, 0]
    weight = v1.get_variable(f"interp_{index}", [channels])
    share = tf.sigmoid(weight)
    taps = tf.stack([tf.linalg.diag(share), tf.linalg.diag(1.0 - share)])
    midpoints = tf.nn.conv1d(x, taps, 1, "VALID" if context else "SAME")
    known = x[:, :-1] if context else x
    pairs = tf.reshape(tf.stack([known, midpoints], 2), [2, -1, channels])
    return tf.concat([pairs, x[:, -1:]], 1) if context else pairs


def draw(seed, *shape):
    """Return noise in [−0.5, 0.5)."""
    return np.random.default_rng(seed).uniform(-0.5, 0.5, shape).astype(np.float32)
