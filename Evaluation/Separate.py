"""Whole songs through a model that knows only windows: at any rate, length and channel count."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from Input.Audio import resample, to_channels
from Spec.Model import ModelSpec
from Spec.Shapes import hop_frames, input_frames, output_frames

Predictor = Callable[[np.ndarray], np.ndarray]  # [B, T, C] of mix → [B, T, S, C] of estimates


@dataclass(frozen=True)
class Separator:
    """A model ready for songs: its windows go through `predict`, `batch_size` at once.

    With more than one pass every source's estimate goes through the model again, and of each the
    estimate of that source is kept (J-Net paper, Section 2.3 and Table 3).
    """

    predict: Predictor
    spec: ModelSpec
    batch_size: int
    passes: int = 1

    def separate(self, mix: np.ndarray, sample_rate: int) -> np.ndarray:
        """Estimates `[T, S, C]` of a song's mix `[T, C]` at `sample_rate` Hz, of the same length,
        rate and channels.

        A mono song goes through a stereo model as two equal channels, averaged after. A song of
        more channels than the model has goes through a mono model as their average, whose
        estimates are copied to all of them, and through a stereo model channel by channel.
        """
        channels, wanted = mix.shape[1], self.spec.num_channels
        if channels > wanted > 1:
            alone = [self.separate(mix[:, [index]], sample_rate) for index in range(channels)]
            return np.concatenate(alone, axis=2)
        heard = resample(
            to_channels(self._long_enough(mix, sample_rate), wanted),
            sample_rate,
            self.spec.sample_rate,
        )
        estimates = self.separate_passes(heard)
        return np.stack(
            [
                to_channels(self._returned(estimates[:, source], sample_rate, len(mix)), channels)
                for source in range(len(self.spec.sources))
            ],
            axis=1,
        )

    def _long_enough(self, mix: np.ndarray, sample_rate: int) -> np.ndarray:
        """A mix followed by silence where it is too short to have a frame at the model's rate."""
        least = 2 * -(-sample_rate // self.spec.sample_rate)
        return np.pad(mix, ((0, max(0, least - len(mix))), (0, 0)))

    def _returned(self, estimate: np.ndarray, sample_rate: int, frames: int) -> np.ndarray:
        """An estimate back at the song's own rate, exactly `frames` long.

        Resampling there and back may end a frame early or late.
        """
        estimate = resample(estimate, self.spec.sample_rate, sample_rate)[:frames]
        return np.pad(estimate, ((0, frames - len(estimate)), (0, 0)))

    def separate_passes(self, mix: np.ndarray) -> np.ndarray:
        """Estimates `[T, S, C]` of a mix `[T, C]`, all passes, at the model's rate and channels."""
        estimates = self.separate_windows(mix)
        for _ in range(self.passes - 1):
            estimates = np.stack(
                [
                    self.separate_windows(estimates[:, source])[:, source]
                    for source in range(estimates.shape[1])
                ],
                axis=1,
            )
        return estimates

    def separate_windows(self, mix: np.ndarray) -> np.ndarray:
        """Estimates `[T, S, C]` of a mix `[T, C]` at the model's rate and channels.

        Window after window, each put where its output belongs; silence stands before the song
        and after it.
        """
        hop, length = hop_frames(self.spec), input_frames(self.spec)
        context = (length - output_frames(self.spec)) // 2
        count = -(-len(mix) // hop)
        padded = np.zeros(((count - 1) * hop + length, mix.shape[1]), np.float32)
        padded[context : context + len(mix)] = mix
        windows = np.lib.stride_tricks.sliding_window_view(padded, length, axis=0)[::hop]
        windows = windows.transpose(0, 2, 1)  # [K, T, C]
        estimates = np.concatenate(
            [
                self.predict(np.ascontiguousarray(windows[first : first + self.batch_size]))
                for first in range(0, count, self.batch_size)
            ]
        )  # [K, T, S, C]
        estimates = estimates[:, :hop]
        return estimates.reshape(-1, *estimates.shape[2:])[: len(mix)]
