"""The listening page of a run."""
