"""Early stopping and stages, against a training worked out by hand."""

import math

import pytest

from Config import DEFAULTS
from Engine.Schedule import Progress
from Spec.Training import StageSpec, training_spec


def described(**changes):
    return training_spec(
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


def run(spec, losses, steps=10):
    """Every epoch of a training whose validation losses are `losses`, as rows
    (stage, epoch, step, waited, best loss, best epoch, improved, stage over); what is left over."""
    progress, left, rows = Progress(), list(losses), []
    while not progress.is_over(spec) and left:
        progress = progress.after_epoch(left.pop(0), steps)
        over = progress.stage_is_over(spec)
        rows.append(
            (
                progress.stage,
                progress.epoch,
                progress.step,
                progress.waited,
                progress.best_loss,
                progress.best_epoch,
                progress.improved,
                over,
            )
        )
        if over:
            progress = progress.next_stage()
    return progress, left, rows


def test_a_training_goes_as_worked_out_by_hand():
    """Patience 2. The second stage is held against the best of the first: its 0.6 is no progress
    though it is better than the 0.8 it went on from, and its 0.5 only equals the best."""
    progress, left, rows = run(described(), [0.9, 0.5, 0.7, 0.8, 0.6, 0.4, 0.4, 0.45, 0.1])
    assert rows == [
        # stage, epoch, step, waited, best loss, best epoch, improved, over
        (0, 1, 10, 0, 0.9, 1, True, False),
        (0, 2, 20, 0, 0.5, 2, True, False),
        (0, 3, 30, 1, 0.5, 2, False, False),
        (0, 4, 40, 2, 0.5, 2, False, True),
        (1, 5, 50, 1, 0.5, 2, False, False),
        (1, 6, 60, 0, 0.4, 6, True, False),
        (1, 7, 70, 1, 0.4, 6, False, False),
        (1, 8, 80, 2, 0.4, 6, False, True),
    ]
    assert left == [0.1]
    assert progress.is_over(described())
    assert (progress.stage, progress.epoch, progress.step) == (2, 8, 80)


def test_a_later_stage_that_never_improves_ends_after_its_own_patience():
    _, left, rows = run(described(), [0.5, 0.6, 0.7, 0.6, 0.6, 0.1])
    assert [row[0] for row in rows] == [0, 0, 0, 1, 1]
    assert rows[-1][4:6] == (0.5, 1)
    assert left == [0.1]


def test_a_loss_that_only_equals_the_best_is_no_progress():
    _, left, rows = run(described(batch_sizes=[16], learning_rates=[1e-4]), [0.5] * 9)
    assert len(rows) == 3
    assert rows[-1][5] == 1
    assert len(left) == 6


@pytest.mark.parametrize("patience", [1, 2, 15])
def test_a_stage_ends_after_exactly_its_patience(patience):
    losses = [1.0, 0.9, *[2.0] * 50]
    spec = described(patience=patience, batch_sizes=[16], learning_rates=[1e-4])
    progress, _, rows = run(spec, losses)
    assert len(rows) == 2 + patience
    assert (progress.best_loss, progress.best_epoch) == (0.9, 2)


def test_a_limit_of_epochs_ends_every_stage_that_still_improves():
    progress, left, rows = run(described(max_epochs=3), [1 / n for n in range(1, 20)])
    assert [row[0] for row in rows] == [0, 0, 0, 1, 1, 1]
    assert [row[1] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert (progress.best_epoch, progress.best_loss) == (6, 1 / 6)
    assert len(left) == 13


def test_without_a_limit_a_stage_goes_on_as_long_as_it_improves():
    progress, left, rows = run(described(), [1 / n for n in range(1, 500)])
    assert len(rows) == 499
    assert not left
    assert progress.stage == 0


def test_patience_ends_a_stage_before_its_limit():
    _, _, rows = run(described(max_epochs=10), [0.5, 0.6, 0.7, 0.8, 0.9])
    assert [row[0] for row in rows] == [0, 0, 0, 1, 1]


def test_steps_and_epochs_are_counted_over_all_stages():
    _, _, rows = run(described(max_epochs=1), [0.5, 0.4], steps=2000)
    assert [(row[0], row[1], row[2]) for row in rows] == [(0, 1, 2000), (1, 2, 4000)]


def test_every_stage_has_its_own_batch_size_and_learning_rate():
    spec = described()
    start = Progress()
    assert start.stage_spec(spec) == StageSpec(16, 1e-4)
    assert start.next_stage().stage_spec(spec) == StageSpec(32, 1e-5)
    assert not start.next_stage().is_over(spec)
    assert start.next_stage().next_stage().is_over(spec)


def test_a_training_begins_with_nothing_done_and_no_best():
    start = Progress()
    assert (start.stage, start.epoch, start.step, start.waited) == (0, 0, 0, 0)
    assert start.best_loss == math.inf
    assert not start.improved
    assert not start.stage_is_over(described())


def test_a_loss_that_is_not_a_number_is_never_the_best():
    progress = Progress().after_epoch(0.5, 1).after_epoch(math.nan, 1)
    assert (progress.best_loss, progress.best_epoch, progress.waited) == (0.5, 1, 1)
    assert not Progress().after_epoch(math.nan, 1).improved
