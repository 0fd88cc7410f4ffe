"""Upsampling or decimation by two, combined with a convolution to save operations.

In an upsampled signal every second sample is a midpoint, so the outputs of a convolution alternate
between two phases. Each phase is a convolution of the signal before upsampling. Together they are
one convolution with twice the filters and fewer taps: 4 instead of 5. The samples at both ends,
where *same* mode does not interpolate, are corrected afterwards.
"""

from collections.abc import Sequence

import numpy as np
from keras import ops

from Models.WaveUnet.Fast.Convolution import (
    Padding,
    add_rows,
    convolution,
    extract_ends,
    leaky_convolution,
    pad_signal,
    same_padding,
    split_tensor,
)

Shifts = Sequence[tuple[int, int]]  # pairs of a shift in time and the tap at that shift


def interpolated_convolution(x, kernel, share, context: bool):
    """Apply a convolution to the upsampled signal without computing the upsampled signal.

    Parameters
    ----------
    x : tensor [B, T, C]
        The signal before upsampling.
    kernel : tensor [taps, C, F]
        The kernel of the convolution after upsampling.
    share : tensor [C] or None
        The weight of the earlier neighbour in a midpoint. None selects linear interpolation, where
        the last sample is repeated as its own neighbour.
    context : bool
        Whether the network is in *context* mode.

    Returns
    -------
    tensor [B, 2 T, F] or [B, 2 T − taps, F]
        The output; 2 T − taps samples in *context* mode.
    """
    taps, channels, filters = kernel.shape
    first = 0 if context else -((taps - 1) // 2)  # first upsampled sample that output 0 depends on
    mixing = build_phase_matrices(taps, first)  # [span, 2, 3, taps]
    span = len(mixing)
    if share is None:
        parts, mixing = kernel, mixing[:, :, 0] + 0.5 * (mixing[:, :, 1] + mixing[:, :, 2])
    else:
        earlier = share[:, None] * kernel
        parts = ops.concatenate([kernel, earlier, kernel - earlier], axis=0)
    flat = ops.reshape(parts, (-1, channels * filters))
    mixed = ops.matmul(ops.cast(mixing.reshape(2 * span, -1), kernel.dtype), flat)
    phases = ops.transpose(ops.reshape(mixed, (span, 2, channels, filters)), (0, 2, 1, 3))
    phases = ops.reshape(phases, (span, channels, 2 * filters))
    if context:
        return convolve_in_context(x, phases, filters)
    x, *ends = extract_ends(x)
    pairs = convolution(x, phases, same_padding(span))  # [B, T, 2 F]
    samples = 2 * x.shape[1]
    return correct_edges(ops.reshape(pairs, (-1, samples, filters)), ends, kernel, share)


def convolve_in_context(x, phases, filters: int):
    """Apply the convolutions of both phases in *context* mode.

    The second output of the last pair is removed, because it depends on a sample after the end.

    Parameters
    ----------
    x : tensor [B, T, C]
        The signal before upsampling.
    phases : tensor [span, C, 2 F]
        The kernels of both phases.
    filters : int
        F.

    Returns
    -------
    tensor [B, 2 T − taps, F]
        The output.
    """
    pairs = convolution(pad_signal(x, (0, 1)), phases, (0, 0))  # [B, T − (taps − 1) / 2, 2 F]
    return ops.reshape(pairs, (-1, 2 * pairs.shape[1], filters))[:, :-1]


def build_phase_matrices(taps: int, first: int) -> np.ndarray:
    """Return the matrices that combine the taps into the kernels of the two phases.

    Tap j of phase p is applied to sample `first + p + j` of the upsampled signal. Sample 2 m + 1 of
    the upsampled signal is the midpoint of the samples m and m + 1. The result has the shape
    [span, 2, 3, taps] and consists of zeros and ones. Its third axis has the taps that are applied
    to samples, to the earlier neighbour of a midpoint, and to its later neighbour.
    """
    last = first + taps
    lowest, highest = first // 2, (last + 1) // 2
    mixing = np.zeros((highest - lowest + 1, 2, 3, taps))
    for phase in (0, 1):
        for tap in range(taps):
            sample, between = divmod(first + phase + tap, 2)
            if between:
                mixing[sample - lowest, phase, 1, tap] = 1.0
                mixing[sample + 1 - lowest, phase, 2, tap] = 1.0
            else:
                mixing[sample - lowest, phase, 0, tap] = 1.0
    return mixing


def correct_edges(y, ends, kernel, share):
    """Correct both ends of an output in *same* mode.

    The convolution interpolates between the signal and the zeros around it. The correction
    subtracts the midpoint before the first sample. For linear interpolation it also adds the
    missing half of the last sample, which repeats after the end.

    Parameters
    ----------
    y : tensor [B, 2 T, F]
        The output.
    ends : list of two tensors [B, C]
        The first and the last sample of the signal before upsampling.
    kernel : tensor [taps, C, F]
        The kernel of the convolution after upsampling.
    share : tensor [C] or None
        The weight of the earlier neighbour in a midpoint; None selects linear interpolation.

    Returns
    -------
    tensor [B, 2 T, F]
        The corrected output.
    """
    samples, half = y.shape[1], (kernel.shape[0] - 1) // 2
    first, last = ends  # [B, C]
    weight = 0.5 if share is None else 1.0 - share
    first_taps, last_taps = split_tensor(kernel, [half, kernel.shape[0] - half], axis=0)
    # Output t depends on upsampled sample t + tap − half; sample −1 is before the first sample.
    before = range(max(0, half - samples), half)
    rows = [half - 1 - tap for tap in before]
    corrections = [multiply_taps(-weight * first, first_taps[before.start :])] if before else []
    if share is None:
        after = range(half, min(kernel.shape[0], samples + half))
        rows += [samples - 1 + half - tap for tap in after]
        corrections.append(multiply_taps(0.5 * last, last_taps[: len(after)]))
    return add_rows(y, rows, ops.concatenate(corrections, axis=1)) if rows else y


def multiply_taps(x, taps):
    """Multiply one sample [B, C] with each tap of a kernel [K, C, F]: [B, K, F]."""
    count, channels, filters = taps.shape
    matrix = ops.reshape(ops.transpose(taps, (1, 0, 2)), (channels, count * filters))
    return ops.reshape(ops.matmul(x, matrix), (-1, count, filters))


def leaky_convolution_by_halves(x, kernel, bias):
    """Apply a *same* convolution and LeakyReLU; return all samples and every second one.

    Three convolutions with half the taps and half the samples replace four. With the taps a, b and
    c that connect even and odd samples, even outputs are `a * even + b * odd` and odd outputs
    `c * even + a * odd`. With `p = a * (even + odd)` they are `(b − a) * odd + p` and
    `(c − a) * even + p`.

    Parameters
    ----------
    x : tensor [B, T, C]
        The signal; T is even.
    kernel : tensor [taps, C, F]
        The kernel.
    bias : tensor [F]
        The bias.

    Returns
    -------
    y : tensor [B, T, F]
        The output.
    even : tensor [B, T / 2, F]
        Its even samples, as after decimation.
    """
    taps, channels, filters = kernel.shape
    even, odd = split_even_odd(x)
    mixings = build_half_matrices(taps)
    flat = ops.reshape(kernel, (taps, channels * filters))
    mixed = ops.matmul(ops.cast(np.concatenate(mixings), kernel.dtype), flat)
    mixed = ops.reshape(mixed, (-1, channels, filters))
    a, b_less_a, c_less_a = split_tensor(mixed, [len(mixing) for mixing in mixings], axis=0)
    shared = convolution(even + odd, a, same_padding(a.shape[0]))
    first = leaky_convolution(odd, b_less_a, bias, same_padding(b_less_a.shape[0]), shared)
    second = leaky_convolution(even, c_less_a, bias, same_padding(c_less_a.shape[0]), shared)
    return interleave(first, second), first


def split_even_odd(x):
    """Return the even and the odd samples, [B, T, C] → twice [B, T / 2, C]; T is even."""
    samples, channels = x.shape[1:]
    return ops.split(ops.reshape(x, (-1, samples // 2, 2 * channels)), 2, axis=2)


def interleave(even, odd):
    """Interleave even and odd samples, twice [B, T / 2, C] → [B, T, C].

    This is the inverse of `split_even_odd`.
    """
    samples, channels = even.shape[1:]
    return ops.reshape(ops.stack([even, odd], axis=2), (-1, 2 * samples, channels))


def build_half_matrices(taps: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the matrices that combine the taps into the kernels a, b − a and c − a.

    Each is [span, taps] and consists of zeros, ones and minus ones. Rows of zeros place the kernels
    where *same* padding expects them.
    """
    shifts: dict[tuple[int, int], list[tuple[int, int]]] = {}  # of (phase, half): (shift, tap)
    for tap in range(taps):
        for phase in (0, 1):
            shift, half = divmod(phase + tap - (taps - 1) // 2, 2)
            shifts.setdefault((phase, half), []).append((shift, tap))
    a, b, c = shifts[0, 0], shifts[0, 1], shifts[1, 0]
    return place_taps(taps, a), place_taps(taps, b, a), place_taps(taps, c, a)


def place_taps(taps: int, plus: Shifts, minus: Shifts = ()) -> np.ndarray:
    """Return a matrix [span, taps] that places each tap at its shift in time.

    Parameters
    ----------
    taps : int
        The number of taps.
    plus : Shifts
        Pairs (shift, tap) with the factor 1.
    minus : Shifts
        Pairs (shift, tap) with the factor −1.

    Returns
    -------
    numpy.ndarray [span, taps]
        The matrix. Rows of zeros centre the kernel as *same* padding expects it.
    """
    shifts = [shift for shift, _ in (*plus, *minus)]
    before, after = -min(shifts), max(shifts)
    # *same* padding of an even kernel has one more zero after the signal.
    before = max(before, after - 1)
    after = max(before, after)
    mixing = np.zeros((before + after + 1, taps))
    for sign, signed in ((1.0, plus), (-1.0, minus)):
        for shift, tap in signed:
            mixing[shift + before, tap] = sign
    return mixing


def decimated_leaky_convolution(x, kernel, bias, padding: Padding):
    """Apply a convolution and LeakyReLU and decimate by two, keeping the first sample.

    Pairs of samples become the channels of one sample, and pairs of taps are applied to them. A
    convolution with stride 2 would compute the same, but its gradients are slow.

    Parameters
    ----------
    x : tensor [B, T, C]
        The signal.
    kernel : tensor [taps, C, F]
        The kernel.
    bias : tensor [F]
        The bias.
    padding : Padding
        Zeros before and after the signal.

    Returns
    -------
    tensor [B, T', F]
        Every second sample of the output.
    """
    taps, channels, filters = kernel.shape
    before, after = padding
    outputs = (x.shape[1] + before + after - taps) // 2 + 1
    skipped = before % 2  # zeros before the first tap, so that pairs of taps fit pairs of samples
    pairs = (taps + skipped + 1) // 2
    kernel = ops.pad(kernel, ((skipped, 2 * pairs - taps - skipped), (0, 0), (0, 0)))
    kernel = ops.reshape(kernel, (pairs, 2 * channels, filters))
    before += skipped
    samples = 2 * (outputs + pairs - 1)
    x = pad_signal(x, (before, max(0, samples - before - x.shape[1])))
    x = x if x.shape[1] == samples else x[:, :samples]
    x = ops.reshape(x, (-1, samples // 2, 2 * channels))
    return leaky_convolution(x, kernel, bias, (0, 0))
