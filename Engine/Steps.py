"""Training steps as one graph, compiled once for all stages, that nothing waits for."""

import keras
import tensorflow as tf

from Engine.Trainer import Trainer

NONE = -1  # no step has failed


class Steps:
    """Takes steps of a trainer's optimizer; sums their losses and notices when one is no number.

    Both stay on the device: reading them is what makes the host wait. A step whose loss or
    gradient is not finite changes nothing, and neither does any step after it.
    """

    def __init__(self, trainer: Trainer):
        self.trainer = trainer
        self.trainer.optimizer.build(trainer.trainable_variables)
        self.loss_sum = tf.Variable(0.0, dtype=tf.float64, trainable=False)
        self.failed = tf.Variable(NONE, dtype=tf.int64, trainable=False)
        # Autograph would only cost time: no Python choice here hangs on a tensor.
        self._graph = tf.function(self._step, jit_compile=trainer.jit_compile, autograph=False)
        self.take = tf.function(self._take_next, autograph=False)

    def _take_next(self, batches, number):
        """The next of `batches` as step `number` of the training."""
        mix, sources = batches.get_next()
        self._graph(mix, sources, number)

    def take_batch(self, mix, sources, number: int) -> None:
        """A step on a batch of one's own, `[B, T, C]` and `[B, T, S, C]`."""
        floats = tf.constant(mix, tf.float32), tf.constant(sources, tf.float32)
        self._graph(*floats, tf.constant(number, tf.int64))

    def _step(self, mix, sources, number):
        trainer = self.trainer
        variables = trainer.trainable_variables
        with tf.GradientTape() as tape:
            estimates = trainer(mix, training=True)
            loss = trainer.compute_loss(x=mix, y=sources, y_pred=estimates)
            scaled = trainer.optimizer.scale_loss(loss)  # as it is, except in float16
        gradients = tape.gradient(scaled, [variable.value for variable in variables])
        whole = tf.math.is_finite(loss) & (self.failed == NONE)
        if not isinstance(trainer.optimizer, keras.optimizers.LossScaleOptimizer):
            # That one leaves such a step out itself and goes on with a smaller scale.
            whole &= tf.math.is_finite(tf.linalg.global_norm(gradients))

        def apply():
            trainer.optimizer.apply(gradients, variables)
            self.loss_sum.assign_add(tf.cast(loss, tf.float64))

        def note():
            self.failed.assign(tf.where(self.failed == NONE, number, self.failed))

        tf.cond(whole, apply, note)

    def begin_epoch(self, loss_sum: float = 0.0) -> None:
        """Begin summing losses anew, or from the `loss_sum` of the steps before an interruption."""
        self.loss_sum.assign(loss_sum)

    def failed_step(self) -> int | None:
        """The number of the first step that failed; waits for the steps given so far."""
        number = int(self.failed)
        return None if number == NONE else number

    def state(self) -> dict[str, keras.Variable]:
        """Everything besides the weights that a step reads and changes, by name: the optimizer's
        moments and counts, and the states of random layers."""
        trainer = self.trainer
        weights = {id(variable) for variable in trainer.separator.weights}
        drawn = [
            variable for variable in trainer.separator.variables if id(variable) not in weights
        ]
        # Keras numbers optimizers and random states by how many this process has had.
        named = {
            f"optimizer/{variable.path.partition('/')[2]}": variable
            for variable in trainer.optimizer.variables
        }
        assert len(named) == len(trainer.optimizer.variables), "two variables of one name"
        return {**named, **{f"random/{index}": one for index, one in enumerate(drawn)}}
