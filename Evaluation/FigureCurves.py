"""Training curves of chosen runs: losses over steps, the best validation, where stages begin."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, MaxNLocator

from Evaluation.Figures import look, sheet, styled
from Spec.Errors import DataError

RATE = "training.learning_rate"
LOSSES = {"training.loss": "training", "validation.loss": "validation"}


@dataclass(frozen=True)
class Curve:
    """A metric over a run: `steps` and `values`, `[N]` each."""

    steps: np.ndarray
    values: np.ndarray


def read_curves(run: Path) -> dict[str, Curve]:
    """The curves of a run that Sacred recorded in the folder `run`.

    Raises `DataError` where there is no record or no finished epoch.
    """
    path = run / "metrics.json"
    try:
        metrics = json.loads(path.read_text(encoding="utf-8"))
        curves = {
            name: Curve(np.array(metric["steps"]), np.array(metric["values"], np.float64))
            for name, metric in metrics.items()
        }
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}): name a run's folder") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise DataError(f"{path}: is not a record of metrics as Sacred writes it") from None
    lacking = [name for name in LOSSES if name not in curves or not len(curves[name].steps)]
    if lacking:
        raise DataError(f"{path}: has no {lacking[0]}: the run ended before its first epoch did")
    return curves


def training_curves(runs: Mapping[str, Mapping[str, Curve]]) -> Figure:
    """Training and validation loss of `runs`, by their labels, over the steps of training.

    A ring marks the lowest validation loss, an upright bar the first epoch of a later stage, told
    by its learning rate.
    """
    if not runs:
        raise DataError("there is no run to draw curves of: name a run's folder")
    with styled():
        figure = sheet(7.2, 3.6, CAPTION)
        panels = figure.subplots(1, len(LOSSES), sharex=True, sharey=True)
        for axes, (metric, title) in zip(panels, LOSSES.items(), strict=True):
            axes.set_yscale("log")
            axes.grid(which="both")
            axes.set_title(title)
            axes.set_xlabel("steps")
            axes.xaxis.set_major_locator(MaxNLocator(6))
            axes.xaxis.set_major_formatter(EngFormatter(sep=""))
            for index, (label, curves) in enumerate(runs.items()):
                draw_curve(axes, curves, metric, label, index)
        panels[0].set_ylabel("loss")
        handles, labels = panels[0].get_legend_handles_labels()
        columns = max(1, min(len(runs), 100 // (8 + max(map(len, runs)))))
        legend = figure.legend(handles, labels, loc="outside upper center", ncols=columns)
        for text in legend.get_texts():
            text.set_parse_math(False)
    return figure


CAPTION = (
    "Loss at the end of each epoch: of its training snippets, and of all validation songs. Rings: "
    "the lowest validation loss, whose weights are the result. Upright bars: the first epoch of a "
    "later stage, at its new learning rate."
)


def draw_curve(
    axes: Axes, curves: Mapping[str, Curve], metric: str, label: str, index: int
) -> None:
    """One run's loss, its stages, and in the validation loss its best epoch."""
    curve, style = curves[metric], look(index)
    many = len(curve.steps) > 30
    axes.plot(
        curve.steps,
        curve.values,
        color=style.colour,
        linestyle=style.dashes,
        linewidth=1.4,
        marker=style.marker,
        markersize=3.5,
        markevery=(index % 5, max(1, len(curve.steps) // 12)) if many else None,
        label=label,
        gid="curve",
    )
    begins = np.isin(curve.steps, stage_starts(curves))
    axes.plot(
        curve.steps[begins],
        curve.values[begins],
        linestyle="",
        marker="|",
        markersize=14,
        markeredgewidth=1.6,
        color=style.colour,
        gid="stage",
    )
    if metric == "validation.loss" and np.isfinite(curve.values).any():
        best = int(np.nanargmin(curve.values))
        axes.plot(
            curve.steps[best],
            curve.values[best],
            marker="o",
            markersize=9,
            markerfacecolor="none",
            markeredgecolor=style.colour,
            markeredgewidth=1.6,
            gid="best",
        )


def stage_starts(curves: Mapping[str, Curve]) -> np.ndarray:
    """The steps at which a learning rate was first seen, but for the first of all."""
    if RATE not in curves:
        return np.zeros(0)
    rate = curves[RATE]
    return rate.steps[1:][np.diff(rate.values) != 0]
