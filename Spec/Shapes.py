"""Length arithmetic of the separators: pure, whole numbers, one function per step."""

from Spec.Model import ModelSpec


def input_frames(spec: ModelSpec) -> int:
    """Frames of mix that one window of the model takes in."""
    return spec.num_frames


def output_frames(spec: ModelSpec) -> int:
    """Frames of every source that one window of the model gives out."""
    return spec.num_frames
