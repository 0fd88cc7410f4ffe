"""Upsampling by two and the convolution after it as one convolution of what was upsampled.

Every second output hears the samples where the others hear the midpoints, so that outputs in
pairs are one convolution of the low-rate signal with twice the filters: of 5 taps, 4 are left.
The frames at either end, where *same* mode does not interpolate, are put right afterwards.
"""

from collections.abc import Sequence

import numpy as np
from keras import ops

from Models.FastConvolution import (
    Padding,
    add_rows,
    convolution,
    leaky_convolution,
    leaky_convolution_over,
    padded,
    same,
    split,
    with_ends,
)

Shifts = Sequence[tuple[int, int]]  # a shift in time and the tap that goes there


def interpolated_convolution(x, kernel, share, context: bool):
    """The convolution of the upsampled signal: [B, T, C] → [B, 2 T, F] in *same* mode,
    [B, 2 T − taps, F] in *context* mode.

    `kernel` is [taps, C, F]. `share` is the weight of the earlier neighbour in a midpoint, one per
    channel [C], or None for linear interpolation, where past the end the last sample repeats.
    """
    taps, channels, filters = kernel.shape
    first = 0 if context else -((taps - 1) // 2)  # of the upsampled frames that output 0 hears
    mixing = phase_mixing(taps, first)  # [S, 2, 3, taps]
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
        return pairs_within(x, phases, filters)
    x, *ends = with_ends(x)
    pairs = convolution(x, phases, same(span))  # [B, T, 2 F]
    frames = 2 * x.shape[1]
    return edges_corrected(ops.reshape(pairs, (-1, frames, filters)), ends, kernel, share)


def pairs_within(x, phases, filters: int):
    """*Context* mode: of the last pair only the first is an output; the second would hear a frame
    past the end."""
    pairs = convolution(padded(x, (0, 1)), phases, (0, 0))  # [B, T − (taps − 1) / 2, 2 F]
    return ops.reshape(pairs, (-1, 2 * pairs.shape[1], filters))[:, :-1]


def phase_mixing(taps: int, first: int) -> np.ndarray:
    """How taps become those of the two phases: [S, 2, 3, taps] of zeros and ones.

    Of the three, the taps as they meet samples, and as they meet a midpoint's earlier and later
    neighbour. Tap j of phase p hears the upsampled frame `first + p + j`, and frame 2 m + 1 lies
    between samples m and m + 1.
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


def edges_corrected(y, ends, kernel, share):
    """*Same* mode: `y` [B, 2 T, F] without the midpoint before the first sample, and with the last
    sample whole, not halved, where it repeats; `ends` are these samples."""
    frames, half = y.shape[1], (kernel.shape[0] - 1) // 2
    first, last = ends  # [B, C]
    later = 0.5 if share is None else 1.0 - share
    earlier, later_on = split(kernel, [half, kernel.shape[0] - half], axis=0)
    # Output t hears the upsampled frame t + tap − half; that before the first is frame −1.
    before = range(max(0, half - frames), half)
    rows = [half - 1 - tap for tap in before]
    corrections = [through(-later * first, earlier[before.start :])] if before else []
    if share is None:
        after = range(half, min(kernel.shape[0], frames + half))
        rows += [frames - 1 + half - tap for tap in after]
        corrections.append(through(0.5 * last, later_on[: len(after)]))
    return add_rows(y, rows, ops.concatenate(corrections, axis=1)) if rows else y


def through(x, taps):
    """A frame [B, C] through each of the taps [K, C, F] alone: [B, K, F]."""
    count, channels, filters = taps.shape
    side_by_side = ops.reshape(ops.transpose(taps, (1, 0, 2)), (channels, count * filters))
    return ops.reshape(ops.matmul(x, side_by_side), (-1, count, filters))


def leaky_convolution_by_halves(x, kernel, bias):
    """LeakyReLU of a *same* convolution, and its every second frame, by three convolutions of half
    the taps and frames instead of four: [B, T, C] → [B, T, F] and [B, T / 2, F]; T is even.

    Even outputs are `a * even + b * odd` and odd outputs `c * even + a * odd`, where even, odd are
    the frames in turn and a, b, c every second tap. With `p = a * (even + odd)` they are
    `(b − a) * odd + p` and `(c − a) * even + p`.
    """
    taps, channels, filters = kernel.shape
    even, odd = halves(x)
    mixings = halves_mixing(taps)
    flat = ops.reshape(kernel, (taps, channels * filters))
    mixed = ops.matmul(ops.cast(np.concatenate(mixings), kernel.dtype), flat)
    mixed = ops.reshape(mixed, (-1, channels, filters))
    a, b_less_a, c_less_a = split(mixed, [len(mixing) for mixing in mixings], axis=0)
    shared = convolution(even + odd, a, same(a.shape[0]))
    first = leaky_convolution_over(shared, odd, b_less_a, bias, same(b_less_a.shape[0]))
    second = leaky_convolution_over(shared, even, c_less_a, bias, same(c_less_a.shape[0]))
    return interleaved(first, second), first


def halves(x):
    """The even and the odd frames, [B, T, C] → twice [B, T / 2, C]; T is even."""
    frames, channels = x.shape[1:]
    return ops.split(ops.reshape(x, (-1, frames // 2, 2 * channels)), 2, axis=2)


def interleaved(even, odd):
    """Frames in turn from the two, twice [B, T / 2, C] → [B, T, C]: undoes `halves`."""
    frames, channels = even.shape[1:]
    return ops.reshape(ops.stack([even, odd], axis=2), (-1, 2 * frames, channels))


def halves_mixing(taps: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """How taps become those of a, b − a and c − a: [S, taps] each of zeros, ones and minus ones,
    filled with zeros to where *same* padding puts them."""
    shifts: dict[tuple[int, int], list[tuple[int, int]]] = {}  # of (phase, half): (shift, tap)
    for tap in range(taps):
        for phase in (0, 1):
            shift, half = divmod(phase + tap - (taps - 1) // 2, 2)
            shifts.setdefault((phase, half), []).append((shift, tap))
    a, b, c = shifts[0, 0], shifts[0, 1], shifts[1, 0]
    return placed(taps, a), placed(taps, b, a), placed(taps, c, a)


def placed(taps: int, plus: Shifts, minus: Shifts = ()) -> np.ndarray:
    """The mixing [S, taps] that puts each tap at its shift in time, some of them negated."""
    shifts = [shift for shift, _ in (*plus, *minus)]
    before, after = -min(shifts), max(shifts)
    before = max(before, after - 1)  # as *same* padding divides them
    after = max(before, after)
    mixing = np.zeros((before + after + 1, taps))
    for sign, signed in ((1.0, plus), (-1.0, minus)):
        for shift, tap in signed:
            mixing[shift + before, tap] = sign
    return mixing


def decimated_leaky_convolution(x, kernel, bias, padding: Padding):
    """Every second frame of LeakyReLU of a convolution, the first kept: [B, T, C] → [B, T', F].

    Frames in pairs are channels side by side, over which the taps in pairs go in single steps: a
    convolution in steps of two is no substitute, its gradients are slow.
    """
    taps, channels, filters = kernel.shape
    before, after = padding
    outputs = (x.shape[1] + before + after - taps) // 2 + 1
    skipped = before % 2  # frames to begin with a whole pair
    pairs = (taps + skipped + 1) // 2
    kernel = ops.pad(kernel, ((skipped, 2 * pairs - taps - skipped), (0, 0), (0, 0)))
    kernel = ops.reshape(kernel, (pairs, 2 * channels, filters))
    before += skipped
    wanted = 2 * (outputs + pairs - 1)
    x = padded(x, (before, max(0, wanted - before - x.shape[1])))
    x = x if x.shape[1] == wanted else x[:, :wanted]
    x = ops.reshape(x, (-1, wanted // 2, 2 * channels))
    return leaky_convolution(x, kernel, bias, (0, 0))
