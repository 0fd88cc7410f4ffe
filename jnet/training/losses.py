"""The losses of training and validation, computed from estimates and sources `[B, T, S, C]`."""

from collections.abc import Callable, Iterable

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from jnet.settings.training import TrainingSettings
from Models.Computation import model_function
from Models.Passes import separate_sources
from Models.Settings import ModelSettings

ERRORS = {
    "waveform": ops.square,  # J-Net, Section 3.2
    "waveform_l1": ops.abs,  # Demucs, Section 3.3
}


def separation_loss(sources, estimates, loss: str = "waveform"):
    """Return the mean over sources of the mean squared or absolute error, a scalar.

    Parameters
    ----------
    sources, estimates : tensor
        Waveforms, `[B, T, S, C]`.
    loss : str
        A key of `ERRORS`.

    Returns
    -------
    tensor
        The loss, a scalar.
    """
    return ops.mean(ERRORS[loss](estimates - sources))


def training_loss(separator, sources, estimates, settings: TrainingSettings):
    """Return the training loss of a batch, a scalar.

    The loss is the sum of the separation losses of all passes, each against the same sources
    (J-Net, Section 2.3), and of `identity_weight` times the identity loss: the separation loss of
    each clean source, separated alone, against itself (Section 2.4).

    Parameters
    ----------
    separator : callable
        Function from mixes `[B, T, C]` to estimates `[B, T, S, C]`.
    sources : tensor
        Sources, `[B, T, S, C]`.
    estimates : tensor
        Estimates of the first pass, `[B, T, S, C]`.
    settings : TrainingSettings
        `loss`, `train_passes` and `identity_weight` are used.

    Returns
    -------
    tensor
        The loss, a scalar.
    """
    loss = separation_loss(sources, estimates, settings.loss)
    for _ in range(settings.train_passes - 1):
        estimates = separate_sources(separator, estimates, training=True)
        loss = loss + separation_loss(sources, estimates, settings.loss)
    if settings.identity_weight > 0:
        identity = separate_sources(separator, sources, training=True)
        loss = loss + settings.identity_weight * separation_loss(sources, identity, settings.loss)
    return loss


def build_validation_loss(
    model: keras.Model,
    settings: ModelSettings,
    computation: str = "fast",
    loss: str = "waveform",
) -> Callable[[Iterable], float]:
    """Build a function that computes the mean error over all samples of validation batches.

    It is the absolute error for the loss 'waveform_l1' and the squared error for all others.

    Errors are summed over samples instead of averaged over batches, so that the result does not
    depend on the batch size. Padding after the end of a track is not counted.

    Parameters
    ----------
    model : keras.Model
    settings : ModelSettings
        The settings of `model`.
    computation : str
        A choice of `cfg.computation`.
    loss : str
        A choice of `cfg.loss`.

    Returns
    -------
    callable
        Function from batches to the loss. A batch is the mix `[B, T, C]`, the sources `[B, T, S,
        C]` and a mask `[B, T]`: 1 for a sample of the track, 0 for padding.
    """
    separate = model_function(model, settings, computation=computation)
    error = ERRORS.get(loss, ops.square)
    samples, channels = settings.output_samples, settings.num_channels
    signature = (
        tf.TensorSpec((None, settings.input_samples, channels)),  # mix
        tf.TensorSpec((None, samples, len(settings.sources), channels)),  # sources
        tf.TensorSpec((None, samples)),  # 1 for a sample, 0 for padding
    )

    @tf.function(input_signature=signature, autograph=False)
    def sum_errors(mix, sources, real):
        errors = error(separate(mix, training=False) - sources)  # [B, T, S, C]
        return tf.reduce_sum(tf.reduce_mean(errors, axis=(2, 3)) * real), tf.reduce_sum(real)

    def mean_error(batches: Iterable) -> float:
        sums = np.array([sum_errors(*batch) for batch in batches], np.float64)
        return float(sums[:, 0].sum() / sums[:, 1].sum())

    return mean_error
