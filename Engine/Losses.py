"""What training minimises, on `[B, T, S, C]` of estimates and sources (J-Net, Section 3.2)."""

from keras import ops


def separation_loss(sources, estimates):
    """Mean over sources of the mean squared error, a scalar."""
    return ops.mean(ops.square(estimates - sources))
