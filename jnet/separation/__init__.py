"""Separation of tracks of any sample rate and length with a model."""
