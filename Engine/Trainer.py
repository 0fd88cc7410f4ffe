"""A separator with its optimizer and loss, ready for training; and its exact validation loss."""

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from Engine.Adam import Adam
from Engine.Losses import magnitude_loss, training_loss
from Models.Build import build
from Models.Computation import computation
from Models.UnetSpectrogramSeparator import masked_magnitudes
from Spec.Errors import ConfigError
from Spec.Model import ModelSpec
from Spec.Shapes import input_frames, output_frames
from Spec.Training import TrainingSpec

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8  # Kingma and Ba's; Keras' own ε is 1e-7


class Trainer(keras.Model):
    """What is trained: takes `[B, T, C]` of mix, is held against `[B, T, S, C]` of sources."""

    def __init__(self, separator: keras.Model, model: ModelSpec, spec: TrainingSpec):
        super().__init__(name="trainer")
        self.separator = separator
        self.spec = spec
        heard = masked_magnitudes(separator) if spec.loss == "magnitude" else separator
        self.heard = computation(heard, model, spec.precision)

    def call(self, mix, training=False):
        return self.heard(mix, training=training)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        if self.spec.loss == "magnitude":
            return magnitude_loss(y, y_pred)
        return training_loss(self.heard, y, y_pred, self.spec)


def compiled_trainer(model: ModelSpec, training: TrainingSpec) -> Trainer:
    """A model at its random start, frozen and compiled for the first stage.

    XLA is left to the GPU: on a CPU it starts slower and steps no faster.
    """
    on_gpu = bool(tf.config.list_physical_devices("GPU"))
    optimizer = Adam(
        training.stages[0].learning_rate, beta_1=BETA_1, beta_2=BETA_2, epsilon=EPSILON
    )
    if training.precision == "mixed_float16":
        if not on_gpu:
            raise ConfigError(
                "cfg.precision is 'mixed_float16', which only GPUs compute in: on a CPU choose "
                "'mixed_bfloat16' or 'float32'"
            )
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    trainer = Trainer(build(model), model, training)
    trainer.compile(optimizer=optimizer, jit_compile=on_gpu)
    return trainer


def validation_loss(separator: keras.Model, spec: ModelSpec) -> Callable[[tf.data.Dataset], float]:
    """A function from validation batches to the mean squared error over all their real frames.

    The same whatever the batch size: errors are summed over frames, not averaged over batches.
    """

    separate = computation(separator, spec)

    @tf.function(
        input_signature=(
            tf.TensorSpec((None, input_frames(spec), spec.num_channels)),
            tf.TensorSpec((None, output_frames(spec), len(spec.sources), spec.num_channels)),
            tf.TensorSpec((None, output_frames(spec))),
        ),
        autograph=False,
    )
    def summed_error(mix, sources, real):
        errors = tf.square(separate(mix, training=False) - sources)  # [B, T, S, C]
        return tf.reduce_sum(tf.reduce_mean(errors, axis=(2, 3)) * real), tf.reduce_sum(real)

    def loss(batches: tf.data.Dataset) -> float:
        sums = np.array([summed_error(*batch) for batch in batches], np.float64)
        return float(sums[:, 0].sum() / sums[:, 1].sum())

    return loss
