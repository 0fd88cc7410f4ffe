"""More than one pass of separation: each estimate through the same network again (J-Net, 2.3)."""

from keras import ops


def own_outputs(separator, sources, training: bool):
    """What the separator gives for each source when it hears that source alone.

    `sources` [B, T, S, C] go through as one batch of B · S mixes, and of each the estimate of its
    own source is kept: [B, T, S, C]. With first estimates as `sources` this is the next pass of
    progressive learning; with clean sources it is what the identity loss looks at.
    """
    frames, count, channels = sources.shape[1:]
    alone = ops.transpose(sources, (0, 2, 1, 3))  # [B, S, T, C]
    alone = ops.reshape(alone, (-1, frames, channels))  # [B · S, T, C]
    estimates = separator(alone, training=training)  # [B · S, T, S, C]
    estimates = ops.reshape(estimates, (-1, count, frames, count, channels))  # [B, S, T, S, C]
    return ops.stack([estimates[:, index, :, index] for index in range(count)], axis=2)
