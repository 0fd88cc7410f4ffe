"""The interface between a network and the rest of the program."""

from collections.abc import Callable
from typing import Any

import keras

from Models.Entries import ConfigError
from Models.Foreign import ForeignTensor
from Models.Settings import WAVEFORM_LOSSES

SeparateFunction = Callable[..., Any]  # (mix, training=False) → estimates
ErrorFunction = Callable[[Any, Any], Any]  # (sources [B, T, S, C], outputs of the graph) → scalar


class Network:
    """The graph, drawing and losses of a network, and its implementations.

    Each network has a subclass in its own folder.
    """

    def build(self, settings: Any) -> keras.Model:
        """Build the model with its random initial weights, all of them trainable.

        The model maps the mix [B, T, C], in [−1, 1], to estimates [B, T, S, C] with the sources in
        the order of `settings.sources`.
        """
        raise NotImplementedError

    def draw(self, sheet: Any) -> None:
        """Draw the model on a `Models.Drawing.ModelSheet`."""
        raise NotImplementedError

    def build_loss_graph(
        self, model: keras.Model, loss: str
    ) -> tuple[keras.Model, ErrorFunction | None]:
        """Return the graph whose outputs enter `cfg.loss`, and the error function.

        The error function is None for losses that compare waveforms.
        """
        assert loss in WAVEFORM_LOSSES, "ModelSettings.LOSSES names the losses of a network"
        return model, None

    def map_foreign_tensors(self, settings: Any) -> dict[str, ForeignTensor]:
        """Return how each weight is made from those of the original code, by its path.

        Raises `ConfigError` for a model that the original code does not have.
        """
        raise ConfigError(f"cfg.network is {settings.network!r}: no other weights are known for it")

    def make_fast_function(
        self, model: keras.Model, settings: Any, dtype: str
    ) -> SeparateFunction | None:
        """Return a faster implementation of the model for a CPU with TensorFlow.

        Parameters
        ----------
        model : keras.Model
            The model, whose weights are used.
        settings : ModelSettings
            The settings of the model.
        dtype : str
            The dtype of the computation between the mix and the outputs.

        Returns
        -------
        SeparateFunction or None
            A function of (mix, training=False); None if the network has no faster implementation.
        """
        return None
