"""Training curves of runs: loss over steps, the lowest validation loss and the starts of stages."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, MaxNLocator

from jnet.errors import DataError
from jnet.names import RUN_METRICS
from jnet.recording.validation import is_mapping_of, is_series
from jnet.reports.figures.style import choose_look, create_figure, styled

LEARNING_RATE = "training.learning_rate"
LOSSES = {"training.loss": "training", "validation.loss": "validation"}
CAPTION = (
    "Loss of each epoch: mean over its training batches, and over all validation tracks. Rings: "
    "lowest validation loss, whose weights are the result. Vertical bars: first epoch of each "
    "later stage, which has a new learning rate."
)


class Curve(NamedTuple):
    """A recorded metric of a run: `steps` `[N]` and `values` `[N]`."""

    steps: np.ndarray
    values: np.ndarray


def read_curves(run: Path) -> dict[str, Curve]:
    """Read the recorded metrics of a run from its Sacred folder `run`.

    Raises `DataError` if there is no valid record or if no epoch is finished.
    """
    path = run / RUN_METRICS
    try:
        metrics = json.loads(path.read_text(encoding="utf-8"))
        if not is_mapping_of(is_series)(metrics):
            raise ValueError("not metrics")
        curves = {
            name: Curve(*(np.array(metric[key], np.float64) for key in ("steps", "values")))
            for name, metric in metrics.items()
        }
    except OSError as error:
        raise DataError(
            f"{path}: cannot be read ({error.strerror}): give the folder of a run"
        ) from None
    except (ValueError, TypeError, OverflowError, RecursionError):
        raise DataError(
            f"{path}: not a metrics file of Sacred: give the folder of another run"
        ) from None
    for name in LOSSES:
        if name not in curves or not len(curves[name].steps):
            raise DataError(
                f"{path}: has no {name}: the run ended before the end of its first epoch"
            )
    return curves


def draw_curves(runs: Mapping[str, Mapping[str, Curve]]) -> Figure:
    """Draw training and validation loss over training steps, one curve per run.

    `runs` has each run's metrics by its label in the legend. A ring marks the lowest validation
    loss; a vertical bar marks the first epoch of each later stage, which has a new learning rate.
    Raises `DataError` without runs.
    """
    if not runs:
        raise DataError("no runs to draw: give the folder of a run")
    with styled():
        figure = create_figure(7.2, 3.6, CAPTION)
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
        columns = max(1, min(len(runs), 100 // (8 + max(map(len, runs)))))
        handles, labels = panels[0].get_legend_handles_labels()
        legend = figure.legend(handles, labels, loc="outside upper center", ncols=columns)
        for text in legend.get_texts():
            text.set_parse_math(False)
    return figure


def draw_curve(
    axes: Axes, curves: Mapping[str, Curve], metric: str, label: str, index: int
) -> None:
    """Draw one loss of a run with the starts of its stages and, for validation, its minimum.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    curves : mapping of str to Curve
        The run's metrics.
    metric : str
        A key of `LOSSES`.
    label : str
        The run's label in the legend.
    index : int
        The run's number, which selects colour and line style.
    """
    steps, values = curves[metric]
    look = choose_look(index)
    (line,) = axes.plot(steps, values, color=look.colour, linewidth=1.4, label=label, gid="curve")
    line.set(linestyle=look.dashes, marker=look.marker, markersize=3.5)
    if len(steps) > 30:
        line.set_markevery((index % 5, len(steps) // 12))
    mark: dict[str, Any] = {"color": look.colour, "markeredgewidth": 1.6}
    begins = np.isin(steps, find_stage_starts(curves))
    axes.plot(steps[begins], values[begins], "|", markersize=14, gid="stage", **mark)
    if metric == "validation.loss" and np.isfinite(values).any():
        best = [int(np.nanargmin(values))]
        ring = {"markersize": 9, "markerfacecolor": "none", "gid": "best", **mark}
        axes.plot(steps[best], values[best], "o", **ring)


def find_stage_starts(curves: Mapping[str, Curve]) -> np.ndarray:
    """Return the steps at which the learning rate changes, without the start of the first stage."""
    if LEARNING_RATE not in curves:
        return np.zeros(0)
    steps, rates = curves[LEARNING_RATE]
    return steps[1:][np.diff(rates) != 0]
