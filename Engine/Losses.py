"""What training minimises, on `[B, T, S, C]` of estimates and sources (J-Net, Section 3.2)."""

from keras import ops

from Models.Passes import own_outputs
from Models.UnetSpectrogramSeparator import Magnitudes, Stft
from Spec.Training import TrainingSpec


def separation_loss(sources, estimates):
    """Mean over sources of the mean squared error, a scalar."""
    return ops.mean(ops.square(estimates - sources))


def magnitude_loss(sources, magnitudes):
    """Mean absolute error of STFT magnitudes `[B, K, bins, S]` against those of the sources
    `[B, T, S, 1]` (U7a)."""
    wanted = [Magnitudes()(Stft()(sources[:, :, index])) for index in range(sources.shape[2])]
    return ops.mean(ops.abs(magnitudes - ops.stack(wanted, axis=-1)))


def training_loss(separator, sources, estimates, spec: TrainingSpec):
    """The loss of one batch: the separation of the mix; of every further pass, held against the
    same sources (J-Net, Section 2.3); and `identity_weight` times that each clean source comes
    out as itself (Section 2.4)."""
    loss = separation_loss(sources, estimates)
    for _ in range(spec.train_passes - 1):
        estimates = own_outputs(separator, estimates, training=True)
        loss = loss + separation_loss(sources, estimates)
    if spec.identity_weight > 0:
        identity = own_outputs(separator, sources, training=True)
        loss = loss + spec.identity_weight * separation_loss(sources, identity)
    return loss
