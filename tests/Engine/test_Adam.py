"""Adam in one operation for each weight, against Keras' own."""

import keras
import numpy as np
import tensorflow as tf

from Engine.Adam import Adam


def test_it_compiles_with_xla_as_on_a_gpu():
    optimizer, weight = Adam(1e-2), keras.Variable(np.ones(3, np.float32))
    optimizer.build([weight])
    gradient = tf.constant([1.0, -2.0, 0.0])
    tf.function(lambda: optimizer.apply([gradient], [weight]), jit_compile=True)()
    np.testing.assert_allclose(weight, [0.99, 1.01, 1.0], rtol=1e-5)


def test_its_weights_and_state_are_those_of_keras():
    random = np.random.default_rng(0)
    starts = [random.normal(size=shape).astype(np.float32) for shape in ((4, 3), (5,))]
    ways = {}
    for way in (Adam, keras.optimizers.Adam):
        optimizer = way(1e-2, beta_1=0.9, beta_2=0.999, epsilon=1e-8)
        ways[way] = (
            optimizer,
            [keras.Variable(start, name=f"weight_{index}") for index, start in enumerate(starts)],
        )
        optimizer.build(ways[way][1])
    for step in range(30):
        gradients = [random.normal(size=start.shape).astype(np.float32) for start in starts]
        for optimizer, weights in ways.values():
            if step == 20:
                optimizer.learning_rate.assign(1e-3)
            optimizer.apply(gradients, weights)
    (own, our_weights), (theirs, their_weights) = ways.values()
    assert [one.path.split("/")[1] for one in own.variables] == [
        other.path.split("/")[1] for other in theirs.variables
    ]
    pairs = [*zip(our_weights, their_weights, strict=True)]
    pairs += zip(own.variables, theirs.variables, strict=True)
    for one, other in pairs:
        np.testing.assert_allclose(one, other, rtol=2e-5, atol=1e-6)
