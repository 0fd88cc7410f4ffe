"""Several passes of separation (J-Net, Section 2.3), in training and evaluation.

In every pass after the first, the network separates the estimate of each source on its own, and
only the new estimate of the same source is kept. `separate_sources` computes a pass over a batch,
`jnet.separation.streaming` computes passes over a track in blocks. Both use `keep_own_estimates`.
"""


def keep_own_estimates(estimates, stack):
    """Return, for each separated source, the estimate of the same source: [..., S, C].

    `estimates[s]` [..., S, C] are those that the network returns for source s as its input.
    `stack` joins arrays as `numpy.stack` does.
    """
    kept = [of_all[..., source, :] for source, of_all in enumerate(estimates)]
    return stack(kept, axis=-2)


def separate_sources(separator, sources, training: bool):
    """Separate each source on its own and keep the estimate of the same source.

    All sources go through the network as one batch of B · S mixes.

    Parameters
    ----------
    separator : SeparateFunction
        A function that maps a mix [B, T, C] to estimates [B, T, S, C].
    sources : tensor [B, T, S, C]
        Estimates, for the next pass of progressive learning, or clean sources, for the identity
        loss.
    training : bool
        Whether the network runs in training mode.

    Returns
    -------
    tensor [B, T, S, C]
        The new estimates.
    """
    from keras import ops  # imported here: separation imports this module before any framework

    samples, count, channels = sources.shape[1:]
    mixes = ops.transpose(sources, (0, 2, 1, 3))  # [B, S, T, C]
    mixes = ops.reshape(mixes, (-1, samples, channels))  # [B · S, T, C]
    estimates = separator(mixes, training=training)  # [B · S, T, S, C]
    estimates = ops.reshape(estimates, (-1, count, samples, count, channels))  # [B, S, T, S, C]
    return keep_own_estimates(ops.unstack(estimates, count, axis=1), ops.stack)
