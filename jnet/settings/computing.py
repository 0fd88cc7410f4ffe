"""Settings of the computation, which change results only to rounding."""

from dataclasses import dataclass

from Models.Entries import SPEED, entry, one_of, whole

COMPUTATIONS = ("fast", "plain")


@dataclass(frozen=True)
class ComputingSettings:
    """The implementation of the models, the batch size and the number of workers."""

    computation: str = entry(one_of(COMPUTATIONS), affects=SPEED)
    eval_batch_size: int = entry(whole(at_least=1), affects=SPEED)
    num_workers: int = entry(whole(at_least=1), affects=SPEED)
