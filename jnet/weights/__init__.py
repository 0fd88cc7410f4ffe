"""Weights files and their manifests."""
