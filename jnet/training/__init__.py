"""Training: the compiled step, losses, stages, checkpoints and resuming."""
