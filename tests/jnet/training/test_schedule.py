"""Early stopping and stages, compared with trainings computed by hand."""

import math

import pytest

from Config import DEFAULTS
from jnet.settings.training import StageSettings, TrainingSettings
from jnet.training.schedule import Progress
from Models.Entries import from_entries


def make_settings(**changes):
    return from_entries(
        TrainingSettings,
        {
            **DEFAULTS,
            "batch_sizes": [16, 32],
            "learning_rates": [1e-4, 1e-5],
            "patience": 2,
            "max_epochs": None,
            **changes,
        },
        seed=1,
    )


def run_epochs(settings, losses, steps=10):
    """Simulate a training with the validation losses `losses`.

    Returns the final progress, the unused losses, and for each epoch a row (stage, epoch, step,
    epochs without improvement, best loss, best epoch, improved, stage is over).
    """
    progress, unused, rows = Progress(), list(losses), []
    while not progress.is_over(settings) and unused:
        progress = progress.after_epoch(unused.pop(0), steps)
        over = progress.stage_is_over(settings)
        rows.append(
            (
                progress.stage,
                progress.epoch,
                progress.step,
                progress.epochs_without_improvement,
                progress.best_loss,
                progress.best_epoch,
                progress.improved,
                over,
            )
        )
        if over:
            progress = progress.next_stage()
    return progress, unused, rows


def test_a_training_of_two_stages_equals_one_computed_by_hand():
    """The best loss is kept across stages: 0.6 in the second stage is no improvement."""
    progress, unused, rows = run_epochs(
        make_settings(), [0.9, 0.5, 0.7, 0.8, 0.6, 0.4, 0.4, 0.45, 0.1]
    )
    assert rows == [
        # stage, epoch, step, without improvement, best loss, best epoch, improved, over
        (0, 1, 10, 0, 0.9, 1, True, False),
        (0, 2, 20, 0, 0.5, 2, True, False),
        (0, 3, 30, 1, 0.5, 2, False, False),
        (0, 4, 40, 2, 0.5, 2, False, True),
        (1, 5, 50, 1, 0.5, 2, False, False),
        (1, 6, 60, 0, 0.4, 6, True, False),
        (1, 7, 70, 1, 0.4, 6, False, False),
        (1, 8, 80, 2, 0.4, 6, False, True),
    ]
    assert unused == [0.1]
    assert progress.is_over(make_settings())
    assert (progress.stage, progress.epoch, progress.step) == (2, 8, 80)


def test_a_later_stage_without_improvement_ends_after_its_patience():
    _, unused, rows = run_epochs(make_settings(), [0.5, 0.6, 0.7, 0.6, 0.6, 0.1])
    assert [row[0] for row in rows] == [0, 0, 0, 1, 1]
    assert rows[-1][4:6] == (0.5, 1)
    assert unused == [0.1]


def test_a_loss_equal_to_the_best_is_no_improvement():
    _, unused, rows = run_epochs(make_settings(batch_sizes=[16], learning_rates=[1e-4]), [0.5] * 9)
    assert len(rows) == 3
    assert rows[-1][5] == 1
    assert len(unused) == 6


@pytest.mark.parametrize("patience", [1, 2, 15])
def test_a_stage_ends_after_exactly_its_patience(patience):
    losses = [1.0, 0.9, *[2.0] * 50]
    settings = make_settings(patience=patience, batch_sizes=[16], learning_rates=[1e-4])
    progress, _, rows = run_epochs(settings, losses)
    assert len(rows) == 2 + patience
    assert (progress.best_loss, progress.best_epoch) == (0.9, 2)


def test_max_epochs_ends_stages_that_still_improve():
    progress, unused, rows = run_epochs(make_settings(max_epochs=3), [1 / n for n in range(1, 20)])
    assert [row[0] for row in rows] == [0, 0, 0, 1, 1, 1]
    assert [row[1] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert (progress.best_epoch, progress.best_loss) == (6, 1 / 6)
    assert len(unused) == 13


def test_without_max_epochs_a_stage_continues_while_it_improves():
    progress, unused, rows = run_epochs(make_settings(), [1 / n for n in range(1, 500)])
    assert len(rows) == 499
    assert not unused
    assert progress.stage == 0


def test_patience_ends_a_stage_before_max_epochs():
    _, _, rows = run_epochs(make_settings(max_epochs=10), [0.5, 0.6, 0.7, 0.8, 0.9])
    assert [row[0] for row in rows] == [0, 0, 0, 1, 1]


def test_steps_and_epochs_are_counted_over_all_stages():
    _, _, rows = run_epochs(make_settings(max_epochs=1), [0.5, 0.4], steps=2000)
    assert [(row[0], row[1], row[2]) for row in rows] == [(0, 1, 2000), (1, 2, 4000)]


def test_every_stage_has_its_batch_size_and_learning_rate():
    settings = make_settings()
    start = Progress()
    assert start.stage_settings(settings) == StageSettings(16, 1e-4)
    assert start.next_stage().stage_settings(settings) == StageSettings(32, 1e-5)
    assert not start.next_stage().is_over(settings)
    assert start.next_stage().next_stage().is_over(settings)


def test_a_training_starts_without_steps_and_best_loss():
    start = Progress()
    assert (start.stage, start.epoch, start.step, start.epochs_without_improvement) == (0, 0, 0, 0)
    assert start.best_loss == math.inf
    assert not start.improved
    assert not start.stage_is_over(make_settings())


def test_a_nan_loss_is_never_the_best():
    progress = Progress().after_epoch(0.5, 1).after_epoch(math.nan, 1)
    assert (progress.best_loss, progress.best_epoch, progress.epochs_without_improvement) == (
        0.5,
        1,
        1,
    )
    assert not Progress().after_epoch(math.nan, 1).improved
