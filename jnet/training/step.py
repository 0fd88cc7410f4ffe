"""The training step: loss, gradients and Adam's update, compiled once for all stages."""

from collections.abc import Callable, Iterator
from typing import Any

import keras
import tensorflow as tf

from jnet.errors import ConfigError
from jnet.settings.training import TrainingSettings
from jnet.training.losses import training_loss
from Models.Build import build
from Models.Computation import model_function
from Models.Networks import import_network
from Models.Settings import ModelSettings

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8  # of Kingma and Ba; Keras' ε is 1e-7
NOT_FAILED = -1  # value of `failed` before a step fails

Loss = Callable[[Any, Any], Any]  # (mix [B, T, C], sources [B, T, S, C]) → scalar


class Adam(keras.optimizers.Adam):
    """Keras' Adam with a single TensorFlow operation per weight.

    Keras' implementation builds about fifteen operations per weight, which are a fifth of the
    training graph. The optimizer's state has the same variables under the same names, and the
    updates agree with those of Keras within float rounding.
    """

    def _backend_update_step(self, grads, trainable_variables, learning_rate):
        # Keras' backends override this method. No distribution strategy is used here.
        dtype = trainable_variables[0].dtype
        decays = tf.constant([self.beta_1, self.beta_2], tf.float64)
        powers = tf.pow(decays, tf.cast(self.iterations + 1, tf.float64))  # float32 loses digits
        shared = dict(
            zip(("beta1_power", "beta2_power"), tf.unstack(tf.cast(powers, dtype)), strict=True),
            lr=tf.cast(learning_rate, dtype),
            beta1=tf.constant(self.beta_1, dtype),
            beta2=tf.constant(self.beta_2, dtype),
            epsilon=tf.constant(self.epsilon, dtype),
        )
        for gradient, weight in zip(grads, trainable_variables, strict=True):
            index = self._get_variable_index(weight)
            tf.raw_ops.ResourceApplyAdam(
                var=weight.value.handle,
                m=self._momentums[index].value.handle,
                v=self._velocities[index].value.handle,
                grad=tf.cast(gradient, dtype),
                **shared,
            )


class TrainingStep:
    """A training step on the next batch: the loss, its gradients and the optimizer's update.

    The sum of losses and the number of the first failed step stay on the device, because reading
    them makes the host wait. A step fails if its loss or gradient is not finite. A failed step and
    all steps after it change neither weights nor the optimizer's state. With loss scaling
    (float16), an infinite gradient is no failure: the optimizer skips the step and lowers the
    scale.

    Parameters
    ----------
    model : keras.Model
    optimizer : keras.optimizers.Optimizer
    loss : callable
        Function from the mix `[B, T, C]` and the sources `[B, T, S, C]` to a scalar.
    use_xla : bool
        Whether XLA compiles the step.
    """

    def __init__(
        self,
        model: keras.Model,
        optimizer: keras.optimizers.Optimizer,
        loss: Loss,
        use_xla: bool = False,
    ):
        self.model, self.optimizer, self.loss = model, optimizer, loss
        self.optimizer.build(model.trainable_variables)
        self.loss_sum = tf.Variable(0.0, dtype=tf.float64, trainable=False)
        self.failed = tf.Variable(NOT_FAILED, dtype=tf.int64, trainable=False)
        # Autograph would only take time: no Python branch depends on a tensor.
        self._train = tf.function(self._update, jit_compile=use_xla, autograph=False)
        self._train_on_next = tf.function(
            lambda batches, number: self._train(*batches.get_next(), number), autograph=False
        )

    def __call__(self, batches: Iterator, number: tf.Tensor) -> None:
        """Train on the next batch of `batches`; `number` is the step's number, from 0."""
        self._train_on_next(batches, number)

    def train_on_batch(self, mix, sources, number: int) -> None:
        """Train on a batch given as arrays.

        Parameters
        ----------
        mix : array
            Mixes, `[B, T, C]`.
        sources : array
            Sources, `[B, T, S, C]`.
        number : int
            The step's number, from 0.
        """
        batch = tf.constant(mix, tf.float32), tf.constant(sources, tf.float32)
        self._train(*batch, tf.constant(number, tf.int64))

    def _update(self, mix, sources, number):
        variables = self.model.trainable_variables
        with tf.GradientTape() as tape:
            loss = self.loss(mix, sources)
            scaled = self.optimizer.scale_loss(loss)  # unchanged, except in float16
        gradients = tape.gradient(scaled, [variable.value for variable in variables])
        finite = tf.math.is_finite(loss) & (self.failed == NOT_FAILED)
        if not isinstance(self.optimizer, keras.optimizers.LossScaleOptimizer):
            # LossScaleOptimizer itself skips steps with infinite gradients and lowers its scale.
            finite &= tf.math.is_finite(tf.linalg.global_norm(gradients))

        def apply():
            self.optimizer.apply(gradients, variables)
            self.loss_sum.assign_add(tf.cast(loss, tf.float64))

        def record_failure():
            self.failed.assign(tf.where(self.failed == NOT_FAILED, number, self.failed))

        tf.cond(finite, apply, record_failure)

    def find_failed_step(self) -> int | None:
        """Return the number of the first failed step, or None; waits until all steps are done."""
        number = int(self.failed)
        return None if number == NOT_FAILED else number

    def collect_variables(self) -> dict[str, dict[str, keras.Variable]]:
        """Return all variables that a step reads or changes, by file and name.

        `weights` are the model's weights; `training` are the optimizer's variables and the states
        of random layers.
        """
        weights = {variable.path: variable for variable in self.model.weights}
        saved = set(map(id, weights.values()))
        random = [variable for variable in self.model.variables if id(variable) not in saved]
        # Keras' names contain a number that counts the optimizers and random states made in this
        # process. The names below do not depend on that number.
        named = {
            f"optimizer/{variable.path.partition('/')[2]}": variable
            for variable in self.optimizer.variables
        }
        assert len(named) == len(self.optimizer.variables), "two variables have the same name"
        states = {f"random/{index}": state for index, state in enumerate(random)}
        return {"weights": weights, "training": {**named, **states}}


def build_training_step(
    settings: ModelSettings, training: TrainingSettings, computation: str = "fast"
) -> TrainingStep:
    """Build a model with random weights and its training step.

    XLA is used on a GPU only: on a CPU it makes the start slower and steps no faster. Models with
    layers that XLA cannot compile, such as an LSTM computed by cuDNN, do without it.

    Parameters
    ----------
    settings : ModelSettings
    training : TrainingSettings
        The optimizer starts with the learning rate of the first stage.
    computation : str
        A choice of `cfg.computation`.

    Returns
    -------
    TrainingStep

    Raises
    ------
    ConfigError
        If `cfg.precision` is `mixed_float16` and there is no GPU.
    """
    on_gpu = bool(tf.config.list_physical_devices("GPU"))
    optimizer = Adam(
        training.stages[0].learning_rate, beta_1=BETA_1, beta_2=BETA_2, epsilon=EPSILON
    )
    if training.precision == "mixed_float16":
        if not on_gpu:
            raise ConfigError(
                "cfg.precision is 'mixed_float16', which needs a GPU: on a CPU choose "
                "'mixed_bfloat16' or 'float32'"
            )
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    model = build(settings)
    loss = build_loss(model, settings, training, computation)
    use_xla = on_gpu and all(layer.supports_jit for layer in model.layers)
    return TrainingStep(model, optimizer, loss, use_xla)


def build_loss(
    model: keras.Model, settings: ModelSettings, training: TrainingSettings, computation: str
) -> Loss:
    """Build the loss function that `cfg.loss` names.

    Parameters
    ----------
    model : keras.Model
    settings : ModelSettings
        The settings of `model`.
    training : TrainingSettings
        `loss`, `precision`, `train_passes` and `identity_weight` are used.
    computation : str
        A choice of `cfg.computation`.

    Returns
    -------
    callable
        Function from the mix `[B, T, C]` and the sources `[B, T, S, C]` to a scalar.
    """
    graph, error = import_network(settings).build_loss_graph(model, training.loss)
    separate = model_function(graph, settings, training.precision, computation)
    if error is not None:
        return lambda mix, sources: error(sources, separate(mix, training=True))

    def loss(mix, sources):
        # TensorFlow adds the gradients of several passes in an order that depends on the names of
        # operations. This name keeps the order of version 0.1.0, and so its exact results.
        with tf.name_scope("trainer"):
            estimates = separate(mix, training=True)
        return training_loss(separate, sources, estimates, training)

    return loss
